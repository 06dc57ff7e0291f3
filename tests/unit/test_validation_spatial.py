import math

import numpy as np
import pytest

from sm_core.grid import Nesting
from sm_core.validation import downscaling_gain, skill_against_truth, skill_at_stations

# four coarse cells of 2 x 2 fine ones
NESTING = Nesting(np.repeat(np.repeat(np.arange(4).reshape(2, 2), 2, axis=0), 2, axis=1), np.ones((4, 4)), (2, 2))
PATTERN = np.tile([[0.0, 0.1], [0.2, 0.3]], (2, 2))
TRUTH = np.stack([PATTERN + 0.1 * NESTING.cell, PATTERN + 0.2 * NESTING.cell])
COARSE = np.stack([NESTING.replicate(NESTING.aggregate(day)) for day in TRUTH])


def test_the_truth_itself_gains_everything():
    found = skill_against_truth(fine=TRUTH, coarse=COARSE, truth=TRUTH, nesting=NESTING)
    assert found.within_cell_r.value == pytest.approx(1)
    assert found.spread_ratio == pytest.approx(1)
    assert found.rmsd_share == pytest.approx(1)
    assert (found.gain.slope, found.gain.correlation) == (pytest.approx(1), pytest.approx(1))
    assert found.gain.bias == pytest.approx(0)                           # the coarse field has none to begin with
    assert (found.cells, found.pairs) == (4, 32)


def test_half_the_pattern_and_its_opposite():
    half = COARSE + (TRUTH - COARSE) / 2
    found = skill_against_truth(fine=half, coarse=COARSE, truth=TRUTH, nesting=NESTING)
    assert (found.within_cell_r.value, found.spread_ratio) == (pytest.approx(1), pytest.approx(0.5))
    assert found.rmsd_share == pytest.approx(0.5)                        # every error is halved
    wrong = skill_against_truth(fine=2 * COARSE - TRUTH, coarse=COARSE, truth=TRUTH, nesting=NESTING)
    assert wrong.within_cell_r.value == pytest.approx(-1)
    assert wrong.rmsd_share == pytest.approx(-1)
    assert wrong.gain.slope < 0


def test_the_coarse_field_gains_nothing_over_itself():
    found = skill_against_truth(fine=COARSE, coarse=COARSE, truth=TRUTH, nesting=NESTING)
    assert math.isnan(found.within_cell_r.value)
    assert found.rmsd_share == pytest.approx(0)
    assert found.gain.mean == pytest.approx(0)


def test_gains_by_hand():
    # reference 1 2 3; fine 2 3 4: slope 1, r 1, bias 1; coarse 2 2.5 3: slope .5, r 1, bias .5
    found = downscaling_gain(fine=[2, 3, 4, np.nan], coarse=[2, 2.5, 3, 9], reference=[1, 2, 3, 9])
    assert found.slope == pytest.approx((0.5 - 0) / 0.5)
    assert found.correlation == pytest.approx(0)
    assert found.bias == pytest.approx((0.5 - 1) / 1.5)
    assert found.mean == pytest.approx((1 + 0 - 1 / 3) / 3)
    assert math.isnan(downscaling_gain(fine=[1, 2], coarse=[1, 2], reference=[1, 1]).mean)


def test_stations_in_one_cell_tell_the_pattern():
    # two cells with two stations each over two days, and a lone station that must not count
    cell, day = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2], [0, 0, 1, 1, 0, 0, 1, 1, 0, 1]
    reference = np.array([0.1, 0.3, 0.2, 0.4, 0.5, 0.3, 0.5, 0.3, 0.9, 0.9])
    coarse = np.array([0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.4, 0.4, 0.1, 0.1])
    fine = coarse + 0.5 * np.array([-0.1, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, -0.1, 0.0, 0.0])
    found = skill_at_stations(fine=fine, coarse=coarse, reference=reference, cell=cell, day=day)
    assert found.within_cell_r.value == pytest.approx(1)
    assert found.spread_ratio == pytest.approx(0.5)
    assert (found.cells, found.pairs) == (2, 8)
    # a season that all share must not enter: it is in the coarse field
    season = 5.0 * np.array(day)
    again = skill_at_stations(fine=fine + season, coarse=coarse + season, reference=reference, cell=cell, day=day)
    assert again.within_cell_r.value == pytest.approx(1)


def test_single_stations_tell_no_pattern():
    found = skill_at_stations(fine=[0.1, 0.2], coarse=[0.1, 0.1], reference=[0.1, 0.3], cell=[0, 1], day=[0, 0])
    assert math.isnan(found.within_cell_r.value)
    assert (found.cells, found.pairs) == (0, 0)


def test_interval_comes_from_cells():
    rng = np.random.default_rng(0)
    cell, day = np.repeat(np.arange(25), 40), np.tile(np.repeat(np.arange(10), 4), 25)
    pattern = np.repeat(rng.standard_normal((25, 4)), 10, axis=0).reshape(25, 10, 4).ravel()
    noisy = pattern + np.repeat(rng.standard_normal((25, 4)), 10, axis=0).reshape(25, 10, 4).ravel()
    score = skill_at_stations(fine=noisy, coarse=np.zeros(1000), reference=pattern, cell=cell, day=day).within_cell_r
    assert score.lower < 1 / math.sqrt(2) < score.upper
    assert score.upper - score.lower > 0.1
