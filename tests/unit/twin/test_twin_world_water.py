from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sm_core.twin.constants import PHYSICS
from sm_core.twin.water import FROZEN, SM_SCALE, SNOW, Cells, DayByDay, State, _drain, step_through
from sm_core.twin.weather import Weather

JULY, JANUARY = dt.date(2018, 7, 1), dt.date(2018, 1, 1)
WILTING, CAPACITY, SATURATION = 0.14, 0.28, 0.46
PORES = SATURATION - WILTING


def _cells(drainage: float = 100.0) -> Cells:
    one = np.ones(1, np.float32)
    return Cells(
        corner=np.array([[0], [1], [2], [3]], np.int32), weight=np.full((4, 1), 0.25, np.float32),
        saturation=SATURATION * one, wilting_point=WILTING * one, full=(CAPACITY - WILTING) / PORES * one,
        dry=-0.5 * WILTING / PORES * one, drainage=drainage * one, rain_factor=one, evaporation_factor=one,
        cooling=0 * one, cover=np.array([5], np.int32), late=np.array([0], np.int32), fertility=0 * one,
    )


def _state(upper: float, lower: float, soil_temperature: float = 15.0) -> State:
    return State(*(np.array([value], np.float32) for value in (
        (upper - WILTING) / PORES, (lower - WILTING) / PORES, 0.0, soil_temperature, 0.75)))


def _weather(first: dt.date, rain: list[float], temperature: float, evaporation: float) -> Weather:
    grid = np.ones((len(rain), 2, 2), np.float32)
    return Weather(first, grid * np.array(rain, np.float32)[:, None, None], temperature * grid, evaporation * grid)


def _water_mm(result: DayByDay) -> np.ndarray:
    return result.sm_rootzone[:, 0] * SM_SCALE * 1000.0


def test_nothing_happens_without_rain_demand_and_drainage() -> None:
    result = step_through(_weather(JULY, [0.0] * 5, 20.0, 0.0), _cells(drainage=0.0), _state(0.25, 0.25))
    assert result.sm_surface[:, 0] * SM_SCALE == pytest.approx(0.25, abs=2e-5)
    assert result.sm_rootzone[:, 0] * SM_SCALE == pytest.approx(0.25, abs=2e-5)


def test_all_rain_is_stored_where_nothing_drains() -> None:
    state = _state(0.20, 0.20)
    result = step_through(_weather(JULY, [10.0, 0.0, 7.0], 20.0, 0.0), _cells(drainage=0.0), state)
    assert _water_mm(result) == pytest.approx([210.0, 210.0, 217.0], abs=0.05)


def test_rain_is_shared_between_the_buckets() -> None:
    result = step_through(_weather(JULY, [10.0], 20.0, 0.0), _cells(drainage=0.0), _state(0.20, 0.20))
    past = PHYSICS.preferential_share * 10.0
    upper, lower = 20.0 + 10.0 - past, 180.0 + past
    risen = PHYSICS.exchange_mm_per_day * ((lower / 900.0 - WILTING) - (upper / 100.0 - WILTING)) / PORES
    assert result.sm_surface[0, 0] * SM_SCALE * 100.0 == pytest.approx(upper + risen, abs=0.01)


def test_drainage_is_the_exact_solution() -> None:
    rate, start = 0.6, 0.9
    solved = solve_ivp(lambda _, s: -rate * s**9, (0.0, 1.0), [start], rtol=1e-9).y[0, -1]
    assert _drain(start, rate) == pytest.approx(solved, rel=1e-6)
    assert _drain(-0.1, rate) == -0.1


def test_evaporation_takes_what_it_may_and_stops_at_air_dry_soil() -> None:
    march = dt.date(2018, 3, 1)  # fields without crops: nearly no canopy
    result = step_through(_weather(march, [0.0] * 400, 10.0, 8.0), _cells(drainage=0.0), _state(0.28, 0.28))
    surface = result.sm_surface[:, 0] * SM_SCALE
    first = PHYSICS.bare_evaporation * 8.0
    assert 0.28 - surface[0] == pytest.approx(first / 100.0, rel=0.2)
    assert (np.diff(surface[:40]) < 1e-5).all()
    assert surface.min() >= 0.5 * WILTING - 1e-5


def test_snow_waits_and_then_melts() -> None:
    cold, mild = [-5.0] * 10, [3.0] * 10
    weather = _weather(JANUARY, [2.0] * 10 + [0.0] * 10, 0.0, 0.0)
    weather.temperature[:] = np.array(cold + mild, np.float32)[:, None, None]
    state = _state(0.20, 0.20, soil_temperature=2.0)
    result = step_through(weather, _cells(drainage=0.0), state)
    assert _water_mm(result)[9] == pytest.approx(200.0, abs=0.05)
    assert result.frost[9, 0] & SNOW
    assert not result.frost[19, 0] & SNOW
    assert state.snow[0] == 0.0
    assert _water_mm(result)[10] > 200.0


def test_soil_freezes_after_the_air_and_thaws_after_it() -> None:
    weather = _weather(JANUARY, [0.0] * 60, 0.0, 0.0)
    weather.temperature[:] = np.array([-6.0] * 30 + [6.0] * 30, np.float32)[:, None, None]
    frozen = (step_through(weather, _cells(), _state(0.25, 0.25, 5.0)).frost[:, 0] & FROZEN) > 0
    begin, end = int(np.argmax(frozen)), len(frozen) - int(np.argmax(frozen[::-1]))
    assert 2 <= begin <= 12
    assert 32 <= end <= 45
    assert frozen[begin:end].all()


def test_steps_in_pieces_give_the_same_as_in_one() -> None:
    rng = np.random.default_rng(4)
    rain = (20.0 * rng.random(40) * (rng.random(40) < 0.3)).tolist()
    whole_state, piece_state = _state(0.3, 0.3), _state(0.3, 0.3)
    whole = step_through(_weather(JULY, rain, 22.0, 4.0), _cells(), whole_state)
    first = step_through(_weather(JULY, rain[:17], 22.0, 4.0), _cells(), piece_state)
    second = step_through(_weather(JULY + dt.timedelta(days=17), rain[17:], 22.0, 4.0), _cells(), piece_state)
    assert np.array_equal(whole.sm_surface, np.concatenate([first.sm_surface, second.sm_surface]))
    assert np.array_equal(whole.ndvi, np.concatenate([first.ndvi, second.ndvi]))
    assert whole_state.lower == piece_state.lower


def test_soil_moisture_stays_between_air_dry_and_saturated() -> None:
    for rain, demand in (([80.0] * 60, 0.0), ([0.0] * 365, 9.0)):
        result = step_through(_weather(JULY, rain, 25.0, demand), _cells(), _state(0.3, 0.3))
        for layer in (result.sm_surface, result.sm_rootzone):
            values = layer * SM_SCALE
            assert values.min() >= 0.5 * WILTING - 1e-4
            assert values.max() <= SATURATION + 1e-4
