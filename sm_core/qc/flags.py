"""Quality control of one sensor's readings. Values are marked, never changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.qc.bounds import above_largest, above_saturation, below_zero, in_percent
from sm_core.qc.hourly import Hourly, Mask, Values
from sm_core.qc.spectrum import breaks, high_plateaus, hourly_spikes, low_plateaus, spikes, stuck
from sm_core.qc.weather import freezing, frost_by_flags, frost_by_temperature, rise_without_rain
from sm_core.sources.stations import StationSeries

CODES = (
    "M", "N", "C01", "C02", "C03", "UNIT", "STUCK", "D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D09",
    "D10", "FROST", "DRIFT", "STEP", "APART", "CLOCK",
)
"""M no value; N doubted by the network itself; C01 below 0; C02 above 0.60; C03 above saturation; UNIT in per cent;
STUCK no change; D01, D02, D03 soil, air, model soil below 0 degC; D04, D05 rise without measured, model rain; D06
spike; D07 drop; D08 jump; D09 low, D10 high plateau; FROST frozen or barely thawed soil; and, by comparison with
neighbours, DRIFT, STEP, APART, CLOCK (:mod:`sm_core.qc.neighbours`)."""
NETWORK_GOOD = frozenset({"", "G", "U", "M"})
"""Network flags that accept a value; U is the G of old files, M ("missing") beside a value is a slip."""


def check_series(series: StationSeries, *, saturation: float | None = None) -> StationSeries:
    """Mark the readings that must not be used.

    Parameters
    ----------
    series
        One sensor, sampled every few minutes to every 6 hours. Its columns of temperature and rain are used where it
        has them.
    saturation
        Water content of the saturated soil [m3 m-3], see :func:`~sm_core.qc.soil.saturation`; without it there is no
        C03.

    Returns
    -------
    The same series with the column ``qc``: empty where the reading is good, else its codes, such as ``C02,UNIT``
    (see ``CODES``).

    Notes
    -----
    STUCK and a short form of D06 do not depend on the sampling; D04 to D10 are looked for in series with a reading at
    least every hour, among readings that are within bounds. Each check is described where it is written.

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
        "C01": below_zero(value),
        "C02": above_largest(value),
        "C03": above_saturation(value, saturation),
        "UNIT": in_percent(value),
        "STUCK": _where_known(known, stuck(value[known], hours[known], depth)),
        "D06": _where_known(known, spikes(value[known], hours[known])),
        **_frost(table, hours),
    }
    bounded = np.where(marks["C01"] | marks["C02"] | marks["UNIT"], np.nan, value)
    for code, mark in _hour_by_hour(table, bounded, hours, depth).items():
        marks[code] = marks.get(code, mark) | mark
    only_known = {code: mark & known for code, mark in marks.items()}
    return replace(series, values=table.assign(qc=names_of(only_known | {"M": ~known})))


def names_of(marks: dict[str, Mask]) -> NDArray[np.object_]:
    """Marks by code as one text per reading: its codes in the order of ``CODES``, joined by commas."""
    number = np.zeros(len(next(iter(marks.values()))), np.int64)
    for bit, code in enumerate(CODES):
        if code in marks:
            number |= marks[code].astype(np.int64) << bit
    distinct, position = np.unique(number, return_inverse=True)
    texts = [",".join(code for bit, code in enumerate(CODES) if one >> bit & 1) for one in distinct.tolist()]
    return np.array(texts, object)[position]


def _frost(table: pd.DataFrame, hours: Values) -> dict[str, Mask]:
    columns = {"D01": "soil_temperature", "D02": "air_temperature", "D03": "model_soil_temperature"}
    marks = {code: freezing(_column(table, name)) for code, name in columns.items() if name in table}
    if "soil_temperature" in table:
        marks["FROST"] = frost_by_temperature(_column(table, "soil_temperature"), hours)
    else:
        marks["FROST"] = frost_by_flags(table["flag"], hours)
    return marks


def _hour_by_hour(table: pd.DataFrame, value: Values, hours: Values, depth: float) -> dict[str, Mask]:
    grid = Hourly.of(hours)
    if grid is None:
        return {}
    hourly = grid.mean(value)
    drop, jump = breaks(hourly)
    marks = {
        "D06": hourly_spikes(hourly), "D07": drop, "D08": jump, "D09": low_plateaus(hourly, drop),
        "D10": high_plateaus(hourly),
    }
    for code, name in (("D04", "precipitation"), ("D05", "model_precipitation")):
        if name in table:
            marks[code] = rise_without_rain(hourly, grid.total(_column(table, name)), depth)
    return {code: grid.readings(mark) for code, mark in marks.items()}


def _column(table: pd.DataFrame, name: str) -> Values:
    return np.asarray(table[name], np.float64)


def _where_known(known: Mask, marked: Mask) -> Mask:
    result = np.zeros(len(known), np.bool_)
    result[known] = marked
    return result
