"""Sensors beside their neighbours: drift, steps, and series that have nothing in common with what is around.

A sensor is compared with the median of the anomalies of sensors of like depth nearby, each from its own median, scaled
to the sensor's own variation. What all share, weather and season, cancels; what is left is the sensor's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Station
from sm_core.qc.clocks import clock_shifts
from sm_core.qc.flags import check_series
from sm_core.qc.hourly import Mask, Values
from sm_core.qc.layers import daily_means
from sm_core.qc.relocation import distance_km
from sm_core.sources.stations import StationSeries

REACH_KM = 100.0
MOST_NEIGHBOURS, LEAST_NEIGHBOURS = 8, 3
LIKE_DEPTH = 0.3
"""Depths are alike within this share of the deeper one, or within 2.5 cm."""
LIKE_DEPTH_M = 0.025

OFFSET_DAYS, LEAST_OFFSET_DAYS = 90, 45
"""A sensor's offset is a median over so many days: 30-day offsets wander by 0.1 m3 m-3 without any fault."""
BASE_DAYS = 180
"""The offset that counts as the sensor's own is that of its first days."""
DRIFT = 0.06
"""Change of the offset that is a drift [m3 m-3]."""
STEP = 0.08
"""Difference of the offsets after and before a day that is a step [m3 m-3]."""
STEP_DAYS = 15
"""The day of a step is that between whose 15 days before and after the means differ most."""
CORRELATION_DAYS, LEAST_CORRELATION_DAYS = 90, 45
LEAST_CORRELATION = 0.2
LEAST_VARIATION = 0.015
"""Neighbours must vary so much for a missing correlation to tell something [m3 m-3]."""
GAIN_RANGE = (0.3, 3.0)
CODES = ("DRIFT", "STEP", "APART", "CLOCK")


def check_neighbours(series: Sequence[StationSeries]) -> tuple[StationSeries, ...]:
    """Mark the readings that a sensor's neighbours contradict, beside the marks of :func:`~sm_core.qc.check_series`.

    Parameters
    ----------
    series
        All sensors of a region, checked by ``check_series`` or not yet; some months of each, better years.

    Returns
    -------
    The same series in the same order, with these codes added in ``qc``:

    - ``DRIFT``: the 90-day offset from the neighbours has moved by more than 0.06 m3 m-3 since the first 180 days;
    - ``STEP``: from a day on at which this offset jumped by more than 0.08 (the sensor was moved, turned or replaced);
    - ``APART``: over 90 days in which the neighbours varied, the correlation with them was below 0.2;
    - ``CLOCK``: it gets wet earlier or later than the neighbours, by the same shift for 90 days.

    A sensor with fewer than three neighbours within 100 km is not judged.
    """
    checked = [one if "qc" in one.values else check_series(one) for one in series]
    daily = _daily(checked)
    neighbours = [_neighbours(number, checked) for number in range(len(checked))]
    shifts = clock_shifts(checked, neighbours)
    result = []
    for one, own, near, shifted in zip(checked, daily.values, neighbours, shifts, strict=True):
        days = one.values.index.to_numpy().astype("datetime64[D]")
        position = (days - daily.first).astype(np.int64)
        marks = _judged(own, daily.values[near]) if len(near) >= LEAST_NEIGHBOURS and own.size else {}
        by_reading = {code: mark[position] for code, mark in marks.items()} | {"CLOCK": shifted}
        result.append(_with_codes(one, by_reading))
    return tuple(result)


@dataclass(frozen=True)
class _Days:
    """Daily means of good readings from the first day on. values (sensors, days)"""

    first: np.datetime64
    values: Values


def _daily(series: Sequence[StationSeries]) -> _Days:
    means = [daily_means(one) for one in series]
    edges = [one.values.index[[0, -1]].to_numpy().astype("datetime64[D]") for one in series if len(one.values)]
    if not edges:
        return _Days(np.datetime64(0, "D"), np.zeros((len(series), 0)))
    first, last = min(edge[0] for edge in edges), max(edge[1] for edge in edges)
    values = np.full((len(series), int((last - first).astype(int)) + 1), np.nan)
    for row, (day, value) in zip(values, means, strict=True):
        row[(day - first).astype(np.int64)] = value
    return _Days(first, values)


