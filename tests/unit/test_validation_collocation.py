import math

import numpy as np
import pytest

from sm_core.validation import Bootstrap, Status, triple_collocation

SHORT = Bootstrap(resamples=200)


def three(n=20000, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(n)
    errors = rng.standard_normal((3, n)) * [[0.5], [1.0], [0.25]]
    return truth + errors[0], 2 * truth + errors[1] + 5, 0.5 * truth + errors[2]


def test_errors_signal_and_scaling_are_found():
    # x = t + .5 ε, y = 2 t + ε + 5, z = t/2 + ε/4, var t = 1: each has signal/error variance 4
    found = triple_collocation(*three(), bootstrap=SHORT)
    assert [one.error_sd.value for one in found] == [pytest.approx(v, rel=0.03) for v in (0.5, 1.0, 0.25)]
    assert [one.beta.value for one in found] == [pytest.approx(v, rel=0.03) for v in (1.0, 0.5, 2.0)]
    assert [one.snr_db.value for one in found] == [pytest.approx(10 * math.log10(4), abs=0.3)] * 3
    assert [one.r.value for one in found] == [pytest.approx(math.sqrt(0.8), abs=0.01)] * 3
    for one in found:
        assert one.status is Status.OK
        assert one.error_sd.lower < one.error_sd.value < one.error_sd.upper


def test_exact_covariances_by_hand():
    # orthogonal columns: var 1 each after scaling, so that the sample covariances are exact
    base = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], float) * math.sqrt(3 / 4)
    base = np.tile(base, 50) * math.sqrt(199 / 200 * 4 / 3)
    t, a, b = base
    x, y, z = t + a / 2, t + b / 2, t - a / 2 - b / 2
    # cov: var x 1.25, y 1.25, z 1.5; xy 1, xz 1 - 1/4, yz 1 - 1/4
    found = triple_collocation(x, y, z, bootstrap=SHORT)
    assert found[0].error_sd.value == pytest.approx(math.sqrt(1.25 - 1.0))
    assert found[2].error_sd.value == pytest.approx(math.sqrt(1.5 - 0.75 * 0.75))
    assert found[2].beta.value == pytest.approx(1 / 0.75)


def test_impossible_errors_are_unknown_not_zero():
    rng = np.random.default_rng(2)
    truth, shared = rng.standard_normal((2, 500))
    x, y = truth + shared, truth + shared + 0.1 * rng.standard_normal(500)
    z = truth + 0.1 * rng.standard_normal(500)
    found = triple_collocation(x, y, z, bootstrap=SHORT)
    failed = next(one for one in found if one.status is Status.METRIC_FAILED)
    for unknown in (failed.error_sd, failed.snr_db, failed.r, failed.beta):
        assert math.isnan(unknown.value)


def test_too_few_triplets():
    x, y, z = three(50)
    assert triple_collocation(x, y, z)[1].status is Status.NOT_ENOUGH_DATA
    x[:] = np.nan
    assert triple_collocation(x, y, z)[0].status is Status.NO_OVERLAP


def test_memory_widens_the_interval():
    slow = [np.repeat(values, 20) for values in three(200)]
    fast = three(4000)
    width = [one[0].error_sd.upper - one[0].error_sd.lower
             for one in (triple_collocation(*slow, bootstrap=SHORT), triple_collocation(*fast, bootstrap=SHORT))]
    assert width[0] > 2 * width[1]
