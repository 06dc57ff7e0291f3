"""Small files in the providers' formats, written with nothing but pyhdf and h5py."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyhdf.SD import SD, SDC

RADIUS = 6371007.181
TILE = math.pi * RADIUS / 18
CELL = TILE / 1200
KINDS = {"uint8": SDC.UINT8, "int8": SDC.INT8, "uint16": SDC.UINT16, "int16": SDC.INT16, "float32": SDC.FLOAT32}
Fields = Mapping[str, tuple[np.ndarray, Mapping[str, Any]]]


def struct_metadata(
    grid: str, shape: tuple[int, int], corners: tuple[float, float, float, float], fields: Sequence[str],
    projection: str = "GCTP_SNSOID",
) -> str:
    """StructMetadata.0 of one grid; corners are (west, north, east, south) as printed."""
    west, north, east, south = corners
    objects = "".join(f'\t\t\tOBJECT=F\n\t\t\t\tDataFieldName="{name}"\n\t\t\tEND_OBJECT=F\n' for name in fields)
    return (
        "GROUP=SwathStructure\nEND_GROUP=SwathStructure\nGROUP=GridStructure\n\tGROUP=GRID_1\n"
        f'\t\tGridName="{grid}"\n\t\tXDim={shape[1]}\n\t\tYDim={shape[0]}\n'
        f"\t\tUpperLeftPointMtrs=({west:.6f},{north:.6f})\n\t\tLowerRightMtrs=({east:.6f},{south:.6f})\n"
        f"\t\tProjection={projection}\n\t\tSphereCode=-1\n\t\tGROUP=DataField\n{objects}\t\tEND_GROUP=DataField\n"
        "\tEND_GROUP=GRID_1\nEND_GROUP=GridStructure\nEND\n"
    )


def tile_corners(tile: str) -> tuple[float, float, float, float]:
    """(west, north, east, south) of a tile [m]."""
    h, v = int(tile[1:3]), int(tile[4:6])
    west, north = -math.pi * RADIUS + h * TILE, math.pi * RADIUS / 2 - v * TILE
    return west, north, west + TILE, north - TILE


def subset_corners(tile: str, row: int, column: int, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """(west, north, east, south) of a block of cells inside a tile [m]."""
    west, north, _, _ = tile_corners(tile)
    west, north = west + column * CELL, north - row * CELL
    return west, north, west + shape[1] * CELL, north - shape[0] * CELL


def write_hdf4(path: Path, fields: Fields, texts: Mapping[str, str]) -> Path:
    """An HDF4 file of compressed datasets with attributes, and text attributes of the file."""
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    for name, text in texts.items():
        file.attr(name).set(SDC.CHAR, text.ljust(32000, "\0") if name.startswith("Struct") else text)
    for name, (data, attributes) in fields.items():
        dataset = file.create(name, KINDS[data.dtype.name], data.shape)
        dataset.setcompress(SDC.COMP_DEFLATE, 1)
        for key, value in attributes.items():
            if key == "_FillValue":
                dataset.setfillvalue(value)
            elif isinstance(value, str):
                dataset.attr(key).set(SDC.CHAR, value)
            else:
                kind = SDC.FLOAT64 if isinstance(value, float) else KINDS[data.dtype.name]
                dataset.attr(key).set(kind, value)
        dataset[:] = data
        dataset.endaccess()
    file.end()
    return path


def write_he5(path: Path, grid: str, fields: Fields, struct: str) -> Path:
    """An HDF-EOS5 grid file; attributes as arrays of one, as the providers write them."""
    with h5py.File(path, "w") as file:
        data_fields = file.create_group(f"HDFEOS/GRIDS/{grid}/Data Fields")
        for name, (data, attributes) in fields.items():
            dataset = data_fields.create_dataset(name, data=data, compression="gzip")
            for key, value in attributes.items():
                dataset.attrs[key] = np.bytes_(value) if isinstance(value, str) else np.atleast_1d(value)
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(struct.ljust(32000, "\0"))
    return path


MOD11_SCALES: Mapping[str, Mapping[str, Any]] = {
    "LST": {"units": "K", "valid_range": [7500, 65535], "_FillValue": 0, "scale_factor": 0.02},
    "QC": {"valid_range": [0, 255]},
    "time": {"valid_range": [0, 240], "_FillValue": 255, "scale_factor": 0.1},
}


def mod11_fields(lst: np.ndarray, quality: np.ndarray, view_time: np.ndarray) -> Fields:
    """The six fields of MOD11A1, night like day."""
    fields: dict[str, tuple[np.ndarray, Mapping[str, Any]]] = {}
    for half in ("Day", "Night"):
        fields[f"LST_{half}_1km"] = lst.astype(np.uint16), MOD11_SCALES["LST"]
        fields[f"QC_{half}"] = quality.astype(np.uint8), MOD11_SCALES["QC"]
        fields[f"{half}_view_time"] = view_time.astype(np.uint8), MOD11_SCALES["time"]
    return fields


def mod13_fields(ndvi: np.ndarray, reliability: np.ndarray, day: np.ndarray) -> Fields:
    """The three fields of MOD13A2 that are read; the scale factor is a divisor."""
    return {
        "1 km 16 days NDVI": (ndvi.astype(np.int16), {
            "units": "NDVI", "valid_range": [-2000, 10000], "_FillValue": -3000, "scale_factor": 10000.0,
            "add_offset": 0.0,
        }),
        "1 km 16 days pixel reliability": (reliability.astype(np.int8), {"valid_range": [0, 3], "_FillValue": -1}),
        "1 km 16 days composite day of the year": (day.astype(np.int16), {"valid_range": [1, 366], "_FillValue": -1}),
    }


class Writers:
    """What the tests of this folder write with."""

    hdf4 = staticmethod(write_hdf4)
    he5 = staticmethod(write_he5)
    struct_metadata = staticmethod(struct_metadata)
    tile_corners = staticmethod(tile_corners)
    subset_corners = staticmethod(subset_corners)
    mod11_fields = staticmethod(mod11_fields)
    mod13_fields = staticmethod(mod13_fields)

    @staticmethod
    def mod11(
        folder: Path, lst: np.ndarray, quality: np.ndarray, view_time: np.ndarray, *,
        name: str = "MOD11A1.A2019001.h28v05.061.2019002091500.hdf",
        corners: tuple[float, float, float, float] | None = None,
    ) -> Path:
        """A MOD11A1 file; by default the block of cells at row 600, column 700 of h28v05."""
        fields = mod11_fields(lst, quality, view_time)
        where = corners or subset_corners("h28v05", 600, 700, lst.shape)
        struct = struct_metadata("MODIS_Grid_Daily_1km_LST", lst.shape, where, list(fields))
        return write_hdf4(folder / name, fields, {"HDFEOSVersion": "HDFEOS_V2.19", "StructMetadata.0": struct})

    @staticmethod
    def mod13(
        folder: Path, ndvi: np.ndarray, reliability: np.ndarray, day: np.ndarray, *,
        name: str = "MOD13A2.A2019017.h28v05.061.2019035161835.hdf",
        corners: tuple[float, float, float, float] | None = None,
    ) -> Path:
        """A MOD13A2 file; by default the block of cells at row 600, column 700 of h28v05."""
        fields = mod13_fields(ndvi, reliability, day)
        where = corners or subset_corners("h28v05", 600, 700, ndvi.shape)
        struct = struct_metadata("MODIS_Grid_16DAY_1km_VI", ndvi.shape, where, list(fields))
        return write_hdf4(folder / name, fields, {"HDFEOSVersion": "HDFEOS_V2.19", "StructMetadata.0": struct})


@pytest.fixture
def writers() -> type[Writers]:
    return Writers


@pytest.fixture
def mod11(tmp_path: Path) -> Callable[..., Path]:
    """A good MOD11A1 file of 40 x 50 cells at 290 K seen at 10.5 h local solar time."""
    def write(folder: Path = tmp_path, name: str = "MOD11A1.A2019001.h28v05.061.2019002091500.hdf") -> Path:
        shape = (40, 50)
        return Writers.mod11(
            folder, np.full(shape, 14500), np.zeros(shape), np.full(shape, 105), name=name
        )
    return write
