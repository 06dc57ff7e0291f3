"""From texture to the water that a soil holds: the pedotransfer functions of Saxton & Rawls (2006)."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

ORGANIC_MATTER_PCT = 2.5
Amount = TypeVar("Amount", float, NDArray[np.floating[Any]])


class SoilWater(NamedTuple):
    """Water contents [m3 m-3] at saturation, 33 kPa (field capacity) and 1500 kPa (wilting point)."""

    saturation: Any
    field_capacity: Any
    wilting_point: Any


def soil_water(sand: Amount, clay: Amount, organic_matter: float = ORGANIC_MATTER_PCT) -> SoilWater:
    """Hydraulic limits of soils, for one soil or an array of them, in the precision of the arguments.

    Parameters
    ----------
    sand, clay, organic_matter
        Weight [%], one shape; not checked.

    References
    ----------
    .. [1] Saxton, K. E. & Rawls, W. J. (2006), Soil Sci. Soc. Am. J. 70, 1569-1578, doi:10.2136/sssaj2005.0117,
       equations 1, 2, 3 and 5.

    Examples
    --------
    A loam of 40 % sand and 20 % clay:

    >>> [round(water, 3) for water in soil_water(40.0, 20.0)]
    [0.459, 0.28, 0.137]
    """
    s, c, om = sand / 100, clay / 100, organic_matter
    dry = -0.024 * s + 0.487 * c + 0.006 * om + 0.005 * s * om - 0.013 * c * om + 0.068 * s * c + 0.031
    moist = -0.251 * s + 0.195 * c + 0.011 * om + 0.006 * s * om - 0.027 * c * om + 0.452 * s * c + 0.299
    capacity = moist + 1.283 * moist**2 - 0.374 * moist - 0.015
    free = 0.278 * s + 0.034 * c + 0.022 * om - 0.018 * s * om - 0.027 * c * om - 0.584 * s * c + 0.078
    saturation = capacity + free + 0.636 * free - 0.107 - 0.097 * s + 0.043
    return SoilWater(saturation, capacity, dry + 0.14 * dry - 0.02)
