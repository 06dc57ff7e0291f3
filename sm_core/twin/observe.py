"""What satellites see of the truth: 1-km images on sinusoidal tiles, with clouds, noise and their consequences."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from sm_core.grid import sinusoidal
from sm_core.twin.fields import Floats, generator
from sm_core.twin.world import World

Pass = Literal["day", "night"]
PASSES: tuple[Pass, Pass] = ("day", "night")
Int16s = NDArray[np.int16]
Number = TypeVar("Number", bound=np.generic)
TILE_SHAPE = (sinusoidal.CELLS_PER_TILE, sinusoidal.CELLS_PER_TILE)
COMPOSITE_DAYS = 16

SWATH_HOURS = 0.87
"""Local solar time varies by this much to both sides of the nominal crossing time. Typical of MODIS."""
SWATH_DEGREES = 26.0
REPEAT_DAYS = 16
REPEAT_STEP = 7
ERROR_SHARE = (0.68, 0.24, 0.06, 0.02)
"""Shares of the LST error classes 0-3 away from clouds. Chosen for 1 K over all."""
ERROR_SHARE_NEAR_CLOUD = (0.35, 0.40, 0.17, 0.08)
ERROR_SD_K = (0.6, 1.1, 2.0, 3.2)
IMAGE_BIAS_SD_K = 0.3
NEAR_CLOUD = 0.15
"""Cloud margin below which a view is disturbed."""
MISSED_CLOUD_SHARE, MISSED_CLOUD_SHARE_NEAR = 0.006, 0.05
MISSED_CLOUD_K = (4.0, 18.0)
HOT_OUTLIER_SHARE = 0.003
"""VIIRS LST has more hot outliers than MODIS, for want of cloud screening."""
DAILY_NDVI_NOISE, COMPOSITE_NDVI_NOISE = 0.012, 0.016
"""Together .02 per composite."""
HAZE_NDVI, CLOUD_NDVI = 0.15, (0.05, 0.3)
SNOW_NDVI = 0.12
GAP_FREE_SD_K = 1.2


class Sensor(NamedTuple):
    """A platform's name, and its nominal local solar crossing times by day and by night [h]."""

    name: str
    day_hour: float
    night_hour: float


TERRA = Sensor("MOD", 10.5, 22.5)
AQUA = Sensor("MYD", 13.5, 1.5)
SUOMI_NPP = Sensor("VNP", 13.5, 1.5)
NOAA_20 = Sensor("VJ1", 13.4, 1.4)
NOAA_21 = Sensor("VJ2", 13.4, 1.4)


class TilePixels(NamedTuple):
    """The pixels of a tile that see land of the region: rows, columns, the land cell at each centre, longitude."""

    number: int
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    cell: NDArray[np.int64]
    lon: NDArray[np.float64]

    def image(self, values: NDArray[Number], fill: float) -> NDArray[Number]:
        """Pixel values in their places, ``fill`` elsewhere. (1200, 1200)"""
        result = np.full(TILE_SHAPE, fill, values.dtype)
        result[self.row, self.column] = values
        return result


class LstImage(NamedTuple):
    """One overpass. (pixels,): LST [K, NaN = cloud], local solar hour, error class 0-3."""

    lst: Floats
    hour: Floats
    error: NDArray[np.uint8]


class NdviComposite(NamedTuple):
    """Sixteen days. (pixels,): NDVI [1], day since the first, rank 0 good, 1 marginal, 2 snow, 3 cloudy."""

    ndvi: Floats
    day: Int16s
    rank: NDArray[np.int8]


def tile_pixels(world: World, tile: str) -> TilePixels:
    """Where a tile's pixels fall on the region's land."""
    grid, land = world.spec.region.grid, world.terrain.land
    west, _, _, north = sinusoidal.tile_bounds(tile)
    steps = np.arange(sinusoidal.CELLS_PER_TILE) + 0.5
    x, y = np.meshgrid(west + steps * sinusoidal.CELL_M, north - steps * sinusoidal.CELL_M)
    lon, lat = sinusoidal.to_lonlat(x, y)
    box_west, box_south, box_east, box_north = world.spec.region.lonlat_bounds
    row, column = np.nonzero((lon >= box_west) & (lon <= box_east) & (lat >= box_south) & (lat <= box_north))
    lon, lat = lon[row, column], lat[row, column]
    to_grid = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    gx, gy = (lon, lat) if grid.crs == "EPSG:4326" else to_grid.transform(lon, lat)
    j = np.floor((np.asarray(gx) - grid.transform[2]) / grid.transform[0]).astype(np.int64)
    i = np.floor((np.asarray(gy) - grid.transform[5]) / grid.transform[4]).astype(np.int64)
    inside = (i >= 0) & (i < grid.height) & (j >= 0) & (j < grid.width)
    i, j = np.where(inside, i, 0), np.where(inside, j, 0)
    seen = inside & land[i, j]
    order = np.cumsum(land).reshape(land.shape) - 1
    number = int(tile[1:3]) * 100 + int(tile[4:6])
    return TilePixels(number, row[seen], column[seen], order[i, j][seen], lon[seen])


