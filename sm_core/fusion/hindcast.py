"""A known fine image predicted as if it were not: what fusion is worth on a real series."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Record
from sm_core.errors import InsufficientInputsError
from sm_core.fusion.estarfm import Pair
from sm_core.fusion.pairs import fuse_day
from sm_core.fusion.params import EstarfmParams

Image = NDArray[np.float64]


class Score(Record):
    """How near a prediction is to the true image, over the pixels that every method knows."""

    method: str
    rmse: float
    bias: float
    pearson_r: float
    pixels: int


def hindcast(
    series: Mapping[dt.date, xr.DataArray], day: dt.date, params: EstarfmParams, *, block: int = 5
) -> tuple[xr.Dataset, tuple[Score, ...]]:
    """Predict the image of ``day`` from the other images of a series and score it beside simple methods.

    Parameters
    ----------
    series
        Fine images of one tile by day, (y, x), NaN = unknown.
    day
        A day of the series, neither its first nor its last.
    params
        Settings of the fusion.
    block
        Side of a coarse cell [pixels]. The coarse images are block means of the fine ones, the day's own included,
        as a perfect coarse sensor would see them.

    Returns
    -------
    The fused field (see ``fuse_day``) on the land part of the tile, and one score for each method: ESTARFM, linear
    interpolation between the nearest days before and after, the nearest day.

    Raises
    ------
    InsufficientInputsError   SM301, the day or its neighbours are not in the series.
    """
    before, after = max((d for d in series if d < day), default=None), min((d for d in series if d > day), default=None)
    if day not in series or before is None or after is None:
        raise InsufficientInputsError("the series must hold the day and days on both sides", day=day)
    cut = _land_window(series.values())
    fine = {d: image.isel(cut) for d, image in series.items()}
    coarse = {d: _block_mean(image, block) for d, image in fine.items()}
    pairs = [Pair(d, fine[d], coarse[d]) for d in fine if d != day]
    fused = fuse_day(None, pairs, coarse[day], day, params)
    first, last = fine[before].values.astype(np.float64), fine[after].values.astype(np.float64)
    share = (day - before) / (after - before)
    nearest = first if day - before <= after - day else last
    predictions = {
        "ESTARFM": fused["value"].values.astype(np.float64),
        "linear in time": first + share * (last - first),
        "nearest date": nearest,
    }
    return fused, _scores(predictions, fine[day].values.astype(np.float64))


def _scores(predictions: Mapping[str, Image], truth: Image) -> tuple[Score, ...]:
    known = np.isfinite(truth) & np.logical_and.reduce([np.isfinite(p) for p in predictions.values()])
    if not known.any():
        raise InsufficientInputsError("no pixel is known to every method and to the true image")
    scores = []
    for method, prediction in predictions.items():
        error = prediction[known] - truth[known]
        r = float(np.corrcoef(prediction[known], truth[known])[0, 1])
        scores.append(Score(method=method, rmse=float(np.sqrt((error**2).mean())), bias=float(error.mean()),
                            pearson_r=r, pixels=int(known.sum())))
    return tuple(scores)


def _land_window(images: Iterable[xr.DataArray]) -> dict[str, slice]:
    seen = np.logical_or.reduce([np.isfinite(image.values) for image in images])
    if not seen.any():
        raise InsufficientInputsError("the series holds no known pixel")
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return {"y": slice(int(rows[0]), int(rows[-1]) + 1), "x": slice(int(columns[0]), int(columns[-1]) + 1)}


def _block_mean(image: xr.DataArray, block: int) -> xr.DataArray:
    height, width = image.shape
    padded = np.pad(image.values, ((0, -height % block), (0, -width % block)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    spread_out = mean.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    return image.copy(data=spread_out)
