import numpy as np
import pandas as pd
import pytest

from sm_core.errors import LeakError
from sm_core.validation import (
    DesignParams,
    check_features,
    check_patches,
    check_same_station,
    check_tuning,
    divisions,
    evaluate,
    feature_identities,
    floor_warnings,
)
from sm_core.validation.designs import Division, last_year_division, random_division, station_divisions

RNG = np.random.default_rng(8)
IDS = [f"s{number:02d}" for number in range(20)]
DAYS = pd.date_range("2020-01-01", periods=60, freq="6D")
LON, LAT, HEIGHT = RNG.uniform(126, 129, 20), RNG.uniform(35, 38, 20), RNG.uniform(0, 900, 20)


def network():
    """Twenty stations of sixty days: own level, common season and weather, own noise."""
    season = 0.05 * np.cos(np.arange(60) * 6 / 58) + 0.02 * RNG.standard_normal(60)
    level = RNG.uniform(0.2, 0.4, 20)
    surface = level[:, None] + season + 0.02 * RNG.standard_normal((20, 60))
    return pd.DataFrame({
        "station_id": np.repeat(IDS, 60), "lon": np.repeat(LON, 60), "lat": np.repeat(LAT, 60),
        "day": np.tile(DAYS, 20), "sm_surface": surface.ravel(), "sm_rootzone": surface.ravel(),
    })


TABLE = network()
STATION = TABLE["station_id"]
CLEAN = pd.DataFrame({
    "lst_day": 285 + 15 * np.sin(np.tile(np.arange(60), 20) / 10) - np.repeat(HEIGHT, 60) / 150
    + 3 * RNG.standard_normal(1200),
    "ndvi": 0.5 + 0.3 * np.sin(np.tile(np.arange(60), 20) / 10) + np.repeat(RNG.normal(0, 0.1, 20), 60),
    "day_of_year": np.tile(DAYS.day_of_year, 20), "land_cover": np.repeat(RNG.integers(1, 6, 20), 60),
    "noise": RNG.standard_normal(1200),
})
PARAMS = DesignParams(folds=4, block_km=40, buffer_km=15, judged_days=100, gap_days=30)


def station_number():
    return np.repeat(np.arange(20.0), 60)


PLANTED = {
    "station id": station_number(), "hashed id": np.repeat(RNG.permutation(20) * 37 % 101, 60),
    "row number": np.arange(1200.0), "longitude": np.repeat(LON, 60), "latitude": np.repeat(LAT, 60),
    "noisy id": station_number() + 0.1 * RNG.standard_normal(1200),
    "mean of the target": TABLE.groupby("station_id")["sm_surface"].transform("mean").to_numpy(),
    "undeclared height": np.repeat(HEIGHT, 60),
}


def test_features_of_weather_and_land_pass():
    check_features(CLEAN, STATION)
    check_features(CLEAN.assign(elevation=np.repeat(HEIGHT, 60)), STATION, physical=("elevation",))


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_identifier_is_caught_by_name(name):
    with pytest.raises(LeakError, match=name) as caught:
        check_features(CLEAN.assign(**{name: PLANTED[name]}), STATION)
    assert caught.value.code == "SM505"
    assert set(caught.value.context) == {name}


def test_information_is_none_for_noise_and_all_for_an_id():
    found = {one.feature: one for one in feature_identities(CLEAN.assign(id=station_number()), STATION)}
    assert found["id"].information == pytest.approx(1)
    assert found["id"].constant
    assert found["noise"].information < 0.05
    assert not found["noise"].constant
    assert found["land_cover"].constant
    assert found["land_cover"].information < 0.7


def test_short_records_do_not_make_noise_look_like_an_id():
    short = np.repeat(np.arange(200), 5)
    check_features(pd.DataFrame({"noise": RNG.standard_normal(1000)}), short)
    with pytest.raises(LeakError):
        check_features(pd.DataFrame({"row": np.arange(1000.0)}), short)


def test_unknown_values_of_a_feature_are_allowed():
    holed = CLEAN["lst_day"].where(RNG.random(1200) > 0.3)
    check_features(pd.DataFrame({"lst_day": holed, "empty": np.nan}), STATION)


def two_stations(east_km, north_km):
    km = 1 / 111.195
    table = pd.DataFrame({"station_id": ["a", "b"], "lon": [0.0, east_km * km], "lat": [0.0, north_km * km],
                          "day": DAYS[:1].repeat(2), "sm_surface": 0.2, "sm_rootzone": 0.2})
    return table, Division("stations", "stations", np.array([True, False]), np.array([False, True]))


