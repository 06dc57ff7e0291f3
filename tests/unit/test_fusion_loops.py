"""The compiled loops give bit for bit what the same arithmetic on whole arrays gives."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from sm_core.fusion import View, coarse_at
from sm_core.fusion.harmonise import _Moments


def on_arrays(days: np.ndarray, layers: np.ndarray, at: np.ndarray) -> np.ndarray:
    earlier, later, before_value, after_value = (np.full(at.shape, np.nan) for _ in range(4))
    for day, layer in zip(days, layers, strict=True):
        known = np.isfinite(layer)
        before, after = known & (day <= at), known & (day >= at) & np.isnan(later)
        earlier[before], before_value[before] = day, layer[before]
        later[after], after_value[after] = day, layer[after]
    gap = later - earlier
    share = np.where(gap > 0, (at - earlier) / np.where(gap > 0, gap, 1.0), 0.0)
    return (before_value + share * (after_value - before_value)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_every_pixel_has_the_bits_of_the_arithmetic_on_arrays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = np.sort(rng.choice(60, 8, replace=False)).astype(np.float64) + 20000.0
    layers = rng.uniform(-0.2, 1.0, (8, 40, 50)).astype(np.float32)
    layers[rng.random(layers.shape) < 0.3] = np.nan
    layers[:, :3] = np.nan                                             # the sea
    layers[0, 0, 0] = np.inf
    at = np.where(rng.random((40, 50)) < 0.5, rng.uniform(days[0], days[-1], (40, 50)), rng.choice(days, (40, 50)))
    at[rng.random(at.shape) < 0.1] = np.nan
    times = days.astype("int64").astype("datetime64[D]").astype("datetime64[ns]")
    series = xr.DataArray(layers, {"time": times}, ("time", "y", "x"))
    found = coarse_at(series, xr.DataArray(at, dims=("y", "x"))).values
    np.testing.assert_array_equal(found.view(np.uint32), on_arrays(days, layers, at).view(np.uint32))
    assert 0.2 < np.isfinite(found).mean() < 0.95


def test_sums_over_images_have_the_bits_of_the_arithmetic_on_arrays() -> None:
    rng = np.random.default_rng(3)
    shape, expected = (30, 40), [np.zeros((30, 40)) for _ in _Moments._fields]
    views = []
    for number in range(9):
        fine, coarse, hour = (rng.normal(size=shape).astype(np.float32) for _ in range(3))
        for field in (fine, coarse, hour):
            field[rng.random(shape) < 0.2] = np.nan
        timed_too = number % 3 > 0
        fields = [xr.DataArray(field, dims=("y", "x")) for field in (fine, coarse, hour)]
        views.append(View("s", dt.date(2025, 1, 1), *fields[:2], fields[2] if timed_too else None))
        departure = fine.astype(np.float64) - coarse
        when = hour.astype(np.float64) if timed_too else np.full(shape, np.nan)
        seen = np.isfinite(departure)
        timed = seen & np.isfinite(when)
        departure, when = np.where(seen, departure, 0.0), np.where(timed, when, 0.0)
        terms = (seen, departure, timed, timed * departure, when, when * departure, when * when)
        for total, term in zip(expected, terms, strict=True):
            total += term
    for found, total in zip(_Moments.of(views), expected, strict=True):
        np.testing.assert_array_equal(found.view(np.uint64), total.view(np.uint64))
