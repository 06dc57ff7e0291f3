"""Other published answers to "no later image exists", written plainly for ``benchmarks/fusion_real.py``.

Each takes base pairs and the day's coarse image, all (y, x) float32 with NaN = unknown, and returns the fine image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.fusion import EstarfmParams, Pair, fuse
from sm_core.fusion.residual import window_mean

Image = NDArray[np.float32]
FIT_WINDOW, BIAS_WINDOW = 25, 51
RIDGE = 1e-3


def fit_fc(pair: Pair, coarse: Image, cell: int) -> Image:
    """Fit-FC (Wang and Atkinson 2018): local regression of the day's coarse image on the base one, applied to the fine
    one, and the coarse residuals given back; without its filter over similar pixels."""
    known = pair.clear & np.isfinite(coarse)
    first, now = (np.where(known, values, np.nan).astype(np.float64) for values in (pair.coarse.values, coarse))
    mean_first, mean_now = window_mean(first, FIT_WINDOW), window_mean(now, FIT_WINDOW)
    covariance = window_mean(first * now, FIT_WINDOW) - mean_first * mean_now
    variance = window_mean(first * first, FIT_WINDOW) - mean_first**2
    slope = np.clip(covariance / (variance + RIDGE * np.nanmax(variance)), 0, 3)
    offset = mean_now - slope * mean_first
    residual = window_mean(now - (slope * first + offset), cell)
    return np.where(known, slope * pair.fine.values + offset + residual, np.nan).astype(np.float32)


def virtual_pair(pairs: Sequence[Pair], coarse: Image, params: EstarfmParams) -> Image:
    """VIPSTF (Wang et al. 2020): the mixture of base pairs that is nearest to the day, then its coarse change."""
    known = np.logical_and.reduce([pair.clear for pair in pairs]) & np.isfinite(coarse)
    if not known.any():
        return np.full(coarse.shape, np.nan, np.float32)
    columns = [pair.coarse.values[known].astype(np.float64) for pair in pairs] + [np.ones(int(known.sum()))]
    matrix = np.stack(columns, axis=1)
    ridge = RIDGE * len(matrix) * np.diag([1.0] * len(pairs) + [0.0])
    even = np.array([1 / len(pairs)] * len(pairs) + [0.0])
    shares = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ coarse[known] + ridge @ even)
    fine, base = (
        sum(share * image(pair) for share, pair in zip(shares, pairs, strict=False)) + shares[-1]
        for image in (lambda pair: pair.fine.values, lambda pair: pair.coarse.values)
    )
    virtual = Pair(pairs[-1].day, field(fine), field(base))
    return fuse(virtual, None, field(coarse), params).value.values


def unbiased(pair: Pair, coarse: Image, params: EstarfmParams) -> Image:
    """ubESTARFM's local bias removal (Yu et al. 2023): fine values shifted to the coarse mean of the window."""
    offset = window_mean(np.where(pair.clear, pair.coarse.values - pair.fine.values, np.nan), BIAS_WINDOW)
    shifted = Pair(pair.day, field(pair.fine.values + offset), pair.coarse)
    return fuse(shifted, None, field(coarse), params).value.values


def field(values: Image) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, np.float32), dims=("y", "x"))
