from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sm_core.domain.record import Record


class Grid(Record):
    """Where: a north-up raster of equal cells. The only way to say it; equality is exact.

    ``transform`` holds the six affine coefficients (a, b, c, d, e, f) in the order of rasterio: cell width, 0,
    west edge, 0, minus cell height, north edge, in units of ``crs``.
    """

    grid_id: str
    crs: str
    transform: tuple[float, float, float, float, float, float]
    width: int
    height: int

    @classmethod
    def from_origin(
        cls, grid_id: str, *, west: float, north: float, resolution: float, width: int, height: int,
        crs: str = "EPSG:4326",
    ) -> Grid:
        """Grid with square cells of ``resolution`` [CRS unit] from its north-west corner.

        >>> Grid.from_origin("g", west=126.0, north=38.0, resolution=0.5, width=4, height=2).bounds
        (126.0, 37.0, 128.0, 38.0)
        """
        return cls(
            grid_id=grid_id, crs=crs, transform=(resolution, 0.0, west, 0.0, -resolution, north),
            width=width, height=height,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as arrays on this grid have it."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in CRS units, rounded to 1e-9 so that exact nesting stays exact."""
        a, _, c, _, e, f = self.transform
        return round(c, 9), round(f + e * self.height, 9), round(c + a * self.width, 9), round(f, 9)

    @property
    def x(self) -> NDArray[np.float64]:
        """Cell centres along x, west to east. (width,)"""
        return np.round(self.transform[2] + self.transform[0] * (np.arange(self.width) + 0.5), 9)

    @property
    def y(self) -> NDArray[np.float64]:
        """Cell centres along y, north to south. (height,)"""
        return np.round(self.transform[5] + self.transform[4] * (np.arange(self.height) + 0.5), 9)
