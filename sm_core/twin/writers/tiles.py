"""Tiles of the 1-km sinusoidal grid, and dates as granule names have them."""

from __future__ import annotations

import datetime as dt

import numpy as np

from sm_core.grid import sinusoidal

TILE_SHAPE = (sinusoidal.CELLS_PER_TILE, sinusoidal.CELLS_PER_TILE)
VI_CELL_M = 926.625433055556
"""Cell size that the vegetation index products work with; their tile is 0.1 mm short."""


def tile_bounds(tile: str, cell_m: float = sinusoidal.CELL_M) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a tile [m] with cells of ``cell_m``.

    >>> [round(value, 6) for value in tile_bounds("h18v09", VI_CELL_M)]
    [0.0, -1111950.519667, 1111950.519667, 0.0]
    """
    side = cell_m * sinusoidal.CELLS_PER_TILE
    west, north = (int(tile[1:3]) - 18) * side, (9 - int(tile[4:6])) * side
    return west, north - side, west + side, north


def day_of_year(day: dt.date) -> str:
    """YYYYDDD, as granule names have it.

    >>> day_of_year(dt.date(2020, 12, 31))
    '2020366'
    """
    return f"{day:%Y%j}"


def corners(tile: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Longitudes and latitudes [degrees] of a tile's corners, clockwise from the upper left."""
    west, south, east, north = tile_bounds(tile)
    lon, lat = sinusoidal.to_lonlat(np.array([west, east, east, west]), np.array([north, north, south, south]))
    return tuple(lon.tolist()), tuple(lat.tolist())
