"""Readings that temperature and rain contradict.

Checks D01 to D05 are those of Dorigo et al. (2013, doi:10.2136/vzj2012.0097).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_core.qc.hourly import Mask, Values, shifted, windowed

FREEZING_C = 0.0
THAWED_C = 1.0
HYSTERESIS_HOURS = 24.0
"""Soil counts as thawed when it was warmer than ``THAWED_C`` for so long, or when no sign of frost came for so long."""
LEAST_SIGNS = 2
"""Frost flags within the hysteresis that make a frost: one alone may be a slip."""
FROST_FLAGS = r"\bD0[13]\b"
RAIN_DEPTH_M = 0.10
"""Deeper sensors answer to rain too late to be judged by that of a day."""
LEAST_RAIN_MM = 0.2
RAIN_PER_DEPTH_MM = 0.05 * 0.5 * 1000
"""Rain that wets soil of half pore space by 5 % [mm per m depth]."""
RISE_DEVIATIONS = 2.0


def freezing(temperature: Values) -> Mask:
    """D01, D02, D03: soil, air or model soil below 0 degC."""
    return temperature < FREEZING_C


def frost_by_temperature(temperature: Values, hours: Values) -> Mask:
    """FROST: from the first soil temperature below 0 degC until it was above 1 degC for 24 hours."""
    position = np.arange(temperature.size)
    known = np.isfinite(temperature)
    since_known = hours - hours[np.maximum(np.maximum.accumulate(np.where(known, position, -1)), 0)]
    index = pd.to_datetime(np.round(hours * 3600).astype(np.int64), unit="s")
    coldest = pd.Series(temperature, index).rolling("24h", closed="both").min().to_numpy()
    long_enough = hours - hours[0] >= HYSTERESIS_HOURS if hours.size else known
    cold, warm = temperature < FREEZING_C, (coldest > THAWED_C) & known & long_enough
    return (_last(cold) > _last(warm)) & (since_known < HYSTERESIS_HOURS)


def frost_by_flags(flag: pd.Series, hours: Values) -> Mask:
    """FROST: less than 24 hours after two or more readings that the network flagged D01 or D03."""
    distinct, codes = np.unique(flag.to_numpy(object).astype(str), return_inverse=True)
    sign = pd.Series(distinct).str.contains(FROST_FLAGS).to_numpy(bool)[codes]
    signs = np.concatenate([[0], np.cumsum(sign)])
    oldest = np.searchsorted(hours, hours - HYSTERESIS_HOURS, side="right")
    return np.asarray(signs[1:] - signs[oldest] >= LEAST_SIGNS)


def rise_without_rain(hourly: Values, rain: Values, depth_m: float) -> Mask:
    """D04, D05: a rise within the hour and within 24 hours, by more than 2 deviations of these, without rain enough.

    Parameters
    ----------
    hourly, rain
        Soil moisture [m3 m-3] and rain of the hour [mm]. (hours,)
    depth_m
        Sensors at 10 cm or deeper are not judged.
    """
    if depth_m >= RAIN_DEPTH_M:
        return np.zeros(hourly.size, np.bool_)
    least = depth_m * RAIN_PER_DEPTH_MM if depth_m > 0 else LEAST_RAIN_MM
    _, _, variance = windowed(hourly, 25)
    known, mean_rain, _ = windowed(rain, 24)
    deviation = np.sqrt(shifted(variance, -24))
    total = shifted(np.where(known == 24, 24 * mean_rain, np.nan), -23)
    rises = (hourly - shifted(hourly, -1) > 0) & (hourly - shifted(hourly, -24) > RISE_DEVIATIONS * deviation)
    return rises & (np.round(total, 1) < least)


def _last(event: Mask) -> Values:
    return np.maximum.accumulate(np.where(event, np.arange(event.size), -1)).astype(np.float64)