def _neighbours(number: int, series: Sequence[StationSeries]) -> list[int]:
    own = series[number].station
    apart = [
        (distance_km(own, other.station), index) for index, other in enumerate(series)
        if (other.station.network, other.station.name) != (own.network, own.name) and _alike(own, other.station)
    ]
    return [index for distance, index in sorted(apart) if distance <= REACH_KM][:MOST_NEIGHBOURS]


def _alike(one: Station, other: Station) -> bool:
    depths = [(station.depth_from_m + station.depth_to_m) / 2 for station in (one, other)]
    return abs(depths[0] - depths[1]) <= max(LIKE_DEPTH_M, LIKE_DEPTH * max(depths)) + 1e-9


def _judged(own: Values, near: Values) -> dict[str, Mask]:
    reference = _reference(near)
    excess = own - _gain(own, reference) * reference
    offset = pd.Series(excess).rolling(OFFSET_DAYS, min_periods=LEAST_OFFSET_DAYS).median().to_numpy()
    known = np.flatnonzero(np.isfinite(excess))
    if known.size < BASE_DAYS:
        return {"APART": _unrelated(own, reference)}
    base = float(np.median(excess[known[:BASE_DAYS]]))
    step = np.zeros(own.size, np.bool_)
    jump = _step(excess, offset)
    if jump is not None:
        step[jump:] = True
    return {"DRIFT": (np.abs(offset - base) > DRIFT) & ~step, "STEP": step, "APART": _unrelated(own, reference)}


def _reference(near: Values) -> Values:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        reference = np.nanmedian(near - np.nanmedian(near, axis=1, keepdims=True), axis=0)
    return np.where(np.isfinite(near).sum(axis=0) >= LEAST_NEIGHBOURS, reference, np.nan)


def _gain(own: Values, reference: Values) -> float:
    both = np.isfinite(own + reference)
    if both.sum() < LEAST_CORRELATION_DAYS:
        return 1.0
    departure = reference[both] - reference[both].mean()
    power = float((departure**2).sum())
    return float(np.clip((departure * own[both]).sum() / power, *GAIN_RANGE)) if power > 0 else 1.0


def _step(excess: Values, offset: Values) -> int | None:
    """First day after the largest jump of the offset, None when none is large."""
    if excess.size <= OFFSET_DAYS:
        return None
    change = np.abs(offset[OFFSET_DAYS:] - offset[:-OFFSET_DAYS])
    if not np.isfinite(change).any() or np.nanmax(change) <= STEP:
        return None
    about = int(np.nanargmax(change)) + 1
    short = pd.Series(excess).rolling(STEP_DAYS, min_periods=1).mean().to_numpy()
    days = np.arange(max(about - OFFSET_DAYS, STEP_DAYS), min(about + OFFSET_DAYS, excess.size - STEP_DAYS + 1))
    jump = np.abs(short[days + STEP_DAYS - 1] - short[days - 1])
    return int(days[np.nanargmax(jump)]) if np.isfinite(jump).any() else about


def _unrelated(own: Values, reference: Values) -> Mask:
    both = np.where(np.isfinite(own + reference), np.stack([own, reference]), np.nan)
    pair = pd.DataFrame({"own": both[0], "reference": both[1]})
    window = pair.rolling(CORRELATION_DAYS, min_periods=LEAST_CORRELATION_DAYS)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = window["own"].corr(pair["reference"]).to_numpy()
    return np.asarray((correlation < LEAST_CORRELATION) & (window["reference"].std().to_numpy() > LEAST_VARIATION))


def _with_codes(series: StationSeries, marks: dict[str, Mask]) -> StationSeries:
    known = np.isfinite(series.values["value"].to_numpy(np.float64))
    text = series.values["qc"].to_numpy(object).astype(str)
    for code in CODES:
        if code in marks and marks[code].any():
            added: NDArray[np.str_] = np.where(marks[code] & known, code, "")
            comma = np.where((text != "") & (added != ""), ",", "")
            text = np.char.add(np.char.add(text, comma), added)
    return replace(series, values=series.values.assign(qc=text.astype(object)))
