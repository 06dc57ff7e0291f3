from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from sm_core.domain import Region
from sm_core.twin.fields import Lattice
from sm_core.twin.spec import TwinSpec, WeatherEvent
from sm_core.twin.weather import by_month, days_of_year, seasonal_temperature, simulate_weather, sunshine_mm

LATTICE = Lattice(np.arange(127.0, 128.05, 0.1), np.arange(37.0, 35.95, -0.1))


def _years(
    region: Region, events: tuple[WeatherEvent, ...] = (), *, seed: int = 1, first: int = 2009
) -> dict[int, np.ndarray]:
    spec = TwinSpec(region=region, start=dt.date(2010, 1, 1), end=dt.date(2011, 11, 30),
                    record_start=dt.date(first, 1, 1), seed=seed, events=events)
    return {year.first.year: year.rain for year in simulate_weather(spec, LATTICE)}


def test_sunshine_at_the_equator_and_by_season() -> None:
    march, june, december = sunshine_mm(np.array([0.0, 37.0]), np.array([81, 172, 355]))
    assert march[0] == pytest.approx(37.8 / 2.45, abs=0.2)  # overhead at noon: 24 x 60 / pi x 0.0820 x 1.006
    assert june[1] > 2.3 * december[1]


def test_seasons_of_seoul() -> None:
    january, july = seasonal_temperature(np.array([37.5]), np.array([25, 208]))[:, 0]
    assert january == pytest.approx(-2.0, abs=1.0)
    assert july == pytest.approx(26.5, abs=1.0)


def test_monthly_values_are_met_in_the_middle_of_the_month_and_across_new_year() -> None:
    values = tuple(float(n) for n in range(12))
    assert by_month(values, np.array([15.21875 + 30.4375 * 3])) == pytest.approx([3.0])
    assert by_month(values, np.array([365.25])) == pytest.approx([5.5])


def test_days_of_the_year_across_a_leap_day() -> None:
    assert days_of_year(dt.date(2020, 2, 28), 3).tolist() == [59, 60, 61]
    assert days_of_year(dt.date(2019, 12, 31), 2).tolist() == [365, 1]


def test_climate_of_the_record(region: Region) -> None:
    years = [rain for year, rain in _years(region, first=1996).items() if year >= 1996]
    rain = np.concatenate([year.mean(axis=(1, 2)) for year in years])
    assert 1000 < rain.sum() / 16 < 1600
    summer = sum(float(year.mean(axis=(1, 2))[151:243].sum()) for year in years)
    assert 0.5 < summer / rain.sum() < 0.7
    every = np.concatenate([year.reshape(len(year), -1) for year in years])
    assert 0.25 < (every >= 1.0).mean() < 0.35
    near = np.corrcoef(every[:, 0], every[:, 1])[0, 1]
    far = np.corrcoef(every[:, 0], every[:, -1])[0, 1]
    assert near > 0.8 > far > 0.1


def test_weather_is_repeatable_and_seeds_differ(region: Region) -> None:
    one, same, other = _years(region)[2010], _years(region)[2010], _years(region, seed=2)[2010]
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_events_act_in_their_period_only(region: Region) -> None:
    drought = WeatherEvent(name="d", start=dt.date(2010, 6, 1), end=dt.date(2010, 8, 31), rain_factor=0.05)
    dry, usual = _years(region, (drought,)), _years(region)
    assert np.array_equal(dry[2009], usual[2009])
    assert np.array_equal(dry[2010][:151], usual[2010][:151])
    assert dry[2010][151:243].sum() < 0.15 * usual[2010][151:243].sum()
