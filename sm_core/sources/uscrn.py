"""U.S. Climate Reference Network: yearly text files of a station, hourly (``CRNH02``) or daily (``CRND01``).

Columns are separated by blanks and known by their place. See the readme files of the products at
https://www.ncei.noaa.gov/pub/data/uscrn/products/.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Station
from sm_core.errors import StationFileError
from sm_core.sources.stations import StationSeries, content, rows, station_id

NETWORK = "USCRN"
SENSOR = "mean-of-three"
"""Each depth has three probes; the file gives the mean of those that passed the network's own checks."""
DEPTHS_CM = (5, 10, 20, 50, 100)
LEAST_VALUE = -90.0
"""Anything below is "no value" (-99, -9999)."""
_NAME = re.compile(r"CRN(?P<kind>H02|D01)\d{2}-\d{4}-(?P<station>[A-Z]{2}_\w+)\.txt")


@dataclass(frozen=True)
class _Layout:
    """Columns by their place, from 0; moisture and temperature at five depths stand side by side."""

    columns: int
    date: int
    hour: int | None
    lon: int
    air_temperature: int
    precipitation: int
    moisture: int
    soil_temperature: int


_LAYOUTS: Mapping[str, _Layout] = {
    "H02": _Layout(columns=38, date=1, hour=2, lon=6, air_temperature=9, precipitation=12, moisture=28,
                   soil_temperature=33),
    "D01": _Layout(columns=28, date=1, hour=None, lon=3, air_temperature=8, precipitation=9, moisture=18,
                   soil_temperature=23),
}


def read_uscrn(source: Path | bytes, *, name: str = "") -> tuple[StationSeries, ...]:
    """Read a station's year.

    Parameters
    ----------
    source
        The file or its content.
    name
        File name, when content is given: the lines do not tell the station, the name does.

    Returns
    -------
    One series for each depth with a known value, from above; with the columns ``soil_temperature`` of that depth,
    ``air_temperature`` and ``precipitation``. An hour is stamped with its end; a day, which is one of local standard
    time, with its beginning (in the time zone of the longitude, as the file does not tell the station's).

    Raises
    ------
    StationFileError   SM208, another file name, or no line can be read.
    """
    name = name or (source.name if isinstance(source, Path) else "")
    match = _NAME.fullmatch(name)
    if match is None:
        raise StationFileError(f"{name or 'content'} is not named like a USCRN file, CRNH02… or CRND01…")
    layout = _LAYOUTS[match["kind"]]
    lines = content(source).decode("latin-1").splitlines()
    whole = [line for line in lines if len(line.split()) == layout.columns]
    bad = sum(1 for line in lines if line.strip()) - len(whole)
    if not whole:
        raise StationFileError(f"{name}: no line has the {layout.columns} columns of its product", lines=bad)
    table = _table(whole)
    times = _times(table, layout)
    table, bad = table[times.notna()], bad + int(times.isna().sum())
    if table.empty:
        raise StationFileError(f"{name}: none of its lines has a date", lines=bad)
    return _series(table, pd.DatetimeIndex(times.dropna()), match["station"], layout, bad)


def _table(lines: list[str]) -> pd.DataFrame:
    text = pd.read_csv(io.StringIO("\n".join(lines)), sep=r"\s+", header=None, dtype="str", keep_default_na=False)
    return pd.DataFrame({column: pd.to_numeric(text[column], errors="coerce").astype("float64") for column in text})


def _times(table: pd.DataFrame, layout: _Layout) -> pd.Series:
    day = pd.to_datetime(table[layout.date].astype("Int64").astype("str"), format="%Y%m%d", errors="coerce")
    if layout.hour is None:
        return day - pd.to_timedelta((table[layout.lon] / 15).round(), unit="h")
    clock = table[layout.hour]
    valid = clock.between(0, 2359) & (clock % 100 < 60)
    return day + pd.to_timedelta((clock // 100 * 60 + clock % 100).where(valid), unit="min")


def _series(
    table: pd.DataFrame, times: pd.DatetimeIndex, name: str, layout: _Layout, bad: int
) -> tuple[StationSeries, ...]:
    lon, lat = (float(table[column].median()) for column in (layout.lon, layout.lon + 1))
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise StationFileError(f"{name}: its lines do not tell a place", lon=lon, lat=lat)
    air, rain = (_known(table[column]) for column in (layout.air_temperature, layout.precipitation))
    series = []
    for number, depth_cm in enumerate(DEPTHS_CM):
        moisture = _known(table[layout.moisture + number])
        if not np.isfinite(moisture).any():
            continue
        depth = depth_cm / 100
        station = Station(
            station_id=station_id(NETWORK, name, depth, depth, SENSOR), network=NETWORK, name=name, lon=lon, lat=lat,
            depth_from_m=depth, depth_to_m=depth, sensor=SENSOR,
        )
        values = rows(times, moisture, "", "").assign(
            soil_temperature=_known(table[layout.soil_temperature + number]), air_temperature=air, precipitation=rain,
        )
        series.append(StationSeries.of(station, values, bad_lines=bad))
    return tuple(series)


def _known(column: pd.Series) -> NDArray[np.float64]:
    values = column.to_numpy(np.float64)
    return np.where(values > LEAST_VALUE, values, np.nan)
