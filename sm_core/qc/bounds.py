"""Readings outside what soil can hold, or in another unit."""

from __future__ import annotations

import numpy as np

from sm_core.qc.hourly import Mask, Values

LARGEST = 0.60
UNIT_LIMIT = 1.5
"""Above it a value may be a percentage [m3 m-3]."""
UNIT_RATIO = (30.0, 300.0)


def below_zero(value: Values) -> Mask:
    """C01: below 0."""
    return value < 0


def above_largest(value: Values) -> Mask:
    """C02: above 0.60."""
    return value > LARGEST


def above_saturation(value: Values, saturation: float | None) -> Mask:
    """C03: above what the soil holds when saturated [m3 m-3]; nothing when that is unknown."""
    return value > (np.inf if saturation is None else saturation)


def in_percent(value: Values) -> Mask:
    """UNIT: above 1.5, when the median of such values is 30 to 300 times the median of the others.

    When there are no others, all must be at most 100.
    """
    large = value > UNIT_LIMIT
    if not large.any():
        return large
    rest = value[(value > 0) & ~large]
    if rest.size:
        ratio = float(np.median(value[large]) / np.median(rest))
        flipped = UNIT_RATIO[0] <= ratio <= UNIT_RATIO[1]
    else:
        flipped = float(value[large].max()) <= 100
    return large & flipped
