"""Station readings of any network as CSV, in the layout of ``docs/station-csv.md``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sm_core.domain import Station
from sm_core.errors import StationFileError
from sm_core.sources.stations import StationSeries, content, rows, station_id

UNITS = {"soil_moisture_m3m3": 1.0, "soil_moisture_percent": 0.01}
"""The column of the value tells its unit; factor to m3 m-3."""
SURROUNDINGS = {
    "soil_temperature_c": "soil_temperature", "air_temperature_c": "air_temperature",
    "precipitation_mm": "precipitation",
}
PLACE = {"lon": (-180.0, 180.0), "lat": (-90.0, 90.0), "depth_from_m": (0.0, 10.0), "depth_to_m": (0.0, 10.0)}
TEXTS = ("network", "station", "sensor")
REQUIRED = ("network", "station", *PLACE, "time")
OPTIONAL = ("sensor", "elevation_m", "flag", *SURROUNDINGS)
MOST_NAMED = 10
"""Problems that an error or a log line names; the others are counted."""
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)"


class Problem(NamedTuple):
    """What is wrong with a line; the header is line 1."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True)
class StationCsv:
    """One series per sensor, ordered by station id, and the lines that were left out."""

    series: tuple[StationSeries, ...]
    problems: tuple[Problem, ...]


def read_station_csv(source: Path | bytes) -> StationCsv:
    """Read one file.

    Returns
    -------
    Values in m3 m-3 at UTC times; surroundings where the file has such columns. A line with a problem is left out,
    and named; an empty value is kept as unknown.

    Raises
    ------
    StationFileError   SM208, not UTF-8 or CSV, a header without the columns, or no line that can be read; the message
                       names lines and columns.
    """
    name = source.name if isinstance(source, Path) else "content"
    table = _text(content(source), name)
    unit = _unit(table, name)
    bad = pd.Series("", index=table.index)
    for column, found in _complaints(table, unit):
        first = table.loc[found & (bad == ""), column]
        bad[first.index] = column + " " + first.map(repr) + _RULES[column]
    wrong = bad[bad != ""]
    problems = tuple(Problem(line, text) for line, text in zip((wrong.index + 2).tolist(), wrong.tolist(), strict=True))
    good = table[bad == ""]
    if good.empty:
        raise StationFileError(f"{name}: no line can be read: {named(problems) or 'it has a header only'}")
    keys = ["network", "station", "depth_from_m", "depth_to_m", "sensor"]
    series = [_series(group, unit) for _, group in good.groupby(keys, sort=False)]
    return StationCsv(tuple(sorted(series, key=lambda one: one.station.station_id)), problems)


def named(problems: tuple[Problem, ...]) -> str:
    """The first problems in words, and how many more there are."""
    more = len(problems) - MOST_NAMED
    return "; ".join(map(str, problems[:MOST_NAMED])) + (f"; and {more} more" if more > 0 else "")


_RULES = {
    "network": " is empty", "station": " is empty",
    "time": " is not ISO 8601 with an offset from UTC, such as 2024-07-01T09:00:00+09:00",
    "lon": " is not a longitude in degrees", "lat": " is not a latitude in degrees",
    "depth_from_m": " is not a depth in metres, 0 to 10", "depth_to_m": " is not a depth in metres, 0 to 10, at least "
    "depth_from_m", "elevation_m": " is not a number", **dict.fromkeys((*UNITS, *SURROUNDINGS), " is not a number"),
}


def _text(raw: bytes, name: str) -> pd.DataFrame:
    try:
        text = raw.decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False, skip_blank_lines=False,
                            index_col=False, on_bad_lines="error")
    except UnicodeDecodeError as cause:
        raise StationFileError(f"{name}: line {raw[:cause.start].count(10) + 1} is not UTF-8") from cause
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as cause:
        raise StationFileError(f"{name} is not CSV: {' '.join(str(cause).split())}") from cause
    table.columns = table.columns.str.strip()
    table = pd.DataFrame({column: table[column].str.strip() for column in table})
    return table[(table != "").any(axis=1)]


def _unit(table: pd.DataFrame, name: str) -> str:
    missing = [column for column in REQUIRED if column not in table]
    unknown = [column for column in table if column not in (*REQUIRED, *OPTIONAL, *UNITS)]
    units = [column for column in UNITS if column in table]
    if missing or unknown or len(units) != 1:
        raise StationFileError(
            f"{name}: line 1 is not the header of a station file", missing=missing, unknown=unknown,
            value_columns=f"{units}, where one of {list(UNITS)} is needed",
        )
    for column in ("sensor", "flag", "elevation_m"):
        if column not in table:
            table[column] = ""
    return units[0]


def _complaints(table: pd.DataFrame, unit: str) -> Iterator[tuple[str, pd.Series]]:
    """Columns with the lines at which they are wrong."""
    for column in ("network", "station"):
        yield column, table[column] == ""
    yield "time", ~table["time"].str.fullmatch(_TIME) | _utc(table["time"]).isna()
    for column, (least, most) in PLACE.items():
        yield column, ~_number(table[column]).between(least, most)
    yield "depth_to_m", _number(table["depth_to_m"]) < _number(table["depth_from_m"])
    for column in (unit, "elevation_m", *(name for name in SURROUNDINGS if name in table)):
        yield column, (table[column] != "") & ~np.isfinite(_number(table[column]))


def _series(group: pd.DataFrame, unit: str) -> StationSeries:
    first = group.iloc[0]
    depth_from, depth_to = float(first["depth_from_m"]), float(first["depth_to_m"])
    station = Station(
        station_id=station_id(first["network"], first["station"], depth_from, depth_to, first["sensor"]),
        network=first["network"], name=first["station"], lon=float(first["lon"]), lat=float(first["lat"]),
        elevation_m=float(first["elevation_m"]) if first["elevation_m"] else None, depth_from_m=depth_from,
        depth_to_m=depth_to, sensor=first["sensor"],
    )
    values = rows(
        pd.DatetimeIndex(_utc(group["time"])), (_number(group[unit]) * UNITS[unit]).to_numpy(),
        group["flag"].to_numpy(), "",
    )
    for column, canonical in SURROUNDINGS.items():
        if column in group:
            values[canonical] = _number(group[column]).to_numpy()
    return StationSeries.of(station, values)


def _utc(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)


def _number(text: pd.Series) -> pd.Series:
    return pd.to_numeric(text, errors="coerce").astype("float64")
