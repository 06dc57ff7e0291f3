import numpy as np
import pytest
import torch

from sm_core.correction.network import CorrectionNet, reproducible
from sm_core.correction.samples import Normalisation


@pytest.fixture
def network():
    with reproducible(seed=3, num_threads=1):
        net = CorrectionNet(inputs=4, channels=8, blocks=2, own_blocks=1)
        for parameter in net.correction_linear.parameters():
            torch.nn.init.normal_(parameter)
        for parameter in net.correction_head.parameters():
            torch.nn.init.normal_(parameter)
        return net.eval()


def run(network, x, fine):
    margin = network.radius
    with torch.no_grad():
        return network.correction(network.early(x), x[..., margin:-margin, margin:-margin], fine)


def test_a_patch_gives_what_the_whole_map_gives(network):
    margin = network.radius
    x, fine = torch.randn(1, 4, 30, 26), torch.randn(1, 2, 30 - 2 * margin, 26 - 2 * margin)
    whole = run(network, x, fine)
    for row, column in ((0, 0), (7, 3), (19, 15)):
        patch = x[..., row:row + 2 * margin + 1, column:column + 2 * margin + 1]
        single = run(network, patch, fine[..., row:row + 1, column:column + 1])
        torch.testing.assert_close(single[0, :, 0, 0], whole[0, :, row, column], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (33, 17)])
def test_any_map_size(network, size):
    x = torch.zeros(1, 4, *size)
    assert network.field(x).shape == (1, 2, size[0] - 10, size[1] - 10)


def test_values_beyond_the_radius_do_not_matter(network):
    x, fine = torch.randn(1, 4, 30, 30), torch.randn(1, 2, 20, 20)
    changed = x.clone()
    changed[..., 11:, :] += 5.0
    before, after = run(network, x, fine), run(network, changed, fine)
    torch.testing.assert_close(before[0, :, 0], after[0, :, 0])
    assert not torch.allclose(before[0, :, 1], after[0, :, 1])


def test_a_new_head_corrects_nothing():
    with reproducible(seed=0, num_threads=1):
        net = CorrectionNet(inputs=4, channels=8, blocks=1, own_blocks=0)
        assert run(net, torch.randn(1, 4, 9, 9), torch.randn(1, 2, 3, 3)).abs().max() == 0


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
    norm = Normalisation(features=("a", "b"), mean=(10.0, 0.0), sd=(2.0, 1.0), fine_mean=(0.2, 0.3), fine_sd=(0.1, 0.1))
    raw = np.array([[[12.0, np.nan]], [[np.nan, 100.0]]], np.float32)
    inputs = norm.inputs(raw)
    # (12 - 10) / 2; unknown at the mean; 100 cut at four standard deviations; one of two known at both cells
    np.testing.assert_allclose(inputs, [[[1.0, 0.0]], [[0.0, 4.0]], [[0.5, 0.5]]])
    np.testing.assert_allclose(norm.fine(np.array([[[0.3]], [[np.nan]]], np.float32)), [[[1.0]], [[0.0]]], rtol=1e-5)