@pytest.mark.parametrize(("east", "north", "overlap"), [
    (6.9, 0, True), (7.1, 0, False), (6.5, 6.5, True), (2, 7.1, False),
])
def test_patches_of_seven_cells_overlap_within_seven_kilometres_along_both_axes(east, north, overlap):
    table, division = two_stations(east, north)
    if not overlap:
        check_patches(table, division, radius_cells=3, cell_km=1)
        return
    with pytest.raises(LeakError, match=r"patches.*training=a, judged=b.*needed_km=7"):
        check_patches(table, division, radius_cells=3, cell_km=1)


def test_a_buffer_smaller_than_the_patch_is_caught():
    near = TABLE.assign(lon=126 + (TABLE["lon"] - 126) / 4, lat=35 + (TABLE["lat"] - 35) / 4)
    params = PARAMS.model_copy(update={"block_km": 10, "buffer_km": 3})
    with pytest.raises(LeakError, match="needed_km=15"):
        for one in station_divisions(near, params):
            check_patches(near, one, radius_cells=7, cell_km=1)
    for one in station_divisions(near, params.model_copy(update={"buffer_km": 15 * 2**0.5, "folds": 8})):
        check_patches(near, one, radius_cells=7, cell_km=1)


def test_designs_that_share_stations_have_no_patches_to_check():
    check_patches(TABLE, random_division(TABLE), radius_cells=50, cell_km=1)
    check_patches(TABLE, last_year_division(TABLE, PARAMS), radius_cells=50, cell_km=1)


def test_tuning_on_training_rows_passes():
    for one in divisions(TABLE, PARAMS):
        check_tuning(TABLE, one, TABLE[one.training])
        check_tuning(TABLE, one, TABLE[one.training].iloc[:5])


def test_tuning_on_a_single_judged_row_is_caught():
    for one in divisions(TABLE, PARAMS):
        tuned = pd.concat([TABLE[one.training], TABLE[one.judged].iloc[[3]]])
        with pytest.raises(LeakError, match="judged=1, neither=0"):
            check_tuning(TABLE, one, tuned)


def test_tuning_in_the_buffer_or_the_gap_is_caught_too():
    one = last_year_division(TABLE, PARAMS)
    gap = TABLE[~one.training & ~one.judged]
    with pytest.raises(LeakError, match=rf"judged=0, neither={len(gap)}"):
        check_tuning(TABLE, one, pd.concat([TABLE[one.training], gap]))


def with_twin(value, lat_shift=0.0005, days=slice(None)):
    """Station s00 once more as "copy", 56 m north, in the judged part."""
    own = TABLE[STATION == "s00"].iloc[days]
    copy = own.assign(station_id="copy", lat=own["lat"] + lat_shift, sm_surface=value(own["sm_surface"]),
                      sm_rootzone=np.nan)
    table = pd.concat([TABLE, copy], ignore_index=True)
    judged = (table["station_id"] == "copy").to_numpy()
    return table, Division("stations", "stations", ~judged, judged)


@pytest.mark.parametrize("value", [
    lambda v: v, lambda v: v + 0.003, lambda v: 0.8 * v + 0.1, lambda v: v.round(2),
], ids=["same", "shifted", "scaled", "rounded"])
def test_one_station_under_two_ids_is_caught(value):
    with pytest.raises(LeakError, match=r"two ids.*training=s00, judged=copy, apart_m=56"):
        check_same_station(*with_twin(value))


def test_another_sensor_or_another_place_passes():
    rng = np.random.default_rng(3)
    check_same_station(*with_twin(lambda v: v + 0.04 * rng.standard_normal(len(v))))
    check_same_station(*with_twin(lambda v: v, lat_shift=0.002))
    for one in divisions(TABLE, PARAMS):
        check_same_station(TABLE, one)


def test_a_record_that_goes_on_under_another_id_is_caught():
    table, division = with_twin(lambda v: v + 0.1, days=slice(0, 30))
    early = (table["station_id"] == "s00") & (table["day"] <= DAYS[29])
    keep = ~early.to_numpy()
    with pytest.raises(LeakError, match="judged=copy"):
        check_same_station(
            table[keep], Division("stations", "stations", division.training[keep], division.judged[keep]))


def test_too_good_at_unseen_stations_is_told():
    rng = np.random.default_rng(4)
    parts = divisions(TABLE, PARAMS)
    stages = {
        "believable": TABLE.assign(sm_surface=TABLE["sm_surface"] + 0.05 * rng.standard_normal(1200)),
        "too good": TABLE.assign(sm_surface=TABLE["sm_surface"] + 0.01 * rng.standard_normal(1200)),
    }
    stages["believable"]["sm_rootzone"] += 0.05
    stages["too good"]["sm_rootzone"] += 0.05
    found = floor_warnings(evaluate(TABLE, parts, stages))
    assert {(one.stage, one.layer, one.design) for one in found} == {
        ("too good", "sm_surface", "stations"), ("too good", "sm_surface", "both")}
    assert "look for a leak" in str(found[0])
    assert not floor_warnings(evaluate(TABLE, parts, stages), stages=["believable"])
