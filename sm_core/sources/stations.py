"""What a station measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sm_core.domain import Station
from sm_core.errors import StationFileError

SURROUNDINGS = (
    "soil_temperature", "air_temperature", "precipitation", "model_soil_temperature", "model_precipitation",
)
"""Columns that a series may have beside its values: temperatures [degC], rain since the reading before [mm]; measured
at the station, or a model's."""


@dataclass(frozen=True)
class StationSeries:
    """One sensor's observations.

    Attributes
    ----------
    station
        Sensor, place and depth.
    values
        Indexed by ``time`` (UTC, datetime64[ns], ascending, unique); columns ``value`` [m3 m-3, NaN = unknown],
        ``flag`` (of the network's own quality control) and ``provider_flag``, both texts, empty when there is none;
        and any of ``SURROUNDINGS``, float64.
    bad_lines
        Lines that could not be read.
    repeated_times
        Rows dropped because a later row has the same time.
    """

    station: Station
    values: pd.DataFrame
    bad_lines: int = 0
    repeated_times: int = 0

    @classmethod
    def of(cls, station: Station, rows: pd.DataFrame, *, bad_lines: int = 0, repeated_times: int = 0) -> StationSeries:
        """Series from rows in any order, of which the last of each time is kept."""
        ordered = rows if rows.index.is_monotonic_increasing else rows.sort_index(kind="stable")
        unique = ordered[~ordered.index.duplicated(keep="last")]
        return cls(station, unique, bad_lines, repeated_times + len(rows) - len(unique))


def content(source: Path | bytes) -> bytes:
    """What a file holds, or the bytes themselves.

    Raises
    ------
    StationFileError   SM208, the file cannot be opened.
    """
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as cause:
        raise StationFileError(f"{source.name} cannot be opened: {cause}") from cause


def rows(times: pd.DatetimeIndex, value: object, flag: object, provider_flag: object) -> pd.DataFrame:
    """The table of a :class:`StationSeries`."""
    index = pd.DatetimeIndex(times, name="time").as_unit("ns")
    table = pd.DataFrame({"value": value, "flag": flag, "provider_flag": provider_flag}, index=index)
    return table.astype({"value": "float64", "flag": "str", "provider_flag": "str"})


def station_id(network: str, name: str, depth_from_m: float, depth_to_m: float, sensor: str) -> str:
    """An identifier of one sensor that is also a safe file name.

    >>> station_id("SCAN", "Adams_Ranch_#1", 0.05, 0.05, "Hydraprobe-Analog-(2.5-Volt)")
    'SCAN_Adams-Ranch-1_0.05-0.05_Hydraprobe-Analog-2.5-Volt'
    """
    parts = (network, name, f"{depth_from_m:.2f}-{depth_to_m:.2f}", sensor)
    return "_".join(re.sub(r"(?:[^\w.+]|_)+", "-", part).strip("-") for part in parts if part)
