"""Phenology: the seasonal course of NDVI by land cover."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sm_core.twin import terrain as ground
from sm_core.twin.fields import Floats

DAYS = 366


class Phenology(NamedTuple):
    """Seasonal NDVI of a cover: a double logistic between ``least`` and ``most``.

    ``green_up`` and ``senescence`` are days of the year of half amplitude, ``spring_days`` and ``autumn_days`` the
    time scales, ``response`` the NDVI change per unit of root-zone vigour, ``flooding`` the depth of the dip of
    flooded paddies in late May.
    """

    least: float
    most: float
    green_up: float
    spring_days: float
    senescence: float
    autumn_days: float
    response: float
    flooding: float = 0.0


COVERS: tuple[tuple[int, Phenology], ...] = (
    (ground.EVERGREEN, Phenology(0.56, 0.82, 118.0, 12.0, 308.0, 14.0, 0.07)),
    (ground.DECIDUOUS, Phenology(0.36, 0.85, 118.0, 8.0, 300.0, 9.0, 0.08)),
    (ground.MIXED, Phenology(0.44, 0.84, 118.0, 10.0, 304.0, 11.0, 0.08)),
    (ground.GRASS, Phenology(0.24, 0.66, 112.0, 12.0, 292.0, 14.0, 0.24)),
    (ground.WETLAND, Phenology(0.20, 0.55, 122.0, 12.0, 296.0, 12.0, 0.10)),
    (ground.CROP, Phenology(0.22, 0.74, 166.0, 11.0, 272.0, 8.0, 0.22, flooding=0.12)),
    (ground.URBAN, Phenology(0.15, 0.36, 116.0, 12.0, 298.0, 14.0, 0.06)),
    (ground.MOSAIC, Phenology(0.28, 0.75, 142.0, 13.0, 288.0, 11.0, 0.18)),
)
"""Typical of Korea: forest .35-.85, cropland .2-.75, urban .15-.4."""


def seasonal_ndvi() -> Floats:
    """NDVI of each cover of :data:`COVERS` on each day of the year, without stress. (covers, 366)"""
    day = np.arange(1, DAYS + 1)
    curves = [
        p.least + (p.most - p.least) * greenness(p, day)
        - p.flooding * np.exp(-0.5 * ((day - 148.0) / 8.0) ** 2)
        for _, p in COVERS
    ]
    return np.asarray(curves, np.float32)


def greenness(cover: Phenology, day: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the seasonal amplitude that is green, 0..1."""
    rise = 1.0 / (1.0 + np.exp(-(day - cover.green_up) / cover.spring_days))
    fall = 1.0 / (1.0 + np.exp((day - cover.senescence) / cover.autumn_days))
    return np.asarray(rise * fall, np.float64)


def vigour_response() -> Floats:
    """NDVI change per unit of vigour on each day of the year. (covers, 366)"""
    day = np.arange(1, DAYS + 1)
    return np.asarray([p.response * greenness(p, day) for _, p in COVERS], np.float32)


def cover_index(land_cover: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Row in :data:`COVERS` of each cell's class."""
    rows = np.full(256, -1, np.int32)
    for row, (cover, _) in enumerate(COVERS):
        rows[cover] = row
    return rows[land_cover]
