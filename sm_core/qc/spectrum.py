"""Shapes in a series that soil does not make: stuck values, spikes, breaks, plateaus.

Breaks and plateaus follow Dorigo et al. (2013, doi:10.2136/vzj2012.0097), whose thresholds are in % by volume and
assume hourly readings: they are looked for in series with a reading at least every hour, on the hourly grid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sm_core.qc.hourly import Mask, Values, shifted, windowed

STUCK_HOURS = 48.0
STUCK_DEPTH_M = 0.10
LONGEST_GAP_HOURS = 12.0
SPIKE_RATIO = 0.15
SPIKE_LEAST = 0.02
"""Smallest height of a spike [m3 m-3]."""
SPIKE_RETURN = 0.2
SPIKE_GAP_HOURS = 6.0

PERCENT = 100.0
HALF_DAY = 12
LIKENESS = 0.2
CALM_SPREAD = 1.0
"""Largest variance by mean [%] of a day in which a published spike is looked for."""
BREAK_RATIO, BREAK_LEAST_PCT = 0.1, 1.0
BREAK_SLOPES, BREAK_CURVATURES = 10.0, 10.0
BREAK_CONTEXT_HOURS, BREAK_LEAST_KNOWN = 25, 13
ZERO_DROP_PCT = 5.0
LOW_HOURS, LOW_SPREAD = 13, 0.001
"""Length of the window and largest variance by mean [%] of a low plateau."""
HIGH_HOURS, HIGH_VARIANCE = 12, 0.05
"""Length of the window and largest variance [%2] of a high plateau."""
HIGH_RISE_PCT, HIGH_SHARE = 0.25, 0.95
HISTORY_HOURS, LEAST_HISTORY_HOURS = 2 * 365 * 24, 365 * 24
"""A plateau is compared with the highest value of two years; without a year of readings there is no judgement."""


class Breaks(NamedTuple):
    """Hours of sudden drops (D07) and jumps (D08)."""

    drop: Mask
    jump: Mask


def stuck(value: Values, hours: Values, depth_m: float) -> Mask:
    """STUCK: the same value for 48 hours without a gap of 12; below 10 cm the time grows with depth."""
    if value.size == 0:
        return np.zeros(0, np.bool_)
    starts = np.append(True, (np.diff(value) != 0) | (np.diff(hours) > LONGEST_GAP_HOURS))
    first = np.flatnonzero(starts)
    last = np.append(first[1:], value.size) - 1
    long_enough = hours[last] - hours[first] >= STUCK_HOURS * max(1.0, depth_m / STUCK_DEPTH_M)
    return np.repeat(long_enough, last - first + 1)


def spikes(value: Values, hours: Values) -> Mask:
    """D06 whatever the sampling, a short form: one reading apart from both neighbours, which agree with each other."""
    spike = np.zeros(value.size, np.bool_)
    if value.size < 3:
        return spike
    before, here, after = value[:-2], value[1:-1], value[2:]
    rise, fall = here - before, here - after
    height = np.minimum(np.abs(rise), np.abs(fall))
    base = np.abs(before + after) / 2
    near = np.maximum(np.diff(hours)[:-1], np.diff(hours)[1:]) <= SPIKE_GAP_HOURS
    spike[1:-1] = (
        near & (rise * fall > 0) & (height > np.maximum(SPIKE_RATIO * base, SPIKE_LEAST))
        & (np.abs(after - before) <= SPIKE_RETURN * height)
    )
    return spike


def hourly_spikes(hourly: Values) -> Mask:
    """D06 as published: a peak of one hour or of two equal ones, 15 % above or below what was before, in a calm day.

    All 25 hours around must be known, and their variance by their mean, without the peak, below 1 % by volume.
    """
    x = PERCENT * hourly
    before, after, second = shifted(x, -1), shifted(x, 1), shifted(x, 2)
    curvature = after - 2 * x + before
    known, mean, variance = _around(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.round(x / before, 3)
        alike = np.abs(np.abs(shifted(curvature, -1) / shifted(curvature, 1)) - 1) < LIKENESS
        calm = (known == 2 * HALF_DAY) & (variance / mean < CALM_SPREAD)
    single = (x - before) * (x - after) > 0
    double = (x == after) & ((x - before) * (after - second) > 0)
    start = ((ratio > 1 + SPIKE_RATIO) | (ratio < 1 - SPIKE_RATIO)) & alike & calm
    spike: Mask = start & (single | double)
    spike[1:] |= (start & double)[:-1]
    return spike


def breaks(hourly: Values) -> Breaks:
    """D07 and D08: a step of more than 10 % and 1 % by volume within an hour, steep beside its day, and then level.

    Also D07: a drop of more than 5 % by volume to exactly 0. At least 13 of the 25 hours around must be known.
    """
    x = PERCENT * hourly
    change = x - shifted(x, -1)
    slope, curvature = _slope(x), shifted(x, 1) - 2 * x + shifted(x, -1)
    _, mean_slope, _ = windowed(slope, BREAK_CONTEXT_HOURS)
    known, _, _ = windowed(x, BREAK_CONTEXT_HOURS)
    half = BREAK_CONTEXT_HOURS // 2
    usual, context = shifted(mean_slope, -half), shifted(known, -half)
    with np.errstate(divide="ignore", invalid="ignore"):
        mirrored = np.abs(np.round(np.abs(shifted(curvature, -1) / curvature), 1) - 1) < 0.01
        levels_out = np.abs(curvature / shifted(curvature, 2)) > BREAK_CURVATURES
        large = (np.abs(change / x) > BREAK_RATIO) & (np.abs(change) > BREAK_LEAST_PCT)
    enough = context >= BREAK_LEAST_KNOWN
    step = enough & large & (x != 0) & (np.abs(slope) > BREAK_SLOPES * np.abs(usual)) & mirrored & levels_out
    to_zero = enough & (change < -ZERO_DROP_PCT) & (x == 0)
    return Breaks((step & (slope < 0)) | to_zero, step & (slope > 0))


def low_plateaus(hourly: Values, drop: Mask) -> Mask:
    """D09: hardly any variance for 13 hours or more from a drop (D07) on."""
    known, mean, variance = windowed(PERCENT * hourly, LOW_HOURS)
    steady = (known == LOW_HOURS) & (variance <= LOW_SPREAD * np.maximum(mean, 0))
    restless = np.append(np.flatnonzero(~steady), hourly.size)
    result = np.zeros(hourly.size, np.bool_)
    for start in np.flatnonzero(drop & steady):
        end = int(restless[np.searchsorted(restless, start)])
        result[start:end - 1 + LOW_HOURS] = True
    return result


def high_plateaus(hourly: Values) -> Mask:
    """D10: 12 hours or more with hardly any variance after a rise and before a fall, near the highest of two years."""
    x = PERCENT * hourly
    slope = _slope(x)
    result = np.zeros(x.size, np.bool_)
    for first, last in _level_spells(x):
        begin, end = _nearby(slope, first), _nearby(slope, last)
        if np.isnan(slope[begin]).all() or np.isnan(slope[end]).all():
            continue
        rise = begin.start + int(np.nanargmax(slope[begin]))
        fall = end.start + int(np.nanargmin(slope[end]))
        if slope[rise] < HIGH_RISE_PCT or slope[fall] >= 0:
            continue
        start, stop = (rise if first <= rise <= last else first), (fall if first <= fall <= last else last)
        history = x[max(0, start - HISTORY_HOURS):start]
        if start < stop and np.count_nonzero(np.isfinite(history)) >= LEAST_HISTORY_HOURS:
            highest = max(float(np.nanmax(history)), float(np.nanmax(x[start:stop + 1])))
            result[start:stop + 1] |= np.nanmean(x[start:stop + 1]) > HIGH_SHARE * highest
    return result


def _around(x: Values) -> tuple[Values, Values, Values]:
    """Count, mean and variance of the 12 hours before and the 12 after each hour, without it."""
    count, mean, variance = windowed(x, HALF_DAY)
    known = shifted(count, -HALF_DAY) + shifted(count, 1)
    (mean_before, mean_after), (before, after) = (
        (shifted(one, -HALF_DAY), shifted(one, 1)) for one in (mean, variance)
    )
    between = (mean_before - mean_after) ** 2 * HALF_DAY / 2
    pooled = ((before + after) * (HALF_DAY - 1) + between) / (2 * HALF_DAY - 1)
    return known, (mean_before + mean_after) / 2, pooled


def _slope(x: Values) -> Values:
    return (shifted(x, 1) - shifted(x, -1)) / 2


def _nearby(x: Values, hour: int) -> slice:
    return slice(max(0, hour - HIGH_HOURS), min(x.size, hour + HIGH_HOURS + 1))


def _level_spells(x: Values) -> NDArray[np.int64]:
    """First and last hour of each spell whose 12-hour variances are all small. (spells, 2)"""
    known, _, variance = windowed(x, HIGH_HOURS)
    level = np.concatenate([[False], (known == HIGH_HOURS) & (variance <= HIGH_VARIANCE), [False]])
    edges = np.flatnonzero(level[1:] != level[:-1])
    return np.stack([edges[::2], edges[1::2] + HIGH_HOURS - 2], axis=1)
