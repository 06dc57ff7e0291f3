"""Random numbers that are addressed by name and day, and random fields drawn from them.

Any day can be drawn alone and in any order; the result depends on the seed, the name and the day only.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.floating[Any]]


def generator(seed: int, name: str, *key: int) -> np.random.Generator:
    """Random generator of one named quantity; ``key`` addresses its days, years or cells (integers ≥ 0).

    >>> generator(1, "rain", 7).random() == generator(1, "rain", 7).random()
    True
    """
    words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], np.uint32)
    return np.random.default_rng(np.random.SeedSequence([seed, *(int(word) for word in words), *key]))


class Lattice(NamedTuple):
    """A coarse net of points in longitude and latitude [degrees]; latitude descends."""

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]

    @classmethod
    def covering(cls, lon: NDArray[np.float64], lat: NDArray[np.float64], spacing: float) -> Lattice:
        """Net of multiples of ``spacing`` [degrees] around all given points."""
        west, east = math.floor(lon.min() / spacing), math.ceil(lon.max() / spacing)
        south, north = math.floor(lat.min() / spacing), math.ceil(lat.max() / spacing)
        return cls(np.arange(west, east + 1) * spacing, np.arange(north, south - 1, -1) * spacing)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.lat), len(self.lon)

    @property
    def spacing_km(self) -> tuple[float, float]:
        """Distance between neighbours along latitude and along longitude."""
        degree_km = 111.2
        step = abs(float(self.lat[1] - self.lat[0]))
        return step * degree_km, step * degree_km * math.cos(math.radians(float(self.lat.mean())))


class Interpolation(NamedTuple):
    """Bilinear interpolation from a lattice to points: four corners and their weights. (4, points)"""

    corner: NDArray[np.int32]
    weight: Floats

    @classmethod
    def between(cls, lattice: Lattice, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Interpolation:
        """Interpolation to points that all lie inside ``lattice``."""
        rows, columns = lattice.shape
        x = (lon - lattice.lon[0]) / (lattice.lon[1] - lattice.lon[0])
        y = (lat - lattice.lat[0]) / (lattice.lat[1] - lattice.lat[0])
        column, row = np.clip(x.astype(int), 0, columns - 2), np.clip(y.astype(int), 0, rows - 2)
        fx, fy = x - column, y - row
        first = row * columns + column
        corner = np.stack([first, first + 1, first + columns, first + columns + 1])
        weight = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
        return cls(corner.astype(np.int32), weight.astype(np.float32))

    def __call__(self, values: Floats) -> Floats:
        """Values of the lattice (y, x) at the points. (points,)"""
        return np.asarray((values.ravel()[self.corner] * self.weight).sum(axis=0))


class GaussianField:
    """Stationary Gaussian fields, mean 0 and variance 1, with correlation ``exp(-distance / range_km)``.

    Circulant embedding on a torus that is larger than the lattice by three ranges, or by the lattice itself where
    that is less. (Dietrich & Newsam 1997, doi:10.1137/S1064827592240555)

    Parameters
    ----------
    shape
        (rows, columns) of the lattice.
    spacing_km
        Distance between rows and between columns.
    range_km
        Distance at which correlation has fallen to 1/e.
    """

    def __init__(self, shape: tuple[int, int], spacing_km: tuple[float, float], range_km: float) -> None:
        self.shape = shape
        self._padded = tuple(
            fft.next_fast_len(n + max(4, min(round(3 * range_km / step), n)), real=True)
            for n, step in zip(shape, spacing_km, strict=True)
        )
        distance = [
            step * np.minimum(np.arange(n), n - np.arange(n))
            for n, step in zip(self._padded, spacing_km, strict=True)
        ]
        covariance = np.exp(-np.hypot(distance[0][:, None], distance[1]) / range_km)
        spectrum = np.maximum(fft.rfft2(covariance).real, 0.0)
        realised = fft.irfft2(spectrum, s=self._padded)[0, 0]
        self._amplitude = np.sqrt(spectrum / realised).astype(np.float32)

    def draw(self, rng: np.random.Generator, count: int = 1) -> Floats:
        """``count`` independent fields. (count, rows, columns)"""
        noise = rng.standard_normal((count, *self._padded), np.float32)
        fields = fft.irfft2(fft.rfft2(noise) * self._amplitude, s=self._padded)
        return np.asarray(fields[:, :self.shape[0], :self.shape[1]])


def remembered(field: GaussianField, seed: int, name: str, day: dt.date, memory: float) -> Floats:
    """Field of one day in a sequence with lag-1 correlation ``memory``, computed without the days before it.

    A moving average of the days' own innovations, cut where their weight is below 2 %. (rows, columns)
    """
    length = 1 + math.ceil(math.log(0.02) / math.log(memory))
    weights = memory ** np.arange(length)
    weights /= np.sqrt((weights**2).sum())
    total = np.zeros(field.shape, np.float32)
    for lag, weight in enumerate(weights):
        total += np.float32(weight) * field.draw(generator(seed, name, day.toordinal() - lag))[0]
    return total
