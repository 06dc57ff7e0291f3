"""The water balance: two buckets per cell, one step a day, from the record's first day to its last.

Truth is ``sm_surface``, the content of 0-10 cm, and ``sm_rootzone``, that of 0-100 cm: a tenth of the upper bucket
and nine tenths of the lower one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.twin import vegetation
from sm_core.twin.constants import PHYSICS
from sm_core.twin.fields import Floats, Interpolation
from sm_core.twin.soil import Soil
from sm_core.twin.terrain import Terrain
from sm_core.twin.weather import Weather, days_of_year

SM_SCALE = 1e-5
"""Stored soil moisture is uint16 in this unit [m3 m-3]."""
NDVI_SCALE = 1e-4
FROZEN, SNOW = 1, 2
"""Bits of the frost layer."""
SNOW_COVER_MM = 5.0


class Cells(NamedTuple):
    """What the water balance has to know of each land cell. (cells,)

    ``full`` and ``dry`` are field capacity and air-dry soil (half of the wilting point) as shares of the pores.
    """

    corner: NDArray[np.int32]
    weight: Floats
    saturation: Floats
    wilting_point: Floats
    full: Floats
    dry: Floats
    drainage: Floats
    rain_factor: Floats
    evaporation_factor: Floats
    cooling: Floats
    cover: NDArray[np.int32]
    late: NDArray[np.int32]
    fertility: Floats


class State(NamedTuple):
    """What a day hands to the next. (cells,)

    ``upper`` and ``lower``: filled share of the pores between wilting point and saturation, negative below the
    wilting point; snow [mm water]; soil temperature [degrees Celsius]; ``vigour`` of plants, 1 at field capacity.
    """

    upper: Floats
    lower: Floats
    snow: Floats
    soil_temperature: Floats
    vigour: Floats


class DayByDay(NamedTuple):
    """Fine results of consecutive days, stored as integers. (days, cells)"""

    sm_surface: NDArray[np.uint16]
    sm_rootzone: NDArray[np.uint16]
    ndvi: NDArray[np.uint16]
    frost: NDArray[np.uint8]


class _Rates(NamedTuple):
    surface_depth_mm: float
    deep_depth_mm: float
    melt_mm_per_k_day: float
    frost_memory_days: float
    ground_warmth_k: float
    interception_mm: float
    bypass_share: float
    preferential_share: float
    exchange_mm_per_day: float
    bare_evaporation: float
    crop_coefficient: float
    surface_root_share: float
    vigour_memory_days: float


def cells_of(terrain: Terrain, soil: Soil, between: Interpolation) -> Cells:
    """Parameters of the land cells of a terrain, in row order; wet places drain slowly and gather rain."""
    land = terrain.land
    elevation, wetness, southness = (layer[land] for layer in (terrain.elevation, terrain.wetness, terrain.southness))
    pores = soil.saturation - soil.wilting_point
    rain = 1.0 + 0.12 * np.tanh((elevation - elevation.mean()) / 300.0) + 0.05 * wetness
    return Cells(
        corner=between.corner, weight=between.weight, saturation=soil.saturation, wilting_point=soil.wilting_point,
        full=(soil.field_capacity - soil.wilting_point) / pores, dry=-0.5 * soil.wilting_point / pores,
        drainage=(PHYSICS.conductivity_share * soil.conductivity * np.exp(-0.7 * wetness)).astype(np.float32),
        rain_factor=(rain / rain.mean()).astype(np.float32),
        evaporation_factor=(1.0 + 0.6 * southness - 0.0001 * elevation).astype(np.float32),
        cooling=(PHYSICS.lapse_k_per_m * elevation).astype(np.float32),
        cover=vegetation.cover_index(terrain.land_cover[land]),
        late=np.round(elevation * 0.02).astype(np.int32),
        fertility=terrain.fertility[land],
    )


def at_rest(cells: Cells) -> State:
    """The state before the run-in: field capacity, no snow, mild soil."""
    count = len(cells.cover)
    return State(
        cells.full.copy(), cells.full.copy(), np.zeros(count, np.float32),
        np.full(count, 5.0, np.float32), np.full(count, 0.6, np.float32),
    )


def step_through(weather: Weather, cells: Cells, state: State) -> DayByDay:
    """Run the water balance over consecutive days; ``state`` is carried on in place.

    Parameters
    ----------
    weather
        Days on the lattice that ``cells`` interpolate from. (days, y, x)

    Returns
    -------
    Soil moisture in units of 1e-5 m3 m-3, NDVI in units of 1e-4, frost bits. (days, cells)

    Notes
    -----
    Drainage dS/dt = -K S^9 of relative saturation S between wilting point and saturation is integrated exactly over
    the day. Evaporation is limited by the water content, transpiration by that of both root layers; snow gathers
    below 0 degrees and melts by degree days; frozen ground lets a third of the water in. NDVI follows its season
    and, with a lag, root-zone moisture.
    """
    shape = (weather.days, len(cells.cover))
    result = DayByDay(*(np.empty(shape, dtype) for dtype in (np.uint16, np.uint16, np.uint16, np.uint8)))
    season = days_of_year(weather.first, weather.days)
    flat = [values.reshape(weather.days, -1) for values in (weather.rain, weather.temperature, weather.evaporation)]
    rates = _Rates(*(getattr(PHYSICS, name) for name in _Rates._fields))
    _run(flat[0], flat[1], flat[2], season, cells, state, vegetation.seasonal_ndvi(),
         vegetation.vigour_response(), rates, result)
    return result


@njit(fastmath=True, error_model="numpy")
def _run(
    rain: Floats, temperature: Floats, evaporation: Floats, season: NDArray[np.int64], cells: Cells,
    state: State, ndvi_of: Floats, response_of: Floats, rates: _Rates, result: DayByDay,
) -> None:
    for day in range(len(season)):
        for cell in range(len(cells.cover)):
            cover, curve = cells.cover[cell], (season[day] - 1 - cells.late[cell]) % 366
            vigour, snow, soil_temperature = state.vigour[cell], state.snow[cell], state.soil_temperature[cell]
            ndvi = ndvi_of[cover, curve] + response_of[cover, curve] * (vigour - 0.75) + cells.fertility[cell]
            canopy = min(max((ndvi - 0.15) / 0.6, 0.0), 1.0)
            air = _at(temperature[day], cells, cell) - cells.cooling[cell]
            fall = cells.rain_factor[cell] * _at(rain[day], cells, cell)
            demand = cells.evaporation_factor[cell] * _at(evaporation[day], cells, cell)
            snow, water, demand = _reach_ground(snow, fall, air, demand, canopy, rates)
            calm = 0.3 if snow > SNOW_COVER_MM else 1.0
            soil_temperature += calm * (air + rates.ground_warmth_k - soil_temperature) / rates.frost_memory_days
            if soil_temperature < 0.0:
                water, demand = 0.33 * water, 0.1 * demand
            wilting, full, dry = cells.wilting_point[cell], cells.full[cell], cells.dry[cell]
            pores = cells.saturation[cell] - wilting
            upper_mm, lower_mm = pores * rates.surface_depth_mm, pores * rates.deep_depth_mm
            upper, lower = _infiltrate(
                state.upper[cell], state.lower[cell], water, upper_mm, lower_mm, cells.drainage[cell], rates)
            upper, lower = _dry_out(upper, lower, demand, canopy, full, dry, upper_mm, lower_mm, rates)
            state.upper[cell], state.lower[cell] = upper, lower
            state.vigour[cell] = vigour + (min(lower / full, 1.2) - vigour) / rates.vigour_memory_days
            state.snow[cell], state.soil_temperature[cell] = snow, soil_temperature
            theta, deep = wilting + pores * upper, wilting + pores * lower
            result.sm_surface[day, cell] = np.uint16(theta * (1.0 / SM_SCALE) + 0.5)
            result.sm_rootzone[day, cell] = np.uint16((0.1 * theta + 0.9 * deep) * (1.0 / SM_SCALE) + 0.5)
            result.ndvi[day, cell] = np.uint16(min(max(ndvi, 0.05), 0.95) * (1.0 / NDVI_SCALE) + 0.5)
            result.frost[day, cell] = FROZEN * (soil_temperature < 0.0) + SNOW * (snow > SNOW_COVER_MM)


@njit(inline="always", fastmath=True, error_model="numpy")
def _at(values: Floats, cells: Cells, cell: int) -> float:
    corner, weight = cells.corner, cells.weight
    value: float = (
        weight[0, cell] * values[corner[0, cell]] + weight[1, cell] * values[corner[1, cell]]
        + weight[2, cell] * values[corner[2, cell]] + weight[3, cell] * values[corner[3, cell]]
    )
    return value


@njit(inline="always", fastmath=True, error_model="numpy")
def _reach_ground(
    snow: float, fall: float, air: float, demand: float, canopy: float, rates: _Rates
) -> tuple[float, float, float]:
    if air < 0.0:
        return snow + fall, 0.0, demand
    melt = min(snow, rates.melt_mm_per_k_day * air)
    held = min(fall, rates.interception_mm * canopy, demand)
    return snow - melt, fall - held + melt, demand - held


@njit(inline="always", fastmath=True, error_model="numpy")
def _infiltrate(
    upper: float, lower: float, water: float, upper_mm: float, lower_mm: float, drainage: float, rates: _Rates
) -> tuple[float, float]:
    past = rates.preferential_share * water
    filled = upper + (water - past) / upper_mm
    excess = max(filled - 1.0, 0.0) * upper_mm
    drained = _drain(min(filled, 1.0), drainage / upper_mm)
    percolated = (min(filled, 1.0) - drained) * upper_mm + rates.bypass_share * excess + past
    lower = _drain(min(lower + percolated / lower_mm, 1.0), drainage / lower_mm)
    risen = rates.exchange_mm_per_day * (lower - drained)
    return drained + risen / upper_mm, lower - risen / lower_mm


@njit(inline="always", fastmath=True, error_model="numpy")
def _drain(saturation: float, rate: float) -> float:
    if saturation <= 0.0:
        return saturation
    squared = saturation * saturation
    fourth = squared * squared
    left: float = saturation / np.sqrt(np.sqrt(np.sqrt(1.0 + 8.0 * rate * fourth * fourth)))
    return left


@njit(inline="always", fastmath=True, error_model="numpy")
def _dry_out(
    upper: float, lower: float, demand: float, canopy: float, full: float, dry: float, upper_mm: float,
    lower_mm: float, rates: _Rates,
) -> tuple[float, float]:
    thirst = rates.crop_coefficient * demand * canopy
    bare = rates.bare_evaporation * demand * (1.0 - canopy) * _share(upper, dry, full)
    from_upper = rates.surface_root_share * thirst * _share(upper, 0.0, full)
    from_lower = (1.0 - rates.surface_root_share) * thirst * _share(lower, 0.0, 0.9 * full)
    return max(upper - (bare + from_upper) / upper_mm, dry), max(lower - from_lower / lower_mm, 0.0)


@njit(inline="always", fastmath=True, error_model="numpy")
def _share(value: float, nothing: float, everything: float) -> float:
    return min(max((value - nothing) / (everything - nothing), 0.0), 1.0)
