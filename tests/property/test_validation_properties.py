import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation import (
    DesignParams,
    anomaly,
    bias,
    collocate,
    coverage,
    divisions,
    gain,
    pearson_r,
    rmsd,
    spatial_blocks,
    spatial_folds,
    ubrmsd,
)
from sm_core.validation.guards import feature_identities
from sm_core.validation.moments import Moments
from sm_core.validation.strata import texture_class

coordinates = st.tuples(st.floats(124.5, 130.5), st.floats(33.5, 42.5))
places = st.lists(coordinates, min_size=2, max_size=40)
series = st.lists(st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)), min_size=2, max_size=60)


class Place:
    def __init__(self, index, place):
        self.station_id, (self.lon, self.lat) = f"s{index:02d}", place


def distances(a, b):
    points = [unit_vectors([p.lon for p in group], [p.lat for p in group]) for group in (a, b)]
    return chord_to_km(np.linalg.norm(points[0][:, None] - points[1][None], axis=-1))


@settings(deadline=None)
@given(places, st.floats(20, 120), st.floats(0.1, 0.5), st.integers(0, 10**6), st.floats(0, 60))
def test_blocks_are_disjoint_complete_and_buffered(coordinates, block_km, share, seed, buffer_km):
    stations = [Place(index, place) for index, place in enumerate(coordinates)]
    kwargs = {"block_km": block_km, "held_out_share": share, "seed": seed, "buffer_km": buffer_km}
    try:
        split = spatial_blocks(stations, **kwargs)
    except TooFewSamplesError:
        assume(False)
    parts = [*split.training, *split.held_out, *split.dropped]
    assert sorted(parts) == [station.station_id for station in stations]
    assert split.held_out
    assert split.training
    of = {station.station_id: station for station in stations}
    held = [of[name] for name in split.held_out]
    assert distances([of[name] for name in split.training], held).min() >= buffer_km
    if split.dropped:
        assert distances([of[name] for name in split.dropped], held).min(axis=1).max() < buffer_km
    assert spatial_blocks(stations[::-1], **kwargs) == split


@settings(deadline=None)
@given(places, st.floats(20, 120), st.integers(2, 6), st.integers(0, 10**6))
def test_folds_share_out_every_station_once(coordinates, block_km, folds, seed):
    stations = [Place(index, place) for index, place in enumerate(coordinates)]
    try:
        parts = spatial_folds(stations, block_km=block_km, folds=folds, seed=seed)
    except TooFewSamplesError:
        assume(False)
    assert 2 <= len(parts) <= folds
    assert all(parts)
    assert sorted(name for part in parts for name in part) == [station.station_id for station in stations]


@given(series)
def test_mean_square_difference_splits_into_bias_and_rest(pairs):
    e, o = np.array(pairs).T
    pair = {"estimate": e, "reference": o}
    np.testing.assert_allclose(rmsd(**pair) ** 2, bias(**pair) ** 2 + ubrmsd(**pair) ** 2, atol=1e-12)


@given(series)
def test_correlation_is_bounded_and_symmetric(pairs):
    e, o = np.array(pairs).T
    r = pearson_r(estimate=e, reference=o)
    assume(np.isfinite(r))
    assert -1 <= r <= 1
    assert r == pearson_r(estimate=o, reference=e)


seeds = st.integers(0, 10**6)
values = hnp.arrays(float, st.integers(3, 40), elements=st.floats(0, 0.6))


@given(values, seeds)
def test_sums_of_groups_add_up_whatever_the_groups(e, seed):
    rng = np.random.default_rng(seed)
    o, group = rng.permutation(e), rng.integers(0, 4, e.size)
    found = Moments.of(estimate=e, reference=o, group=group, groups=4).pooled(np.ones((1, 4)))
    for name, score in (("rmsd", rmsd), ("ubrmsd", ubrmsd), ("bias", bias)):
        np.testing.assert_allclose(found[name][0], score(estimate=e, reference=o), atol=1e-7)


@given(values, seeds)
def test_gain_changes_its_sign_with_the_sides(e, seed):
    rng = np.random.default_rng(seed)
    o, b, station = rng.uniform(0, 0.6, e.size), rng.permutation(e), rng.integers(0, 5, e.size)
    ours, theirs = (gain(estimate=one, baseline=two, reference=o, station=station) for one, two in ((e, b), (b, e)))
    for name in ("rmsd", "ubrmsd", "pearson_r"):
        one, two = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(one.value, -two.value, atol=1e-9)
        if one.lower is not None:
            np.testing.assert_allclose([one.lower, one.upper], [-two.upper, -two.lower], atol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40), st.integers(0, 12))
