"""SMAP Level-4 three-hourly soil moisture (SPL4SMGP, version 8): HDF5 on the global 9-km EASE-Grid 2.0.

Group, field and attribute names are those that readers of the product use; chunking and the other forty geophysical
fields are left open. Coordinates of the 6.3 million cells are stored once per row and column block and compressed.
"""

from __future__ import annotations

import datetime as dt
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from sm_core.errors import GridMismatchError, UnitsError
from sm_core.twin.writers.atomic import replacing
from sm_core.twin.writers.encode import Floats

SHAPE = (1624, 3856)
CELL_M = 9008.055210146
WEST_M, NORTH_M = -17367530.4451615, 7314540.8306386
FILL = np.float32(-9999.0)
EPOCH = dt.datetime(2000, 1, 1, 11, 58, 55, 816000)
_CHUNKS = (203, 241)
_VALID_MAX = np.float32(0.9)
_LONG_NAMES = {
    "sm_surface": "Top layer soil moisture (0-5 cm)", "sm_rootzone": "Root zone soil moisture (0-100 cm)",
}


def write_smap_l4(
    directory: Path, *, when: dt.datetime, surface: Floats, rootzone: Floats, rows: slice, cols: slice
) -> Path:
    """Write one three-hour mean of SPL4SMGP; fill outside the window.

    Parameters
    ----------
    directory
        Where to.
    when
        Middle of the three hours (UTC): 01:30, 04:30, ...
    surface, rootzone
        Soil moisture of 0-5 and 0-100 cm in the window [m3 m-3], NaN = unknown. (rows, columns)
    rows, cols
        The window in the grid of 1624 × 3856 cells, first row northernmost.

    Raises
    ------
    GridMismatchError   SM302, the arrays do not fill the window.
    UnitsError          SM303, soil moisture outside 0-0.9.
    """
    window = _indices(rows, SHAPE[0]), _indices(cols, SHAPE[1])
    fields = {"sm_surface": surface, "sm_rootzone": rootzone}
    for name, values in fields.items():
        if values.shape != tuple(len(index) for index in window):
            raise GridMismatchError("array does not fill the window", name=name, found=values.shape)
        if np.fmin.reduce(values, axis=None) < 0 or np.fmax.reduce(values, axis=None) > _VALID_MAX:
            raise UnitsError("soil moisture outside the product's range", variable=name, when=when.isoformat())
    path = Path(directory) / f"SMAP_L4_SM_gph_{when:%Y%m%dT%H%M%S}_Vv8010_001.h5"
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        axes = _write_coordinates(file, when)
        for name, values in fields.items():
            dataset = file.create_dataset(
                f"Geophysical_Data/{name}", SHAPE, np.float32, chunks=_CHUNKS, compression="gzip", compression_opts=1,
                shuffle=True, fillvalue=FILL,
            )
            dataset[rows, cols] = np.where(np.isnan(values), FILL, values)
            _describe(dataset, axes, {
                "long_name": _LONG_NAMES[name], "units": "m3 m-3", "valid_min": np.float32(0.0),
                "valid_max": _VALID_MAX, "_FillValue": FILL, "missing_value": FILL, "fmissing_value": FILL,
                "grid_mapping": "EASE2_global_projection",
            })
    return path


def _indices(window: slice, size: int) -> range:
    return range(*window.indices(size))


def _write_coordinates(file: h5py.File, when: dt.datetime) -> list[h5py.Dataset]:
    projection = file.create_dataset("EASE2_global_projection", data=np.bytes_(" "))
    for name, value in {
        "grid_mapping_name": np.bytes_("lambert_cylindrical_equal_area"), "standard_parallel": 30.0,
        "longitude_of_central_meridian": 0.0, "false_easting": 0.0, "false_northing": 0.0,
    }.items():
        projection.attrs[name] = value
    y, x, lat, lon = _grid()
    seconds = file.create_dataset("time", data=np.array([(when.replace(tzinfo=None) - EPOCH).total_seconds()]))
    seconds.attrs["units"] = np.bytes_(f"seconds since {EPOCH:%Y-%m-%d %H:%M:%S}.816")
    axes = []
    for name, values in (("y", y), ("x", x)):
        axis = file.create_dataset(name, data=values)
        axis.make_scale(name)
        axis.attrs["units"] = np.bytes_("m")
        axis.attrs["standard_name"] = np.bytes_(f"projection_{name}_coordinate")
        axes.append(axis)
    for name, blocks, units in (("cell_lat", lat, "degrees_north"), ("cell_lon", lon, "degrees_east")):
        cells = file.create_dataset(
            name, SHAPE, np.float32, chunks=_CHUNKS, compression="gzip", compression_opts=1)
        for (row, column), packed in blocks.items():
            cells.id.write_direct_chunk((row, column), packed)
        _describe(cells, axes, {"units": units, "_FillValue": FILL})
    return axes


_Blocks = dict[tuple[int, int], bytes]


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats, _Blocks, _Blocks]:
    y = NORTH_M - CELL_M * (np.arange(SHAPE[0]) + 0.5)
    x = WEST_M + CELL_M * (np.arange(SHAPE[1]) + 0.5)
    to_degrees = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform
    lat = np.asarray(to_degrees(np.zeros_like(y), y)[1], np.float32)
    lon = np.asarray(to_degrees(x, np.zeros_like(x))[0], np.float32)
    starts = [(row, column) for row in range(0, SHAPE[0], _CHUNKS[0]) for column in range(0, SHAPE[1], _CHUNKS[1])]
    of_row = {row: _packed(lat[row:row + _CHUNKS[0], None]) for row in range(0, SHAPE[0], _CHUNKS[0])}
    of_column = {column: _packed(lon[None, column:column + _CHUNKS[1]]) for column in range(0, SHAPE[1], _CHUNKS[1])}
    return y, x, {start: of_row[start[0]] for start in starts}, {start: of_column[start[1]] for start in starts}


def _packed(values: NDArray[np.float32]) -> bytes:
    return zlib.compress(np.broadcast_to(values, _CHUNKS).tobytes(), 1)


def _describe(dataset: h5py.Dataset, axes: list[h5py.Dataset], attributes: dict[str, Any]) -> None:
    for dimension, axis in zip(dataset.dims, axes, strict=True):
        dimension.attach_scale(axis)
    for name, value in attributes.items():
        dataset.attrs[name] = np.bytes_(value) if isinstance(value, str) else value
