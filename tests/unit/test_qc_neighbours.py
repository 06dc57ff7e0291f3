"""Sensors that their neighbours contradict, and sensors that merely differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.qc import check_neighbours, relocation
from sm_core.sources.stations import StationSeries

DAYS = 720


def weather():
    """Readings every 6 hours that all stations share: seasons, and rain on every fifth day or so."""
    rng = np.random.default_rng(1)
    season = 0.05 * np.cos(2 * np.pi * np.arange(4 * DAYS) / (4 * 365))
    wet = np.zeros(4 * DAYS)
    for step in range(1, wet.size):
        wet[step] = 0.97 * wet[step - 1] + (0.08 * rng.random() if rng.random() < 0.05 else 0.0)
    return 0.2 + season + wet


def sensor(number, values, *, depth=0.05, lat=36.0):
    index = pd.date_range("2019-01-01", periods=len(values), freq="6h", name="time").as_unit("ns")
    table = pd.DataFrame({"value": np.clip(values, 0, 0.59), "flag": "G", "provider_flag": ""}, index=index)
    station = Station(station_id=f"N_{number}", network="N", name=f"S{number}", lon=127.0 + 0.1 * number, lat=lat,
                      depth_from_m=depth, depth_to_m=depth)
    return StationSeries(station, table)


def network(first=None, count=5):
    """Stations of different offset, gain and noise; the first one's readings as given."""
    shared = weather()
    found = []
    for number in range(count):
        own = 0.02 * (number - 2) + (0.9 + 0.05 * number) * shared
        found.append(sensor(number, own + 0.004 * np.random.default_rng(number).standard_normal(own.size)))
    if first is not None:
        values = found[0].values["value"].to_numpy()
        found[0] = replace(found[0], values=found[0].values.assign(value=first(values.copy())))
    return found


def marked(series, code):
    """Days of the first sensor with a code, as numbers since the beginning."""
    (one, *_) = check_neighbours(series)
    return np.unique(np.flatnonzero(one.values["qc"].str.contains(code)) // 4)


@pytest.mark.parametrize("code", ["DRIFT", "STEP", "APART", "CLOCK"])
def test_stations_that_differ_by_offset_gain_and_noise_are_good(code):
    for one in check_neighbours(network()):
        assert not one.values["qc"].str.contains(code).any()


def test_drift():
    """0.10 a year from day 200 on is 0.06 after 219 days; the offset is a median of 90 days, so 45 days later.

    The drift distorts the sensor's gain as well, which costs some days more.
    """
    days = marked(network(lambda x: x + 0.10 / 365 * np.maximum(np.arange(x.size) / 4 - 200, 0)), "DRIFT")
    assert 440 < days[0] < 520
    assert np.array_equal(days, np.arange(days[0], DAYS))


def test_slow_drift_below_the_limit_is_not_told_from_nature():
    series = network(lambda x: x + 0.03 / 365 * np.maximum(np.arange(x.size) / 4 - 200, 0))
    assert marked(series, "DRIFT").size == 0


@pytest.mark.parametrize("size", [0.12, -0.12])
def test_step(size):
    def moved(x):
        x[4 * 400:] += size
        return x

    days = marked(network(moved), "STEP")
    assert abs(days[0] - 400) <= 3
    assert np.array_equal(days, np.arange(days[0], DAYS))
    assert not set(marked(network(moved), "DRIFT")) & set(days)


def test_the_neighbours_of_a_broken_sensor_stay_good():
    def moved(x):
        x[4 * 400:] += 0.15
        return x

    for one in check_neighbours(network(moved))[1:]:
        assert set(one.values["qc"]) == {""}


def test_nothing_in_common():
    rng = np.random.default_rng(9)

    def unrelated(x):
        half = x.size // 2
        x[half:] = 0.25 + 0.02 * rng.standard_normal(x.size - half)
        return x

    days = marked(network(unrelated), "APART")
    assert days.size > 200
    assert days[0] >= DAYS // 2


@pytest.mark.parametrize(("hours", "found"), [(48, True), (-24, True), (0, False)])
def test_clock(hours, found):
    def shifted(x):
        half = x.size // 2
        x[half:] = np.roll(x, hours // 6)[half:]
        return x

    days = marked(network(shifted), "CLOCK")
    assert (days.size >= 270) == found
    assert not found or days[0] >= DAYS // 2 - 90


def test_too_few_or_too_far_or_at_other_depths_are_no_neighbours():
    def moved(x):
        x[4 * 400:] += 0.15
        return x

    assert marked(network(moved, count=3), "STEP").size == 0
    far = [sensor(n, one.values["value"].to_numpy(), lat=36.0 + 2 * n) for n, one in enumerate(network(moved))]
    assert marked(far, "STEP").size == 0
    deeper = [sensor(n, one.values["value"].to_numpy(), depth=0.05 + 0.1 * n) for n, one in enumerate(network(moved))]
    assert marked(deeper, "STEP").size == 0


def test_marks_are_added_to_those_of_the_sensor_alone():
    def moved(x):
        x[4 * 400:] += 0.15
        x[4 * 500] = 0.99
        return x

    (one, *_) = check_neighbours(network(moved))
    assert one.values["qc"].iloc[4 * 500] == "C02,D06,STEP"


def test_empty_and_unknown_series():
    none = sensor(7, [])
    unknown = sensor(8, np.full(40, np.nan))
    assert [len(one.values) for one in check_neighbours([none, unknown])] == [0, 40]
    assert set(check_neighbours([*network(), unknown])[-1].values["qc"]) == {"M"}
    assert check_neighbours([]) == ()


HERE = Station(station_id="a", network="N", name="A", lon=127.0, lat=37.0, elevation_m=100.0, depth_from_m=0.05,
               depth_to_m=0.05)


@pytest.mark.parametrize(("change", "words"), [
    ({}, ""), ({"lat": 37.0008}, ""), ({"elevation_m": 120.0}, ""), ({"elevation_m": None}, ""),
    ({"lat": 37.001}, "moved by 0.1 km"),                               # 111 m
    ({"elevation_m": 60.0}, "elevation changed by -40 m"),
    ({"depth_to_m": 0.10}, "depth 0.05-0.10 m, was 0.05-0.05 m"),
])
def test_relocation(change, words):
    assert relocation(HERE, HERE.model_copy(update=change)) == words
