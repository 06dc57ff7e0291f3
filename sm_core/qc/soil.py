"""How much water a soil can hold."""

from __future__ import annotations

import math

from sm_core.grid.pedotransfer import ORGANIC_MATTER_PCT, soil_water


def saturation(sand_pct: float, clay_pct: float, organic_matter_pct: float = ORGANIC_MATTER_PCT) -> float:
    """Water content of the saturated soil [m3 m-3] from its texture [% weight], for the check C03.

    References
    ----------
    .. [1] :func:`sm_core.grid.pedotransfer.soil_water`

    Examples
    --------
    >>> round(saturation(40.0, 20.0), 2)
    0.46
    """
    s, c, om = sand_pct / 100, clay_pct / 100, organic_matter_pct
    if not (math.isfinite(s + c + om) and s >= 0 and c >= 0 and s + c <= 1):
        raise ValueError(f"no texture: sand {sand_pct} %, clay {clay_pct} %, organic matter {organic_matter_pct} %")
    return float(soil_water(sand_pct, clay_pct, organic_matter_pct).saturation)
