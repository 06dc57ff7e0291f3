"""How much of each cell a polygon covers, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import sparse

from sm_core.domain import Grid

_DUST = 1e-9
"""Fractions that rounding makes of nothing."""


def area_fractions(shape: Any, grid: Grid) -> sparse.csr_array:
    """Fraction of each cell's area inside a polygon in the grid's CRS, to about 1e-12.

    Parameters
    ----------
    shape
        Polygon or MultiPolygon (shapely), holes allowed, edges straight in the CRS.
    grid
        The region grid.

    Returns
    -------
    Sparse row (1, cells), cells in row order.

    Notes
    -----
    Green's theorem: each edge is cut at the grid lines; a piece within a cell covers, of the band of rows that it
    spans, its height times all that lies to its right. With exterior rings clockwise and holes the other way these
    contributions, summed from west to east, are the covered fraction.
    """
    start, end = _edges(shape, grid)
    if not len(start):
        return sparse.csr_array((1, grid.width * grid.height))
    start, end = _cut(*_cut(start, end, axis=0), axis=1)
    middle = (start + end) / 2
    columns, rows = np.floor(middle).astype(np.int64).T
    columns, rows = np.clip(columns, 0, grid.width - 1), np.clip(rows, 0, grid.height - 1)
    west, north = int(columns.min()), int(rows.min())
    height, width = int(rows.max()) - north + 1, int(columns.max()) - west + 1
    risen = end[:, 1] - start[:, 1]
    right = columns + 1 - middle[:, 0]
    at = (rows - north) * (width + 1) + columns - west
    size = height * (width + 1)
    total = np.bincount(at, risen * right, size) + np.bincount(at + 1, risen * (1 - right), size)
    covered = np.clip(np.cumsum(total.reshape(height, width + 1), axis=1)[:, :width], 0, 1)
    covered[covered < _DUST] = 0
    covered[covered > 1 - _DUST] = 1
    row, column = np.nonzero(covered)
    cells = (row + north) * grid.width + column + west
    return sparse.csr_array(
        (covered[row, column], (np.zeros(len(cells), np.int64), cells)), shape=(1, grid.width * grid.height)
    )


def cell_area_km2(grid: Grid) -> NDArray[np.float64]:
    """Area of each cell [km2]: on the authalic sphere on geographic grids, as projected otherwise. (y, x)"""
    a, _, _, _, e, f = grid.transform
    if grid.crs != "EPSG:4326":
        return np.full(grid.shape, abs(a * e) / 1e6)
    edges = np.sin(np.deg2rad(f + e * np.arange(grid.height + 1)))
    rows = 6371.0072**2 * np.deg2rad(a) * -np.diff(edges)
    return np.repeat(rows[:, None], grid.width, axis=1)


def _edges(shape: Any, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and ends of all edges in columns and rows from the north-west corner; exterior rings clockwise."""
    a, _, c, _, e, f = grid.transform
    within = shapely.intersection(shape, shapely.box(*grid.bounds))
    polygons = [part for part in shapely.get_parts(shapely.get_parts([within])) if part.geom_type == "Polygon"]
    starts, ends = [np.empty((0, 2))], [np.empty((0, 2))]
    for polygon in polygons:
        oriented = shapely.orient_polygons(polygon, exterior_cw=False)
        for ring in (oriented.exterior, *oriented.interiors):
            corners = (shapely.get_coordinates(ring) - (c, f)) / (a, e)
            starts.append(corners[:-1])
            ends.append(corners[1:])
    return np.concatenate(starts), np.concatenate(ends)


def _cut(
    start: NDArray[np.float64], end: NDArray[np.float64], *, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges cut where they cross whole numbers of one coordinate."""
    low, high = np.minimum(start[:, axis], end[:, axis]), np.maximum(start[:, axis], end[:, axis])
    first, crossings = np.floor(low) + 1, np.maximum(np.ceil(high) - np.floor(low) - 1, 0).astype(np.int64)
    pieces = crossings + 1
    edge = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    rising = end[edge, axis] >= start[edge, axis]
    ordinal = np.where(rising, number, crossings[edge] - number)
    span = np.where(high - low > _DUST**2, high - low, 1)[edge]

    def share(ordinal: NDArray[np.int64]) -> NDArray[np.float64]:
        at: NDArray[np.float64] = (first[edge] + ordinal - 1 - low[edge]) / span
        return np.where(ordinal <= 0, 0.0, np.where(ordinal > crossings[edge], 1.0, np.clip(at, 0, 1)))

    below, above = share(ordinal), share(ordinal + 1)
    begin = np.where(rising, below, 1 - above)[:, None]
    finish = np.where(rising, above, 1 - below)[:, None]
    step = end[edge] - start[edge]
    return start[edge] + begin * step, np.where(finish >= 1, end[edge], start[edge] + finish * step)
