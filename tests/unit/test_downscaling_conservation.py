import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sm_core.downscaling import conserve, edge_contrast
from sm_core.grid import Nesting

CELL, ROWS, COLUMNS = 12, 6, 7


def nesting():
    """6 × 7 coarse cells of 12 × 12 fine cells; a strip of 3 columns outside; areas shrinking northwards."""
    row, column = np.divmod(np.arange(ROWS * CELL * (COLUMNS * CELL + 3)), COLUMNS * CELL + 3)
    cell = np.where(column < COLUMNS * CELL, row // CELL * COLUMNS + column // CELL, -1)
    area = np.cos(np.deg2rad(40 - 0.05 * row))
    shape = (ROWS * CELL, COLUMNS * CELL + 3)
    return Nesting(cell.reshape(shape), area.reshape(shape), (ROWS, COLUMNS))


def scene(seed=0):
    rng = np.random.default_rng(seed)
    nest = nesting()
    fine = 0.25 + 0.03 * gaussian_filter(rng.standard_normal(nest.cell.shape), 3) * 10
    fine[50:60, 20:45] = np.nan
    coarse = 0.28 + 0.04 * rng.standard_normal(nest.shape)
    return fine, coarse, nest


def test_cell_means_are_restored_to_float32():
    fine, coarse, nest = scene()
    result = conserve(fine, coarse, nest)
    assert result.values.dtype == np.float32
    np.testing.assert_allclose(nest.aggregate(result.values), coarse, atol=2e-8)
    assert result.largest_deviation < 2e-8
    np.testing.assert_array_equal(np.isfinite(result.values), np.isfinite(fine))
    known = np.isfinite(fine)
    np.testing.assert_allclose(result.values[known], (fine + result.adjustment)[known], atol=1e-7)


def test_edges_of_cells_do_not_show():
    fine, coarse, nest = scene()
    step = fine + nest.replicate(coarse - nest.aggregate(fine))
    assert edge_contrast(step, nest) > 5
    assert edge_contrast(conserve(fine, coarse, nest).values, nest) < 1.7


def test_edge_contrast_by_hand():
    # jumps 0 inside left cell, .2 across, .1 inside right cell: .2 over the mean of 0 and .1
    nest = Nesting(np.array([[0, 0, 1, 1]]), np.ones((1, 4)), (1, 2))
    assert edge_contrast(np.array([[0.1, 0.1, 0.3, 0.4]]), nest) == pytest.approx(4.0)
    assert np.isnan(edge_contrast(np.full((1, 4), 0.2), nest))


def test_a_prediction_that_is_right_is_left_alone():
    fine, _, nest = scene()
    result = conserve(fine, nest.aggregate(fine), nest)
    np.testing.assert_allclose(result.adjustment[np.isfinite(fine)], 0, atol=1e-7)


def test_unknown_coarse_cells_take_their_neighbours_residual_and_fade():
    nest = nesting()
    fine = np.full(nest.cell.shape, 0.25)
    coarse = np.full(nest.shape, 0.30)
    coarse[:, 3:] = np.nan
    result = conserve(fine, coarse, nest)
    np.testing.assert_allclose(nest.aggregate(result.values)[:, :3], 0.30, atol=1e-7)
    beside, far = nest.aggregate(result.adjustment)[2, [3, 6]]
    assert 0.02 < beside <= 0.05
    assert 0 <= far < 0.01
    assert np.isfinite(result.values).all()
    assert result.largest_deviation < 1e-7


def test_nothing_known_changes_nothing():
    fine, coarse, nest = scene()
    result = conserve(fine, np.full_like(coarse, np.nan), nest)
    np.testing.assert_array_equal(result.values, fine.astype(np.float32))
    assert result.largest_deviation == 0.0
    assert not np.isfinite(conserve(np.full_like(fine, np.nan), coarse, nest).values).any()


def test_bounds_hold_and_so_does_the_mean():
    fine, coarse, nest = scene()
    coarse[2, 2], coarse[4, 4] = 0.01, 0.59
    result = conserve(fine, coarse, nest, valid_range=(0.0, 0.6))
    assert np.nanmin(result.values) >= 0
    assert np.nanmax(result.values) <= np.float32(0.6)
    assert result.largest_deviation < 5e-8


def test_no_cell_is_left_without_any_water():
    fine, coarse, nest = scene()
    coarse[2, 2] = 0.03
    result = conserve(fine, coarse, nest)
    assert np.nanmin(result.values) >= np.float32(0.02)
    assert result.largest_deviation < 5e-8


def test_a_coarse_value_below_the_bound_is_still_met():
    fine, coarse, nest = scene()
    coarse[2, 2] = 0.01
    result = conserve(fine, coarse, nest)
    assert result.largest_deviation < 5e-8
    np.testing.assert_allclose(result.values[nest.cell == 2 * COLUMNS + 2], 0.01, atol=1e-8)


def test_a_coarse_value_beyond_the_bounds_shows_as_deviation():
    fine, coarse, nest = scene()
    coarse[2, 2] = 0.65
    result = conserve(fine, coarse, nest, valid_range=(0.0, 0.6))
    assert result.largest_deviation == pytest.approx(0.05, abs=1e-6)
    others = np.abs(nest.aggregate(result.values) - coarse)
    others[2, 2] = 0
    assert others.max() < 5e-8


def test_slivers_of_land_at_one_corner_are_met_exactly():
    nest = nesting()
    fine = np.full(nest.cell.shape, np.nan)
    fine[CELL - 2:CELL + 2, CELL - 2:CELL + 2] = 0.25
    coarse = np.full(nest.shape, 0.25)
    coarse[0, 0], coarse[0, 1], coarse[1, 0], coarse[1, 1] = 0.2, 0.3, 0.3, 0.2
    result = conserve(fine, coarse, nest)
    np.testing.assert_allclose(nest.aggregate(result.values)[:2, :2], coarse[:2, :2], atol=2e-8)
    assert np.nanmin(result.values) > 0.1
    assert np.nanmax(result.values) < 0.4
