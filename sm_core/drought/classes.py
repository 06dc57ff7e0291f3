"""Drought classes of the U.S. Drought Monitor, by soil-moisture percentile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record

NO_DROUGHT = 0
UNKNOWN = 255


class DroughtClass(Record):
    """A class: percentiles at or below ``up_to`` [%], unless a more severe class holds."""

    value: int
    name: str
    meaning: str
    up_to: float
    colour: str


USDM: tuple[DroughtClass, ...] = (
    DroughtClass(value=1, name="D0", meaning="abnormally dry", up_to=30, colour="#FFFF00"),
    DroughtClass(value=2, name="D1", meaning="moderate drought", up_to=20, colour="#FCD37F"),
    DroughtClass(value=3, name="D2", meaning="severe drought", up_to=10, colour="#FFAA00"),
    DroughtClass(value=4, name="D3", meaning="extreme drought", up_to=5, colour="#E60000"),
    DroughtClass(value=5, name="D4", meaning="exceptional drought", up_to=2, colour="#730000"),
)


def classify(percentile: ArrayLike) -> NDArray[np.uint8]:
    """Drought class of a percentile, as it is published: to 0.01 %.

    Parameters
    ----------
    percentile
        Soil-moisture percentile [%], any shape, NaN = unknown.

    Returns
    -------
    uint8, same shape: 0 none, 1 to 5 for D0 to D4, 255 unknown.

    References
    ----------
    .. [1] Svoboda et al. 2002, The Drought Monitor, doi:10.1175/1520-0477-83.8.1181

    Examples
    --------
    >>> classify([50.0, 30.0, 20.0, 10.0, 5.0, 2.0, 0.1, float("nan")]).tolist()
    [0, 1, 2, 3, 4, 5, 5, 255]
    """
    return severity(percentile, [drought.up_to for drought in USDM])


def severity(values: ArrayLike, limits: Sequence[float]) -> NDArray[np.uint8]:
    """How many of the limits a value, rounded to 0.01, is at or below: 0 none, 255 unknown.

    Parameters
    ----------
    values
        Any shape, NaN = unknown.
    limits
        From the mildest, which is the largest, to the most severe.
    """
    rounded = np.round(np.asarray(values, np.float64), 2)
    steps = len(limits) - np.searchsorted(np.array(limits)[::-1], rounded, side="left")
    return np.where(np.isnan(rounded), UNKNOWN, steps).astype(np.uint8)
