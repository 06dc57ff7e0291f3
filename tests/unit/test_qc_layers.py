"""Sensors at their depths become two layers by station and day."""

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.qc import check_series, daily_layers, daily_rootzone_40, root_zone_weights
from sm_core.sources.stations import StationSeries


def sensor(depth, values, *, name="A", start="2020-06-01", every="6h", flags="G", label="x"):
    """A sensor that takes four readings a day unless told otherwise."""
    values = np.asarray(values, float)
    index = pd.date_range(start, periods=len(values), freq=every, name="time").as_unit("ns")
    table = pd.DataFrame({"value": values, "flag": flags, "provider_flag": ""}, index=index)
    station = Station(station_id=f"N_{name}_{depth}_{label}", network="N", name=name, lon=127.5, lat=36.5,
                      depth_from_m=depth, depth_to_m=depth, sensor=label)
    return StationSeries(station, table)


def wobble(mean, days, readings=4):
    """Readings about a mean that never repeat and whose daily mean is exact."""
    return np.tile(mean + 0.001 * (np.arange(readings) - (readings - 1) / 2), days)


def test_columns_types_and_daily_mean():
    table = daily_layers([sensor(0.05, [0.20, 0.22, 0.24, 0.26, 0.30, 0.31, 0.32, 0.33])])
    assert list(table) == ["station_id", "lon", "lat", "day", "sm_surface", "sm_rootzone", "depth_mismatch"]
    assert table["station_id"].tolist() == ["N_A", "N_A"]
    assert table["day"].tolist() == [pd.Timestamp("2020-06-01"), pd.Timestamp("2020-06-02")]
    assert table["day"].dtype == "datetime64[ns]"
    assert table["sm_surface"].to_numpy() == pytest.approx([0.23, 0.315])
    assert table["sm_rootzone"].isna().all()
    assert table["depth_mismatch"].tolist() == [False, False]


def test_the_day_is_the_utc_day():
    table = daily_layers([sensor(0.05, [0.20, 0.22, 0.30, 0.32], start="2020-06-01 12:00")])
    assert table["sm_surface"].to_numpy() == pytest.approx([0.21, 0.31])


def test_a_day_needs_half_of_the_usual_readings():
    values = wobble(0.30, 5)
    one = sensor(0.05, values, flags=["G"] * 8 + ["D01", "G", "G", "D01"] + ["D01", "D01", "D01", "G"] + ["G"] * 4)
    days = daily_layers([one])["day"].dt.day.tolist()
    assert days == [1, 2, 3, 5]                                         # 2 of 4 are enough (3rd), 1 is not (4th)


def test_bad_readings_do_not_enter_the_mean():
    values = wobble(0.30, 1)
    values[3] = 0.95
    assert daily_layers([sensor(0.05, values)])["sm_surface"].item() == pytest.approx(values[:3].mean())


def test_checked_and_unchecked_series_agree():
    values = wobble(0.30, 3)
    values[5] = -1
    one = sensor(0.05, values)
    pd.testing.assert_frame_equal(daily_layers([one]), daily_layers([check_series(one)]))


@pytest.mark.parametrize(("depths", "chosen", "mismatch"), [
    ((0.05, 0.10, 0.20), 0.05, False),
    ((0.02, 0.10), 0.02, True),
    ((0.0508, 0.1016), 0.0508, False),
    ((0.10, 0.20), 0.10, True),
    ((0.15, 0.30), None, False),
])
def test_surface_is_the_sensor_nearest_5_cm(depths, chosen, mismatch):
    table = daily_layers([sensor(depth, wobble(0.1 + depth / 2, 2)) for depth in (*depths, 0.90)])
    if chosen is None:
        assert table["sm_surface"].isna().all()
    else:
        assert table["sm_surface"].to_numpy() == pytest.approx([0.1 + chosen / 2] * 2)
    assert table["depth_mismatch"].unique().tolist() == [mismatch]


def test_surface_depth_is_one_for_the_whole_series():
    """A sensor that reported on one day of four does not stand for the station; days are not mixed."""
    table = daily_layers([sensor(0.05, wobble(0.20, 1)), sensor(0.10, wobble(0.30, 4))])
    assert table["sm_surface"].to_numpy() == pytest.approx([0.30] * 4)
    assert table["depth_mismatch"].all()


def test_sensors_at_one_depth_are_averaged():
    both = [sensor(0.05, wobble(0.20, 2), label="a"), sensor(0.05, wobble(0.30, 1), label="b")]
    assert daily_layers(both)["sm_surface"].to_numpy() == pytest.approx([0.25, 0.20])


def test_root_zone_by_thickness():
    profile = {0.05: 0.10, 0.10: 0.20, 0.20: 0.30, 0.50: 0.40, 1.00: 0.50}
    table = daily_layers([sensor(depth, wobble(value, 1)) for depth, value in profile.items()])
    # 0.075 * 0.10 + 0.075 * 0.20 + 0.20 * 0.30 + 0.40 * 0.40 + 0.25 * 0.50 = 0.3675
    assert table["sm_rootzone"].item() == pytest.approx(0.3675)


