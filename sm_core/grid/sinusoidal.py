"""The MODIS/VIIRS sinusoidal grid: 36 × 18 tiles of 1200 × 1200 cells of about 926.6 m."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M = 6371007.181
TILE_M = math.pi * EARTH_RADIUS_M / 18
CELLS_PER_TILE = 1200
CELL_M = TILE_M / CELLS_PER_TILE
CRS = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={EARTH_RADIUS_M} +units=m +no_defs"


def tile_bounds(tile: str) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a tile such as ``h28v05`` [m].

    >>> [round(value) for value in tile_bounds("h28v05")]
    [11119505, 3335852, 12231456, 4447802]
    """
    h, v = int(tile[1:3]), int(tile[4:6])
    west = -math.pi * EARTH_RADIUS_M + h * TILE_M
    north = math.pi * EARTH_RADIUS_M / 2 - v * TILE_M
    return west, north - TILE_M, west + TILE_M, north


def from_lonlat(
    lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sinusoidal x, y [m] of longitude, latitude [degrees]."""
    phi = np.deg2rad(lat)
    return EARTH_RADIUS_M * np.deg2rad(lon) * np.cos(phi), EARTH_RADIUS_M * phi


def to_lonlat(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude, latitude [degrees] of sinusoidal x, y [m]; beyond the globe's edge longitude exceeds ±180."""
    phi = y / EARTH_RADIUS_M
    return np.rad2deg(x / (EARTH_RADIUS_M * np.cos(phi))), np.rad2deg(phi)


def tiles_over(bounds: tuple[float, float, float, float]) -> tuple[str, ...]:
    """Tiles that a (west, south, east, north) box [degrees] touches, in order.

    >>> tiles_over((126.5, 35.5, 128.5, 37.5))
    ('h28v05',)
    >>> tiles_over((124.0, 33.0, 131.0, 43.0))
    ('h27v04', 'h27v05', 'h28v04', 'h28v05')
    """
    west, south, east, north = bounds
    lat = np.linspace(south + 1e-9, north - 1e-9, 200)
    found = set()
    for lon in (west + 1e-9, east - 1e-9):
        x, y = from_lonlat(np.full_like(lat, lon), lat)
        h = np.floor((x + math.pi * EARTH_RADIUS_M) / TILE_M).astype(int)
        v = np.floor((math.pi * EARTH_RADIUS_M / 2 - y) / TILE_M).astype(int)
        found |= {(int(a), int(b)) for a, b in zip(h, v, strict=True)}
    rows = {v for _, v in found}
    spans = {v: [h for h, row in found if row == v] for v in rows}
    tiles = {(h, v) for v, hs in spans.items() for h in range(min(hs), max(hs) + 1)}
    return tuple(sorted(f"h{h:02d}v{v:02d}" for h, v in tiles))
