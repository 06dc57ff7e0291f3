"""Observations that belong together: nearest in time within a window, or of the same UTC day."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WINDOW = pd.Timedelta(hours=6)


def collocate(
    reference: pd.Series, others: Mapping[str, pd.Series], *, window: pd.Timedelta = WINDOW
) -> pd.DataFrame:
    """For each known reference value the nearest known value of every other series.

    Parameters
    ----------
    reference
        Indexed by time (UTC where it says nothing else).
    others
        By name, same index.
    window
        Farthest distance in time, included; 6 h is the usual window of 12 h.

    Returns
    -------
    Indexed by the reference's times (UTC, without time zone), columns ``reference`` and the names: only rows that all
    know. Of two equally near values the earlier is taken; of repeated times the first. A value may serve several
    reference times.

    >>> at = lambda *hours: pd.to_datetime([f"2021-05-01 {hour:02d}:00" for hour in hours])
    >>> found = collocate(pd.Series([0.3], at(12)), {"model": pd.Series([0.1, 0.2], at(9, 15))})
    >>> found.iloc[0].tolist()
    [0.3, 0.1]
    """
    known = _in_order(reference)
    columns = {"reference": known.to_numpy(np.float64)}
    for name, other in others.items():
        columns[name] = _nearest(pd.DatetimeIndex(known.index), _in_order(other), window)
    return pd.DataFrame(columns, index=known.index).dropna()


def match_days(reference: pd.Series, others: Mapping[str, pd.Series], *, min_values: int = 1) -> pd.DataFrame:
    """Means of UTC days that every series knows.

    Parameters
    ----------
    reference, others
        As :func:`collocate` takes them.
    min_values
        Fewest known values of a day.

    Returns
    -------
    Indexed by day, columns ``reference`` and the names.
    """
    means = {name: daily_mean(series, min_values=min_values) for name, series in
             {"reference": reference, **others}.items()}
    return pd.concat(means, axis=1, join="inner").dropna()


def daily_mean(series: pd.Series, *, min_values: int = 1) -> pd.Series:
    """Mean of the known values of each UTC day that has ``min_values`` of them; midnight belongs to the new day."""
    known = _in_order(series)
    by_day = known.groupby(pd.DatetimeIndex(known.index).normalize())
    return by_day.mean()[by_day.size() >= min_values].rename_axis("day")


def _in_order(series: pd.Series) -> pd.Series:
    known = series.dropna()
    index = pd.DatetimeIndex(known.index)
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    known = known.set_axis(utc.as_unit("ns"))
    return known[~known.index.duplicated()].sort_index()


def _nearest(times: pd.DatetimeIndex, other: pd.Series, window: pd.Timedelta) -> NDArray[np.float64]:
    if not len(other):
        return np.full(len(times), np.nan)
    theirs, values = pd.DatetimeIndex(other.index).asi8, other.to_numpy(np.float64)
    after = np.searchsorted(theirs, times.asi8)
    left, right = np.maximum(after - 1, 0), np.minimum(after, len(theirs) - 1)
    to_left, to_right = (np.abs(times.asi8 - theirs[place]) for place in (left, right))
    nearest = np.where(to_left <= to_right, left, right)
    return np.where(np.minimum(to_left, to_right) <= window.value, values[nearest], np.nan)
