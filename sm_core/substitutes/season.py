"""The yearly cycle: days on a circle of 365, harmonics, least squares in each cell."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAYS = 365
_EPOCH = dt.date(2001, 1, 1)


def day_of_year(day: dt.date) -> int:
    """Position in a year of 365, by month and day; 29 February counts as 28 February.

    >>> [day_of_year(dt.date(2024, *md)) for md in ((1, 1), (2, 28), (2, 29), (3, 1), (12, 31))]
    [0, 58, 58, 59, 364]
    """
    safe = day.replace(day=28) if (day.month, day.day) == (2, 29) else day
    return (safe.replace(year=2001) - _EPOCH).days


def distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Days between two days of the year, the shorter way round.

    >>> float(distance(360, 5))
    10.0
    """
    apart = np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)) % DAYS
    shorter: NDArray[np.float64] = np.minimum(apart, DAYS - apart)
    return shorter


def harmonics(doy: ArrayLike, order: int) -> NDArray[np.float64]:
    """1, then cosine and sine of each harmonic up to ``order``. (1 + 2 order, ...) for days of the year (...)"""
    angle = 2 * np.pi * (np.asarray(doy, np.float64) + 0.5) / DAYS
    terms = [np.ones_like(angle)]
    for k in range(1, order + 1):
        terms += [np.cos(k * angle), np.sin(k * angle)]
    return np.stack(terms)


def evaluate(coefficients: NDArray[np.float32], doy: ArrayLike) -> NDArray[np.float32]:
    """The cycle on one day, or on each cell's own day. (y, x)

    Parameters
    ----------
    coefficients
        (1 + 2 order, y, x)
    doy
        One day of the year, or one of each cell (y, x).
    """
    terms = harmonics(doy, (len(coefficients) - 1) // 2).astype(np.float32)
    if terms.ndim == 1:
        return np.tensordot(terms, coefficients, axes=1)
    cycle: NDArray[np.float32] = (terms * coefficients).sum(axis=0)
    return cycle


class HarmonicFit:
    """Least squares of harmonics in each cell, image by image."""

    def __init__(self, order: int, shape: tuple[int, int], ridge: float) -> None:
        size = 1 + 2 * order
        self._order, self._ridge = order, ridge
        self._products = np.zeros((size, size, *shape))
        self._with = np.zeros((size, *shape))

    def add(self, values: NDArray[np.floating], doy: ArrayLike) -> None:
        """One image (y, x), NaN = unknown, and its day of the year or those of its cells."""
        known = np.isfinite(values)
        terms = harmonics(doy, self._order)
        terms = np.broadcast_to(terms[:, None, None] if terms.ndim == 1 else terms, self._with.shape)
        terms = np.where(known, terms, 0)
        for i in range(len(terms)):
            self._with[i] += terms[i] * np.where(known, values, 0)
            for j in range(i + 1):
                self._products[i, j] += terms[i] * terms[j]

    def solve(self, minimum: int) -> NDArray[np.float32]:
        """Coefficients (1 + 2 order, y, x); NaN in cells with fewer than ``minimum`` values."""
        size = len(self._with)
        full = self._products + np.swapaxes(self._products, 0, 1) * (1 - np.eye(size))[..., None, None]
        matrix = np.moveaxis(full, (0, 1), (-2, -1)) + self._ridge * np.diag([1e-6, *np.ones(size - 1)])
        solved = np.linalg.solve(matrix, np.moveaxis(self._with, 0, -1)[..., None])[..., 0]
        enough = self._products[0, 0] >= minimum
        return np.where(enough, np.moveaxis(solved, -1, 0), np.nan).astype(np.float32)
