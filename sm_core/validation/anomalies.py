"""Departures from the usual: from a centred moving mean, or from a climatology."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Record
from sm_core.validation.intervals import pearson_interval
from sm_core.validation.metrics import Number, effective_sample_size, pearson_r

YEAR = 366
WINDOW_DAYS = 35.0
MIN_OBS = 3


class AnomalyCorrelation(Record):
    """Correlation of departures and its confidence interval on ``n_eff`` independent pairs."""

    value: Number
    lower: Number
    upper: Number
    n_obs: int
    n_eff: Number


def calendar_position(days: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Place in a leap year's calendar, 0 … 365: 1 March is 60 in every year.

    >>> calendar_position(pd.DatetimeIndex(["2019-02-28", "2019-03-01", "2020-03-01", "2019-12-31"])).tolist()
    [58, 60, 60, 365]
    """
    skipped = ~days.is_leap_year & (days.month > 2)
    return np.asarray(days.day_of_year - 1 + skipped, np.int64)


def anomaly(
    series: pd.Series, *, window_days: float = WINDOW_DAYS, min_obs: int = MIN_OBS, climatology: pd.Series | None = None
) -> pd.Series:
    """Departure from the moving mean of the known values within ± half a window, or from a climatology.

    Parameters
    ----------
    series
        Indexed by time, increasing; NaN = unknown.
    window_days
        Width of the window [days], both ends included.
    min_obs
        Fewest known values in the window; NaN below.
    climatology
        By place in a leap year's calendar, 1 … 366, as :func:`climatology` gives it.

    Returns
    -------
    Series on the same times, NaN where unknown.

    >>> rain = pd.Series([0.1, 0.4, 0.1], pd.date_range("2021-05-01", periods=3))
    >>> anomaly(rain, min_obs=1).round(3).tolist()
    [-0.1, 0.2, -0.1]
    """
    index = pd.DatetimeIndex(series.index)
    if climatology is not None:
        return series - climatology.reindex(calendar_position(index) + 1).to_numpy()
    half = pd.Timedelta(days=window_days / 2)
    known = series.dropna()
    times, values = pd.DatetimeIndex(known.index), known.to_numpy(np.float64)
    first, last = times.searchsorted(times - half, "left"), times.searchsorted(times + half, "right")
    origin = float(values.mean()) if values.size else 0.0
    total = np.concatenate([[0.0], np.cumsum(values - origin)])
    count = last - first
    mean = origin + (total[last] - total[first]) / np.maximum(count, 1)
    return pd.Series(np.where(count >= min_obs, values - mean, np.nan), times, name=series.name).reindex(index)


def climatology(series: pd.Series, *, window_days: int = 35) -> pd.Series:
    """Mean of all years' known values within ± half a window of each calendar day; the year is a circle.

    Returns
    -------
    Indexed 1 … 366 by place in a leap year's calendar; NaN where no value is near.
    """
    known = series.dropna()
    place = calendar_position(pd.DatetimeIndex(known.index))
    total = np.bincount(place, known.to_numpy(np.float64), YEAR)
    return pd.Series(circular_mean(total, np.bincount(place, minlength=YEAR), window_days), np.arange(YEAR) + 1)


def circular_mean(total: NDArray[Any], count: NDArray[Any], window_days: int) -> NDArray[np.float64]:
    """Mean over ± half a window on the circle of the year, from sums and counts by calendar day. (…, 366)"""
    half = window_days // 2
    near = [np.roll(total, step, axis=-1) for step in range(-half, half + 1)]
    counts = np.sum([np.roll(count, step, axis=-1) for step in range(-half, half + 1)], axis=0)
    return np.where(counts > 0, np.sum(near, axis=0) / np.maximum(counts, 1), np.nan)


def anomaly_r(
    *, estimate: pd.Series, reference: pd.Series, window_days: float = WINDOW_DAYS, min_obs: int = MIN_OBS,
    climatologies: tuple[pd.Series, pd.Series] | None = None, level: float = 0.95, lag: int = 1,
) -> AnomalyCorrelation:
    """Correlation of the departures of estimate and reference, each from its own moving mean or climatology.

    Parameters
    ----------
    estimate, reference
        On the same daily times, NaN = unknown. Moving means are taken over the days that both know.
    climatologies
        Of the estimate and of the reference.
    level, lag
        Of the confidence interval, as in :func:`~sm_core.validation.metrics.pair_metrics`.
    """
    e, o = estimate.where(reference.notna()), reference.where(estimate.notna())
    own = climatologies or (None, None)
    pair = {
        name: anomaly(series, window_days=window_days, min_obs=min_obs, climatology=usual)
        for name, series, usual in (("estimate", e, own[0]), ("reference", o, own[1]))
    }
    r, n_eff = pearson_r(**pair), effective_sample_size(**pair, lag=lag)
    n_obs = int((pair["estimate"].notna() & pair["reference"].notna()).sum())
    lower, upper = pearson_interval(r, n_eff, level=level)
    return AnomalyCorrelation(value=r, lower=lower, upper=upper, n_obs=n_obs, n_eff=n_eff if n_obs else math.nan)


def spacing(days: pd.DatetimeIndex) -> int:
    """The most usual number of days between neighbouring days; 1 for fewer than two days.

    >>> spacing(pd.DatetimeIndex(["2021-05-01", "2021-05-11", "2021-05-21", "2021-06-30"]))
    10
    """
    steps = np.diff(np.unique(days.normalize().values)) // np.timedelta64(1, "D")
    return int(np.bincount(steps.astype(np.int64)).argmax()) if steps.size else 1
