"""GLEAM yearly files of daily global soil moisture.

Dimensions, orientation, fill, unit text and file names are those that users of the daily files report; attributes are
those of a monthly v4.2a file. Traps kept: the unit ``m3.m-3`` is none that a units library knows, the fill is -999, and
v3.5 stores (time, lon, lat).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5netcdf
import numpy as np

from sm_core.errors import UnitsError
from sm_core.twin.writers.atomic import replacing
from sm_core.twin.writers.encode import Floats, window_origin

Version = Literal["4.2a", "3.8a", "3.5a"]
FILL = np.float32(-999.0)
_LONG_NAMES = {
    "SMs": "Surface soil moisture", "SMrz": "Root-zone soil moisture", "SMsurf": "Surface soil moisture",
    "SMroot": "Root-zone soil moisture",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    resolution: float
    dimensions: tuple[str, str, str]
    chunks: tuple[int, int, int]


_LAYOUTS: dict[Version, _Layout] = {
    "4.2a": _Layout(0.1, ("time", "lat", "lon"), (12, 57, 113)),
    "3.8a": _Layout(0.25, ("time", "lat", "lon"), (12, 45, 90)),
    "3.5a": _Layout(0.25, ("time", "lon", "lat"), (12, 90, 45)),
}


def write_gleam(
    directory: Path, *, version: Version, variable: str, year: int, values: Floats, west: float, north: float
) -> Path:
    """Write one variable and year of GLEAM; fill outside the window.

    Parameters
    ----------
    directory
        Where to.
    version
        ``4.2a`` (0.1 degrees), ``3.8a`` or ``3.5a`` (0.25 degrees).
    variable
        ``SMs`` or ``SMrz`` (v4), ``SMsurf`` or ``SMroot`` (v3).
    year
        Its days from 1 January on, as many as ``values`` has.
    values
        Soil moisture of the window [m3 m-3], NaN = unknown, first row northernmost. (days, rows, columns)
    west, north
        Outer edges of the window [degrees], on the lattice of the version.

    Raises
    ------
    GridMismatchError   SM302, the window does not fit the grid.
    UnitsError          SM303, soil moisture outside 0-1.
    """
    layout = _LAYOUTS[version]
    extent = round(180 / layout.resolution), round(360 / layout.resolution)
    row, column = window_origin(
        west=west, north=north, resolution=layout.resolution, shape=(values.shape[1], values.shape[2]), extent=extent
    )
    if np.fmin.reduce(values, axis=None) < 0 or np.fmax.reduce(values, axis=None) > 1:
        raise UnitsError("soil moisture is no volume fraction", variable=variable, year=year)
    stored = np.where(np.isnan(values), FILL, values).astype(np.float32)
    window = {
        "time": slice(0, len(values)), "lat": slice(row, row + values.shape[1]),
        "lon": slice(column, column + values.shape[2]),
    }
    path = Path(directory) / f"{variable}_{year}_GLEAM_v{version}.nc"
    with replacing(path) as temporary, h5netcdf.File(temporary, "w") as file:
        _write_coordinates(file, layout.resolution, extent, year, len(values))
        data = file.create_variable(
            variable, layout.dimensions, np.float32, fillvalue=FILL, compression="gzip", compression_opts=1,
            shuffle=True, chunks=(min(layout.chunks[0], len(values)), *layout.chunks[1:]),
        )
        data.attrs["standard_name"] = _LONG_NAMES[variable]
        data.attrs["long_name"] = f"{_LONG_NAMES[variable]} from GLEAM {version}"
        data.attrs["units"] = "m3.m-3"
        data.attrs["missing_value"] = np.array([FILL])
        data[tuple(window[name] for name in layout.dimensions)] = (
            stored if layout.dimensions[1] == "lat" else stored.transpose(0, 2, 1))
    return path


def _write_coordinates(
    file: h5netcdf.File, resolution: float, extent: tuple[int, int], year: int, days: int
) -> None:
    file.attrs["Conventions"] = "CF-1.6"
    first = dt.date(year, 1, 1)
    coordinates = {
        "time": (np.arange(days), {
            "standard_name": "time", "units": f"days since {first}", "calendar": "proleptic_gregorian", "axis": "T"}),
        "lat": (np.round(90 - resolution * (np.arange(extent[0]) + 0.5), 9), {
            "standard_name": "latitude", "long_name": "latitude", "units": "degrees_north", "axis": "Y"}),
        "lon": (np.round(-180 + resolution * (np.arange(extent[1]) + 0.5), 9), {
            "standard_name": "longitude", "long_name": "longitude", "units": "degrees_east", "axis": "X"}),
    }
    file.dimensions = {name: len(values) for name, (values, _) in coordinates.items()}
    for name, (values, attributes) in coordinates.items():
        coordinate = file.create_variable(name, (name,), values.dtype, data=values)
        for key, text in attributes.items():
            coordinate.attrs[key] = text
