"""From native grids to the region's grid: mosaic first, then resample, so that no seam is ever seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from sm_core.domain import Grid
from sm_core.errors import GridMismatchError
from sm_core.grid import sinusoidal

How = Literal["mean", "nearest", "bilinear"]
SUBSAMPLES = 3
MIN_VALID_SHARE = 0.33
"""A cell is known when at least this share of its sub-samples is (three of nine)."""


def mosaic(tiles: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join tiles of one native grid into one dataset; cells that no tile covers are NaN.

    Parameters
    ----------
    tiles
        Datasets (time, y, x) with equal spacing, CRS and variables; later tiles win where they overlap.

    Raises
    ------
    GridMismatchError   SM302, tiles of different CRS or not on one lattice.
    """
    if len(tiles) == 1:
        return tiles[0]
    crs = {tile.attrs["crs"] for tile in tiles}
    if len(crs) != 1:
        raise GridMismatchError("tiles of different CRS cannot be joined", crs=sorted(crs))
    dx, dy = _spacing(tiles[0])
    x0 = min(float(tile.x[0]) for tile in tiles)
    y0 = max(float(tile.y[0]) for tile in tiles)
    offsets = []
    for tile in tiles:
        col, row = (float(tile.x[0]) - x0) / dx, (float(tile.y[0]) - y0) / dy
        if abs(col - round(col)) > 0.01 or abs(row - round(row)) > 0.01:
            raise GridMismatchError("a tile lies off the others' lattice", tile=tile.attrs.get("tile", ""))
        offsets.append((round(row), round(col)))
    height = max(row + tile.sizes["y"] for (row, _), tile in zip(offsets, tiles, strict=True))
    width = max(col + tile.sizes["x"] for (_, col), tile in zip(offsets, tiles, strict=True))
    first = tiles[0]
    variables = {}
    for name in first.data_vars:
        joined = np.full((first.sizes["time"], height, width), np.nan, np.float32)
        for (row, col), tile in zip(offsets, tiles, strict=True):
            joined[:, row:row + tile.sizes["y"], col:col + tile.sizes["x"]] = tile[name].values
        variables[name] = (("time", "y", "x"), joined, first[name].attrs)
    coords = {"time": first.time, "y": y0 + dy * np.arange(height), "x": x0 + dx * np.arange(width)}
    return xr.Dataset(variables, coords, {**first.attrs, "tile": " ".join(t.attrs.get("tile", "") for t in tiles)})


def to_grid(ds: xr.Dataset, grid: Grid, how: How) -> xr.Dataset:
    """Resample a dataset of any regular native grid onto ``grid``.

    Parameters
    ----------
    ds
        (time, y, x), cell centres as coordinates, ``attrs["crs"]``; NaN = unknown.
    grid
        Target.
    how
        ``mean``: the mean of 3 × 3 points spread over each target cell (area weighting), known when a third of
        them is; ``nearest``: the native cell that holds the centre; ``bilinear``: between native centres, unknown
        corners left out.

    Returns
    -------
    Dataset (time, y, x) on ``grid`` with ``attrs["grid_id"]``; NaN outside the native extent.
    """
    lattice = _Lattice.of(ds)
    variables = {}
    for name, variable in ds.data_vars.items():
        values = variable.values.reshape(ds.sizes["time"], -1)
        if how == "bilinear":
            cells, weights = _bilinear(lattice, grid)
            result = np.stack([_weighted(layer, cells, weights) for layer in values])
        else:
            cells = _cells(lattice, grid, SUBSAMPLES if how == "mean" else 1)
            result = np.stack([_mean_known(layer, cells) for layer in values])
        variables[name] = (("time", "y", "x"), result.reshape(-1, *grid.shape).astype(np.float32), variable.attrs)
    attrs = {**ds.attrs, "crs": grid.crs, "grid_id": grid.grid_id}
    return xr.Dataset(variables, {"time": ds.time, "y": grid.y, "x": grid.x}, attrs)


def source_cells(ds: xr.Dataset, grid: Grid) -> NDArray[np.int64]:
    """Flat index of the native cell that holds each target cell's centre, -1 outside. (height, width)"""
    cells: NDArray[np.int64] = _cells(_Lattice.of(ds), grid, 1)[0].reshape(grid.shape)
    return cells


