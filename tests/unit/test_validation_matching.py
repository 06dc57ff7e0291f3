import numpy as np
import pandas as pd
import pytest

from sm_core.validation import collocate, daily_mean, match_days


def series(values):
    return pd.Series(list(values.values()), pd.to_datetime([f"2021-05-{time}" for time in values]), dtype=float)


STATION = series({"01 12:00": 0.3, "02 12:00": 0.2, "03 12:00": np.nan, "04 12:00": 0.1})


def test_nearest_within_six_hours_and_the_earlier_of_two():
    model = series({"01 09:00": 1, "01 15:00": 2, "02 18:00": 3, "04 05:59": 4, "04 18:01": 5})
    found = collocate(STATION, {"model": model})
    assert found["model"].tolist() == [1, 3]            # tie to the earlier; six hours count; a minute more does not
    assert found.index.tolist() == [pd.Timestamp("2021-05-01 12:00"), pd.Timestamp("2021-05-02 12:00")]


def test_unknown_values_are_no_neighbours():
    model = series({"01 11:00": np.nan, "01 16:00": 7})
    assert collocate(STATION, {"model": model})["model"].tolist() == [7]


def test_rows_are_those_that_all_know():
    one = series({"01 12:00": 1, "02 12:00": 2})
    other = series({"02 13:00": 3, "04 12:00": 4})
    assert collocate(STATION, {"one": one, "other": other}).to_numpy().tolist() == [[0.2, 2, 3]]


def test_order_repeats_and_time_zones_do_not_matter():
    model = pd.Series([2.0, 1.0, 9.0], pd.to_datetime(["2021-05-02 21:00", "2021-05-01 21:00", "2021-05-01 21:00"])
                      .tz_localize("Asia/Seoul"))
    assert collocate(STATION, {"model": model})["model"].tolist() == [1, 2]


def test_nothing_to_match_gives_an_empty_table():
    assert collocate(STATION, {"model": STATION.iloc[:0]}).empty
    assert collocate(STATION.iloc[:0], {"model": STATION}).empty


def test_any_resolution_of_time():
    model = STATION.copy()
    model.index = model.index.as_unit("s")
    assert collocate(STATION, {"model": model})["model"].tolist() == [0.3, 0.2, 0.1]


def test_days_are_those_of_utc():
    hourly = series({"01 00:00": 1, "01 23:59": 3, "02 00:00": 5})
    assert daily_mean(hourly).tolist() == [2, 5]
    assert daily_mean(hourly, min_values=2).tolist() == [2]
    korean = pd.Series([4.0], pd.DatetimeIndex(["2021-05-02 08:00"]).tz_localize("Asia/Seoul"))
    assert daily_mean(korean).index[0] == pd.Timestamp("2021-05-01")


def test_days_that_all_know():
    found = match_days(STATION, {"model": series({"01 03:00": 1, "01 09:00": 2, "03 09:00": 9, "04 09:00": 4})})
    assert found["model"].tolist() == [pytest.approx(1.5), 4]
    assert found["reference"].tolist() == [0.3, 0.1]