def test_root_zone_without_its_deepest_sensor_on_a_day():
    profile = {0.05: 0.10, 0.10: 0.20, 0.20: 0.30, 0.50: 0.40, 1.00: 0.50}
    sensors = [sensor(depth, wobble(value, 2 if depth < 1 else 1)) for depth, value in profile.items()]
    table = daily_layers(sensors)
    # 75 % remain: (0.3675 - 0.25 * 0.50) / 0.75 = 0.32333
    assert table["sm_rootzone"].to_numpy() == pytest.approx([0.3675, 0.2425 / 0.75])


def test_root_zone_needs_70_per_cent_of_its_weight():
    profile = {0.05: 0.10, 0.10: 0.20, 0.20: 0.30, 0.50: 0.40, 1.00: 0.50}
    sensors = [sensor(depth, wobble(value, 2 if depth != 0.50 else 1)) for depth, value in profile.items()]
    assert daily_layers(sensors)["sm_rootzone"].isna().tolist() == [False, True]    # 60 % without the 50-cm sensor


def test_10_20_30_cm_is_no_root_zone():
    table = daily_layers([sensor(depth, wobble(0.3, 1)) for depth in (0.10, 0.20, 0.30)])
    assert table["sm_rootzone"].isna().all()


def test_one_depth_is_no_root_zone():
    assert len(daily_layers([sensor(0.50, wobble(0.3, 1))])) == 0
    assert len(daily_layers([sensor(0.50, wobble(0.3, 1)), sensor(1.60, wobble(0.3, 1))])) == 0


@pytest.mark.parametrize(("depths", "weights"), [
    ((0.05, 0.10, 0.20, 0.50, 1.00), (0.075, 0.075, 0.20, 0.40, 0.25)),
    ((0.10, 0.20, 0.30), (0.15, 0.10, 0.15)),
    ((0.10, 0.20, 0.30, 0.50), (0.15, 0.10, 0.15, 0.30)),
    ((0.20, 0.50, 0.80, 1.50), (0.35, 0.30, 0.35, 0.0)),
])
def test_weights(depths, weights):
    assert root_zone_weights(depths) == pytest.approx(weights)


def test_stations_are_kept_apart_and_in_order():
    table = daily_layers([sensor(0.05, wobble(0.2, 1), name="B"), sensor(0.05, wobble(0.3, 1), name="A")])
    assert table["station_id"].tolist() == ["N_A", "N_B"]
    assert table["sm_surface"].to_numpy() == pytest.approx([0.3, 0.2])


def test_nothing_in_nothing_out():
    nothing, something = (daily_layers([sensor(0.05, values)]) for values in ([np.nan, -1.0], wobble(0.2, 1)))
    assert len(nothing) == 0
    assert nothing.dtypes.astype(str).to_dict() == something.dtypes.astype(str).to_dict()


def test_upper_root_zone_is_another_quantity_under_its_own_name():
    """10, 20, 30 cm stand for 15, 10, 15 of 40 cm: 0.375 x 0.20 + 0.25 x 0.24 + 0.375 x 0.28 = 0.24."""
    sensors = [sensor(depth, wobble(value, 2)) for depth, value in {0.10: 0.20, 0.20: 0.24, 0.30: 0.28}.items()]
    table = daily_rootzone_40(sensors)
    assert list(table) == ["station_id", "lon", "lat", "day", "sm_rootzone_40"]
    assert table["sm_rootzone_40"].to_numpy() == pytest.approx([0.24, 0.24])
    assert table["day"].tolist() == [pd.Timestamp("2020-06-01"), pd.Timestamp("2020-06-02")]
    assert "sm_rootzone_40" not in daily_layers(sensors)
    assert daily_layers(sensors)["sm_rootzone"].isna().all()


def test_upper_root_zone_needs_two_depths_and_70_per_cent():
    assert len(daily_rootzone_40([sensor(0.10, wobble(0.2, 1))])) == 0
    assert len(daily_rootzone_40([sensor(0.05, wobble(0.2, 1)), sensor(0.10, wobble(0.2, 1))])) == 0   # to 15 cm
    deep = daily_rootzone_40([sensor(0.05, wobble(0.2, 1)), sensor(0.60, wobble(0.4, 1))])
    # 0 to 32.5 cm and 32.5 to 40 cm: 0.8125 x 0.2 + 0.1875 x 0.4 = 0.2375
    assert deep["sm_rootzone_40"].item() == pytest.approx(0.2375)


def test_upper_root_zone_of_nothing():
    nothing, something = daily_rootzone_40([]), daily_rootzone_40([sensor(d, wobble(0.2, 1)) for d in (0.1, 0.3)])
    assert len(nothing) == 0
    assert nothing.dtypes.astype(str).to_dict() == something.dtypes.astype(str).to_dict()