def test_matches_are_the_nearest_and_inside_the_window(hours, reach):
    origin = pd.Timestamp("2021-05-01")
    ours, theirs = (pd.Series(np.arange(float(len(h))), origin + pd.to_timedelta(h, "h"))
                    for h in zip(*hours, strict=True))
    found = collocate(ours, {"other": theirs}, window=pd.Timedelta(hours=reach))
    times = pd.DatetimeIndex(sorted(set(theirs.index)))
    for time in set(ours.index):
        distance = abs(times - time)
        if distance.min() > pd.Timedelta(hours=reach):
            assert time not in found.index
        else:
            nearest = times[distance == distance.min()].min()
            assert found.loc[time, "other"] == theirs[theirs.index == nearest].iloc[0]


@settings(max_examples=40)
@given(places, st.floats(20, 120), st.floats(0, 40), st.integers(2, 5), st.integers(20, 60), seeds)
def test_designs_keep_their_promises(coordinates, block_km, buffer_km, folds, judged_days, seed):
    days = pd.date_range("2020-01-01", periods=6, freq="30D")
    table = pd.DataFrame([(f"s{k:02d}", lon, lat, day) for k, (lon, lat) in enumerate(coordinates) for day in days],
                         columns=["station_id", "lon", "lat", "day"])
    params = DesignParams(block_km=block_km, buffer_km=buffer_km, folds=folds, judged_days=judged_days, gap_days=10,
                          seed=seed)
    try:
        found = divisions(table, params)
    except TooFewSamplesError:
        assume(False)
    points = unit_vectors(table["lon"], table["lat"])
    for one in found:
        assert not (one.training & one.judged).any()
        used = int(one.training.sum() + one.judged.sum())
        assert used + one.in_buffer + one.in_gap + one.set_aside == len(table)
        if one.separates_days:
            gap = table["day"][one.judged].min() - table["day"][one.training].max()
            assert gap > pd.Timedelta(days=params.gap_days)
        if one.separates_stations:
            apart = chord_to_km(np.linalg.norm(points[one.judged][:, None] - points[one.training][None], axis=-1))
            assert apart.min() >= buffer_km
    unseen = sum(one.judged.astype(int) for one in found if one.design == "stations")
    assert (unseen == 1).all()


@given(st.floats(0, 100), st.floats(0, 100))
def test_every_possible_soil_has_one_texture(clay, sand):
    assert (texture_class([clay], [sand])[0] is None) == (100 - clay - sand < 0)


@given(hnp.arrays(float, 60, elements=st.one_of(st.floats(0, 0.6), st.just(np.nan))), st.floats(0, 0.5))
def test_anomalies_do_not_know_the_level(series, level):
    days = pd.date_range("2021-01-01", periods=60)
    own, moved = anomaly(pd.Series(series, days)), anomaly(pd.Series(series + level, days))
    np.testing.assert_allclose(own, moved, atol=1e-12)


@given(values, st.floats(0.01, 0.2), seeds)
def test_coverage_rises_with_the_level_and_with_sigma(value, sigma, seed):
    rng = np.random.default_rng(seed)
    observed, station = rng.uniform(0, 0.6, value.size), np.arange(value.size) % 3
    shares = [[row.share.value for row in coverage(value=value, sigma=np.full(value.size, s), observed=observed,
                                                   station=station, min_pairs=3).rows] for s in (sigma, 1.5 * sigma)]
    assert shares[0] == sorted(shares[0])
    assert all(wide >= narrow for narrow, wide in zip(*shares, strict=True))


@settings(max_examples=30)
@given(st.integers(2, 30), st.integers(5, 40), seeds)
def test_an_id_tells_all_and_noise_nothing_whatever_the_network(stations, days, seed):
    rng = np.random.default_rng(seed)
    station = np.repeat(np.arange(stations), days)
    features = pd.DataFrame({"id": rng.permutation(stations)[station], "noise": rng.standard_normal(station.size)})
    found = {one.feature: one.information for one in feature_identities(features, station)}
    assert found["id"] > 0.99
    assert found["noise"] < 0.8
