import math

import numpy as np
import pytest

from sm_core.validation import (
    PairMetrics,
    Status,
    bias,
    effective_sample_size,
    kge,
    pair_metrics,
    pearson_interval,
    pearson_r,
    rmsd,
    ubrmsd,
)

ESTIMATE = [0.30, 0.20, 0.40, 0.30, math.nan, 0.9]
REFERENCE = [0.20, 0.20, 0.30, 0.10, 0.50, math.nan]


def test_scores_worked_out_by_hand():
    # differences .1 0 .1 .2: mean .1, mean square .06/4, variance .015 - .01
    pair = {"estimate": ESTIMATE, "reference": REFERENCE}
    assert bias(**pair) == pytest.approx(0.1)
    assert rmsd(**pair) == pytest.approx(math.sqrt(0.015))
    assert ubrmsd(**pair) == pytest.approx(math.sqrt(0.005))
    # departures (0, -.1, .1, 0) and (0, 0, .1, -.1): covariance sum .01, squares .02 and .02
    assert pearson_r(**pair) == pytest.approx(0.5)
    # r .5, spreads equal, means .3 / .2
    assert kge(**pair) == pytest.approx(1 - math.sqrt(0.25 + 0.0 + 0.25))


def test_bias_is_positive_when_the_estimate_is_too_wet():
    assert bias(estimate=[0.4], reference=[0.1]) == pytest.approx(0.3)


def test_undefined_scores_are_nan():
    assert math.isnan(pearson_r(estimate=[0.2, 0.2, 0.2], reference=[0.1, 0.2, 0.3]))
    assert math.isnan(kge(estimate=[0.2, 0.2, 0.2], reference=[0.1, 0.2, 0.3]))
    assert math.isnan(rmsd(estimate=[math.nan], reference=[0.1]))
    assert math.isnan(bias(estimate=[], reference=[]))


def test_memory_of_one_series_alone_costs_nothing():
    # lag-1 autocorrelation of the alternating series is -1: (-1)(-1) = 1 leaves no pair; a constant one has none
    steps = np.arange(20) % 2
    assert effective_sample_size(estimate=steps, reference=1 - steps) == pytest.approx(0, abs=1e-9)
    assert effective_sample_size(estimate=steps, reference=np.ones(20)) == 20


def test_effective_sample_size_of_an_ar1_process():
    # both of lag-1 autocorrelation .9: N (1 - .81) / (1 + .81) = N / 9.53
    rng = np.random.default_rng(4)
    series = np.zeros((2, 20000))
    noise = rng.standard_normal(series.shape)
    for t in range(1, series.shape[1]):
        series[:, t] = 0.9 * series[:, t - 1] + noise[:, t]
    n_eff = effective_sample_size(estimate=series[0], reference=series[1])
    assert n_eff == pytest.approx(20000 / 9.53, rel=0.1)


def test_memory_is_measured_only_between_known_neighbours():
    gappy = np.where(np.arange(40) % 2 == 0, np.sin(np.arange(40.0)), np.nan)
    assert effective_sample_size(estimate=gappy, reference=gappy) == 20


def test_interval_of_r_widens_with_memory():
    wide, narrow = pearson_interval(0.6, 8), pearson_interval(0.6, 80)
    assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]
    assert all(map(math.isnan, pearson_interval(0.6, 3.0)))
    assert pearson_interval(1.0, 50.0) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("known", "status"), [(0, Status.NO_OVERLAP), (4, Status.NOT_ENOUGH_DATA), (12, Status.OK)]
)
def test_status_says_why_scores_are_missing(known, status):
    estimate = np.where(np.arange(12) < known, np.arange(12.0), np.nan)
    scores = pair_metrics(estimate=estimate, reference=np.arange(12.0) ** 2, min_obs=10)
    assert (scores.status, scores.n_obs) == (status, known)
    assert math.isnan(scores.rmsd) == (status is not Status.OK)


def test_constant_series_fails_the_metric_but_keeps_the_bias():
    scores = pair_metrics(estimate=np.full(12, 0.3), reference=np.linspace(0.1, 0.3, 12))
    assert scores.status is Status.METRIC_FAILED
    assert scores.bias == pytest.approx(0.1)


def test_codes_are_those_of_qa4sm():
    assert {status.name: int(status) for status in Status} == {
        "OTHER": -1, "OK": 0, "NOT_ENOUGH_DATA": 1, "METRIC_FAILED": 2, "TEMPORAL_MATCHING_FAILED": 3, "NO_OVERLAP": 4,
        "SCALING_FAILED": 5, "UNEXPECTED": 6, "MISSING_POINT_DATA": 7, "READ_FAILED": 8,
    }


def test_missing_scores_survive_json():
    scores = pair_metrics(estimate=[math.nan], reference=[0.1])
    assert math.isnan(PairMetrics.model_validate_json(scores.model_dump_json()).pearson_r)
