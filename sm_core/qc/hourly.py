"""Readings on a regular hourly grid, as the checks that look at neighbouring hours need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
LONGEST_STEP_HOURS = 1.01


@dataclass(frozen=True)
class Hourly:
    """Where each reading lies on the grid. row (readings,); size hours."""

    row: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, hours: Values) -> Hourly | None:
        """The grid of readings at ascending times [h], None when they are usually more than an hour apart."""
        if hours.size < 2 or float(np.median(np.diff(hours))) > LONGEST_STEP_HOURS:
            return None
        row = np.rint(hours - hours[0]).astype(np.int64)
        return cls(row, int(row[-1]) + 1)

    def mean(self, values: Values) -> Values:
        """Mean of each hour's known readings, NaN where there are none. (size,)"""
        known = np.isfinite(values)
        count = np.bincount(self.row[known], minlength=self.size)
        total = np.bincount(self.row[known], values[known], self.size)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def total(self, values: Values) -> Values:
        """Sum of each hour's readings, NaN where one is unknown or there are none. (size,)"""
        total: Values = np.bincount(self.row, values, self.size).astype(np.float64)
        total[np.bincount(self.row, minlength=self.size) == 0] = np.nan
        return total

    def readings(self, marked: Mask) -> Mask:
        """Marks of hours as marks of their readings. (readings,)"""
        return marked[self.row]


def shifted(values: Values, hours: int) -> Values:
    """What the series is ``hours`` later (earlier where negative), NaN beyond its ends.

    >>> shifted(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [2.0, 3.0, nan]
    >>> shifted(np.array([1.0, 2.0, 3.0]), -1).tolist()
    [nan, 1.0, 2.0]
    """
    result = np.full(values.size, np.nan)
    if abs(hours) < values.size:
        if hours >= 0:
            result[:values.size - hours] = values[hours:]
        else:
            result[-hours:] = values[:hours]
    return result


def windowed(values: Values, length: int) -> tuple[Values, Values, Values]:
    """Count, mean and variance (of the sample) of the known values in the window that begins at each hour.

    Windows reach beyond the end, where nothing is known. Mean and variance are NaN below one and two values.
    """
    known = np.isfinite(values)
    centre = float(values[known].mean()) if known.any() else 0.0
    filled = np.where(known, values - centre, 0.0)
    count = _sums(known.astype(np.float64), length)
    total, squares = _sums(filled, length), _sums(filled**2, length)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    spread = np.maximum(squares - np.where(count > 0, total**2 / np.maximum(count, 1), 0), 0)
    variance = np.where(count > 1, spread / np.maximum(count - 1, 1), np.nan)
    return np.rint(count), mean + centre, variance


def _sums(values: Values, length: int) -> Values:
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.minimum(np.arange(values.size) + length, values.size)
    sums: Values = total[end] - total[:-1]
    return sums
