"""Daily rain, air temperature and reference evaporation on a coarse lattice.

A Korean-type monsoon climate wherever the region lies: about 1300 mm of rain a year, more than half of it from June
to August, with dry springs, and a lasting drought factor that makes dry and wet spells of weeks to a year.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sm_core.twin.fields import Floats, GaussianField, Lattice, generator
from sm_core.twin.spec import TwinSpec

SPACING_DEGREES = 0.1
WET_SHARE = (0.22, 0.23, 0.26, 0.30, 0.30, 0.37, 0.60, 0.52, 0.33, 0.22, 0.31, 0.26)
"""Share of wet days by month. Typical of Seoul, peaks raised for what interpolation takes off."""
RAIN_PER_WET_DAY_MM = (2.9, 4.3, 4.8, 7.7, 10.5, 12.5, 24.0, 23.0, 14.0, 7.7, 5.8, 3.1)
"""Mean rain of a wet day by month [mm]. Typical of Seoul, peaks raised likewise."""
WIDE_RAIN_SHARE = (0.9, 0.9, 0.8, 0.8, 0.7, 0.6, 0.45, 0.4, 0.6, 0.8, 0.9, 0.9)
"""Share of rain's spatial variance that is frontal (150 km) and not convective (40 km). Chosen."""
WET_PERSISTENCE = 0.3
WET_LEAST_MM = 1.0
GAMMA_SHAPE = 0.65
TEMPERATURE_MEMORY = 0.75
TEMPERATURE_SD_K = 3.0
DROUGHT_MEMORY_DAYS = 45.0
DROUGHT_SD = (0.17, 0.34, 0.20)
"""Standard deviations of the logarithmic rain factor: of years, of weeks, and from place to place."""
WARMEST_DAY_OF_YEAR = 208.0


class Weather(NamedTuple):
    """Consecutive days on a lattice, at sea level. (days, y, x)

    ``rain`` [mm d-1], ``temperature`` [degrees Celsius], ``evaporation`` (reference, [mm d-1]).
    """

    first: dt.date
    rain: Floats
    temperature: Floats
    evaporation: Floats

    @property
    def days(self) -> int:
        return len(self.rain)


def by_month(values: tuple[float, ...], day_of_year: NDArray[np.int64]) -> NDArray[np.float64]:
    """Twelve monthly values, interpolated between mid-months. (days,)"""
    middle = (np.arange(12) + 0.5) * 365.25 / 12
    return np.interp(day_of_year, middle, values, period=365.25)


def days_of_year(first: dt.date, count: int) -> NDArray[np.int64]:
    """Day of the year (1-366) of consecutive days. (count,)"""
    return np.array([(first + dt.timedelta(days=n)).timetuple().tm_yday for n in range(count)])


def sunshine_mm(lat: NDArray[np.float64], day_of_year: NDArray[np.int64]) -> Floats:
    """Extraterrestrial radiation as evaporation equivalent [mm d-1]. (days, lat)

    Equation 21 of Allen et al. (1998), FAO Irrigation and Drainage Paper 56, divided by 2.45 MJ kg-1.

    >>> round(float(sunshine_mm(np.array([-20.0]), np.array([246]))[0, 0]), 1)
    13.1
    """
    phi = np.deg2rad(np.clip(lat, -66.0, 66.0))
    angle = 2.0 * np.pi * day_of_year[:, None] / 365.0
    distance = 1.0 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(-np.tan(phi) * np.tan(declination))
    daily = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24.0 * 60.0 / np.pi * 0.0820 * distance * daily / 2.45, np.float32)


def seasonal_temperature(lat: NDArray[np.float64], day_of_year: NDArray[np.int64]) -> Floats:
    """Mean air temperature at sea level [degrees Celsius]; at 37 N -2 in January, 27 in late July. (days, lat)"""
    mean = 12.6 - 0.8 * (lat - 37.0)
    swing = 14.2 + 0.5 * (lat - 37.0)
    phase = np.cos(2.0 * np.pi * (day_of_year - WARMEST_DAY_OF_YEAR) / 365.25)
    return np.asarray(mean + swing * phase[:, None], np.float32)


def simulate_weather(spec: TwinSpec, lattice: Lattice) -> Iterator[Weather]:
    """Weather of the spec's record, one calendar year after the other, beginning a year early as a run-in.

    Rain occurs by a two-state Markov chain per lattice point whose random numbers are correlated in space (Wilks
    1998, doi:10.1016/S0022-1694(98)00186-3); amounts are gamma distributed. Reference evaporation after Hargreaves
    & Samani (1985), doi:10.13031/2013.26773.
    """
    wide, near = (GaussianField(lattice.shape, lattice.spacing_km, range_km) for range_km in (150.0, 40.0))
    state = _Memory.at_rest(lattice.shape)
    for year in range(spec.record_start.year - 1, spec.truth_end.year + 1):
        first = dt.date(year, 1, 1)
        count = (dt.date(year + 1, 1, 1) - first).days
        rng = generator(spec.seed, "weather", year)
        season = days_of_year(first, count)
        factor, warming = _drought(spec, first, count, wide, rng, state)
        wide_share = by_month(WIDE_RAIN_SHARE, season).astype(np.float32)[:, None, None]
        occurrence, intensity, warmth = (
            np.sqrt(wide_share) * wide.draw(rng, count) + np.sqrt(1.0 - wide_share) * near.draw(rng, count)
            for _ in range(3)
        )
        depth = _wet_depth(special.ndtr(occurrence), by_month(WET_SHARE, season), factor, state)
        wet = depth > 0
        rain = np.where(wet, _amounts(0.5 * special.ndtri(depth) + 0.87 * intensity, season) * factor**0.6, 0.0)
        temperature = seasonal_temperature(lattice.lat, season)[:, :, None] + warming[:, None, None]
        temperature = temperature + _temperature_anomaly(season, warmth, wet, rng, state)
        evaporation = _hargreaves(temperature, wet, warming, sunshine_mm(lattice.lat, season))
        yield Weather(first, rain.astype(np.float32), temperature.astype(np.float32), evaporation)


