"""Points on a grid: which cell holds a place, where a cell's centre is, how far two places are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from sm_core.domain import Grid

EARTH_RADIUS_KM = 6371.0


def cell_of(lon: ArrayLike, lat: ArrayLike, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the cells that hold the places (degrees); both -1 outside the grid.

    >>> grid = Grid.from_origin("g", west=126.0, north=38.0, resolution=0.5, width=4, height=2)
    >>> [index.tolist() for index in cell_of([126.1, 127.9, 120.0], [37.9, 37.1, 37.5], grid)]
    [[0, 1, -1], [0, 3, -1]]
    """
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if grid.crs != "EPSG:4326":
        x, y = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(x, y)
    a, _, c, _, e, f = grid.transform
    column = np.floor((x - c) / a + 1e-9).astype(np.int64)
    row = np.floor((y - f) / e + 1e-9).astype(np.int64)
    inside = (row >= 0) & (row < grid.height) & (column >= 0) & (column < grid.width)
    return np.where(inside, row, -1), np.where(inside, column, -1)


def lonlat(x: ArrayLike, y: ArrayLike, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude [degrees] of cells from their centres along x and y in ``crs``. Each (y, x)."""
    xs, ys = np.meshgrid(np.asarray(x, np.float64), np.asarray(y, np.float64))
    if crs == "EPSG:4326":
        return xs, ys
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(xs, ys)
    return np.asarray(lon), np.asarray(lat)


def unit_vectors(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Places on the unit sphere, so that a straight-line search finds the nearest along the ground. (…, 3)"""
    lam, phi = np.deg2rad(np.asarray(lon, np.float64)), np.deg2rad(np.asarray(lat, np.float64))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def chord_to_km(chord: ArrayLike) -> NDArray[np.float64]:
    """Great-circle distance [km] of two unit vectors from their straight-line distance [1].

    >>> round(float(chord_to_km(2.0)))
    20015
    """
    half = np.clip(np.asarray(chord, np.float64) / 2, 0, 1)
    distance: NDArray[Any] = 2 * EARTH_RADIUS_KM * np.arcsin(half)
    return distance
