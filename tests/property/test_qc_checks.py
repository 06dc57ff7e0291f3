"""Quality control of any series: it marks and changes nothing, and does not depend on what it must not depend on."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sm_core.domain import Station
from sm_core.qc import CODES, check_neighbours, check_series
from sm_core.sources.stations import StationSeries

VALUES = st.lists(st.sampled_from([np.nan, -0.1, 0.0, 0.05, 0.2, 0.21, 0.3, 0.6, 0.61, 35.0, 999.0]), max_size=80)
COLUMNS = st.fixed_dictionaries({}, optional={
    name: st.sampled_from([-5.0, 0.5, 3.0, np.nan]) for name in ("soil_temperature", "air_temperature", "precipitation")
})


def series(values, hours, columns, number=0):
    index = pd.date_range("2020-01-01", periods=len(values), freq=f"{hours}h", name="time").as_unit("ns")
    table = pd.DataFrame({"value": np.array(values, float), "flag": "G", "provider_flag": "", **columns}, index=index)
    station = Station(station_id=f"N_{number}", network="N", name=f"S{number}", lon=127.0, lat=36.0,
                      depth_from_m=0.05, depth_to_m=0.05)
    return StationSeries(station, table)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from([1, 6]), COLUMNS)
def test_values_stay_and_codes_are_known(values, hours, columns):
    one = series(values, hours, columns)
    found = check_series(one).values
    pd.testing.assert_frame_equal(found[one.values.columns], one.values)
    codes = [set(text.split(",")) - {""} for text in found["qc"]]
    assert all(each <= set(CODES) for each in codes)
    assert all((each == {"M"}) == bool(np.isnan(value)) for each, value in zip(codes, values, strict=True))


@settings(max_examples=50, deadline=None)
@given(VALUES, st.sampled_from([1, 6]), COLUMNS)
def test_checking_twice_is_checking_once(values, hours, columns):
    once = check_series(series(values, hours, columns))
    pd.testing.assert_frame_equal(check_series(once).values, once.values)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(-3000, 3000))
def test_the_calendar_does_not_matter(values, days):
    one = series(values, 1, {})
    moved = replace(one, values=one.values.set_axis(one.values.index + pd.Timedelta(days=days)))
    assert check_series(moved).values["qc"].tolist() == check_series(one).values["qc"].tolist()


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, max_size=6))
@example(records=[[], [], [], []])
def test_neighbours_only_add(records):
    alone = [check_series(series(values, 6, {}, number)) for number, values in enumerate(records)]
    together = check_neighbours(alone)
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one.values.drop(columns="qc"), other.values.drop(columns="qc"))
        assert all(new.startswith(old) for old, new in zip(one.values["qc"], other.values["qc"], strict=True))
