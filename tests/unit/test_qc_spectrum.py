"""Spikes, breaks and plateaus in hourly series: each shape found, and its harmless likeness left alone."""

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.qc import check_series
from sm_core.sources.stations import StationSeries

HOURS = 100


def marked(values, code, *, every="1h"):
    """Positions of the readings with a code."""
    index = pd.date_range("2020-06-01", periods=len(values), freq=every, name="time").as_unit("ns")
    table = pd.DataFrame({"value": np.asarray(values, float), "flag": "G", "provider_flag": ""}, index=index)
    station = Station(station_id="N_A_5", network="N", name="A", lon=127.0, lat=37.0, depth_from_m=0.05,
                      depth_to_m=0.05)
    qc = check_series(StationSeries(station, table)).values["qc"]
    return np.flatnonzero(qc.str.contains(code)).tolist()


def falling(size=HOURS):
    """A drying soil: 0.30, less by 0.0001 every hour."""
    return 0.30 - 1e-4 * np.arange(size)


def test_published_spike_of_one_hour_and_of_two():
    values = falling()
    values[40] += 0.06                                                  # 20 % up, and down again
    values[60] = values[61] = values[59] + 0.06                         # two equal hours
    assert marked(values, "D06") == [40, 60, 61]


def test_three_hours_are_no_spike():
    values = falling()
    values[60:63] = values[59] + 0.06
    assert marked(values, "D06") == []


@pytest.mark.parametrize(("swing", "found"), [(0.0, [40, 41]), (0.12, [])])
def test_published_spikes_are_looked_for_in_calm_days(swing, found):
    """Swings of 12 % in 10 of the 24 hours about: variance 10 x 144 / 23 = 63, by a mean of 30 more than 1."""
    values = falling()
    values[:38] += swing * (-1.0) ** np.arange(38) * (np.arange(38) >= 28)
    values[40] = values[41] = values[39] + 0.06                         # of two hours, which the short form misses
    assert [hour for hour in marked(values, "D06") if hour >= 40] == found


def test_drop_and_jump():
    down, up = falling(), falling()
    down[50:] -= 0.10                                                   # 0.295 to 0.195, and level after
    up[50:] += 0.10
    assert (marked(down, "D07"), marked(down, "D08")) == ([50], [])
    assert (marked(up, "D07"), marked(up, "D08")) == ([], [50])


def test_a_drop_to_zero_need_not_be_level():
    values = falling()
    values[50:52] = 0.0
    values[52:] = 0.05
    assert 50 in marked(values, "D07")


@pytest.mark.parametrize("change", [
    0.009,                                                              # below 1 % by volume
    0.025,                                                              # below a tenth of the value
])
def test_small_steps_are_no_break(change):
    values = falling()
    values[50:] -= change
    assert marked(values, "D07|D08") == []


def test_rain_that_drains_away_is_no_break():
    """A rise within the hour, then drainage: the curvature after it differs from that before."""
    values = falling()
    values[50:] = values[49] + 0.10 * 0.9 ** np.arange(50)
    assert marked(values, "D07|D08") == []


def test_breaks_need_hourly_readings():
    values = falling()
    values[50:] -= 0.10
    assert marked(values, "D07", every="2h") == []


def test_breaks_need_a_day_around():
    """Of the 25 hours about the break 13 must be known."""
    enough = falling()
    enough[50:] = 0.0
    enough[38:44] = enough[57:63] = np.nan                              # leaves 13: 44 to 56
    few = enough.copy()
    few[44] = np.nan
    assert (marked(enough, "D07"), marked(few, "D07")) == ([50], [])


def test_breaks_are_not_made_by_readings_out_of_bounds():
    values = falling()
    values[50:55] *= 100                                                # per cent for five hours
    assert marked(values, "D07|D08") == []


@pytest.mark.parametrize(("hours", "found"), [(13, True), (12, False)])
def test_low_plateau(hours, found):
    values = falling()
    values[50:50 + hours] = 0.10
    assert marked(values, "D09") == (list(range(50, 50 + hours)) if found else [])


def test_a_low_plateau_ends_with_its_variance():
    values = falling()
    values[50:] = 0.10
    values[80:] = 0.10 + 0.01 * (np.arange(20) % 2)
    assert marked(values, "D09") == list(range(50, 81))                 # hour 80 is at 0.10 still


def test_steady_low_values_without_a_drop_are_a_dry_soil():
    assert marked(np.full(47, 0.05), "D09") == []


def year(size=366 * 24):
    """More than a year between 0.15 and 0.35, with hourly noise."""
    hours = np.arange(size)
    return 0.25 + 0.1 * np.sin(2 * np.pi * hours / 8766) + 0.003 * np.random.default_rng(5).standard_normal(size)


def plateau(level, size=366 * 24):
    values = np.concatenate([year(size), np.full(24, level) + 1e-4 * (np.arange(24) % 2), year(48)])
    return values, range(size, size + 24)


def test_high_plateau():
    values, hours = plateau(0.45)                                       # above all of the year, risen by 0.2 in an hour
    assert set(hours) - set(marked(values, "D10")) <= {hours[0], hours[-1]}
    assert not [hour for hour in marked(values, "D10") if hour not in hours]


def test_a_plateau_below_the_highest_is_no_saturation():
    values, _ = plateau(0.33)                                           # less than 95 % of 0.36
    assert marked(values, "D10") == []


def test_a_plateau_in_a_short_record_is_not_judged():
    values, _ = plateau(0.45, size=200 * 24)
    assert marked(values, "D10") == []
