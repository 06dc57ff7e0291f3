"""Basic quality control of one sensor's readings."""

import time

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.qc import check_series
from sm_core.sources.stations import StationSeries


def series(values, *, every="1h", flags="G", depth=0.05, start="2020-06-01"):
    index = pd.date_range(start, periods=len(values), freq=every, name="time").as_unit("ns")
    table = pd.DataFrame({"value": np.asarray(values, float), "flag": flags, "provider_flag": ""}, index=index)
    station = Station(station_id="N_A_5", network="N", name="A", lon=127.0, lat=37.0, depth_from_m=depth,
                      depth_to_m=depth)
    return StationSeries(station, table)


def codes(*args, **options):
    return check_series(series(*args, **options)).values["qc"].tolist()


def smooth(size):
    """Slowly falling values, no two equal."""
    return 0.30 - 1e-4 * np.arange(size)


def test_good_readings_carry_no_code_and_values_stay():
    one = series([0.30, 0.29, 0.28])
    checked = check_series(one)
    assert checked.values["qc"].tolist() == ["", "", ""]
    pd.testing.assert_frame_equal(checked.values[["value", "flag", "provider_flag"]], one.values)
    assert "qc" not in one.values


def test_range():
    assert codes([0.30, -0.01, 0.61, 0.60, 0.0]) == ["", "C01", "C02", "", ""]


@pytest.mark.parametrize(("flag", "code"), [
    ("G", ""), ("U", ""), ("", ""), ("M", ""), ("C03", "N"), ("D01,D02", "N"), ("D05", "N"),
])
def test_the_networks_own_flag(flag, code):
    assert codes([0.30, 0.29, 0.28], flags=["G", flag, "G"]) == ["", code, ""]


def test_a_reading_without_value_is_missing():
    assert codes([0.30, np.nan, 0.28]) == ["", "M", ""]


def test_a_spell_in_per_cent():
    values = smooth(48)
    values[20:26] *= 100                                                # about 29 against 0.29: ratio 100
    found = codes(values)
    assert found[20:26] == ["C02,UNIT"] * 6
    assert set(found[:20] + found[26:]) == {""}


def test_an_error_number_is_no_percentage():
    values = smooth(48)
    values[20] = 999.0                                                  # ratio 3400
    assert codes(values)[20] == "C02,D06"


def test_a_series_all_in_per_cent():
    assert codes([30.0, 29.0, 28.0]) == ["C02,UNIT"] * 3
    assert codes([300.0, 290.0, 280.0]) == ["C02"] * 3


@pytest.mark.parametrize(("readings", "stuck"), [(48, False), (49, True)])
def test_stuck_from_48_hours(readings, stuck):
    values = np.concatenate([smooth(10), np.full(readings, 0.299), 0.298 - 1e-4 * np.arange(10)])
    found = codes(values)
    assert found[10:10 + readings] == (["STUCK"] if stuck else [""]) * readings
    assert set(found[:10] + found[10 + readings:]) == {""}


def test_stuck_takes_longer_at_depth():
    values = np.full(24 * 6, 0.25)
    assert set(codes(values, depth=0.10)) == {"STUCK"}
    assert set(codes(values, depth=0.50)) == {""}                       # 10 days at 50 cm


def test_a_gap_ends_a_stuck_spell():
    one = series(np.full(60, 0.25))
    kept = one.values.drop(one.values.index[20:40])                     # 21 hours without a reading
    assert set(check_series(StationSeries(one.station, kept)).values["qc"]) == {""}


@pytest.mark.parametrize("every", ["1h", "3h", "6h"])
@pytest.mark.parametrize("height", [0.06, -0.06])
def test_a_single_reading_apart_is_a_spike(every, height):
    values = smooth(40)
    values[15] += height
    found = codes(values, every=every)
    assert [i for i, code in enumerate(found) if code] == [15]
    assert found[15] == "D06"


def test_rain_is_no_spike():
    wetting = np.concatenate([smooth(10), 0.40 * 0.97 ** np.arange(20)])
    assert set(codes(wetting)) == {""}


def test_a_small_or_lonely_step_is_no_spike():
    small = smooth(20)
    small[10] += 0.015
    assert set(codes(small)) == {""}
    apart = smooth(20)
    apart[10] += 0.06
    assert set(codes(apart, every="7h")) == {""}                        # neighbours too far away to tell


def test_spike_beside_missing_readings():
    values = smooth(20)
    values[10] += 0.06
    values[9] = values[11] = np.nan
    found = codes(values)
    assert (found[9], found[10], found[11]) == ("M", "D06", "M")


@pytest.mark.parametrize("size", [0, 1, 2])
def test_short_series(size):
    assert codes(smooth(size)) == [""] * size


def test_700_000_readings_within_two_seconds():
    rng = np.random.default_rng(1)
    one = series(0.3 + 0.02 * rng.normal(size=700_000), every="10min", flags="G", start="2000-01-01")
    begun = time.process_time()
    check_series(one)
    assert time.process_time() - begun < 2
