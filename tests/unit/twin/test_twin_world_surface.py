from __future__ import annotations

import numpy as np
import pytest

from sm_core.twin.surface import Conditions, Ground, evaporative_fraction, land_surface_temperature
from sm_core.twin.vegetation import COVERS, cover_index, seasonal_ndvi

JUNE, JANUARY = 160, 20


def _ground(count: int = 1, southness: float = 0.0) -> Ground:
    one = np.ones(count)
    return Ground(36.5 * one, 100.0 * one, southness * one, 0.0 * one, np.zeros(count, bool), 0.28 * one, 0.14 * one)


def _conditions(day: int, upper: float, ndvi: float, *, lower: float = 0.25, air: float = 20.0,
                snow: bool = False) -> Conditions:
    one = np.ones(1)
    return Conditions(day, air * one, 0.0 * one, upper * one, lower * one, ndvi * one, np.array([snow]))


def _lst(hour: float, conditions: Conditions, southness: float = 0.0) -> float:
    return float(land_surface_temperature(_ground(southness=southness), conditions, hour)[0])


def test_dry_bare_ground_is_the_hottest_corner_of_the_triangle() -> None:
    dry_bare, wet_bare = (_lst(13.5, _conditions(JUNE, upper, 0.2)) for upper in (0.08, 0.28))
    dry_dense, wet_dense = (_lst(13.5, _conditions(JUNE, upper, 0.8)) for upper in (0.08, 0.28))
    assert dry_bare - wet_bare > 8.0
    assert abs(dry_dense - wet_dense) < 0.1
    assert dry_bare > dry_dense + 8.0


def test_thirsty_forest_warms_up() -> None:
    assert _lst(13.5, _conditions(JUNE, 0.2, 0.8, lower=0.10)) > _lst(13.5, _conditions(JUNE, 0.2, 0.8)) + 1.0


def test_soil_moisture_has_no_hold_in_winter() -> None:
    dry, wet = (_lst(10.5, _conditions(JANUARY, upper, 0.25, air=-2.0)) for upper in (0.08, 0.28))
    assert dry == pytest.approx(wet)


def test_course_of_the_day() -> None:
    warm = _conditions(JUNE, 0.15, 0.3)
    night, morning, afternoon = (_lst(hour, warm) for hour in (1.5, 10.5, 13.5))
    assert night < 273.15 + 20.0 < morning < afternoon
    assert 8.0 < afternoon - night < 35.0


def test_southern_slopes_are_warmer_above_all_in_winter() -> None:
    gains = []
    for day in (JUNE, JANUARY):
        conditions = _conditions(day, 0.2, 0.3, air=5.0)
        gains.append(_lst(10.5, conditions, southness=0.2) - _lst(10.5, conditions, southness=-0.2))
    assert gains[1] > gains[0] > 0.0


def test_snow_stays_below_freezing() -> None:
    assert _lst(13.5, _conditions(JANUARY, 0.2, 0.3, air=4.0, snow=True)) < 273.15


def test_evaporative_fraction_is_a_share() -> None:
    for day in (JANUARY, JUNE):
        for upper in (0.05, 0.2, 0.4):
            for ndvi in (0.1, 0.5, 0.9):
                assert 0.0 <= evaporative_fraction(_ground(), _conditions(day, upper, ndvi))[0] <= 1.0


def test_phenology_keeps_to_known_ranges() -> None:
    curves = {cover: curve for (cover, _), curve in zip(COVERS, seasonal_ndvi(), strict=True)}
    deciduous, crop, urban = curves[4], curves[12], curves[13]
    assert deciduous.min() == pytest.approx(0.36, abs=0.02)
    assert deciduous.max() == pytest.approx(0.85, abs=0.02)
    assert crop[147] < crop[100] - 0.02  # paddies are flooded
    assert crop.max() > 0.68
    assert urban.max() < 0.4
    assert cover_index(np.array([12], np.uint8)).tolist() == [[c for c, _ in COVERS].index(12)]
