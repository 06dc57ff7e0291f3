"""The rank of a value in a sample, and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sm_core.drought.classes import USDM

MIN_YEARS = 20
"""A shorter record leaves the tails of the distribution to guesswork."""
TIE = 1e-6
"""Values closer than this are equal [m3 m-3]."""
MISSING = np.uint16(65535)
LIMITS = tuple(drought.up_to for drought in USDM)
"""Upper limits of D0 to D4 [%]."""


@dataclass(frozen=True)
class Comparison:
    """A field compared with its climatology; arrays of one shape, ``limits`` with a leading axis of classes."""

    percent: NDArray[np.float32]
    extrapolated: NDArray[np.bool_]
    anomaly: NDArray[np.float32]
    limits: NDArray[np.float32]

    @classmethod
    def unknown(cls, cells: int) -> Comparison:
        """Nothing known of so many cells."""
        return cls(np.full(cells, np.nan, np.float32), np.zeros(cells, np.bool_), np.full(cells, np.nan, np.float32),
                   np.full((len(LIMITS), cells), np.nan, np.float32))

    def shaped(self, shape: tuple[int, ...]) -> Comparison:
        """The same with cells in another shape."""
        return Comparison(self.percent.reshape(shape), self.extrapolated.reshape(shape), self.anomaly.reshape(shape),
                          self.limits.reshape(len(LIMITS), *shape))

    def where(self, chosen: NDArray[np.bool_], other: Comparison) -> Comparison:
        """This where ``chosen``, else the other."""
        return Comparison(
            np.where(chosen, self.percent, other.percent), np.where(chosen, self.extrapolated, other.extrapolated),
            np.where(chosen, self.anomaly, other.anomaly), np.where(chosen, self.limits, other.limits),
        )


def gringorten(n: int) -> NDArray[np.float64]:
    """Probabilities of n ordered values, (i - 0.44) / (n + 0.12). (n,)"""
    return (np.arange(n, dtype=np.float64) + 0.56) / (n + 0.12)


def beyond_years(probability: NDArray[np.float64], years: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a probability lies in a tail that so many independent years cannot tell, or there are fewer than 20.

    >>> beyond_years(np.array([0.020, 0.030, 0.985, 0.5]), np.array([25, 25, 25, 19])).tolist()
    [True, False, True, True]
    """
    tail = 0.56 / (years + 0.12)
    return (probability < tail) | (probability > 1 - tail) | (years < MIN_YEARS)


def compare_with_sample(
    value: NDArray[np.floating], sample: NDArray[np.uint16], years: NDArray[np.int64]
) -> Comparison:
    """Rank one value in each row of a sample.

    Parameters
    ----------
    value
        In units of the sample's steps, NaN = unknown. (cells,)
    sample
        Sorted along the row, ``MISSING`` last. (cells, n)
    years
        With a value in the row. (cells,)

    Returns
    -------
    Comparison of the cells that have a sample; ``limits`` in steps.
    """
    result = Comparison.unknown(len(value))
    count = sample.shape[1] - (sample == MISSING).sum(axis=1)
    for number, limit in enumerate(LIMITS):
        result.limits[number] = _quantile(sample, count, limit / 100)
    asked = np.flatnonzero((count > 0) & np.isfinite(value))
    if not len(asked):
        return result
    sample, count, years = sample[asked], count[asked], years[asked]
    step = np.clip(np.round(value[asked]), 0, 65534).astype(np.uint16)
    below = (sample < step[:, None]).sum(axis=1)
    upto = (sample <= step[:, None]).sum(axis=1)
    rank = np.where(upto > below, (below + 1 + upto) / 2, _between(value[asked], sample, below, count))
    probability = (rank - 0.44) / (count + 0.12)
    result.percent[asked] = 100 * probability
    result.extrapolated[asked] = (upto == 0) | (below == count) | beyond_years(probability, years)
    mean, deviation = _moments(sample, count)
    result.anomaly[asked] = (value[asked] - mean) / np.where(deviation > 0, deviation, np.nan)
    return result


def _between(
    value: NDArray[np.floating], sample: NDArray[np.uint16], below: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Rank of a value between two of the sample, linear; 1 and n beyond its ends."""
    rows = np.arange(len(value))
    low = sample[rows, np.maximum(below - 1, 0)].astype(np.float64)
    high = sample[rows, np.minimum(below, count - 1)].astype(np.float64)
    share = np.clip((value - low) / np.where(high > low, high - low, 1), 0, 1)
    rank: NDArray[np.float64] = np.clip(below + np.where(high > low, share, 0), 1, count)
    return rank


def _quantile(sample: NDArray[np.uint16], count: NDArray[np.int64], probability: float) -> NDArray[np.float64]:
    rank = np.clip(probability * (count + 0.12) + 0.44, 1, np.maximum(count, 1)) - 1
    lower = rank.astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(sample))
    low, high = sample[rows, lower].astype(np.float64), sample[rows, upper].astype(np.float64)
    return np.where(count > 0, low + (rank - lower) * (high - low), np.nan)


def _moments(
    sample: NDArray[np.uint16], count: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    missing = sample.shape[1] - count
    mean = (sample.sum(axis=1, dtype=np.uint32) - missing * float(MISSING)) / count
    centred = sample - mean.astype(np.float32)[:, None]
    if missing.any():
        centred[sample == MISSING] = 0
    squares = np.einsum("cn,cn->c", centred, centred)
    return mean, np.sqrt(squares / np.maximum(count - 1, 1))
