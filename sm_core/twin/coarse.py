"""What coarse products show of the truth: GLASS surface state, GLEAM and SMAP soil moisture, each with its error."""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from sm_core.domain import Layer
from sm_core.twin.fields import Floats, GaussianField, generator, remembered
from sm_core.twin.store import COARSE_DEGREES, NO_LAND
from sm_core.twin.water import SM_SCALE
from sm_core.twin.weather import days_of_year
from sm_core.twin.world import World

GLASS_LST_HOUR = 14.0
"""Local solar time of the AVHRR afternoon pass."""
GLASS_LST_GAIN, GLASS_LST_BIAS_K, GLASS_LST_NOISE_K, GLASS_LST_MEMORY = 0.95, -0.8, 0.9, 0.5
GLASS_NDVI_GAIN, GLASS_NDVI_BIAS, GLASS_NDVI_NOISE = 0.95, 0.015, 0.01
GLASS_SMOOTHING_CELLS = 0.6
GLASS_NDVI_DAYS = 8

CLAY_BIAS, SAND_BIAS = 0.02, -0.015
"""Per standard deviation of clay and sand content [m3 m-3]: clayey soils come out .04 too wet, sandy .03 too dry."""
TYPICAL_CLAY, CLAY_SD, TYPICAL_SAND, SAND_SD = 20.0, 7.5, 46.0, 13.0
CLIMATE_WINDOW_DAYS = 31
EASE2_CELL_M, EASE2_WEST_M, EASE2_NORTH_M = 9008.055210146, -17367530.4451615, 7314540.8306386
"""9-km global EASE-Grid 2.0. Published: Brodzik et al. (2012), doi:10.3390/ijgi1010032."""


class CoarseError(NamedTuple):
    """Bias [m3 m-3], share of the anomaly's amplitude that is kept, and the random error's sd, memory and range."""

    bias: float
    damping: float
    sd: float
    memory: float
    range_km: float


GLEAM_ERROR: tuple[tuple[Layer, CoarseError], ...] = (
    ("sm_surface", CoarseError(0.005, 0.80, 0.025, 0.8, 40.0)),
    ("sm_rootzone", CoarseError(0.000, 0.80, 0.020, 0.8, 40.0)),
)
SMAP_ERROR: tuple[tuple[Layer, CoarseError], ...] = (
    ("sm_surface", CoarseError(-0.02, 1.05, 0.028, 0.7, 40.0)),
    ("sm_rootzone", CoarseError(-0.02, 0.85, 0.018, 0.9, 40.0)),
)


class CoarseSeries(NamedTuple):
    """Daily values of a window (days, y, x), NaN without land; ``west`` and ``north`` are outer edges [degrees]."""

    values: Floats
    west: float
    north: float


class EaseWindow(NamedTuple):
    """Rows and columns of the 9-km EASE grid that hold the region's land, and each land cell's place in them."""

    rows: slice
    columns: slice
    cell: NDArray[np.int64]


def glass_lst(world: World, day: dt.date) -> Floats:
    """GLASS-like LST of a day on the 0.05-degree window [K]: gap-free, smooth, at another hour than MODIS. (y, x)"""
    mean = world.window.mean(world.lst(day, GLASS_LST_HOUR))
    field = GaussianField(mean.shape, _spacing_km(world, COARSE_DEGREES), 60.0)
    noise = GLASS_LST_NOISE_K * remembered(field, world.spec.seed, "GLASS LST", day, GLASS_LST_MEMORY)
    return np.asarray(_smooth(290.0 + GLASS_LST_GAIN * (mean - 290.0) + GLASS_LST_BIAS_K) + noise)


def glass_ndvi(world: World, start: dt.date) -> Floats:
    """GLASS-like NDVI of eight days on the 0.05-degree window [1]. (y, x)"""
    days = [min(start + dt.timedelta(days=n), world.spec.truth_end) for n in range(GLASS_NDVI_DAYS)]
    mean = world.window.mean(np.mean([world.ndvi(day) for day in days], axis=0))
    field = GaussianField(mean.shape, _spacing_km(world, COARSE_DEGREES), 30.0)
    noise = GLASS_NDVI_NOISE * field.draw(generator(world.spec.seed, "GLASS NDVI", start.toordinal()))[0]
    return np.asarray(_smooth(GLASS_NDVI_GAIN * mean + GLASS_NDVI_BIAS) + noise)


