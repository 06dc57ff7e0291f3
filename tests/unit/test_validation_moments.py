import math

import numpy as np
import pytest

from sm_core.validation import Bootstrap, bias, kge, pearson_r, rmsd, ubrmsd
from sm_core.validation.moments import Moments, bootstrap_interval, differences, grouped_scores, resample

RNG = np.random.default_rng(3)
E, R = 0.3 + 0.1 * RNG.standard_normal((2, 90))
E[7], R[11] = np.nan, np.nan
GROUP = np.repeat(np.arange(3), 30)
POINT = {"pearson_r": pearson_r, "rmsd": rmsd, "ubrmsd": ubrmsd, "bias": bias, "kge": kge}


def moments(e=E, o=R):
    return Moments.of(estimate=e, reference=o, group=GROUP, groups=3)


@pytest.mark.parametrize("name", sorted(POINT))
def test_scores_from_sums_are_the_scores(name):
    assert moments().pairs.tolist() == [28, 30, 30]
    assert moments().pooled(np.ones((1, 3)))[name][0] == pytest.approx(POINT[name](estimate=E, reference=R))
    for group, value in enumerate(moments().each()[name]):
        own = group == GROUP
        assert value == pytest.approx(POINT[name](estimate=E[own], reference=R[own]))


def test_a_weight_is_a_repetition():
    twice = np.concatenate([E[GROUP == 0]] * 2 + [E[GROUP == 2]]), np.concatenate([R[GROUP == 0]] * 2 + [R[GROUP == 2]])
    assert moments().pooled(np.array([[2.0, 0, 1]]))["kge"][0] == pytest.approx(
        kge(estimate=twice[0], reference=twice[1]))


def test_undefined_scores_are_nan():
    flat = moments(np.full(90, 0.3), R).each()
    assert np.isnan(flat["pearson_r"]).all()
    assert np.isnan(flat["kge"]).all()
    assert np.isfinite(flat["rmsd"]).all()
    assert np.isnan(moments(np.full(90, np.nan), R).pooled(np.ones((1, 3)))["rmsd"][0])


def test_average_over_groups_leaves_short_ones_out():
    found = grouped_scores(moments(), "stations", min_pairs=29, bootstrap=Bootstrap())
    expected = np.mean([bias(estimate=E[g == GROUP], reference=R[g == GROUP]) for g in (1, 2)])
    assert found["bias"].value == pytest.approx(expected)
    assert found["bias"].lower is None


def test_interval_over_groups_holds_the_truth_as_often_as_it_says():
    # 8 stations with an offset of .05 each: mean bias 0; a plain percentile interval would hold it in 88 %
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        offset = rng.standard_normal(8)
        draws = resample(8, Bootstrap(resamples=400, seed=int(rng.integers(1 << 30)))) @ offset / 8
        lower, upper = bootstrap_interval(draws, 8, 0.95)
        held += lower <= 0 <= upper
    assert held / 400 == pytest.approx(0.945, abs=0.03)


def test_two_groups_say_nothing_about_others():
    assert bootstrap_interval(np.arange(100.0), 2, 0.95) is None
    assert bootstrap_interval(np.full(100, np.nan), 9, 0.95) is None


def test_what_two_estimates_share_cancels_in_their_difference():
    # the same large station errors in both; one is better by .01 of bias everywhere
    offset = np.repeat([0.1, -0.2, 0.3], 30)
    first, second = moments(R + offset, R), moments(R + offset + 0.01, R)
    found = differences(first, second, "station-days", min_pairs=1, bootstrap=Bootstrap())
    assert (found["bias"].lower, found["bias"].upper) == (pytest.approx(-0.01), pytest.approx(-0.01))
    assert found["pearson_r"].value == pytest.approx(0, abs=1e-12)


def test_share_of_the_error_that_is_gone():
    found = differences(moments(R + 0.03, R), moments(R + 0.04, R), "stations", min_pairs=1, bootstrap=Bootstrap())
    assert found["rmsd_share"].value == pytest.approx(0.25)
    assert math.isnan(differences(
        moments(E * np.nan, R), moments(), "stations", min_pairs=1, bootstrap=Bootstrap())["rmsd"].value)