def bilinear_cells(
    ds: xr.Dataset | xr.DataArray, grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four native cells around each target cell's centre (flat index, -1 outside), and their bilinear weights.

    Each (4, height * width), row by row. ``to_grid(…, "bilinear")`` is the sum over known cells, renormalised.
    """
    return _bilinear(_Lattice.of(ds), grid)


def check_on_grid(grid: Grid, *datasets: xr.Dataset | xr.DataArray) -> None:
    """Raise GridMismatchError (SM302) unless every dataset lies on ``grid``."""
    for ds in datasets:
        if (ds.sizes.get("y"), ds.sizes.get("x")) != grid.shape or ds.attrs.get("grid_id") != grid.grid_id:
            raise GridMismatchError(
                "input is on another grid", expected=grid.grid_id, found=ds.attrs.get("grid_id"),
                shape=(ds.sizes.get("y"), ds.sizes.get("x")),
            )


def _spacing(ds: xr.Dataset | xr.DataArray) -> tuple[float, float]:
    return (
        float(ds.x[-1] - ds.x[0]) / (ds.sizes["x"] - 1) if ds.sizes["x"] > 1 else float(ds.attrs["resolution"]),
        float(ds.y[-1] - ds.y[0]) / (ds.sizes["y"] - 1) if ds.sizes["y"] > 1 else -float(ds.attrs["resolution"]),
    )


class _Lattice(tuple[str, float, float, int, float, float, int]):
    """(crs, x of the first centre, dx, nx, y of the first centre, dy, ny): hashable, so that indices are kept."""

    @classmethod
    def of(cls, ds: xr.Dataset | xr.DataArray) -> _Lattice:
        dx, dy = _spacing(ds)
        return cls((ds.attrs["crs"], float(ds.x[0]), dx, ds.sizes["x"], float(ds.y[0]), dy, ds.sizes["y"]))


def _project(
    lon: NDArray[np.float64], lat: NDArray[np.float64], from_crs: str, to_crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if from_crs == to_crs:
        return lon, lat
    if from_crs == "EPSG:4326" and to_crs == sinusoidal.CRS:
        return sinusoidal.from_lonlat(lon, lat)
    x, y = Transformer.from_crs(from_crs, to_crs, always_xy=True).transform(lon, lat)
    return np.asarray(x), np.asarray(y)


def _fractional(lattice: _Lattice, grid: Grid, dx: float, dy: float) -> tuple[NDArray[np.float64], ...]:
    """Fractional native column and row of every target cell's point at offset (dx, dy) [cells] from its centre."""
    xs, ys = np.meshgrid(grid.x + dx * grid.transform[0], grid.y + dy * grid.transform[4])
    px, py = _project(xs.ravel(), ys.ravel(), grid.crs, lattice[0])
    return (px - lattice[1]) / lattice[2], (py - lattice[4]) / lattice[5]


@lru_cache(maxsize=8)
def _cells(lattice: _Lattice, grid: Grid, n: int) -> NDArray[np.int64]:
    steps = (np.arange(n) + 0.5) / n - 0.5
    _, _, _, nx, _, _, ny = lattice
    layers = []
    for dy in steps:
        for dx in steps:
            col, row = _fractional(lattice, grid, dx, dy)
            col, row = np.floor(col + 0.5 + 1e-9).astype(np.int64), np.floor(row + 0.5 + 1e-9).astype(np.int64)
            inside = (col >= 0) & (col < nx) & (row >= 0) & (row < ny)
            layers.append(np.where(inside, row * nx + col, -1))
    return np.stack(layers)


@lru_cache(maxsize=4)
def _bilinear(lattice: _Lattice, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    _, _, _, nx, _, _, ny = lattice
    col, row = _fractional(lattice, grid, 0.0, 0.0)
    inside = (col >= -0.5) & (col <= nx - 0.5) & (row >= -0.5) & (row <= ny - 0.5)
    c0, r0 = np.floor(col).astype(np.int64), np.floor(row).astype(np.int64)
    fc, fr = col - c0, row - r0
    cells, weights = [], []
    for dr, wr in ((0, 1 - fr), (1, fr)):
        for dc, wc in ((0, 1 - fc), (1, fc)):
            r, c = np.clip(r0 + dr, 0, ny - 1), np.clip(c0 + dc, 0, nx - 1)
            cells.append(np.where(inside, r * nx + c, -1))
            weights.append(wr * wc)
    return np.stack(cells), np.stack(weights).astype(np.float32)


def _mean_known(layer: NDArray[np.float32], cells: NDArray[np.int64]) -> NDArray[np.float32]:
    padded = np.append(layer, np.float32(np.nan))
    samples: NDArray[np.float32] = padded[cells]
    known = np.isfinite(samples)
    count = known.sum(axis=0)
    total = np.where(known, samples, 0).sum(axis=0, dtype=np.float64)
    enough = count >= MIN_VALID_SHARE * len(cells)
    return np.where(enough, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _weighted(
    layer: NDArray[np.float32], cells: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    samples = np.append(layer, np.float32(np.nan))[cells]
    known = np.isfinite(samples)
    norm = (weights * known).sum(axis=0)
    total = np.where(known, samples * weights, 0).sum(axis=0)
    return np.where(norm > 1e-6, total / np.maximum(norm, 1e-6), np.nan).astype(np.float32)
