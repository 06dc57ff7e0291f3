"""Frost, rises without rain, and what the soil holds."""

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.qc import check_series, saturation
from sm_core.sources.stations import StationSeries
from sm_core.twin.soil import soil_of


def checked(values, *, every="1h", depth=0.05, limit=None, flags="G", **columns):
    index = pd.date_range("2020-03-01", periods=len(values), freq=every, name="time").as_unit("ns")
    table = pd.DataFrame({"value": np.asarray(values, float), "flag": flags, "provider_flag": "", **columns}, index)
    station = Station(station_id="N_A_5", network="N", name="A", lon=127.0, lat=37.0, depth_from_m=depth,
                      depth_to_m=depth)
    return check_series(StationSeries(station, table), saturation=limit).values["qc"]


def at(qc, code):
    return np.flatnonzero(qc.str.contains(code)).tolist()


def smooth(size):
    return 0.30 - 1e-4 * np.arange(size)


@pytest.mark.parametrize(("column", "code"), [
    ("soil_temperature", "D01"), ("air_temperature", "D02"), ("model_soil_temperature", "D03"),
])
def test_below_freezing(column, code):
    temperature = [5.0, 0.0, -0.1, np.nan, 5.0]
    assert at(checked(smooth(5), **{column: temperature}), code) == [2]


def test_frozen_until_a_day_above_one_degree():
    """Below 0 at hours 10 to 12; at 0.5 until 20; above 1 from 21 on: thawed when 24 hours were, at hour 45."""
    temperature = np.full(72, 3.0)
    temperature[10:13] = -0.5
    temperature[13:21] = 0.5
    qc = checked(smooth(72), soil_temperature=temperature)
    assert at(qc, "D01") == [10, 11, 12]
    assert at(qc, "FROST") == list(range(10, 45))


def test_cool_soil_that_never_froze_is_not_frozen():
    assert at(checked(smooth(72), soil_temperature=np.full(72, 0.5)), "FROST") == []


def test_frost_of_a_thermometer_that_fell_silent_is_forgotten():
    temperature = np.full(72, np.nan)
    temperature[10] = -0.5
    assert at(checked(smooth(72), soil_temperature=temperature), "FROST") == list(range(10, 34))


def test_frost_by_the_networks_flags():
    """Two flagged readings within 24 hours make a frost until 24 hours after."""
    flags = ["G"] * 12
    flags[2] = flags[3] = "D01,D02"                                     # 6-hourly: hours 12 and 18
    qc = checked(smooth(12), every="6h", flags=flags)
    assert at(qc, "FROST") == [3, 4, 5]                                 # hours 18, 24 and 30; at 36 one sign is left
    assert at(qc, "N") == [2, 3]


@pytest.mark.parametrize("flag", ["D02", "D04", "D011"])
def test_other_flags_are_no_frost(flag):
    assert at(checked(smooth(12), every="6h", flags=[flag] * 12), "FROST") == []


def storm(size=60, hour=40):
    """Steady soil moisture that rises by 0.05 within the hour."""
    values = np.where(np.arange(size) < hour, 0.20, 0.25)
    return values - 1e-5 * np.arange(size)


@pytest.mark.parametrize(("millimetres", "depth", "found"), [
    (0.0, 0.05, True), (1.2, 0.05, True), (1.3, 0.05, False),           # 5 cm need 0.05 x 0.05 x 0.5 x 1000 = 1.25 mm
    (0.1, 0.0, True), (0.2, 0.0, False),                                # at the surface 0.2 mm
    (0.0, 0.10, False),                                                 # 10 cm is not judged
])
def test_rise_without_rain(millimetres, depth, found):
    rain = np.zeros(60)
    rain[30] = millimetres
    for column, code in (("precipitation", "D04"), ("model_precipitation", "D05")):
        assert at(checked(storm(), depth=depth, **{column: rain}), code) == ([40] if found else [])


def test_rain_of_the_day_before_does_not_count():
    rain = np.zeros(60)
    rain[16] = 20.0                                                     # hours 17 to 40 are the 24 of the rise
    assert at(checked(storm(), precipitation=rain), "D04") == [40]
    rain[17] = 20.0
    assert at(checked(storm(), precipitation=rain), "D04") == []


def test_unknown_rain_accuses_nobody():
    rain = np.zeros(60)
    rain[30] = np.nan
    assert at(checked(storm(), precipitation=rain), "D04") == []


def test_saturation_is_that_of_the_pedotransfer_functions():
    sand, clay = np.meshgrid(np.arange(0, 101, 10.0), np.arange(0, 61, 10.0))
    texture = sand + clay <= 100
    expected = soil_of(np.float32(sand[texture]), np.float32(clay[texture])).saturation
    found = [saturation(s, c) for s, c in zip(sand[texture], clay[texture], strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("texture", [(80.0, 30.0), (-1.0, 20.0), (np.nan, 20.0)])
def test_no_texture_no_saturation(texture):
    with pytest.raises(ValueError, match="no texture"):
        saturation(*texture)


def test_above_saturation():
    values = [0.45, 0.47, 0.62]
    assert at(checked(values, limit=0.46), "C03") == [1, 2]
    assert at(checked(values), "C03") == []
