from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from sm_core.domain import Grid
from sm_core.errors import GridMismatchError
from sm_core.grid import Nesting, mosaic, sinusoidal, to_grid


def native(values: np.ndarray, x0: float, y0: float, step: float, crs: str = "EPSG:4326") -> xr.Dataset:
    rows, cols = values.shape
    return xr.Dataset(
        {"v": (("time", "y", "x"), values[None].astype(np.float32))},
        {"time": np.array(["2019-01-01"], "datetime64[ns]"),
         "y": y0 - step * (np.arange(rows) + 0.5), "x": x0 + step * (np.arange(cols) + 0.5)},
        {"crs": crs, "tile": ""},
    )


def test_tile_corner_is_the_published_one() -> None:
    west, south, east, north = sinusoidal.tile_bounds("h28v05")
    assert (west, east) == pytest.approx((11119505.198, 12231455.718), abs=0.001)
    assert (south, north) == pytest.approx((3335851.559, 4447802.079), abs=0.001)
    assert pytest.approx(926.6254331, abs=1e-6) == sinusoidal.CELL_M


def test_sinusoidal_round_trip() -> None:
    lon, lat = np.array([126.98, -70.0, 10.0]), np.array([37.57, -45.0, 0.0])
    assert np.allclose(sinusoidal.to_lonlat(*sinusoidal.from_lonlat(lon, lat)), (lon, lat), atol=1e-10)


def test_tile_seam_over_korea_is_at_100_over_cos_lat() -> None:
    lat = 38.0
    east_of_seam = 100 / math.cos(math.radians(lat)) + 0.001
    x, _ = sinusoidal.from_lonlat(np.array([east_of_seam]), np.array([lat]))
    assert sinusoidal.tile_bounds("h28v05")[0] < x[0] < sinusoidal.tile_bounds("h28v05")[0] + 200


def test_nearest_takes_the_cell_that_holds_the_centre() -> None:
    ds = native(np.array([[1, 2], [3, 4]]), 0.0, 2.0, 1.0)
    grid = Grid.from_origin("g", west=0, north=2, resolution=0.5, width=4, height=4)
    out = to_grid(ds, grid, "nearest").v.values[0]
    assert out.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_mean_covers_the_whole_cell_and_ignores_unknown() -> None:
    values = np.arange(36, dtype=float).reshape(6, 6)
    values[0, 0] = np.nan
    grid = Grid.from_origin("g", west=0, north=6, resolution=3, width=2, height=2)
    out = to_grid(native(values, 0.0, 6.0, 1.0), grid, "mean").v.values[0]
    block = values[:3, :3]
    assert out[0, 0] == pytest.approx(np.nanmean(block))
    assert out[1, 1] == pytest.approx(values[3:, 3:].mean())


def test_mean_is_unknown_when_less_than_a_third_is_known() -> None:
    values = np.full((3, 3), np.nan)
    values[0, :2] = 5.0
    grid = Grid.from_origin("g", west=0, north=3, resolution=3, width=1, height=1)
    assert np.isnan(to_grid(native(values, 0.0, 3.0, 1.0), grid, "mean").v.values).all()
    values[0, 2] = 8.0
    assert to_grid(native(values, 0.0, 3.0, 1.0), grid, "mean").v.item() == pytest.approx(6.0)


def test_bilinear_is_exact_on_a_plane_and_nan_outside() -> None:
    rows, cols = np.mgrid[0:4, 0:4]
    ds = native(10.0 * rows + cols, 0.0, 4.0, 1.0)
    grid = Grid.from_origin("g", west=0, north=4, resolution=0.5, width=10, height=8)
    out = to_grid(ds, grid, "bilinear").v.values[0]
    assert out[3, 3] == pytest.approx(10 * 1.25 + 1.25)
    assert np.isnan(out[:, 8:]).all()


def test_seam_between_tiles_is_invisible_after_mosaicking() -> None:
    step = sinusoidal.CELL_M
    x0, _, _, y0 = sinusoidal.tile_bounds("h28v05")
    cols = np.arange(-6, 6)
    field = np.tile(cols.astype(float), (8, 1))
    left = native(field[:, :6], x0 - 6 * step, y0, step, sinusoidal.CRS)
    right = native(field[:, 6:], x0, y0, step, sinusoidal.CRS)
    joined = mosaic([right, left])
    assert joined.v.values[0].tolist() == field.tolist()
    assert np.allclose(np.diff(joined.x), step)


def test_mosaic_refuses_tiles_off_the_lattice() -> None:
    a, b = native(np.ones((2, 2)), 0, 2, 1.0), native(np.ones((2, 2)), 2.4, 2, 1.0)
    with pytest.raises(GridMismatchError, match="lattice"):
        mosaic([a, b])


def test_nesting_of_005_01_and_025_degrees_is_exact_over_korea() -> None:
    korea = Grid.from_origin("korea_001", west=124, north=43, resolution=0.01, width=700, height=1000)
    for step in (0.05, 0.1, 0.25):
        rows, cols = round(10 / step), round(7 / step)
        nesting = Nesting.of(native(np.zeros((rows, cols)), 124.0, 43.0, step), korea)
        counts = np.bincount(nesting.cell.ravel(), minlength=rows * cols)
        assert counts.min() == counts.max() == round(step / 0.01) ** 2


def test_aggregate_weights_by_area_and_leaves_unknown_cells_out() -> None:
    nesting = Nesting(cell=np.zeros((3, 1), np.int64), area=np.array([[1.0], [3.0], [9.0]]), shape=(1, 2))
    mean = nesting.aggregate(np.array([[2.0], [6.0], [np.nan]]))
    assert mean[0, 0] == pytest.approx(5.0)
    assert np.isnan(mean[0, 1])
