import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation import bias, pearson_r, rmsd, spatial_blocks, spatial_folds, ubrmsd

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
