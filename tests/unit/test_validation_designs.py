import numpy as np
import pandas as pd
import pytest

from sm_core.errors import TooFewSamplesError
from sm_core.validation import DesignParams, divisions, nearest_training_km
from sm_core.validation.designs import (
    both_divisions,
    last_year_division,
    random_division,
    station_divisions,
)

DAYS = pd.date_range("2020-01-01", periods=20, freq="10D")
# six clusters of two stations 1 degree apart; the two of a cluster lie 1.1 km apart
PLACES = {f"{column}{row}{twin}": (126 + column, 35 + row + 0.01 * twin)
          for column in range(3) for row in range(2) for twin in range(2)}
TABLE = pd.DataFrame([(name, lon, lat, day) for name, (lon, lat) in PLACES.items() for day in DAYS],
                     columns=["station_id", "lon", "lat", "day"])
PARAMS = DesignParams(folds=3, block_km=30, buffer_km=5, judged_days=61, gap_days=30)


def test_all_designs_divide_without_overlap_and_count_every_row():
    for one in divisions(TABLE, PARAMS):
        assert not (one.training & one.judged).any()
        assert one.training.any()
        assert one.judged.any()
        dropped = one.in_buffer + one.in_gap + one.set_aside
        assert one.training.sum() + one.judged.sum() + dropped == len(TABLE), one.name


def test_random_is_a_share_of_rows_by_seed():
    one = random_division(TABLE, judged_share=0.25, seed=4)
    assert one.judged.sum() == 60
    assert np.array_equal(one.judged, random_division(TABLE, judged_share=0.25, seed=4).judged)
    assert not np.array_equal(one.judged, random_division(TABLE, judged_share=0.25, seed=5).judged)


def test_folds_judge_every_station_once_and_never_learn_from_it():
    folds = station_divisions(TABLE, PARAMS)
    assert [one.name for one in folds] == ["stations 1/3", "stations 2/3", "stations 3/3"]
    assert (sum(one.judged.astype(int) for one in folds) == 1).all()
    for one in folds:
        assert not set(TABLE["station_id"][one.judged]) & set(TABLE["station_id"][one.training])


def test_buffer_of_a_fold_is_dropped():
    # blocks of 0.6 km part the twins, which are 1.1 km apart: the twin of a judged station is too near
    for one in station_divisions(TABLE, PARAMS.model_copy(update={"block_km": 0.6})):
        distance = nearest_training_km(TABLE, one)[one.judged]
        assert distance.min() > 5
        judged = set(TABLE["station_id"][one.judged])
        lonely = {name for name in judged if f"{name[:2]}{1 - int(name[2])}" not in judged}
        assert one.in_buffer == len(DAYS) * len(lonely)


def test_one_set_of_stations_without_folds():
    (one,) = station_divisions(TABLE, PARAMS.model_copy(update={"folds": None, "judged_share": 0.34}))
    assert one.name == "stations"
    assert abs(TABLE["station_id"][one.judged].nunique() - 4) <= 1      # whole blocks, of up to two stations


def test_last_days_with_a_gap_by_the_calendar():
    # last day 2020-07-09: judged from 05-10, gap from 04-10; days 1, 11, 21, 31 January … every ten days
    one = last_year_division(TABLE, PARAMS)
    judged, training = (TABLE["day"][mask] for mask in (one.judged, one.training))
    assert judged.min() == pd.Timestamp("2020-05-10")
    assert training.max() < pd.Timestamp("2020-04-10")
    assert one.in_gap == 12 * 3
    assert one.judged.sum() == 12 * 7


def test_both_is_unseen_in_place_and_time():
    alone = {one.name.split()[-1]: one for one in station_divisions(TABLE, PARAMS)}
    last = last_year_division(TABLE, PARAMS)
    for one in both_divisions(TABLE, PARAMS):
        stations = alone[one.name.split()[-1]]
        assert np.array_equal(one.judged, stations.judged & last.judged)
        assert np.array_equal(one.training, stations.training & last.training)
        assert (one.separates_stations, one.separates_days) == (True, True)


def test_distance_is_none_at_a_station_that_was_learned_from():
    assert nearest_training_km(TABLE, last_year_division(TABLE, PARAMS)).max() == 0


def test_order_of_rows_does_not_matter():
    shuffled = TABLE.sample(frac=1, random_state=1)
    for one, other in zip(divisions(TABLE, PARAMS)[1:], divisions(shuffled, PARAMS)[1:], strict=True):
        restored = pd.Series(other.judged, shuffled.index).sort_index().to_numpy()
        assert np.array_equal(one.judged, restored)


def test_a_period_too_short_to_divide():
    with pytest.raises(TooFewSamplesError, match=r"SM504|last_year has no row"):
        last_year_division(TABLE, PARAMS.model_copy(update={"judged_days": 400}))
