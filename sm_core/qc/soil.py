"""How much water a soil can hold."""

from __future__ import annotations

import math

ORGANIC_MATTER_PCT = 2.5


def saturation(sand_pct: float, clay_pct: float, organic_matter_pct: float = ORGANIC_MATTER_PCT) -> float:
    """Water content of the saturated soil [m3 m-3] from its texture [% weight], for the check C03.

    References
    ----------
    .. [1] Saxton, K. E. & Rawls, W. J. (2006), Soil Sci. Soc. Am. J. 70, 1569-1578, doi:10.2136/sssaj2005.0117,
       equations 2, 3 and 5.

    Examples
    --------
    >>> round(saturation(40.0, 20.0), 2)
    0.46
    """
    s, c, om = sand_pct / 100, clay_pct / 100, organic_matter_pct
    if not (math.isfinite(s + c + om) and s >= 0 and c >= 0 and s + c <= 1):
        raise ValueError(f"no texture: sand {sand_pct} %, clay {clay_pct} %, organic matter {organic_matter_pct} %")
    moist = -0.251 * s + 0.195 * c + 0.011 * om + 0.006 * s * om - 0.027 * c * om + 0.452 * s * c + 0.299
    capacity = moist + 1.283 * moist**2 - 0.374 * moist - 0.015
    free = 0.278 * s + 0.034 * c + 0.022 * om - 0.018 * s * om - 0.027 * c * om - 0.584 * s * c + 0.078
    return capacity + free + 0.636 * free - 0.107 - 0.097 * s + 0.043
