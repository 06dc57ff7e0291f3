import numpy as np
import pytest

from sm_core.domain import Grid
from sm_core.downscaling import topographic_wetness
from sm_core.downscaling.terrain import cell_metres


def square(size, crs="EPSG:6933"):
    return Grid.from_origin("t", west=0.0, north=size * 1000.0, resolution=1000.0, width=size, height=size, crs=crs)


def area(index, gradient=1.0):
    return np.exp(index.astype(np.float64)) * gradient / 1000.0


def test_a_valley_gathers_both_of_its_sides():
    # columns 0 and 2 lean to column 1, which falls southwards: each cell of it has its row's three and those above
    height = np.array([[30.0, 20.0, 30.0], [29.0, 18.0, 29.0], [28.0, 16.0, 28.0]])
    index = topographic_wetness(height, np.full((3, 3), 45.0), square(3))
    # straight to the middle (10 to 12 m per km) is steeper than across corners (14 m per 1.41 km < 12 m per km)
    np.testing.assert_allclose(area(index)[:, 1], [3, 6, 9], rtol=1e-5)
    np.testing.assert_allclose(area(index)[:, [0, 2]], 1, rtol=1e-5)


def test_water_runs_along_the_steepest_path_not_to_the_lowest_neighbour():
    # the corner is 4 m lower over 1.41 km, the neighbour below 3.5 m over 1 km
    height = np.array([[10.0, 9.0], [6.5, 6.0]])
    index = topographic_wetness(height, np.full((2, 2), 45.0), square(2))
    np.testing.assert_allclose(area(index), [[1, 1], [2, 4]], rtol=1e-5)


def test_steep_ground_is_drier_and_flat_ground_stays_finite():
    flat = np.zeros((2, 2))
    index = topographic_wetness(flat, np.array([[0.0, 45.0], [np.nan, 60.0]]), square(2))
    # ln(1000 / .005), ln(1000 / 1), unknown, ln(1000 / tan 60°)
    np.testing.assert_allclose(index.ravel(), [12.2061, 6.9078, np.nan, 6.3585], atol=1e-4)


def test_the_sea_takes_water_and_has_no_index():
    height = np.array([[2.0, np.nan], [3.0, 4.0]])
    index = topographic_wetness(height, np.full((2, 2), 45.0), square(2))
    assert np.isnan(index[0, 1])
    np.testing.assert_allclose(area(index)[[0, 1, 1], [0, 0, 1]], 1, rtol=1e-5)


def test_cells_of_a_geographic_grid_narrow_with_latitude():
    grid = Grid.from_origin("t", west=127.0, north=60.5, resolution=0.01, width=10, height=100)
    dy, dx = cell_metres(grid)
    assert dy == pytest.approx(1111.95)
    assert dx == pytest.approx(1111.95 * 0.5, rel=1e-3)
