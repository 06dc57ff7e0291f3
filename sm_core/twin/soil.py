"""From texture to hydraulic limits: the pedotransfer functions of Saxton & Rawls (2006)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sm_core.twin.constants import PHYSICS
from sm_core.twin.fields import Floats


class Soil(NamedTuple):
    """Water contents [m3 m-3] at saturation, 33 kPa and 1500 kPa, and saturated conductivity [mm d-1]. (cells,)"""

    saturation: Floats
    field_capacity: Floats
    wilting_point: Floats
    conductivity: Floats


def soil_of(sand: Floats, clay: Floats) -> Soil:
    """Hydraulic limits of soils of given sand and clay content [% weight], same shape.

    References
    ----------
    .. [1] Saxton, K. E. & Rawls, W. J. (2006), Soil Sci. Soc. Am. J. 70, 1569-1578, doi:10.2136/sssaj2005.0117,
       table 1 (equations 1-5, 16).

    Examples
    --------
    A loam of 40 % sand and 20 % clay:

    >>> loam = soil_of(np.float32([40.0]), np.float32([20.0]))
    >>> [round(float(value[0]), 2) for value in loam[:3]]
    [0.46, 0.28, 0.14]
    """
    s, c, om = sand / 100.0, clay / 100.0, PHYSICS.organic_matter_pct
    dry = -0.024 * s + 0.487 * c + 0.006 * om + 0.005 * s * om - 0.013 * c * om + 0.068 * s * c + 0.031
    wilting = dry + 0.14 * dry - 0.02
    moist = -0.251 * s + 0.195 * c + 0.011 * om + 0.006 * s * om - 0.027 * c * om + 0.452 * s * c + 0.299
    capacity = moist + 1.283 * moist**2 - 0.374 * moist - 0.015
    free = 0.278 * s + 0.034 * c + 0.022 * om - 0.018 * s * om - 0.027 * c * om - 0.584 * s * c + 0.078
    saturation = capacity + free + 0.636 * free - 0.107 - 0.097 * s + 0.043
    slope = (np.log(capacity) - np.log(wilting)) / (np.log(1500.0) - np.log(33.0))
    conductivity = 24.0 * 1930.0 * (saturation - capacity) ** (3.0 - slope)
    return Soil(*(np.asarray(value, np.float32) for value in (saturation, capacity, wilting, conductivity)))
