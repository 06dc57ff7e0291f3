"""What holds for every image: stated once, tried on random small worlds."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sm_core.fusion import EstarfmParams, FusionFlag, Pair, fuse, fuse_day

PARAMS = EstarfmParams(
    half_window=3, uncertainty=0.01, valid_range=(-1.0, 2.0), min_coarse_change=0.02, coarse_cell=3
)
PUBLISHED = PARAMS.model_copy(update={"coarse_cell": 0})
FIRST, SECOND, DAY = date(2025, 5, 1), date(2025, 5, 17), date(2025, 5, 9)

seeds = st.integers(0, 10_000)
shapes = st.tuples(st.integers(1, 14), st.integers(1, 20))
gaps = st.sampled_from([0.0, 0.2, 0.6])
several = settings(max_examples=25, deadline=None)


def image(values: NDArray[np.floating]) -> xr.DataArray:
    return xr.DataArray(values.astype(np.float32), dims=("y", "x"))


def world(seed: int, shape: tuple[int, int], share_unknown: float = 0.0) -> tuple[Pair, Pair, xr.DataArray]:
    rng = np.random.default_rng(seed)
    base = rng.choice([0.2, 0.5, 0.8], shape)
    images = [base + rng.normal(0, 0.05, shape) for _ in range(5)]
    for values in images:
        values[rng.random(shape) < share_unknown] = np.nan
    f1, c1, f2, c2, c0 = (image(values) for values in images)
    return Pair(FIRST, f1, c1), Pair(SECOND, f2, c2), c0


@several
@given(seeds, shapes, gaps, st.floats(-0.3, 0.3))
def test_an_even_coarse_change_since_identical_pairs_is_added(
    seed: int, shape: tuple[int, int], share_unknown: float, change: float
) -> None:
    before, _, _ = world(seed, shape, share_unknown)
    for params in (PARAMS, PUBLISHED):
        fused = fuse(before, Pair(SECOND, before.fine, before.coarse), before.coarse + np.float32(change), params)
        known = before.clear
        expected = before.fine.values[known] + change
        np.testing.assert_allclose(fused.value.values[known], expected, atol=3e-6)
        assert np.isnan(fused.value.values[~known]).all()


@several
@given(seeds, shapes, st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(0.0, 3.0))
def test_a_constant_added_to_all_coarse_images_changes_nothing_while_their_changes_are_even(
    seed: int, shape: tuple[int, int], change1: float, change2: float, shift: float
) -> None:
    """The constant moves the relative differences, so the weights; even changes have one mean under all weights."""
    before, after, coarse = world(seed, shape)
    params = PARAMS.model_copy(update={"min_coarse_change": 9.0})

    def fused(offset: float) -> NDArray[np.float32]:
        pairs = (
            Pair(pair.day, pair.fine, coarse - np.float32(change) + np.float32(offset))
            for pair, change in ((before, change1), (after, change2))
        )
        return fuse(*pairs, coarse + np.float32(offset), params).value.values

    # the smaller the changes the more their ratio, which weighs the dates, suffers from the rounding of float32
    if min(abs(change1), abs(change2)) > 0.01:
        np.testing.assert_allclose(fused(shift), fused(0.0), atol=1e-4)


@several
@given(seeds, shapes, gaps)
def test_swapping_the_pairs_changes_not_a_bit(seed: int, shape: tuple[int, int], share_unknown: float) -> None:
    before, after, coarse = world(seed, shape, share_unknown)
    xr.testing.assert_identical(fuse(before, after, coarse, PARAMS), fuse(after, before, coarse, PARAMS))


@pytest.mark.parametrize("shape", [(50, 200), (33, 17)])
def test_the_number_of_threads_changes_not_a_bit(shape: tuple[int, int]) -> None:
    before, after, coarse = world(1, shape, 0.1)
    one = fuse(before, after, coarse, PARAMS, threads=1)
    for threads in (2, 3, 7):
        xr.testing.assert_identical(one, fuse(before, after, coarse, PARAMS, threads=threads))


@several
@given(seeds, shapes)
def test_it_does_not_matter_in_which_coarse_image_a_pixel_is_unknown(seed: int, shape: tuple[int, int]) -> None:
    before, after, coarse = world(seed, shape)
    hidden = np.random.default_rng(seed + 1).random(shape) < 0.3
    results = [
        fuse(Pair(FIRST, before.fine, before.coarse.where(~hidden)), after, coarse, PUBLISHED),
        fuse(before, Pair(SECOND, after.fine, after.coarse.where(~hidden)), coarse, PUBLISHED),
        fuse(before, after, coarse.where(~hidden), PUBLISHED),
    ]
    xr.testing.assert_identical(results[0], results[1])
    xr.testing.assert_identical(results[0], results[2])
    assert (np.isnan(results[0].value.values) == hidden).all()


@several
@given(seeds, st.integers(0, 9), st.integers(0, 29))
def test_what_lies_outside_the_window_does_not_matter(seed: int, row: int, column: int) -> None:
    before, after, coarse = world(seed, (10, 30))
    other = coarse.copy()
    other[row, column] += 0.5
    one, two = (fuse(before, after, c0, PUBLISHED).value.values for c0 in (coarse, other))
    rows, columns = np.indices((10, 30))
    outside = (abs(rows - row) > PUBLISHED.half_window) | (abs(columns - column) > PUBLISHED.half_window)
    np.testing.assert_allclose(one[outside], two[outside], atol=2e-5)


@several
@given(seeds, shapes, gaps)
def test_every_known_pixel_gets_a_bounded_value_and_an_honest_spread(
    seed: int, shape: tuple[int, int], share_unknown: float
) -> None:
    before, after, coarse = world(seed, shape, share_unknown)
    params = PARAMS.model_copy(update={"valid_range": (0.3, 0.7)})
    fused = fuse(before, after, coarse, params)
    known = before.clear & after.clear & np.isfinite(coarse.values)
    value, spread = fused.value.values, fused.spread.values
    assert (np.isfinite(value) == known).all() and (np.isfinite(spread) == known).all()
    assert ((fused.flag.values == FusionFlag.UNKNOWN) == ~known).all()
    assert ((value[known] >= np.float32(0.3)) & (value[known] <= np.float32(0.7))).all()
    assert (spread[known] >= np.float32(params.uncertainty)).all()


@several
@given(seeds, shapes, gaps)
def test_a_day_is_known_exactly_where_its_coarse_image_or_its_observation_is(
    seed: int, shape: tuple[int, int], share_unknown: float
) -> None:
    before, after, coarse = world(seed, shape, share_unknown)
    observed = world(seed + 1, shape, 0.8)[0].fine
    if not (before.clear.any() or after.clear.any()):
        return
    fused = fuse_day(observed, [before, after], coarse, DAY, PARAMS)
    known = np.isfinite(coarse.values) | np.isfinite(observed.values)
    assert (np.isfinite(fused.value.values) == known).all()
    assert ((fused.flag.values == FusionFlag.OBSERVED) == np.isfinite(observed.values)).all()
