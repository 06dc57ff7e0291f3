"""Basic quality control of station readings. Values are marked, never changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sm_core.sources.stations import StationSeries

CODES = ("M", "N", "C01", "C02", "UNIT", "STUCK", "D06")
"""M no value; N doubted by the network itself; C01 below 0; C02 above 0.60; UNIT in per cent; STUCK no change;
D06 spike."""
NETWORK_GOOD = frozenset({"", "G", "U", "M"})
"""Network flags that accept a value; U is the G of old files, M ("missing") beside a value is a slip."""
LARGEST = 0.60
UNIT_LIMIT = 1.5
"""Above it a value may be a percentage [m3 m-3]."""
UNIT_RATIO = (30.0, 300.0)
STUCK_HOURS = 48.0
STUCK_DEPTH_M = 0.10
LONGEST_GAP_HOURS = 12.0
SPIKE_RATIO = 0.15
SPIKE_LEAST = 0.02
"""Smallest height of a spike [m3 m-3]."""
SPIKE_RETURN = 0.2
SPIKE_GAP_HOURS = 6.0

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


def check_series(series: StationSeries) -> StationSeries:
    """Mark the readings that must not be used.

    Parameters
    ----------
    series
        One sensor, sampled every few minutes to every 6 hours.

    Returns
    -------
    The same series with the column ``qc``: empty where the reading is good, else its codes, such as ``C02,UNIT``
    (see ``CODES``).

    Notes
    -----
    UNIT: above 1.5, when the median of such values is 30 to 300 times the median of the others, or there are no
    others and all are at most 100. STUCK: the same value for 48 hours without a gap of 12; below 10 cm the time grows
    with depth, as changes arrive damped. D06, a short form of the spike test of [1]_ that does not depend on hourly
    sampling: a single reading that differs from both neighbours (at most 6 hours away) in the same direction, by more
    than 15 % of their mean and 0.02, while they agree within a fifth of its height.

    References
    ----------
    .. [1] Dorigo et al. 2013, Global automated quality control of in situ soil moisture data,
       doi:10.2136/vzj2012.0097
    """
    table = series.values
    value = table["value"].to_numpy(np.float64)
    hours = table.index.to_numpy().astype("datetime64[s]").astype(np.int64) / 3600.0
    known = np.isfinite(value)
    depth = (series.station.depth_from_m + series.station.depth_to_m) / 2
    marks = {
        "M": ~known,
        "N": known & ~table["flag"].isin(list(NETWORK_GOOD)).to_numpy(bool),
        "C01": value < 0,
        "C02": value > LARGEST,
        "UNIT": _in_percent(value),
        "STUCK": _where_known(known, _stuck(value[known], hours[known], depth)),
        "D06": _where_known(known, _spikes(value[known], hours[known])),
    }
    code = np.zeros(len(value), np.int64)
    for bit, name in enumerate(CODES):
        code |= marks[name].astype(np.int64) << bit
    return replace(series, values=table.assign(qc=_NAMES[code]))


_NAMES = np.array(
    [",".join(name for bit, name in enumerate(CODES) if number >> bit & 1) for number in range(1 << len(CODES))], object
)


def _where_known(known: Mask, marked: Mask) -> Mask:
    result = np.zeros(len(known), np.bool_)
    result[known] = marked
    return result


def _in_percent(value: Values) -> Mask:
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


def _stuck(value: Values, hours: Values, depth_m: float) -> Mask:
    if value.size == 0:
        return np.zeros(0, np.bool_)
    starts = np.append(True, (np.diff(value) != 0) | (np.diff(hours) > LONGEST_GAP_HOURS))
    first = np.flatnonzero(starts)
    last = np.append(first[1:], value.size) - 1
    long_enough = hours[last] - hours[first] >= STUCK_HOURS * max(1.0, depth_m / STUCK_DEPTH_M)
    return np.repeat(long_enough, last - first + 1)


def _spikes(value: Values, hours: Values) -> Mask:
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
