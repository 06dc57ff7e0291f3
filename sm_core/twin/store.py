"""What is kept of a simulation: fine layers of the truth period, 0.05-degree soil moisture of the whole record."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.domain import LAYERS
from sm_core.twin.fields import Floats, Lattice
from sm_core.twin.spec import TwinSpec
from sm_core.twin.water import DayByDay
from sm_core.twin.weather import Weather

COARSE_DEGREES = 0.05
COARSE_ALIGNMENT_DEGREES = 0.5
NO_LAND = 65535
_TYPES: tuple[type[np.generic], ...] = (np.uint16, np.uint16, np.uint16, np.uint8)


class CoarseRecord(NamedTuple):
    """Soil moisture of the whole record on the global 0.05-degree lattice, the region's window of it.

    ``west`` and ``north`` [degrees] are multiples of 0.5, so that 0.1- and 0.25-degree cells hold whole cells.
    ``sm_surface`` and ``sm_rootzone`` are uint16 in 1e-5 m3 m-3, 65535 without land (days, y, x); ``land`` is each
    cell's land area in 1-km cells (y, x).
    """

    first: dt.date
    west: float
    north: float
    land: Floats
    sm_surface: NDArray[np.uint16]
    sm_rootzone: NDArray[np.uint16]


class CoarseWindow(NamedTuple):
    """The 0.05-degree window around the land cells, and the flat index of each land cell in it."""

    west: float
    north: float
    shape: tuple[int, int]
    cell: NDArray[np.int64]
    area: Floats

    @classmethod
    def around(cls, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> CoarseWindow:
        """Window around points, widened to multiples of 0.5 degrees."""
        align, step = COARSE_ALIGNMENT_DEGREES, COARSE_DEGREES
        west, east = math.floor(lon.min() / align) * align, math.ceil(lon.max() / align) * align
        south, north = math.floor(lat.min() / align) * align, math.ceil(lat.max() / align) * align
        shape = round((north - south) / step), round((east - west) / step)
        row, column = np.floor((north - lat) / step + 1e-9), np.floor((lon - west) / step + 1e-9)
        cell = (row * shape[1] + column).astype(np.int64)
        return cls(west, north, shape, cell, np.cos(np.deg2rad(lat)).astype(np.float32))

    def mean(self, values: NDArray[np.generic]) -> Floats:
        """Area-weighted mean of land cells in each coarse cell, NaN without land. (..., cells) -> (..., y, x)"""
        layers = values.reshape(-1, values.shape[-1])
        totals = np.zeros((len(layers), self.shape[0] * self.shape[1]))
        _add_up(layers, self.cell, self.area, totals)
        with np.errstate(invalid="ignore"):
            result: Floats = (totals / self.land.ravel()).astype(np.float32)
        return result.reshape(*values.shape[:-1], *self.shape)

    @property
    def land(self) -> Floats:
        """Land area of each coarse cell. (y, x)"""
        area = np.bincount(self.cell, self.area, self.shape[0] * self.shape[1])
        return area.reshape(self.shape).astype(np.float32)


@njit(error_model="numpy")
def _add_up(
    layers: NDArray[np.generic], cell: NDArray[np.int64], area: Floats, totals: NDArray[np.float64]
) -> None:
    for layer in range(layers.shape[0]):
        for index in range(layers.shape[1]):
            totals[layer, cell[index]] += area[index] * layers[layer, index]


class Store(NamedTuple):
    """Arrays in a folder, one ``.npy`` each, mapped into memory."""

    fine: DayByDay
    weather: Weather
    coarse: CoarseRecord

    @classmethod
    def create(cls, folder: Path, spec: TwinSpec, cells: int, lattice: Lattice, window: CoarseWindow) -> Store:
        """New arrays, to be filled day by day."""
        days = (spec.truth_end - spec.truth_start).days + 1
        record = (spec.truth_end - spec.record_start).days + 1
        for name, dtype in zip(DayByDay._fields, _TYPES, strict=True):
            _new(folder, name, dtype, (days, cells))
        for name in Weather._fields[1:]:
            _new(folder, name, np.float32, (days, *lattice.shape))
        for name in LAYERS:
            _new(folder, f"coarse_{name}", np.uint16, (record, *window.shape))
        return cls.open(folder, spec, window, writable=True)

    @classmethod
    def open(cls, folder: Path, spec: TwinSpec, window: CoarseWindow, *, writable: bool = False) -> Store:
        """The arrays of a folder."""
        def mapped(name: str) -> NDArray[Any]:
            array: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r+" if writable else "r")
            return array

        return cls(
            DayByDay(*(mapped(name) for name in DayByDay._fields)),
            Weather(spec.truth_start, *(mapped(name) for name in Weather._fields[1:])),
            CoarseRecord(spec.record_start, window.west, window.north, window.land,
                         *(mapped(f"coarse_{name}") for name in LAYERS)),
        )

    def keep(self, weather: Weather, result: DayByDay, window: CoarseWindow) -> None:
        """Store what belongs to the record and to the truth period of some consecutive days."""
        source, target = _overlap(weather, self.coarse.first, len(self.coarse.sm_surface))
        for layer in LAYERS:
            mean = window.mean(getattr(result, layer)[source])
            known = np.isfinite(mean)
            getattr(self.coarse, layer)[target] = np.where(known, np.round(np.where(known, mean, 0.0)), NO_LAND)
        source, target = _overlap(weather, self.weather.first, self.weather.days)
        for name in DayByDay._fields:
            getattr(self.fine, name)[target] = getattr(result, name)[source]
        for name in Weather._fields[1:]:
            getattr(self.weather, name)[target] = getattr(weather, name)[source]


def _new(folder: Path, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def _overlap(weather: Weather, first: dt.date, days: int) -> tuple[slice, slice]:
    """Which of the weather's days fall into a stored period, and their places in it."""
    shift = (weather.first - first).days
    begin, end = max(0, -shift), max(0, min(weather.days, days - shift))
    return slice(begin, max(begin, end)), slice(begin + shift, max(begin, end) + shift)
