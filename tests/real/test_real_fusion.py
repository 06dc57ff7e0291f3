"""Fusion of real NDVI composites (MODIS, tile h18v09, early 2025): one date left out and predicted.

The coarse images are 5 × 5 block means of the fine ones. The land is a corner of the tile, cloudy, and the composites
are noisy (consecutive ones differ by 0.11), so this is a hard case. Bounds: see docs/methods.md.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sm_core.fusion import NDVI_PARAMS, FusionFlag, Pair, fuse, fuse_day
from sm_core.sources import decode

pytestmark = pytest.mark.real

DATA = Path(os.environ.get("SM_REAL_DATA", "absent")) / "modis"
DAYS = ("A2025065", "A2025073", "A2025081", "A2025089", "A2025097")
ROWS, COLUMNS = slice(0, 335), slice(670, 1200)


def block_mean(fine: xr.DataArray) -> xr.DataArray:
    blocks = fine.coarsen(y=5, x=5)
    mean = blocks.mean().where(blocks.count() >= 9)
    return fine.copy(data=np.kron(mean.values, np.ones((5, 5), np.float32)))


@pytest.fixture(scope="module")
def series() -> list[Pair]:
    files = [next(iter(DATA.glob(f"M?D13A2.{day}.h18v09.*.hdf")), None) for day in DAYS]
    if None in files:
        pytest.skip("no MOD13A2/MYD13A2 series under SM_REAL_DATA")
    pairs = []
    for path in files:
        granule = decode(path)
        fine = granule.ndvi.isel(time=0, y=ROWS, x=COLUMNS, drop=True)
        pairs.append(Pair(date.fromisoformat(granule.attrs["start"]), fine, block_mean(fine)))
    return pairs


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt((error**2).mean()))


def test_predicts_a_left_out_date_better_than_interpolation_and_nearest(series: list[Pair]) -> None:
    before, target, after = series[1:4]
    fused = fuse(before, after, target.coarse, NDVI_PARAMS)
    truth = target.fine.values
    known = np.isfinite(truth) & np.isfinite(fused.value.values)
    assert known.sum() > 3000
    ours = rmse((fused.value.values - truth)[known])
    assert ours < 0.9 * rmse(((before.fine.values + after.fine.values) / 2 - truth)[known])
    assert ours < 0.8 * rmse((before.fine.values - truth)[known])
    within = np.abs(fused.value.values - truth)[known] < fused.spread.values[known]
    assert 0.5 < within.mean() < 0.9


def test_past_dates_alone_beat_the_nearest_date(series: list[Pair]) -> None:
    target = series[2]
    fused = fuse_day(None, series[:2], target.coarse, target.day, NDVI_PARAMS)
    truth = target.fine.values
    known = np.isfinite(truth) & np.isfinite(series[1].fine.values) & np.isfinite(fused.value.values)
    assert rmse((fused.value.values - truth)[known]) < 0.8 * rmse((series[1].fine.values - truth)[known])


def test_day_is_known_wherever_its_coarse_image_is(series: list[Pair]) -> None:
    target = series[2]
    others = [pair for pair in series if pair is not target]
    fused = fuse_day(None, others, target.coarse, target.day, NDVI_PARAMS)
    assert (np.isfinite(fused.value.values) == np.isfinite(target.coarse.values)).all()
    assert (fused.flag.values == FusionFlag.TWO_PAIRS).sum() > 0.5 * np.isfinite(target.coarse.values).sum()
    observed = fuse_day(target.fine, others, target.coarse, target.day, NDVI_PARAMS)
    seen = np.isfinite(target.fine.values)
    np.testing.assert_array_equal(observed.value.values[seen], target.fine.values[seen])
