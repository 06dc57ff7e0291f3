"""HDF-EOS5 grid files as the VIIRS land system writes them: HDF5 with the EOS groups and attribute conventions.

Kept from real files: numeric and text attributes of fields have shape (1,), some ``_FillValue`` have two values, the
HDF5 fill value is 0 whatever ``_FillValue`` says, and XDim and YDim hold the cells' upper-left corners, not centres.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sm_core.grid import sinusoidal
from sm_core.twin.writers import odl
from sm_core.twin.writers.atomic import replacing
from sm_core.twin.writers.tiles import TILE_SHAPE, tile_bounds

HDFEOS_VERSION = "HDFEOS_5.1.16"
PROJECTION = ("Projection=HE5_GCTP_SNSOID", "ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)", "SphereCode=-1")
DEFLATE_LEVEL = 5
_NATIVE_TYPES = {"i1": "SCHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "i4": "INT"}
_AXES = {"XDim": ("x", "projection_x_coordinate"), "YDim": ("y", "projection_y_coordinate")}

FieldAttributes = Mapping[str, str | NDArray[Any]]
GlobalAttributes = Mapping[str, str | float | Sequence[float]]


@dataclass(frozen=True, slots=True)
class Field:
    """A data field: counts (1200, 1200) and attributes; texts and numbers are stored with shape (1,) or longer."""

    name: str
    values: NDArray[Any]
    attributes: FieldAttributes


def write_tile(
    path: Path, *, grid: str, tile: str, fields: Sequence[Field], attributes: GlobalAttributes,
    core_metadata: str, archive_metadata: str, chunk_rows: int = 1,
    cell_m: float = sinusoidal.CELL_M,
) -> Path:
    """Write a file of one full 1-km sinusoidal tile.

    Parameters
    ----------
    path
        Of the file.
    grid
        Name of the grid.
    tile
        Such as ``h28v05``.
    fields
        Data fields, in the order of StructMetadata.
    attributes
        Of the file.
    core_metadata, archive_metadata
        ODL texts.
    chunk_rows
        Rows in one chunk; divides 1200.
    cell_m
        Cell size that the product works with [m].

    Returns
    -------
    ``path``
    """
    texts = {
        "StructMetadata.0": _structure(grid, tile, fields, cell_m), "CoreMetadata.0": core_metadata,
        "ArchiveMetadata.0": archive_metadata,
    }
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = np.bytes_(value) if isinstance(value, str) else np.atleast_1d(value)
        file.create_group("HDFEOS/ADDITIONAL/FILE_ATTRIBUTES")
        information = file.create_group("HDFEOS INFORMATION")
        information.attrs["HDFEOSVersion"] = np.bytes_(HDFEOS_VERSION)
        for name, text in texts.items():
            information.create_dataset(name, data=np.bytes_(text.encode("ascii")), dtype=f"S{len(text)}")
        _write_grid(file.create_group(f"HDFEOS/GRIDS/{grid}"), tile, fields, chunk_rows, cell_m)
    return path


def _write_grid(group: h5py.Group, tile: str, fields: Sequence[Field], chunk_rows: int, cell_m: float) -> None:
    west, _, _, north = tile_bounds(tile, cell_m)
    steps = np.arange(sinusoidal.CELLS_PER_TILE) * cell_m
    axes = [_axis(group, "YDim", north - steps), _axis(group, "XDim", west + steps)]
    data = group.create_group("Data Fields")
    for field in fields:
        dataset = data.create_dataset(
            field.name, field.values.shape, field.values.dtype, chunks=(chunk_rows, field.values.shape[1]),
            compression="gzip", compression_opts=DEFLATE_LEVEL,
        )
        _write_chunks(dataset, field.values, chunk_rows)
        for dimension, axis in zip(dataset.dims, axes, strict=True):
            dimension.attach_scale(axis)
        for name, value in field.attributes.items():
            dataset.attrs[name] = np.array([np.bytes_(value)]) if isinstance(value, str) else value
        dataset.attrs["grid_mapping"] = np.array([b"Projection"])
    projection = data.create_dataset("Projection", data=np.zeros(1, np.int32))
    projection.attrs["grid_mapping_name"] = np.bytes_("sinusoidal")
    for name, number in (("earth_radius", sinusoidal.EARTH_RADIUS_M), ("longitude_of_central_meridian", 0.0),
                         ("false_easting", 0.0), ("false_northing", 0.0)):
        projection.attrs[name] = np.array([number])


def _write_chunks(dataset: h5py.Dataset, values: NDArray[Any], rows: int) -> None:
    packed: dict[bytes, bytes] = {}
    for row in range(0, len(values), rows):
        content = values[row:row + rows].tobytes()
        if content not in packed:
            packed[content] = zlib.compress(content, 1)
        dataset.id.write_direct_chunk((row, 0), packed[content])


def _axis(group: h5py.Group, name: str, corners: NDArray[np.floating[Any]]) -> h5py.Dataset:
    letter, standard_name = _AXES[name]
    axis = group.create_dataset(name, data=corners)
    axis.make_scale(name)
    for key, text in (
        ("standard_name", standard_name), ("long_name", f"{letter} coordinate of projection"), ("units", "m")
    ):
        axis.attrs[key] = np.bytes_(text)
    return axis


def _structure(grid: str, tile: str, fields: Sequence[Field], cell_m: float) -> str:
    west, south, east, north = tile_bounds(tile, cell_m)
    described = [[
        f'DataFieldName="{field.name}"', f"DataType=H5T_NATIVE_{_NATIVE_TYPES[field.values.dtype.str[1:]]}",
        'DimList=("YDim","XDim")', 'MaxdimList=("YDim","XDim")', "CompressionType=HE5_HDFE_COMP_DEFLATE",
        f"DeflateLevel={DEFLATE_LEVEL}",
    ] for field in fields]
    described.append([
        'DataFieldName="Projection"', "DataType=H5T_NATIVE_INT", 'DimList=("dimofone")', 'MaxdimList=("dimofone")'])
    return odl.struct_metadata(
        grid=grid, shape=TILE_SHAPE, upper_left=(west, north),
        lower_right=(east, south), projection=PROJECTION, fields=described,
        dimensions=[['DimensionName="dimofone"', "Size=1"]],
        closing=("GROUP=ZaStructure", "END_GROUP=ZaStructure"),
    )
