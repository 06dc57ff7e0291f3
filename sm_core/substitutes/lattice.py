"""The reference's native lattice, and daily means brought on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sm_core.domain import Grid, Record
from sm_core.errors import GridMismatchError
from sm_core.grid import to_grid


class CoarseLattice(Record):
    """Cell centres of a regular native grid, y descending, in ``crs``."""

    crs: str
    resolution: float
    y: tuple[float, ...]
    x: tuple[float, ...]

    @classmethod
    def of(cls, ds: xr.Dataset) -> CoarseLattice:
        """The lattice that a decoded granule lies on."""
        return cls(crs=str(ds.attrs["crs"]), resolution=float(ds.attrs["resolution"]),
                   y=tuple(map(float, ds.y.values)), x=tuple(map(float, ds.x.values)))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)"""
        return len(self.y), len(self.x)

    def check(self, *datasets: xr.Dataset | xr.DataArray) -> None:
        """Raise GridMismatchError (SM302) unless every dataset lies on this lattice."""
        for ds in datasets:
            if not (np.array_equal(ds.y.values, self.y) and np.array_equal(ds.x.values, self.x)):
                raise GridMismatchError("coarse soil moisture on another lattice", expected=self.shape,
                                        found=(ds.sizes["y"], ds.sizes["x"]))

    def regrid(self, ds: xr.Dataset) -> xr.Dataset:
        """Bilinear between the known native cells; NaN outside their extent. (time, y, x) on this lattice."""
        half = self.resolution / 2
        grid = Grid.from_origin("lattice", west=self.x[0] - half, north=self.y[0] + half, resolution=self.resolution,
                                width=len(self.x), height=len(self.y), crs=self.crs)
        on_grid = to_grid(ds, grid, "bilinear")
        attrs = {key: value for key, value in ds.attrs.items() if key != "grid_id"}
        attrs |= {"crs": self.crs, "resolution": self.resolution}
        return on_grid.assign_coords(y=list(self.y), x=list(self.x)).drop_attrs(deep=False).assign_attrs(attrs)


def daily_mean(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Mean of the files of one UTC day, on their common native grid.

    Parameters
    ----------
    parts
        Datasets (1, y, x) of the same cells; NaN = unknown.

    Returns
    -------
    Dataset (1, y, x) at 00 UTC of the first one's day. A cell is known where at least half of the files know it.

    Raises
    ------
    GridMismatchError   SM302, files of different cells.
    """
    first = parts[0]
    if any(not (first.x.equals(part.x) and first.y.equals(part.y)) for part in parts):
        raise GridMismatchError("files of one day differ in their cells", start=first.attrs.get("start"))
    variables = {}
    for name, field in first.data_vars.items():
        stack = np.stack([part[name].values for part in parts])
        known = np.isfinite(stack)
        count = known.sum(axis=0)
        mean = np.where(known, stack, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        variables[name] = (field.dims, np.where(2 * count >= len(parts), mean, np.nan).astype(np.float32), field.attrs)
    midnight = first.time.values.astype("datetime64[D]").astype("datetime64[ns]")
    return xr.Dataset(variables, {"time": midnight, "y": first.y, "x": first.x}, first.attrs)
