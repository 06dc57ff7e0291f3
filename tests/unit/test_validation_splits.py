import datetime as dt
from typing import NamedTuple

import pytest

from sm_core.errors import TooFewSamplesError
from sm_core.validation import last_days, spatial_blocks, spatial_folds


class Place(NamedTuple):
    station_id: str
    lon: float
    lat: float


def cluster(name, lon, lat, count):
    return [Place(f"{name}{i}", lon + 0.01 * i, lat) for i in range(count)]


CLUSTERS = [*cluster("a", 126.0, 35.0, 4), *cluster("b", 128.0, 35.0, 4), *cluster("c", 126.0, 37.0, 4),
            *cluster("d", 128.0, 37.0, 4)]


def test_whole_clusters_are_held_out():
    split = spatial_blocks(CLUSTERS, block_km=100, held_out_share=0.25, seed=1, buffer_km=20)
    assert len(split.held_out) == 4
    assert len({name[0] for name in split.held_out}) == 1
    assert len(split.training) == 12
    assert split.dropped == ()


def test_training_stations_in_the_buffer_are_dropped():
    # b lies 0.3 degrees (27 km) east of a, c 180 km: whichever of a and b is held out, the other is too near
    places = [Place("a", 126.0, 36.0), Place("b", 126.3, 36.0), Place("c", 128.0, 36.0)]
    for seed in range(20):
        split = spatial_blocks(places, block_km=15, held_out_share=0.3, seed=seed, buffer_km=40)
        near = {"a": ("b",), "b": ("a",), "c": ()}[split.held_out[0]]
        assert split.dropped == near


def test_same_seed_same_split_in_any_order_and_with_repeats():
    kwargs = {"block_km": 60.0, "held_out_share": 0.3, "seed": 7, "buffer_km": 5.0}
    assert spatial_blocks(CLUSTERS, **kwargs) == spatial_blocks([*CLUSTERS[::-1], *CLUSTERS[:3]], **kwargs)


def test_seeds_differ():
    splits = {spatial_blocks(CLUSTERS, block_km=60, held_out_share=0.25, seed=s, buffer_km=0) for s in range(8)}
    assert len(splits) > 1


def test_one_block_cannot_be_split():
    with pytest.raises(TooFewSamplesError, match=r"one block.*stations=1"):
        spatial_blocks(CLUSTERS[:1], block_km=50, held_out_share=0.25, seed=0, buffer_km=0)
    with pytest.raises(TooFewSamplesError, match="one block"):
        spatial_folds([], block_km=50, folds=3, seed=0)


def test_a_buffer_that_takes_everything_is_an_error():
    with pytest.raises(TooFewSamplesError, match=r"buffer leaves no training station.*buffer_km=900"):
        spatial_blocks(CLUSTERS, block_km=60, held_out_share=0.25, seed=0, buffer_km=900)


def test_folds_hold_each_station_once_and_keep_clusters_together():
    folds = spatial_folds(CLUSTERS, block_km=100, folds=2, seed=3)
    assert sorted(name for fold in folds for name in fold) == sorted(place.station_id for place in CLUSTERS)
    for letter in "abcd":
        assert sum(any(name[0] == letter for name in fold) for fold in folds) == 1
    assert [len(fold) for fold in folds] == [8, 8]


def test_fewer_blocks_than_folds():
    assert len(spatial_folds(CLUSTERS[:8], block_km=100, folds=5, seed=0)) == 2


def test_last_days_with_gap_and_repeats():
    days = [dt.date(2021, 6, day) for day in (5, 1, 2, 3, 4, 5, 6)]
    split = last_days(days, held_out=2, gap=1)
    assert split.training == tuple(dt.date(2021, 6, day) for day in (1, 2, 3))
    assert split.held_out == (dt.date(2021, 6, 5), dt.date(2021, 6, 6))
    with pytest.raises(TooFewSamplesError, match="has no day"):
        last_days(days, held_out=4, gap=2)
