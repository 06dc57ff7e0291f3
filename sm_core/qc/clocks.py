"""Loggers whose clock is wrong: it rains on all stations nearby at about the same time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sm_core.qc.hourly import Mask, Values
from sm_core.sources.stations import StationSeries

WINDOW_DAYS = 90
LARGEST_SHIFT_HOURS = 72.0
LEAST_SHIFT_HOURS = 4.0
"""Rain crosses a region within some hours; a smaller shift is no fault."""
LEAST_CORRELATION, LEAST_GAIN = 0.3, 0.15
"""Correlation of wetting at the shift, and by how much it exceeds that without a shift."""
LEAST_PAIRS = 0.5
LEAST_READINGS = 100
DEEPEST_M = 0.10
"""Below, wetting arrives too late and too smooth to tell a time."""
LEAST_NEIGHBOURS = 3


def clock_shifts(series: Sequence[StationSeries], neighbours: Sequence[Sequence[int]]) -> list[Mask]:
    """Which readings have a wrong time, by wetting that comes before or after that of the neighbours.

    Parameters
    ----------
    series
        Sensors with the column ``qc``.
    neighbours
        For each sensor, the numbers of its neighbours.

    Returns
    -------
    One mask per sensor. (readings,)

    Notes
    -----
    Within each 90 days, the increases of the sensor's good readings are correlated with those of its neighbours (mean)
    at shifts of up to 72 hours. The clock is wrong when the best shift is at least 4 hours and one reading interval,
    with a correlation of at least 0.3 that exceeds the one without shift by 0.15. Shifts below the interval between
    readings cannot be seen.
    """
    steps = [_step_hours(one) if _shallow(one) else 0 for one in series]

    @cache
    def wetting(number: int, step: int) -> _Wetting:
        return _wetting(series[number], step)

    result = []
    for number, one in enumerate(series):
        near = [index for index in neighbours[number] if steps[index]]
        marked = np.zeros(len(one.values), np.bool_)
        if steps[number] and len(near) >= LEAST_NEIGHBOURS:
            own, others = wetting(number, steps[number]), [wetting(index, steps[number]) for index in near]
            windows = (_hours(one) // steps[number] - own.first) // own.window
            for window in range(-(-own.values.size // own.window)):
                if _is_shifted(own, others, window):
                    marked |= windows == window
        result.append(marked)
    return result


class _Wetting(NamedTuple):
    """Increases from one interval of ``step`` hours to the next; ``first`` counts intervals since 1970. (intervals,)"""

    first: int
    step: int
    values: Values

    @property
    def window(self) -> int:
        """Intervals of a window."""
        return WINDOW_DAYS * 24 // self.step

    def between(self, begin: int, end: int) -> Values:
        """The intervals from ``begin`` to before ``end``, NaN where the series has none."""
        result = np.full(end - begin, np.nan)
        low, high = max(begin, self.first), min(end, self.first + self.values.size)
        if low < high:
            result[low - begin:high - begin] = self.values[low - self.first:high - self.first]
        return result


def _shallow(series: StationSeries) -> bool:
    return (series.station.depth_from_m + series.station.depth_to_m) / 2 <= DEEPEST_M


def _hours(series: StationSeries) -> NDArray[np.int64]:
    return np.asarray(series.values.index, "datetime64[h]").astype(np.int64)


def _good(series: StationSeries) -> Mask:
    return np.asarray(series.values["qc"] == "", bool)


def _step_hours(series: StationSeries) -> int:
    """The usual interval between good readings, at least an hour; 0 when there are too few."""
    hours = _hours(series)[_good(series)]
    return max(1, round(float(np.median(np.diff(hours))))) if hours.size > LEAST_READINGS else 0


def _wetting(series: StationSeries, step: int) -> _Wetting:
    good = _good(series)
    interval = _hours(series)[good] // step
    value = series.values["value"].to_numpy(np.float64)[good]
    first = int(interval[0])
    count = np.bincount(interval - first)
    mean = np.where(count > 0, np.bincount(interval - first, value) / np.maximum(count, 1), np.nan)
    return _Wetting(first, step, np.maximum(np.diff(mean, prepend=np.nan), 0.0))


def _is_shifted(own: _Wetting, others: Sequence[_Wetting], window: int) -> bool:
    begin = own.first + window * own.window
    end = begin + own.window
    most = int(LARGEST_SHIFT_HOURS) // own.step
    around = np.stack([other.between(begin - most, end + most) for other in others])
    known = np.isfinite(around)
    enough = known.sum(axis=0) >= LEAST_NEIGHBOURS
    reference = np.where(enough, np.where(known, around, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
    values = own.between(begin, end)
    correlation = np.array([
        _correlation(values, reference[lag:lag + values.size]) for lag in range(2 * most + 1)
    ])
    return _is_clear(correlation, most, own.step)


def _is_clear(correlation: Values, most: int, step: int) -> bool:
    if not np.isfinite(correlation).any():
        return False
    best = int(np.nanargmax(correlation))
    here = float(np.nan_to_num(correlation[most]))
    shift = abs(best - most) * step
    clear = correlation[best] >= LEAST_CORRELATION and correlation[best] - here >= LEAST_GAIN
    return bool(clear and shift >= LEAST_SHIFT_HOURS)


def _correlation(one: Values, other: Values) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < max(LEAST_PAIRS * one.size, 30):
        return np.nan
    a, b = one[both] - one[both].mean(), other[both] - other[both].mean()
    power = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / power if power > 0 else np.nan
