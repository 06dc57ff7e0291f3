from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.twin.coarse import _block_mean, _seasonal_mean
from sm_core.twin.stations import DEPTH_WEIGHTS, DEPTHS_M, _profile
from sm_core.twin.store import CoarseWindow


def test_weights_are_layer_thicknesses() -> None:
    boundaries = [0.0, *(0.5 * (a + b) for a, b in pairwise(DEPTHS_M)), 1.0]
    assert np.diff(boundaries) == pytest.approx(DEPTH_WEIGHTS)


@given(st.integers(0, 10_000))
def test_profile_keeps_both_truths(seed: int) -> None:
    upper, lower = np.random.default_rng(seed).uniform(0.05, 0.5, (2, 3, 40))
    profile = _profile(upper, lower)
    weighted = np.einsum("sdt,d->st", profile, np.array(DEPTH_WEIGHTS))
    assert np.array_equal(profile[:, 0], upper)
    assert weighted == pytest.approx(0.1 * upper + 0.9 * lower)


@given(st.integers(0, 10_000), st.sampled_from([2, 5]))
def test_blocks_keep_the_area_weighted_mean(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    land = (25.0 * rng.random((10, 15)) * (rng.random((10, 15)) < 0.7)).astype(np.float32)
    values = np.where(land > 0, rng.random((1, 10, 15)), np.nan).astype(np.float32)
    blocks = _block_mean(values, land, size)[0]
    block_land = np.pad(land, ((0, 0), (0, -15 % size)))
    block_land = block_land.reshape(10 // size, size, -1, size).sum(axis=(1, 3))
    assert np.array_equal(np.isfinite(blocks), block_land > 0)
    total, expected = np.nansum(blocks * block_land), np.nansum(values[0] * land)
    assert total == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_window_is_aligned_and_means_are_of_land_cells() -> None:
    lon, lat = np.array([127.01, 127.02, 127.06]), np.array([36.99, 36.98, 36.99])
    window = CoarseWindow.around(lon, lat)
    assert (window.west, window.north, window.shape) == (127.0, 37.0, (10, 10))
    mean = window.mean(np.array([[1.0, 3.0, 7.0]]))
    assert mean.shape == (1, 10, 10)
    assert mean[0, 0, 0] == pytest.approx(2.0, abs=1e-3)
    assert mean[0, 0, 1] == pytest.approx(7.0)
    assert np.isfinite(mean).sum() == 2


def test_seasonal_mean_of_a_constant_and_of_a_short_record() -> None:
    season = np.tile(np.arange(1, 366), 2)
    values = np.full((730, 1, 1), 0.3, np.float32)
    assert _seasonal_mean(values, season) == pytest.approx(0.3)
    values[:365] = 0.2
    assert _seasonal_mean(values, season)[100] == pytest.approx(0.25)
    assert np.isfinite(_seasonal_mean(values[:20], season[:20])).all()
