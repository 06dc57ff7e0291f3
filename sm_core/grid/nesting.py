"""Fine cells inside coarse cells: area-weighted aggregation and its inverse.

``aggregate(replicate(c)) == c`` for every coarse cell with a known fine cell, and ``replicate`` keeps every coarse
mean; both are exact up to float rounding and are tested as properties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Grid
from sm_core.grid.resample import source_cells


@dataclass(frozen=True)
class Nesting:
    """Which coarse cell each fine cell belongs to (by its centre), and each fine cell's area.

    Attributes
    ----------
    cell
        Flat coarse index, -1 outside. (y, x) of the fine grid.
    area
        Relative cell area [1]. (y, x) of the fine grid.
    shape
        (rows, columns) of the coarse grid.
    """

    cell: NDArray[np.int64]
    area: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def of(cls, coarse: xr.Dataset, grid: Grid) -> Nesting:
        """Nesting of ``grid`` in a coarse dataset's native lattice."""
        return cls(source_cells(coarse, grid), cell_area(grid), (coarse.sizes["y"], coarse.sizes["x"]))

    def aggregate(self, fine: NDArray[np.floating]) -> NDArray[np.float64]:
        """Area-weighted mean of the known fine cells of each coarse cell; NaN where none is. (rows, columns)"""
        known = np.isfinite(fine) & (self.cell >= 0)
        cells, weights = self.cell[known], self.area[known]
        size = self.shape[0] * self.shape[1]
        total = np.bincount(cells, weights * fine[known].astype(np.float64), size)
        weight = np.bincount(cells, weights, size)
        with np.errstate(invalid="ignore"):
            return (total / np.where(weight > 0, weight, np.nan)).reshape(self.shape)

    def share(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share of each coarse cell's area where ``mask`` holds; NaN for cells outside. (rows, columns)"""
        return self.aggregate(np.where(self.cell >= 0, mask.astype(np.float64), np.nan))

    def replicate(self, coarse: NDArray[np.floating]) -> NDArray[np.float64]:
        """The coarse value at every fine cell; NaN outside. (y, x)"""
        flat = np.append(np.asarray(coarse, np.float64).ravel(), np.nan)
        return flat[self.cell]


def cell_area(grid: Grid) -> NDArray[np.float64]:
    """Relative area of each cell [1]: cosine of latitude on geographic grids, 1 on projected ones. (y, x)"""
    weights = np.cos(np.deg2rad(grid.y)) if grid.crs == "EPSG:4326" else np.ones(grid.height)
    return np.repeat(weights[:, None], grid.width, axis=1)
