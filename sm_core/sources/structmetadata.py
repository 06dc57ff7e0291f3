"""Where an HDF-EOS grid lies, from its StructMetadata text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sm_core.errors import SchemaDriftError
from sm_core.grid import sinusoidal

TOLERANCE_M = 1.0
_GROUP = re.compile(r"GROUP=(GRID_\d+)\b(.*?)END_GROUP=\1\b", re.DOTALL)


@dataclass(frozen=True)
class GridStructure:
    """One grid of an HDF-EOS file: size, outer corners in its projection's unit, field names."""

    name: str
    width: int
    height: int
    upper_left: tuple[float, float] | None
    lower_right: tuple[float, float] | None
    projection: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class SinusoidalCells:
    """Cell centres [m] of a 1-km sinusoidal grid, y descending, and its tile."""

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    tile: str


def parse(text: str) -> tuple[GridStructure, ...]:
    """The grids that a StructMetadata.0 text describes; corners are None when it gives none (``DEFAULT``).

    Raises
    ------
    SchemaDriftError   SM206, sizes or corners that are no numbers.
    """
    try:
        return tuple(_structure(body) for _, body in _GROUP.findall(text))
    except ValueError as cause:
        raise SchemaDriftError(f"StructMetadata is garbled: {cause}") from cause


def tile_cells(
    text: str, shapes: Mapping[str, tuple[int, ...]], tile: str, where: str
) -> SinusoidalCells:
    """Where the cells of the named fields of a 1-km product lie.

    Parameters
    ----------
    text
        StructMetadata.0.
    shapes
        (rows, columns) by field name; all must be those of the grid that holds the first.
    tile, where
        As in :func:`sinusoidal_cells`.

    Raises
    ------
    SchemaDriftError   SM206, no such grid, a field of another shape, or see :func:`sinusoidal_cells`.
    """
    first = next(iter(shapes))
    grid = next((entry for entry in parse(text) if first in entry.fields), None)
    if grid is None:
        raise SchemaDriftError(f"{where}: StructMetadata describes no grid with {first!r}")
    if set(shapes.values()) != {(grid.height, grid.width)}:
        raise SchemaDriftError(f"{where}: fields differ in shape from the grid", grid=(grid.height, grid.width),
                               fields=sorted(set(shapes.values())))
    return sinusoidal_cells(grid, tile, where)


def grid_shaped(text: str, shape: tuple[int, ...]) -> GridStructure | None:
    """The first grid of (rows, columns) ``shape``, None when the text describes none."""
    return next((grid for grid in parse(text) if (grid.height, grid.width) == shape), None)


def sinusoidal_cells(grid: GridStructure, tile: str, where: str) -> SinusoidalCells:
    """Where the cells of a 1-km sinusoidal grid lie.

    Parameters
    ----------
    grid
        A whole tile (1200 × 1200, on the tile lattice) or any subset of the globe in 1-km cells.
    tile
        Tile of the file name, may be empty; a whole tile must agree with it, a subset keeps it as a label.
    where
        File, for messages.

    Raises
    ------
    SchemaDriftError   SM206, another projection or cell size, or a whole tile elsewhere than its name says.
    """
    if "SNSOID" not in grid.projection or grid.upper_left is None or grid.lower_right is None:
        raise SchemaDriftError(f"{where}: expected a sinusoidal grid", projection=grid.projection)
    (west, north), (east, south) = grid.upper_left, grid.lower_right
    cell_x, cell_y = (east - west) / grid.width, (north - south) / grid.height
    if abs(cell_x - sinusoidal.CELL_M) > TOLERANCE_M or abs(cell_y - sinusoidal.CELL_M) > TOLERANCE_M:
        raise SchemaDriftError(f"{where}: cells of {cell_x:.1f} x {cell_y:.1f} m instead of 1 km")
    whole = (grid.height, grid.width) == (sinusoidal.CELLS_PER_TILE, sinusoidal.CELLS_PER_TILE)
    if whole:
        tile = tile or _tile_at(west, north)
        exact_west, _, _, exact_north = sinusoidal.tile_bounds(tile)
        if max(abs(exact_west - west), abs(exact_north - north)) > TOLERANCE_M:
            raise SchemaDriftError(f"{where}: the grid lies at ({west:.0f}, {north:.0f}) m, not in tile {tile}")
        west, north, cell_x, cell_y = exact_west, exact_north, sinusoidal.CELL_M, sinusoidal.CELL_M
    rows, columns = np.arange(grid.height, dtype=np.float64), np.arange(grid.width, dtype=np.float64)
    return SinusoidalCells(north - cell_y * (rows + 0.5), west + cell_x * (columns + 0.5), tile)


def geographic_corners(grid: GridStructure) -> tuple[float, float, float, float] | None:
    """(west, south, east, north) [degrees] of a geographic grid; None when it gives none.

    Corners of the GCTP geographic projection are packed as DDDMMMSSS.SS; some writers put plain degrees.

    >>> unpack_dms(-179030000.0)
    -179.5
    """
    if "GEO" not in grid.projection or grid.upper_left is None or grid.lower_right is None:
        return None
    (west, north), (east, south) = grid.upper_left, grid.lower_right
    corners = west, south, east, north
    packed = any(abs(value) > 360.0 for value in corners)
    return (unpack_dms(west), unpack_dms(south), unpack_dms(east), unpack_dms(north)) if packed else corners


def unpack_dms(packed: float) -> float:
    """Degrees of a packed angle DDDMMMSSS.SS.

    >>> unpack_dms(124015030.0)
    124.25833333333334
    """
    degrees, rest = divmod(abs(packed), 1e6)
    minutes, seconds = divmod(rest, 1e3)
    return math.copysign(degrees + minutes / 60 + seconds / 3600, packed)


def _structure(body: str) -> GridStructure:
    return GridStructure(
        name=_value(body, "GridName").strip('"'), width=int(_value(body, "XDim") or 0),
        height=int(_value(body, "YDim") or 0), upper_left=_point(_value(body, "UpperLeftPointMtrs")),
        lower_right=_point(_value(body, "LowerRightMtrs")), projection=_value(body, "Projection"),
        fields=tuple(re.findall(r'DataFieldName="([^"]*)"', body)),
    )


def _value(body: str, key: str) -> str:
    match = re.search(rf"^\s*{key}=(.*?)\s*$", body, re.MULTILINE)
    return match[1] if match else ""


def _point(text: str) -> tuple[float, float] | None:
    match = re.fullmatch(r"\(([^,]+),([^,]+)\)", text)
    return (float(match[1]), float(match[2])) if match else None


def _tile_at(west: float, north: float) -> str:
    h = round((west + math.pi * sinusoidal.EARTH_RADIUS_M) / sinusoidal.TILE_M)
    v = round((math.pi * sinusoidal.EARTH_RADIUS_M / 2 - north) / sinusoidal.TILE_M)
    return f"h{h:02d}v{v:02d}"
