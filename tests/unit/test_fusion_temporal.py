from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sm_core.errors import GridMismatchError
from sm_core.fusion import coarse_at

NAN = float("nan")
TIMES = np.array(["2025-01-01", "2025-01-09", "2025-01-17"], "datetime64[ns]")


def series(*pixels: list[float]) -> xr.DataArray:
    return xr.DataArray(
        np.array(pixels).T[:, None, :], dims=("time", "y", "x"), coords={"time": TIMES}, attrs={"grid_id": "g"}
    )


def at(coarse: xr.DataArray, *when: str) -> list[float]:
    return coarse_at(coarse, xr.DataArray([np.array(when, "datetime64[ns]")], dims=("y", "x"))).values[0].tolist()


def test_each_pixel_is_taken_at_its_own_time() -> None:
    pixel = [0.0, 8.0, 4.0]
    values = at(series(pixel, pixel, pixel), "2025-01-02T12", "2025-01-09", "2025-01-11")
    assert values == pytest.approx([1.5, 8.0, 7.0])


def test_unknown_layers_are_bridged() -> None:
    assert at(series([0.0, NAN, 4.0]), "2025-01-05") == pytest.approx([1.0])


def test_nothing_is_known_where_one_side_never_is() -> None:
    assert np.isnan(at(series([NAN, NAN, 4.0], [0.0, 8.0, NAN]), "2025-01-05", "2025-01-11")).all()


def test_end_layers_stand_for_one_step_and_no_more() -> None:
    pixel = [0.0, 8.0, 4.0]
    values = at(series(*[pixel] * 4), "2024-12-24", "2024-12-23", "2025-01-25", "2025-01-26")
    np.testing.assert_array_equal(values, [0.0, NAN, 4.0, NAN])


def test_pixels_without_a_time_are_unknown() -> None:
    assert np.isnan(at(series([0.0, 8.0, 4.0]), "NaT")).all()


def test_float_days_count_from_1970() -> None:
    when = xr.DataArray([[20089.0 + 4, NAN]], dims=("y", "x"))
    pixel = [0.0, 8.0, 4.0]
    np.testing.assert_allclose(coarse_at(series(pixel, pixel), when).values, [[4.0, NAN]])


def test_single_layer_stands_for_a_day() -> None:
    one = series([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).isel(time=[1])
    np.testing.assert_array_equal(at(one, "2025-01-09T18", "2025-01-11"), [2.0, NAN])


def test_grid_is_kept_and_other_shapes_are_refused() -> None:
    coarse = series([0.0, 8.0, 4.0])
    assert coarse_at(coarse, xr.DataArray([[20090.0]], dims=("y", "x"))).attrs == {"grid_id": "g"}
    with pytest.raises(GridMismatchError):
        coarse_at(coarse, xr.DataArray([[20090.0, 20090.0]], dims=("y", "x")))
