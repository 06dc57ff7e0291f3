"""HDF-EOS2 grid files: an HDF4 file whose StructMetadata says where its fields lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sm_core.grid import sinusoidal
from sm_core.twin.writers import hdf4, odl
from sm_core.twin.writers.atomic import replacing
from sm_core.twin.writers.tiles import TILE_SHAPE, tile_bounds

HDFEOS_VERSION = "HDFEOS_V2.19"
_TYPE_NAMES = {"u1": "UINT8", "i1": "INT8", "u2": "UINT16", "i2": "INT16"}


@dataclass(frozen=True, slots=True)
class EosGrid:
    """Name, size, outer corners (x, y) and projection lines of a grid, as StructMetadata gives them."""

    name: str
    shape: tuple[int, int]
    upper_left: tuple[float, float]
    lower_right: tuple[float, float]
    projection: tuple[str, ...]

    @classmethod
    def tile(
        cls, name: str, tile: str, projection: tuple[str, ...], cell_m: float = sinusoidal.CELL_M
    ) -> EosGrid:
        """Grid of a full 1-km sinusoidal tile such as ``h28v05``."""
        west, south, east, north = tile_bounds(tile, cell_m)
        return cls(name, TILE_SHAPE, (west, north), (east, south), projection)

    @classmethod
    def globe(cls, name: str, shape: tuple[int, int]) -> EosGrid:
        """Geographic grid of the whole globe; corners in packed degrees, minutes and seconds (DDDMMMSSS.SS)."""
        projection = ("Projection=GCTP_GEO", "GridOrigin=HDFE_GD_UL")
        return cls(name, shape, (-180e6, 90e6), (180e6, -90e6), projection)


def write_grid(
    path: Path, grid: EosGrid, fields: Sequence[hdf4.Field], attributes: Sequence[hdf4.Attribute]
) -> Path:
    """Write a file of one grid.

    Parameters
    ----------
    path
        Of the file; its name is also stored inside.
    grid
        Where the fields lie.
    fields
        Data fields, in order.
    attributes
        Of the file, after HDFEOSVersion and StructMetadata.0, in order.

    Returns
    -------
    ``path``
    """
    structure = odl.struct_metadata(
        grid=grid.name, shape=grid.shape, upper_left=grid.upper_left, lower_right=grid.lower_right,
        projection=grid.projection, fields=[_described(field) for field in fields],
    )
    described = [("HDFEOSVersion", HDFEOS_VERSION), ("StructMetadata.0", structure), *attributes]
    content = hdf4.encode(fields, described, grid=grid.name, name=path.name)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def _described(field: hdf4.Field) -> list[str]:
    data_type = _TYPE_NAMES[field.dtype.str[1:]]
    return [f'DataFieldName="{field.name}"', f"DataType=DFNT_{data_type}", 'DimList=("YDim","XDim")']
