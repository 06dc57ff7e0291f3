"""Station files of the International Soil Moisture Network, in both dialects.

Kept are the quirks of real files: the station's name loses its underscores in path and file name but not inside; the
network's folder keeps the underscore that its files replace; the sensor may contain blanks; lines end in CR, LF or
CRLF, and a CRLF header file ends its first line with LF CR; CR files have trailing blanks; missing hours are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from sm_core.domain import Station
from sm_core.errors import InsufficientInputsError
from sm_core.twin.writers.atomic import replacing

LineEnd = Literal["\r\n", "\n", "\r"]
ENCODING = "latin-1"
UNKNOWN_ELEVATION_M = -9999.0


def write_ismn_header_values(
    directory: Path, *, station: Station, variable: str = "sm", values: pd.DataFrame, line_end: LineEnd = "\r\n"
) -> Path:
    """Write one sensor in the "header + values" dialect.

    Parameters
    ----------
    directory
        Root of the archive; the file goes to NETWORK/STATION below it.
    station
        Sensor, place and depth.
    variable
        ``sm`` soil moisture, ``ts`` soil temperature, ``p`` precipitation.
    values
        Indexed by UTC time; columns value [m3 m-3, NaN rows are left out], flag, provider_flag.
    line_end
        One of the three in use.

    Returns
    -------
    Path of the file; its name holds the first and last day of the index.

    Raises
    ------
    InsufficientInputsError   SM301, no rows.
    """
    first = f"{_place(station)} {station.sensor}"
    lines = [f"{time} {rest}" for time, rest in _rows(values)]
    blank = " " if line_end == "\r" else ""
    first_end = "\n\r" if line_end == "\r\n" else line_end
    text = f"{first}{blank}{first_end}" + "".join(f"{line}{blank}{line_end}" for line in lines)
    return _written(_path(directory, station, variable, values), text)


def write_ismn_ceop(
    directory: Path, *, station: Station, variable: str = "sm", values: pd.DataFrame, line_end: LineEnd = "\r\n"
) -> Path:
    """Write one sensor in the older CEOP dialect, every line of which repeats the place.

    Parameters as for :func:`write_ismn_header_values`; nominal and actual time are the same.
    """
    place = _place(station)
    blank = " " if line_end == "\r" else ""
    text = "".join(f"{time} {time} {place} {rest}{blank}{line_end}" for time, rest in _rows(values))
    return _written(_path(directory, station, variable, values), text)


def _path(directory: Path, station: Station, variable: str, values: pd.DataFrame) -> Path:
    if values.empty:
        raise InsufficientInputsError("no observations to write", station=station.station_id)
    network, name = station.network.replace("_", "-"), station.name.replace("_", "").replace(" ", "")
    depths = f"{station.depth_from_m:.6f}_{station.depth_to_m:.6f}"
    sensor = station.sensor.replace(" ", "-").replace("_", "-")
    period = f"{values.index.min():%Y%m%d}_{values.index.max():%Y%m%d}"
    file_name = f"{network}_{network}_{name}_{variable}_{depths}_{sensor}_{period}.stm"
    return Path(directory) / station.network / name / file_name


def _place(station: Station) -> str:
    elevation = UNKNOWN_ELEVATION_M if station.elevation_m is None else station.elevation_m
    name = station.name.replace(" ", "_")
    return (
        f"{station.network:<10} {station.network:<15} {name:<15} {station.lat:10.5f} {station.lon:11.5f} "
        f"{elevation:7.2f} {station.depth_from_m:7.2f} {station.depth_to_m:7.2f}"
    )


def _rows(values: pd.DataFrame) -> Sequence[tuple[str, str]]:
    known = values[values["value"].notna()]
    times = np.datetime_as_string(known.index.to_numpy(), unit="m")
    return [
        (time.replace("-", "/").replace("T", " "), f"{value:8.4f} {flag} {provider_flag}")
        for time, value, flag, provider_flag in zip(
            times.tolist(), known["value"].tolist(), known["flag"].tolist(), known["provider_flag"].tolist(),
            strict=True)
    ]


def _written(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode(ENCODING))
    return path
