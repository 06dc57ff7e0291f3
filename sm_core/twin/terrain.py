"""The ground: real coast, invented relief, land cover and soil texture."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from sm_core.domain import Grid
from sm_core.errors import ConfigError
from sm_core.twin.fields import Floats, GaussianField, generator

DECIDUOUS, EVERGREEN, MIXED, GRASS, WETLAND, CROP, URBAN, MOSAIC, WATER = 4, 1, 5, 10, 11, 12, 13, 14, 17
"""IGBP classes that occur."""

_COAST_FILE = "globe_combined_mask_compressed.npz"
_COAST_CELLS_PER_DEGREE = 120


class Terrain(NamedTuple):
    """What does not change. Maps (y, x) on the region grid; over water everything but ``land`` and cover is NaN.

    ``elevation`` [m], ``slope`` [degrees], ``southness`` [-1 north-facing .. 1 south-facing, 0 flat], ``wetness``
    (topographic wetness index, standardised), ``land_cover`` [IGBP], ``clay`` and ``sand`` [%], ``fertility``
    (NDVI offset [1]).
    """

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    land: NDArray[np.bool_]
    elevation: Floats
    slope: Floats
    southness: Floats
    wetness: Floats
    land_cover: NDArray[np.uint8]
    clay: Floats
    sand: Floats
    fertility: Floats


def make_terrain(grid: Grid, seed: int) -> Terrain:
    """Ground of a region: coast from a 1-km global mask, everything else invented from ``seed``.

    Relief grows towards the east; forest stands on slopes, crops in lowlands, towns are spots in lowlands; texture
    varies over about 20 km and, less, from cell to cell.

    Raises
    ------
    ConfigError   SM100, the grid holds no land.
    """
    lon, lat = cell_lonlat(grid)
    land = is_land(lon, lat)
    if not land.any():
        raise ConfigError("the region's grid holds no land", grid_id=grid.grid_id)
    step_km = cell_step_km(lon, lat)
    elevation = _relief(land, step_km, seed)
    south_m, east_m = (1000.0 * step for step in step_km)
    fall_south, fall_east = (-g for g in np.gradient(elevation, south_m, east_m))
    steepness = np.hypot(fall_south, fall_east)
    slope = np.degrees(np.arctan(steepness))
    wetness = _standardise(_wetness_index(elevation, steepness, 1000.0 * float(np.mean(step_km))), land)
    clay, sand = _texture(wetness, step_km, seed)
    cover = _land_cover(land, elevation, slope, wetness, step_km, seed)
    fertility = 0.045 * GaussianField(land.shape, step_km, 3.0).draw(generator(seed, "fertility"))[0]
    maps = (elevation, slope, fall_south / np.maximum(steepness, 1e-6) * np.sin(np.arctan(steepness)), wetness)
    relief = [_on_land(layer, land) for layer in maps]
    ground = [_on_land(layer, land) for layer in (clay, sand, fertility)]
    return Terrain(lon, lat, land, relief[0], relief[1], relief[2], relief[3], cover, ground[0], ground[1], ground[2])


def cell_lonlat(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of every cell centre [degrees]. (y, x)"""
    x, y = np.meshgrid(grid.x, grid.y)
    if grid.crs == "EPSG:4326":
        return x, y
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)


