import math

import numpy as np
import pytest

from sm_core.validation import bias_interval, kge, kge_interval, pair_metrics, rmsd_interval, ubrmsd_interval


def ar1(rng, rho, shape):
    noise = rng.standard_normal(shape)
    series = np.zeros(shape)
    series[..., 0] = noise[..., 0]
    for t in range(1, shape[-1]):
        series[..., t] = rho * series[..., t - 1] + math.sqrt(1 - rho**2) * noise[..., t]
    return series


def test_interval_of_the_bias_worked_out_by_hand():
    # differences -1, 0, 1, 2: mean .5, variance 5/4; t(3) 3.1824 * sqrt(5/3) / 2
    lower, upper = bias_interval(0.5, math.sqrt(1.25), 4)
    half = 3.182446 * math.sqrt(5 / 3) / 2
    assert (lower, upper) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_interval_of_the_spread_worked_out_by_hand():
    # chi2(9): 2.7004 and 19.0228
    assert ubrmsd_interval(2.0, 10) == (
        pytest.approx(2 * math.sqrt(10 / 19.022768)), pytest.approx(2 * math.sqrt(10 / 2.700389)))


def test_interval_of_the_rmsd_without_bias_is_that_of_a_chi_square():
    # ν = 2 s⁴ / (2 s⁴ / (11 - 1)) = 10: 3.2470 and 20.4832
    assert rmsd_interval(0.0, 1.0, 1e12, 11) == (
        pytest.approx(math.sqrt(10 / 20.483177)), pytest.approx(math.sqrt(10 / 3.246973)))


def test_a_constant_difference_is_known_exactly():
    assert rmsd_interval(0.1, 0.0, 20, 20) == (pytest.approx(0.1), pytest.approx(0.1))


@pytest.mark.parametrize("interval", [
    bias_interval(0.1, 0.1, 1.0), ubrmsd_interval(0.1, 0.5), rmsd_interval(0.1, 0.1, 1.0, 9.0),
    bias_interval(math.nan, 0.1, 9), ubrmsd_interval(math.nan, 9), rmsd_interval(math.nan, 0.1, 9, 9),
])
def test_nothing_is_said_of_one_independent_pair(interval):
    assert all(map(math.isnan, interval))


def test_intervals_hold_the_truth_as_often_as_they_say_in_spite_of_memory():
    # reference and difference of lag-1 autocorrelation .8; without the effective number 95 % would be 60 to 80 %
    rng = np.random.default_rng(5)
    reference, error = ar1(rng, 0.8, (600, 250)), 0.5 * ar1(rng, 0.8, (600, 250))
    truth = {"bias": 0.2, "ubrmsd": 0.5, "rmsd": math.hypot(0.2, 0.5), "pearson": 1 / math.sqrt(1.25)}
    held = dict.fromkeys(truth, 0)
    for o, d in zip(reference, error, strict=True):
        scores = pair_metrics(estimate=o + d + 0.2, reference=o, resamples=2).model_dump()
        for name, value in truth.items():
            held[name] += scores[f"{name}_lower"] <= value <= scores[f"{name}_upper"]
    assert {name: count / 600 for name, count in held.items()} == dict.fromkeys(truth, pytest.approx(0.945, abs=0.03))


def test_interval_of_the_kge_holds_the_truth_too():
    # σₑ/σₒ = √1.25, r = 1/√1.25, μₑ/μₒ = 5.2/5
    rng = np.random.default_rng(6)
    reference, error = 5 + ar1(rng, 0.7, (120, 300)), 0.5 * ar1(rng, 0.7, (120, 300))
    ratio = math.sqrt(1.25)
    truth = 1 - math.sqrt((1 / ratio - 1) ** 2 + (ratio - 1) ** 2 + 0.04**2)
    held = 0
    for o, d in zip(reference, error, strict=True):
        scores = pair_metrics(estimate=o + d + 0.2, reference=o)
        held += scores.kge_lower <= truth <= scores.kge_upper
    assert held / 120 > 0.86


def test_interval_of_the_kge_is_the_same_each_time_and_needs_independent_pairs():
    e, o = np.sin(np.arange(50.0)) + 2, np.cos(np.arange(50.0)) + 2
    pair = {"estimate": e, "reference": o}
    assert kge_interval(**pair, n_eff=20) == kge_interval(**pair, n_eff=20)
    assert kge_interval(**pair, n_eff=20)[0] < kge(**pair) < kge_interval(**pair, n_eff=20)[1]
    assert all(map(math.isnan, kge_interval(**pair, n_eff=3.0)))