class _Memory:
    """What the last day of a year hands to the first of the next."""

    def __init__(self, wet: NDArray[np.bool_], drought: float, patch: Floats, anomaly: float) -> None:
        self.wet, self.drought, self.patch, self.anomaly = wet, drought, patch, anomaly

    @classmethod
    def at_rest(cls, shape: tuple[int, int]) -> _Memory:
        return cls(np.zeros(shape, bool), 0.0, np.zeros(shape, np.float32), 0.0)


def _drought(
    spec: TwinSpec, first: dt.date, count: int, field: GaussianField, rng: np.random.Generator, state: _Memory
) -> tuple[Floats, Floats]:
    """Rain factor (days, y, x) and warming [K] (days,), events included."""
    of_years, of_weeks, of_places = DROUGHT_SD
    year_sd, memory = of_years * rng.standard_normal(), math.exp(-1.0 / DROUGHT_MEMORY_DAYS)
    fresh = math.sqrt(1.0 - memory**2)
    innovations, patches = rng.standard_normal(count), field.draw(rng, count)
    logs = np.empty((count, *field.shape), np.float32)
    for n in range(count):
        state.drought = memory * state.drought + fresh * of_weeks * float(innovations[n])
        state.patch = memory * state.patch + np.float32(fresh * of_places) * patches[n]
        logs[n] = year_sd + state.drought + state.patch
    factor = np.exp(logs - sum(sd**2 for sd in DROUGHT_SD) / 2.0)
    warming = np.zeros(count, np.float32)
    for event in spec.weather_events:
        during = slice(max((event.start - first).days, 0), max((event.end - first).days + 1, 0))
        factor[during] = event.rain_factor
        warming[during] += event.warming_k
    return factor, warming


def _wet_depth(
    uniform: Floats, share: NDArray[np.float64], factor: Floats, state: _Memory
) -> Floats:
    """0 on dry days; on wet days uniform in 0..1, small near the edge of the rain area. (days, y, x)"""
    depth = np.empty(uniform.shape, np.float32)
    for n, numbers in enumerate(uniform):
        probability = np.minimum(share[n] * factor[n] ** 0.4, 0.95)
        threshold = np.where(state.wet, WET_PERSISTENCE + (1 - WET_PERSISTENCE) * probability,
                             (1 - WET_PERSISTENCE) * probability)
        depth[n] = np.clip(1.0 - numbers / threshold, 0.0, 1.0 - 1e-6)
        state.wet = depth[n] > 0
    return depth


def _amounts(normal: Floats, season: NDArray[np.int64]) -> NDArray[np.float64]:
    levels = np.linspace(-4.5, 4.5, 1801)
    quantiles = special.gammaincinv(GAMMA_SHAPE, special.ndtr(levels)) / GAMMA_SHAPE
    excess = by_month(RAIN_PER_WET_DAY_MM, season)[:, None, None] - WET_LEAST_MM
    return np.asarray(WET_LEAST_MM + excess * np.interp(normal, levels, quantiles))


def _temperature_anomaly(
    season: NDArray[np.int64], warmth: Floats, wet: NDArray[np.bool_], rng: np.random.Generator, state: _Memory
) -> Floats:
    regional = np.empty(len(season), np.float32)
    for n, innovation in enumerate(rng.standard_normal(len(season))):
        state.anomaly = TEMPERATURE_MEMORY * state.anomaly + math.sqrt(1 - TEMPERATURE_MEMORY**2) * innovation
        regional[n] = state.anomaly
    winter = 1.0 + 0.25 * np.cos(2.0 * np.pi * (season - 20) / 365.25)
    cooling = np.where(wet, np.where(winter < 1.0, 1.5, -0.5)[:, None, None].astype(np.float32), np.float32(0.0))
    sd = (TEMPERATURE_SD_K * winter).astype(np.float32)[:, None, None]
    return np.asarray(sd * (0.95 * regional[:, None, None] + 0.3 * warmth) - cooling, np.float32)


def _hargreaves(
    temperature: Floats, wet: NDArray[np.bool_], warming: Floats, sunshine: Floats
) -> Floats:
    daily_range = np.where(wet, 5.5, 11.0) + 1.5 * warming[:, None, None]
    evaporation = 0.0023 * (temperature + 17.8) * np.sqrt(daily_range) * sunshine[:, :, None]
    return np.asarray(np.maximum(evaporation, 0.0), np.float32)