class Gleam:
    """A GLEAM-like record of one layer, year by year.

    value = seasonal mean + damping × departure + bias by texture + error. The error is autoregressive and correlated
    over a few cells; it starts anew each year, so that any year can be made alone.

    Parameters
    ----------
    cells_per_cell
        0.05-degree cells along a side of a coarse cell: 2 for 0.1 degrees, 5 for 0.25.
    """

    def __init__(self, world: World, layer: Layer, cells_per_cell: int) -> None:
        self._world, self._error = world, dict(GLEAM_ERROR)[layer]
        self._name = f"GLEAM {layer} {cells_per_cell}"
        self._truth = _blocks(world, layer, cells_per_cell)
        self._season = days_of_year(world.coarse.first, len(self._truth))
        self._climate = _seasonal_mean(self._truth, self._season)
        self._bias = self._error.bias + texture_bias(world, cells_per_cell)
        spacing_km = _spacing_km(world, COARSE_DEGREES * cells_per_cell)
        self._field = GaussianField(self._bias.shape, spacing_km, self._error.range_km)

    def year(self, year: int) -> CoarseSeries:
        """Soil moisture of a calendar year [m3 m-3]; NaN outside the record. (days, y, x)"""
        begin, coarse, spec = dt.date(year, 1, 1), self._world.coarse, self._world.spec
        first, last = max(begin, spec.record_start), min(dt.date(year, 12, 31), spec.end)
        in_record = slice((first - coarse.first).days, (last - coarse.first).days + 1)
        in_year = slice((first - begin).days, (last - begin).days + 1)
        values = self._noise(year)
        normal = self._climate[self._season[in_record] - 1]
        kept = normal + self._error.damping * (self._truth[in_record] - normal) + self._bias + values[in_year]
        values[:] = np.nan
        values[in_year] = np.clip(kept, 0.01, 0.65)
        return CoarseSeries(values, coarse.west, coarse.north)

    def _noise(self, year: int) -> Floats:
        days, memory = (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days, self._error.memory
        noise = self._field.draw(generator(self._world.spec.seed, self._name, year), days)
        for n in range(1, days):
            noise[n] = memory * noise[n - 1] + math.sqrt(1.0 - memory**2) * noise[n]
        return np.asarray(self._error.sd * noise, np.float32)


def texture_bias(world: World, cells_per_cell: int) -> Floats:
    """Static bias of coarse soil moisture by texture [m3 m-3]. (y, x)"""
    land, clay, sand = world.terrain.land, world.terrain.clay, world.terrain.sand
    clayey = (world.window.mean(clay[land]) - TYPICAL_CLAY) / CLAY_SD
    sandy = (world.window.mean(sand[land]) - TYPICAL_SAND) / SAND_SD
    bias = (CLAY_BIAS * clayey + SAND_BIAS * sandy)[None]
    return np.asarray(_block_mean(bias, world.coarse.land, cells_per_cell)[0])


def ease_window(world: World) -> EaseWindow:
    """Where the region's land lies on the 9-km EASE grid."""
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(world.lon, world.lat)
    column = ((np.asarray(x) - EASE2_WEST_M) // EASE2_CELL_M).astype(np.int64)
    row = ((EASE2_NORTH_M - np.asarray(y)) // EASE2_CELL_M).astype(np.int64)
    rows, columns = (slice(int(i.min()), int(i.max()) + 1) for i in (row, column))
    return EaseWindow(rows, columns, (row - rows.start) * (columns.stop - columns.start) + column - columns.start)


def smap_day(world: World, window: EaseWindow, day: dt.date) -> tuple[Floats, Floats]:
    """SMAP-L4-like surface and root-zone soil moisture of a day [m3 m-3]. (rows, columns) of the window each"""
    shape = window.rows.stop - window.rows.start, window.columns.stop - window.columns.start
    count = np.bincount(window.cell, minlength=shape[0] * shape[1])
    fields = []
    for layer, error in SMAP_ERROR:
        total = np.bincount(window.cell, world.soil_moisture(layer, day), shape[0] * shape[1])
        with np.errstate(invalid="ignore"):
            mean = (total / count).reshape(shape)
        field = GaussianField(shape, (9.0, 9.0), error.range_km)
        noise = error.sd * remembered(field, world.spec.seed, f"SMAP {layer}", day, error.memory)
        value = 0.28 + error.damping * (mean - 0.28) + error.bias + noise
        fields.append(np.clip(value, 0.01, 0.65).astype(np.float32))
    return fields[0], fields[1]


def _blocks(world: World, layer: Layer, cells_per_cell: int) -> Floats:
    stored: NDArray[np.uint16] = getattr(world.coarse, layer)
    values = np.where(stored == NO_LAND, np.nan, stored * np.float32(SM_SCALE)).astype(np.float32)
    return _block_mean(values, world.coarse.land, cells_per_cell)


def _block_mean(values: Floats, land: Floats, size: int) -> Floats:
    days, rows, columns = values.shape
    padded = -(-rows // size) * size - rows, -(-columns // size) * size - columns
    weight = np.pad(land, ((0, padded[0]), (0, padded[1])))
    total = np.pad(np.nan_to_num(values) * land, ((0, 0), (0, padded[0]), (0, padded[1])))
    blocks = weight.shape[0] // size, size, weight.shape[1] // size, size
    with np.errstate(invalid="ignore"):
        mean = total.reshape(days, *blocks).sum(axis=(2, 4)) / weight.reshape(blocks).sum(axis=(1, 3))
    return np.asarray(mean, np.float32)


def _seasonal_mean(values: Floats, season: NDArray[np.int64]) -> Floats:
    """Mean of each day of the year over the record, smoothed over a month. (366, y, x)"""
    total, count = np.zeros((366, *values.shape[1:])), np.bincount(season - 1, minlength=366)
    np.add.at(total, season - 1, values)
    window = np.ones(CLIMATE_WINDOW_DAYS)
    weight = ndimage.convolve1d(count.astype(float), window, mode="wrap")
    smooth = ndimage.convolve1d(total, window, axis=0, mode="wrap")
    return np.asarray(smooth / np.maximum(weight, 1e-9)[:, None, None], np.float32)


def _spacing_km(world: World, degrees: float) -> tuple[float, float]:
    return degrees * 111.2, degrees * 111.2 * math.cos(math.radians(float(world.lat.mean())))


def _smooth(values: Floats) -> Floats:
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter(known.astype(np.float32), GLASS_SMOOTHING_CELLS)
    total = ndimage.gaussian_filter(np.where(known, values, 0.0).astype(np.float32), GLASS_SMOOTHING_CELLS)
    return np.where(known, total / np.maximum(weight, 1e-6), np.nan).astype(np.float32)