def cell_step_km(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[float, float]:
    """Distance between rows and between columns of a map of cell centres [km]."""
    middle = np.cos(np.deg2rad(lat.mean()))
    return (
        float(111.2 * np.hypot((lat[0, 0] - lat[-1, 0]), (lon[0, 0] - lon[-1, 0]) * middle) / (lat.shape[0] - 1)),
        float(111.2 * np.hypot((lon[0, -1] - lon[0, 0]) * middle, lat[0, -1] - lat[0, 0]) / (lat.shape[1] - 1)),
    )


def is_land(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points are land, from the 1/120-degree mask of the package global-land-mask. Same shape.

    The package itself unpacks the globe (1 GB) on import; here only the rows that are needed are read.
    """
    spec = importlib.util.find_spec("global_land_mask")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the package global-land-mask is not installed")
    row = np.clip((90.0 - lat) * _COAST_CELLS_PER_DEGREE, 0, 180 * _COAST_CELLS_PER_DEGREE - 1).astype(int)
    column = ((lon + 180.0) % 360.0 * _COAST_CELLS_PER_DEGREE).astype(int)
    first, last = int(row.min()), int(row.max())
    with zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / _COAST_FILE) as archive, \
            archive.open("mask.npy") as stream:
        ocean = _rows(stream, first, last - first + 1)
    return np.asarray(~ocean[row - first, column])


def _rows(stream: IO[bytes], first: int, count: int) -> NDArray[np.bool_]:
    np.lib.format.read_magic(stream)
    (_, width), _, _ = np.lib.format.read_array_header_1_0(stream)
    ahead = first * width
    while ahead:
        ahead -= len(stream.read(min(ahead, 1 << 24)))
    return np.frombuffer(stream.read(count * width), np.bool_).reshape(count, width)


def _relief(land: NDArray[np.bool_], step_km: tuple[float, float], seed: int) -> Floats:
    rng = generator(seed, "relief")
    rough = sum(
        weight * GaussianField(land.shape, step_km, range_km).draw(rng)[0]
        for range_km, weight in ((60.0, 0.75), (15.0, 0.5), (4.0, 0.22))
    )
    height = 1.0 / (1.0 + np.exp(-1.9 * (np.asarray(rough) - 0.35)))
    eastward = np.linspace(0.25, 1.0, land.shape[1])
    from_sea_km = ndimage.distance_transform_edt(np.pad(land, 1, mode="edge"), sampling=step_km)[1:-1, 1:-1]
    shore = 1.0 - np.exp(-from_sea_km / 6.0)
    return np.asarray(3.0 + 1100.0 * eastward * height * shore, np.float32)


def _wetness_index(elevation: Floats, steepness: Floats, cell_m: float) -> Floats:
    order = np.argsort(-elevation, axis=None).astype(np.int64)
    upslope = _flow_accumulation(elevation, order) * cell_m
    return np.asarray(np.log(upslope / np.maximum(steepness, 0.005)), np.float32)


@njit(error_model="numpy")
def _flow_accumulation(elevation: Floats, order: NDArray[np.int64]) -> Floats:
    rows, columns = elevation.shape
    cells = np.ones((rows, columns), np.float32)
    for index in order:
        row, column = index // columns, index % columns
        lowest, to_row, to_column = elevation[row, column], -1, -1
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(column - 1, 0), min(column + 2, columns)):
                if elevation[i, j] < lowest:
                    lowest, to_row, to_column = elevation[i, j], i, j
        if to_row >= 0:
            cells[to_row, to_column] += cells[row, column]
    return cells


def _standardise(values: Floats, land: NDArray[np.bool_]) -> Floats:
    known = values[land]
    return np.asarray(np.clip((values - known.mean()) / max(float(known.std()), 1e-6), -2.5, 2.5), np.float32)


def _on_land(values: Floats, land: NDArray[np.bool_]) -> Floats:
    return np.where(land, values, np.nan).astype(np.float32)


def _texture(
    wetness: Floats, step_km: tuple[float, float], seed: int
) -> tuple[Floats, Floats]:
    rng = generator(seed, "texture")
    wide, near = (GaussianField(wetness.shape, step_km, range_km) for range_km in (20.0, 2.0))
    clayey, sandy = (0.8 * wide.draw(rng)[0] + 0.6 * near.draw(rng)[0] for _ in range(2))
    clay = np.clip(20.0 + 7.5 * (0.9 * clayey + 0.35 * wetness), 6.0, 45.0)
    sand = np.clip(46.0 + 14.0 * (0.85 * sandy - 0.45 * clayey - 0.2 * wetness), 10.0, 90.0 - clay)
    return clay.astype(np.float32), sand.astype(np.float32)


def _land_cover(
    land: NDArray[np.bool_], elevation: Floats, slope: Floats, wetness: Floats,
    step_km: tuple[float, float], seed: int,
) -> NDArray[np.uint8]:
    rng = generator(seed, "land cover")
    patches, stands, towns = (GaussianField(land.shape, step_km, range_km).draw(rng)[0] for range_km in (3, 10, 6))
    hilliness = slope / 2.5 + elevation / 300.0 + 0.45 * patches - 0.3 * wetness
    cover = np.full(land.shape, CROP, np.uint8)
    cover[hilliness > 1.6] = MOSAIC
    cover[hilliness > 2.1] = np.where(stands > 0.6, EVERGREEN, np.where(stands > -0.2, MIXED, DECIDUOUS))[
        hilliness > 2.1]
    cover[(hilliness < 2.4) & (patches > 1.9)] = GRASS
    cover[(wetness > 1.9) & (elevation < 15.0)] = WETLAND
    cover[(hilliness < 1.6) & (towns > np.quantile(towns[land & (hilliness < 1.6)], 0.92))] = URBAN
    cover[~land] = WATER
    return cover
