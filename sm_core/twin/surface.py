"""Land surface temperature: air temperature plus what the sun adds where evaporation does not take it away.

The evaporative fraction depends on the upper bucket where the ground is bare and on the lower one under a canopy,
which gives the triangle of temperature against NDVI (Sandholt et al. 2002, doi:10.1016/S0034-4257(01)00274-7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sm_core.twin.fields import Floats
from sm_core.twin.soil import Soil
from sm_core.twin.terrain import URBAN, Terrain
from sm_core.twin.weather import seasonal_temperature, sunshine_mm

KELVIN = 273.15
CLEAR_HEATING_K = 22.0
"""Surface minus air temperature of dry bare ground at its hottest in June. Typical: 20-25 K."""
JUNE_SUNSHINE_MM = 17.0
HOTTEST_HOUR = 13.0
HEATING_WIDTH_HOURS = 3.6
WARMEST_AIR_HOUR = 14.5
AIR_AMPLITUDE_K = (5.5, 3.0)
"""Half the daily range of air temperature on dry and on wet days. Typical."""
NIGHT_COOLING_K = 3.5
NIGHT_BEGINS, NIGHT_ENDS = 19.0, 5.5


class Ground(NamedTuple):
    """What a land cell's temperature depends on for ever. (cells,)"""

    lat: NDArray[np.float64]
    elevation: Floats
    southness: Floats
    wetness: Floats
    urban: NDArray[np.bool_]
    field_capacity: Floats
    wilting_point: Floats


class Conditions(NamedTuple):
    """What it depends on today. ``air`` [degrees Celsius, daily mean at the cell], ``wet`` (rain on that day, 0..1),
    ``upper`` and ``lower`` bucket [m3 m-3], ``ndvi``, ``snow``. (cells,)"""

    day_of_year: int
    air: Floats
    wet: Floats
    upper: Floats
    lower: Floats
    ndvi: Floats
    snow: NDArray[np.bool_]


def ground_of(terrain: Terrain, soil: Soil) -> Ground:
    """The land cells of a terrain."""
    land = terrain.land
    return Ground(
        terrain.lat[land], terrain.elevation[land], terrain.southness[land], terrain.wetness[land],
        terrain.land_cover[land] == URBAN, soil.field_capacity, soil.wilting_point,
    )


def land_surface_temperature(ground: Ground, today: Conditions, hour: Floats | float) -> Floats:
    """Clear-sky land surface temperature [K] at local solar ``hour`` [h], scalar or (cells,). (cells,)

    At night wet ground cools less, and valleys hold cold air. Snow-covered ground stays below freezing.
    """
    hours = np.asarray(hour, np.float32)
    amplitude = AIR_AMPLITUDE_K[0] + (AIR_AMPLITUDE_K[1] - AIR_AMPLITUDE_K[0]) * today.wet
    air = today.air + amplitude * np.cos(2.0 * np.pi * (hours - WARMEST_AIR_HOUR) / 24.0)
    cooling = NIGHT_COOLING_K * (1.0 - 0.4 * _share(today.upper, ground)) + 0.7 * ground.wetness - 2.0 * ground.urban
    at_night = (hours >= NIGHT_BEGINS) | (hours < NIGHT_ENDS)
    celsius = np.where(at_night, air - cooling, air + _heating(ground, today, hours))
    celsius = np.where(today.snow, np.minimum(celsius, -0.5), celsius)
    return np.asarray(celsius + KELVIN, np.float32)


def evaporative_fraction(ground: Ground, today: Conditions) -> Floats:
    """Share of the available energy that evaporates water, 0..1. (cells,)

    Outside the growing season soil moisture has no hold on it.
    """
    canopy = np.clip((today.ndvi - 0.15) / 0.48, 0.0, 1.0)
    bare = 0.1 + 0.75 * _share(today.upper, ground)
    leafy = 0.65 + 0.25 * np.clip(_share(today.lower, ground) / 0.5, 0.0, 1.0)
    growing = _growing(ground, today.day_of_year)
    return np.asarray(growing * (canopy * leafy + (1.0 - canopy) * bare) + (1.0 - growing) * 0.35)


def _heating(ground: Ground, today: Conditions, hours: Floats) -> Floats:
    sunshine = _by_latitude(sunshine_mm, ground, today.day_of_year)
    declination = np.deg2rad(23.4 * np.sin(2.0 * np.pi * (today.day_of_year - 81) / 365.25))
    tilt = np.clip(np.tan(np.deg2rad(ground.lat) - declination), 0.0, 2.0)
    lit = np.clip(1.0 + tilt * ground.southness, 0.4, 1.7)
    course = np.exp(-(((hours - HOTTEST_HOUR) / HEATING_WIDTH_HOURS) ** 2))
    canopy = np.clip((today.ndvi - 0.15) / 0.6, 0.0, 1.0)
    kept = (1.0 - 0.9 * evaporative_fraction(ground, today)) * (1.0 - 0.35 * canopy)
    return np.asarray(CLEAR_HEATING_K * sunshine / JUNE_SUNSHINE_MM * lit * course * kept)


def _growing(ground: Ground, day_of_year: int) -> Floats:
    warmth = _by_latitude(seasonal_temperature, ground, day_of_year)
    sunshine = _by_latitude(sunshine_mm, ground, day_of_year)
    return np.asarray(np.clip((warmth - 5.0) / 6.0, 0.0, 1.0) * np.clip((sunshine - 7.0) / 2.5, 0.0, 1.0))


def _share(water: Floats, ground: Ground) -> Floats:
    dry = 0.5 * ground.wilting_point
    return np.asarray(np.clip((water - dry) / (ground.field_capacity - dry), 0.0, 1.1))


def _by_latitude(
    curve: Callable[[NDArray[np.float64], NDArray[np.int64]], Floats], ground: Ground, day_of_year: int
) -> Floats:
    span = np.linspace(ground.lat.min(), ground.lat.max() + 1e-6, 16)
    return np.asarray(np.interp(ground.lat, span, curve(span, np.array([day_of_year]))[0]))
