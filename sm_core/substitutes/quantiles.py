"""Quantiles of series, and the mapping of one distribution to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = np.linspace(0.05, 0.95, 19)
"""Probabilities of the quantiles that are kept. Single extreme days tell little: beyond, the distance is kept."""
Floats = NDArray[np.float32]


def quantiles(sample: Floats, minimum: int) -> Floats:
    """Quantiles of each cell's known values at :data:`LEVELS`.

    Parameters
    ----------
    sample
        (time, ...), NaN = unknown.
    minimum
        Cells with fewer known values have none.

    Returns
    -------
    (levels, ...), rising along the first axis; NaN where there are too few values.
    """
    if not len(sample):
        return np.full((len(LEVELS), *sample.shape[1:]), np.nan, np.float32)
    ordered = np.sort(sample, axis=0)                                    # NaN go last
    count = np.isfinite(sample).sum(axis=0)
    last = np.maximum(count - 1, 0)
    rank = LEVELS.reshape(-1, *(1,) * count.ndim) * last
    lower = np.floor(rank).astype(np.int64)
    below = np.take_along_axis(ordered, lower, axis=0)
    above = np.take_along_axis(ordered, np.minimum(lower + 1, last), axis=0)
    return np.where(count >= minimum, below + (rank - lower) * (above - below), np.nan).astype(np.float32)


def map_values(values: Floats, source: Floats, reference: Floats) -> Floats:
    """Take each value to the reference quantile of the same probability.

    Parameters
    ----------
    values
        One value of each cell. (cells,), NaN = unknown.
    source, reference
        Quantiles at the same probabilities, rising. (levels, cells)

    Returns
    -------
    (cells,), rising with ``values``; linear between quantiles. Beyond the outermost ones a distance counts as much as
    the ranges of quantiles are to each other. NaN where anything is unknown.

    Examples
    --------
    >>> source, reference = np.array([[0.1], [0.2], [0.3]]), np.array([[0.2], [0.3], [0.5]])
    >>> [round(float(map_values(np.array([v]), source, reference)[0]), 3) for v in (0.05, 0.15, 0.25, 0.3, 0.31)]
    [0.125, 0.25, 0.4, 0.5, 0.515]
    """
    last = len(source) - 1
    above = (source <= values).sum(axis=0)
    lower, upper = np.maximum(above - 1, 0)[None], np.minimum(above, last)[None]
    s0, s1, r0, r1 = (
        np.take_along_axis(table, index, axis=0)[0] for table in (source, reference) for index in (lower, upper)
    )
    width = s1 - s0
    inside = width > 0
    share = np.where(inside, (values - s0) / np.where(inside, width, 1), 0)
    spread = source[-1] - source[0]
    stretch = np.where(spread > 0, (reference[-1] - reference[0]) / np.where(spread > 0, spread, 1), 1)
    mapped = np.where(inside, r0 + share * (r1 - r0), r0 + stretch * (values - s0))
    known = np.isfinite(values) & np.isfinite(source[0]) & np.isfinite(reference[0])
    return np.where(known, mapped, np.nan).astype(np.float32)
