"""From texture to hydraulic limits: the pedotransfer functions of Saxton & Rawls (2006)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sm_core.grid.pedotransfer import soil_water
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
       equation 16 for the conductivity; :func:`sm_core.grid.pedotransfer.soil_water` for the water contents.

    Examples
    --------
    A loam of 40 % sand and 20 % clay:

    >>> loam = soil_of(np.float32([40.0]), np.float32([20.0]))
    >>> [round(float(value[0]), 2) for value in loam[:3]]
    [0.46, 0.28, 0.14]
    """
    saturation, capacity, wilting = soil_water(sand, clay, PHYSICS.organic_matter_pct)
    slope = (np.log(capacity) - np.log(wilting)) / (np.log(1500.0) - np.log(33.0))
    conductivity = 24.0 * 1930.0 * (saturation - capacity) ** (3.0 - slope)
    return Soil(*(np.asarray(value, np.float32) for value in (saturation, capacity, wilting, conductivity)))
