import numpy as np
import pytest
import torch

from sm_core.correction.network import CorrectionNet, reproducible
from sm_core.correction.samples import Normalisation

CHANNELS = 8


@pytest.fixture
def network():
    with reproducible(seed=3, num_threads=1):
        net = CorrectionNet(inputs=4, channels=CHANNELS, blocks=2, kernel=3, columns=CHANNELS)
        torch.nn.init.normal_(net.head.weight)
        return net.eval()


def run(network, x):
    with torch.no_grad():
        return network.correction(network.hidden(x))


def test_a_patch_gives_what_the_whole_map_gives(network):
    margin = network.radius
    x = torch.randn(1, 4, 30, 26)
    whole = run(network, x)
    for row, column in ((0, 0), (7, 3), (19, 15)):
        single = run(network, x[..., row:row + 2 * margin + 1, column:column + 2 * margin + 1])
        torch.testing.assert_close(single[0, :, 0, 0], whole[0, :, row, column], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (33, 17)])
def test_any_map_size(network, size):
    assert network.field(torch.zeros(1, 4, *size)).shape == (1, 2, size[0] - 10, size[1] - 10)


def test_values_beyond_the_radius_do_not_matter(network):
    x = torch.randn(1, 4, 30, 30)
    changed = x.clone()
    changed[..., 11:, :] += 5.0
    before, after = run(network, x), run(network, changed)
    torch.testing.assert_close(before[0, :, 0], after[0, :, 0])
    assert not torch.allclose(before[0, :, 1], after[0, :, 1])


def test_without_context_only_the_cell_itself_matters():
    with reproducible(seed=3, num_threads=1):
        net = CorrectionNet(inputs=4, channels=CHANNELS, blocks=2, kernel=1, columns=CHANNELS)
        torch.nn.init.normal_(net.head.weight)
        x = torch.randn(1, 4, 5, 5)
    changed = x.clone()
    changed[..., 2, 2] += 5.0
    different = (run(net, x) != run(net, changed)).any(dim=1)[0]
    assert net.radius == 0
    assert different[2, 2]
    assert different.sum() == 1


def test_a_new_head_corrects_nothing():
    with reproducible(seed=0, num_threads=1):
        net = CorrectionNet(inputs=4, channels=CHANNELS, blocks=1, kernel=3, columns=CHANNELS)
        assert run(net, torch.randn(1, 4, 9, 9)).abs().max() == 0


def test_without_a_body_there_is_nothing_to_see():
    net = CorrectionNet(inputs=4, channels=0, blocks=2, kernel=3, columns=5)
    assert net.radius == 0
    assert net.hidden(torch.zeros(1, 4, 3, 3)).shape == (1, 0, 3, 3)


def test_seeds_and_threads_are_put_back():
    torch.manual_seed(5)
    expected, threads = torch.randn(3), torch.get_num_threads()
    torch.manual_seed(5)
    with reproducible(seed=1, num_threads=1):
        first = torch.randn(3)
    torch.testing.assert_close(torch.randn(3), expected)
    assert torch.get_num_threads() == threads
    with reproducible(seed=1, num_threads=1):
        torch.testing.assert_close(torch.randn(3), first)


def test_normalised_inputs_say_what_is_known():
    norm = Normalisation(
        features=("a", "b"), static=("a",), dynamic=("b",), mean=(10.0, 0.0), sd=(1.2, 0.8), departure_sd=(1.6, 0.6),
        fine_mean=(0.2, 0.3), fine_sd=(0.06, 0.06), fine_departure_sd=(0.08, 0.08),
    )
    raw = np.array([[[12.0, np.nan]], [[np.nan, 100.0]]], np.float32)
    inputs = norm.inputs(raw)
    # spreads √(1.2² + 1.6²) = 2 and 1: (12 - 10) / 2; unknown at the mean; 100 cut at four; one of two known at both
    np.testing.assert_allclose(inputs, [[[1.0, 0.0]], [[0.0, 4.0]], [[0.5, 0.5]]])
    np.testing.assert_allclose(norm.fine(np.array([[[0.3]], [[np.nan]]], np.float32)), [[[1.0]], [[0.0]]], rtol=1e-5)
