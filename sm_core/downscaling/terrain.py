"""Where water gathers: the topographic wetness index."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.domain import Grid

LEAST_GRADIENT = 0.005
"""Gradient of flat ground [1]; the index stays finite."""
METRES_PER_DEGREE = 111_195.0


def cell_metres(grid: Grid) -> tuple[float, float]:
    """Height and width of the grid's cells [m], at its middle latitude where it is geographic."""
    dx, dy = abs(grid.transform[0]), abs(grid.transform[4])
    if grid.crs != "EPSG:4326":
        return dy, dx
    return dy * METRES_PER_DEGREE, dx * METRES_PER_DEGREE * math.cos(math.radians(float(grid.y.mean())))


def topographic_wetness(
    elevation: NDArray[np.floating], slope: NDArray[np.floating], grid: Grid
) -> NDArray[np.float32]:
    """ln(a / tan β) [1]: a is the upslope area per width of contour [m], β the slope. (y, x)

    Parameters
    ----------
    elevation, slope
        [m] and [degree], NaN = unknown or water. (y, x) on ``grid``
    grid
        The region grid.

    Returns
    -------
    float32; NaN where elevation or slope is.

    Notes
    -----
    Each cell drains to its steepest lower neighbour of eight; water is the sea, at 0 m. Hollows keep their water, and
    what lies upslope of the region's edge is not seen.

    References
    ----------
    .. [1] Beven & Kirkby (1979), A physically based, variable contributing area model of basin hydrology,
       doi:10.1080/02626667909491834
    .. [2] O'Callaghan & Mark (1984), The extraction of drainage networks from digital elevation data,
       doi:10.1016/S0734-189X(84)80011-0

    Examples
    --------
    Three cells of 1 km down a slope of 45 degrees: 1, 2 and 3 km of slope drain through them.

    >>> grid = Grid.from_origin("g", west=0.0, north=1000.0, resolution=1000.0, width=3, height=1, crs="EPSG:6933")
    >>> index = topographic_wetness(np.array([[3.0, 2.0, 1.0]]), np.full((1, 3), 45.0), grid)
    >>> np.exp(index).round().tolist()
    [[1000.0, 2000.0, 3000.0]]
    """
    height = np.where(np.isfinite(elevation), elevation, 0.0).astype(np.float64)
    from_the_top = np.argsort(-height, axis=None, kind="stable").astype(np.int64)
    metres = cell_metres(grid)
    upslope = _cells_upslope(height, from_the_top, *metres) * math.sqrt(metres[0] * metres[1])
    with np.errstate(invalid="ignore"):
        gradient = np.maximum(np.tan(np.deg2rad(np.asarray(slope, np.float64))), LEAST_GRADIENT)
    index: NDArray[np.float32] = np.where(np.isfinite(elevation), np.log(upslope / gradient), np.nan).astype(np.float32)
    return index


@njit(error_model="numpy")
def _cells_upslope(
    height: NDArray[np.float64], from_the_top: NDArray[np.int64], dy: float, dx: float
) -> NDArray[np.float64]:
    rows, columns = height.shape
    cells = np.ones((rows, columns))
    for index in from_the_top:
        row, column = index // columns, index % columns
        steepest, to_row, to_column = 0.0, -1, -1
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(column - 1, 0), min(column + 2, columns)):
                if i != row or j != column:
                    fall = (height[row, column] - height[i, j]) / np.hypot(dy * (i - row), dx * (j - column))
                    if fall > steepest:
                        steepest, to_row, to_column = fall, i, j
        if to_row >= 0:
            cells[to_row, to_column] += cells[row, column]
    return cells