def view_hour(sensor: Sensor, overpass: Pass, day: dt.date, lon: NDArray[np.float64]) -> Floats:
    """Local solar time of the view [h], 0..24: the nominal time, and across the swath up to 0.87 h to both sides."""
    nominal = sensor.day_hour if overpass == "day" else sensor.night_hour
    track = (day.toordinal() * REPEAT_STEP % REPEAT_DAYS) / REPEAT_DAYS
    across = np.mod(track + lon / SWATH_DEGREES, 1.0)
    return np.mod(nominal + SWATH_HOURS * (2.0 * across - 1.0), 24.0).astype(np.float32)


def lst_image(world: World, pixels: TilePixels, sensor: Sensor, overpass: Pass, day: dt.date) -> LstImage:
    """LST of one overpass: cloudy pixels unknown, noise by error class, one or two in a hundred an unseen cloud."""
    rng = generator(world.spec.seed, f"{sensor.name} LST {overpass}", day.toordinal(), pixels.number)
    margin = world.cloud_margin(day, f"{sensor.name} {overpass}")[pixels.cell]
    hour = view_hour(sensor, overpass, day, pixels.lon)
    near = margin < NEAR_CLOUD
    error = _error_class(rng, near)
    missed = rng.random(len(margin)) < np.where(near, MISSED_CLOUD_SHARE_NEAR, MISSED_CLOUD_SHARE)
    noise = np.array(ERROR_SD_K, np.float32)[error] * rng.standard_normal(len(margin), np.float32)
    noise -= missed * rng.uniform(*MISSED_CLOUD_K, len(margin))
    if sensor in (SUOMI_NPP, NOAA_20, NOAA_21):
        noise += (rng.random(len(margin)) < HOT_OUTLIER_SHARE) * rng.uniform(8.0, 15.0, len(margin))
    shared = IMAGE_BIAS_SD_K * generator(world.spec.seed, f"{sensor.name} bias {overpass}", day.toordinal()).normal()
    truth = world.lst(day, view_hour(sensor, overpass, day, world.lon))[pixels.cell]
    lst = np.where(margin < 0.0, np.nan, truth + noise + shared).astype(np.float32)
    return LstImage(lst, hour, error)


def ndvi_composite(world: World, pixels: TilePixels, sensor: Sensor, start: dt.date) -> NdviComposite:
    """The greenest clear view of sixteen days; a clouded guess where there was none.

    Haze near clouds lowers NDVI; the greenest view mostly avoids it. Snow hides the leaves.
    """
    rng = generator(world.spec.seed, f"{sensor.name} NDVI", start.toordinal(), pixels.number)
    best = np.full(len(pixels.cell), -np.inf, np.float32)
    chosen = np.full(len(pixels.cell), COMPOSITE_DAYS // 2, np.int16)
    rank = np.full(len(pixels.cell), 3, np.int8)
    for n in range(COMPOSITE_DAYS):
        day = start + dt.timedelta(days=n)
        margin = world.cloud_margin(day, f"{sensor.name} day")[pixels.cell]
        snow = world.snow(day)[pixels.cell]
        near = margin < NEAR_CLOUD
        seen = np.where(snow, np.float32(SNOW_NDVI), world.ndvi(day)[pixels.cell])
        seen += np.float32(DAILY_NDVI_NOISE) * rng.standard_normal(len(seen), np.float32)
        seen -= near * np.float32(HAZE_NDVI) * rng.random(len(seen), np.float32)
        better = (margin >= 0.0) & (seen > best)
        best[better], chosen[better] = seen[better], n
        rank[better] = np.where(snow, 2, np.where(near, 1, 0))[better]
    guess = world.ndvi(start + dt.timedelta(days=COMPOSITE_DAYS // 2))[pixels.cell]
    guess = guess - rng.uniform(*CLOUD_NDVI, len(guess)).astype(np.float32)
    ndvi = np.where(rank == 3, guess, best) + COMPOSITE_NDVI_NOISE * rng.standard_normal(len(best), np.float32)
    return NdviComposite(np.clip(ndvi, -0.15, 0.98).astype(np.float32), chosen, rank)


def gap_free_lst(world: World, pixels: TilePixels, day: dt.date) -> Floats:
    """GLASS-like 1-km LST at the morning overpass: every pixel, within a kelvin or so. (pixels,)"""
    rng = generator(world.spec.seed, "GLASS 1 km LST", day.toordinal(), pixels.number)
    truth = world.lst(day, TERRA.day_hour)[pixels.cell]
    return truth + np.float32(GAP_FREE_SD_K) * rng.standard_normal(len(truth), np.float32)


def _error_class(rng: np.random.Generator, near: NDArray[np.bool_]) -> NDArray[np.uint8]:
    number = rng.random(len(near))
    away, close = (np.searchsorted(np.cumsum(share)[:3], number) for share in (ERROR_SHARE, ERROR_SHARE_NEAR_CLOUD))
    return np.where(near, close, away).astype(np.uint8)
