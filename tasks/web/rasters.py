"""Tiles, values at a place, and series of them, straight from the published rasters."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from morecantile import Tile
from morecantile import tms as matrix_sets
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from rio_tiler.io import Reader

from sm_core.domain import Grid
from sm_core.errors import NotPublishedError, RequestError, StoreUnavailableError
from tasks.web.layers import CLEAR, CLEAR_INDEX, Colour, MapLayer

TILE = 512
COMPRESSION = 3
"""Of PNG: half the time of 6 for a tenth more bytes."""
MERCATOR = matrix_sets.get("WebMercatorQuad")
GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": 1, "GDAL_TIFF_INTERNAL_MASK": True}


def tile(path: Path, layer: MapLayer, x: int, y: int, z: int, cache_mb: int) -> bytes | None:
    """A map tile of 512 pixels as PNG with the layer's palette, unknown cells clear.

    Returns
    -------
    None where the tile lies outside the raster.

    Raises
    ------
    RequestError            SM107, there is no such tile at this zoom.
    StoreUnavailableError   SM702, the file cannot be read.

    Notes
    -----
    Warped once, nearest cell; the unknown is told by its stored number, so that no mask has to be warped as well.
    """
    if not (0 <= x < 2**z and 0 <= y < 2**z):
        raise RequestError("there is no such tile", x=x, y=y, z=z)
    west, south, east, north = MERCATOR.xy_bounds(Tile(x, y, z))
    transform = Affine((east - west) / TILE, 0, west, 0, (south - north) / TILE, north)
    try:
        with rasterio.Env(GDAL_CACHEMAX=cache_mb, **GDAL), Reader(str(path), tms=MERCATOR) as source:
            if not source.tile_exists(x, y, z):
                return None
            with WarpedVRT(source.dataset, crs=MERCATOR.rasterio_crs, transform=transform, width=TILE, height=TILE,
                           src_nodata=layer.nodata, nodata=layer.nodata) as warped:
                stored = warped.read(1)
            return _png(layer.palette_index(stored), layer.colours)
    except rasterio.errors.RasterioError as cause:
        raise StoreUnavailableError(f"a published file cannot be read: {cause}", file=path.name) from cause


def clear_tile() -> bytes:
    """A tile without anything."""
    return _png(np.full((TILE, TILE), CLEAR_INDEX, np.uint8), {CLEAR_INDEX: CLEAR})


def _png(index: NDArray[np.uint8], colours: dict[int, Colour]) -> bytes:
    """A PNG with a palette (W3C, PNG 3rd edition): a quarter of the bytes of red, green, blue and alpha to compress."""
    palette = np.array([colours.get(value, CLEAR) for value in range(256)], np.uint8)
    lines = np.zeros((TILE, TILE + 1), np.uint8)                        # each begins with 0, no filter
    lines[:, 1:] = index
    header = struct.pack(">IIBBBBB", TILE, TILE, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette[:, :3].tobytes()), (b"tRNS", palette[:, 3].tobytes()),
             (b"IDAT", zlib.compress(lines.tobytes(), COMPRESSION)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts)


class Cell(NamedTuple):
    """A cell of a grid and the place of its centre [degrees]."""

    row: int
    column: int
    lon: float
    lat: float


def cell_at(grid: Grid, lon: float, lat: float) -> Cell:
    """The cell that holds a place.

    Raises
    ------
    NotPublishedError   SM707, the place lies outside the grid.
    """
    x, y = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(lon, lat)
    width, _, west, _, height, north = grid.transform
    column, row = int(np.floor((x - west) / width)), int(np.floor((y - north) / height))
    if not (0 <= row < grid.height and 0 <= column < grid.width):
        raise NotPublishedError("the place lies outside the region", lon=lon, lat=lat)
    back = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    centre = back.transform(west + (column + 0.5) * width, north + (row + 0.5) * height)
    return Cell(row, column, round(float(centre[0]), 6), round(float(centre[1]), 6))


def stored_at(path: Path, cell: Cell) -> float:
    """The number that a raster holds in a cell, as it is stored.

    Raises
    ------
    StoreUnavailableError   SM702, the file cannot be read.
    """
    try:
        with rasterio.open(path) as file:
            return float(file.read(1, window=Window(cell.column, cell.row, 1, 1))[0, 0])
    except (rasterio.errors.RasterioError, IndexError) as cause:
        raise StoreUnavailableError(f"a published file cannot be read: {cause}", file=path.name) from cause


def value_at(path: Path | None, layer: MapLayer, cell: Cell) -> float | None:
    """A layer's value in a cell; None where unknown, or where the revision has no such file."""
    return None if path is None else layer.value(stored_at(path, cell))


def flags_at(path: Path | None, layer: MapLayer, cell: Cell) -> tuple[str, ...]:
    """The meanings of the quality bits that are set in a cell."""
    if path is None:
        return ()
    stored = stored_at(path, cell)
    if stored == layer.nodata:
        return ()
    return tuple(meaning for bit, meaning in layer.flag_bits if int(stored) >> bit & 1)


def distance_km(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Along a great circle on a sphere of 6371 km."""
    a, b, c, d = np.radians([lat, other_lat, lon, other_lon])
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin((d - c) / 2) ** 2
    return float(2 * 6371.0 * np.arcsin(np.sqrt(half)))
