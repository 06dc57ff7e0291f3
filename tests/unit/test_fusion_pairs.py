from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
import xarray as xr

from sm_core.errors import GridMismatchError, NonFiniteError, NoUsablePairError
from sm_core.fusion import NDVI_PARAMS, FusionFlag, Pair, fuse, fuse_day

DAY = date(2025, 6, 15)
NAN = float("nan")
PARAMS = NDVI_PARAMS.model_copy(update={"half_window": 5, "registration": 0.0})


def image(values: object) -> xr.DataArray:
    return xr.DataArray(np.array(values, np.float32), dims=("y", "x"))


def days(offset: int) -> date:
    return DAY + timedelta(offset)


def series(shape: tuple[int, int] = (30, 40)) -> tuple[list[Pair], xr.DataArray]:
    rng = np.random.default_rng(5)
    base = rng.uniform(0.2, 0.6, shape)
    pairs = []
    for k, offset in enumerate((-20, -4, 6, 22)):
        fine = base + 0.05 * k
        fine[:, 10 * k:10 * k + 10] = NAN
        pairs.append(Pair(days(offset), image(fine), image(np.full(shape, 0.4 + 0.05 * k))))
    return pairs, image(np.full(shape, 0.475))


def test_day_is_gap_free_and_says_where_each_value_comes_from() -> None:
    pairs, coarse = series()
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS)
    assert np.isfinite(fused.value.values).all()
    # columns 0-9 are unknown at -20 and 10-19 at -4, and so on: every pixel is known to three dates
    assert (fused.flag.values == FusionFlag.TWO_PAIRS).mean() > 0.95


def test_day_is_the_mean_of_what_couples_and_single_pairs_say() -> None:
    pairs, coarse = series()
    pairs = [pair for pair in pairs if pair.day in (days(-4), days(6))]
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS)
    couple = fuse(*pairs, coarse, PARAMS)
    alone = [fuse(pair, None, coarse, PARAMS) for pair in pairs]
    first, second = np.exp(-4 / 16), np.exp(-6 / 16)
    single = (first * alone[0].value + second * alone[1].value) / (first + second)
    both = np.isfinite(couple.value.values)
    np.testing.assert_allclose(fused.value.values[both], ((couple.value + single) / 2).values[both], atol=1e-6)


def test_spread_holds_part_of_the_variances_of_and_between_the_predictions() -> None:
    pairs, coarse = series()
    pairs = [pair for pair in pairs if pair.day in (days(-4), days(6))]
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS)
    couple = fuse(*pairs, coarse, PARAMS)
    first, second = (fuse(pair, None, coarse, PARAMS) for pair in pairs)
    near = np.exp(-4 / 16) / (np.exp(-4 / 16) + np.exp(-6 / 16))

    def mean(of_couple: xr.DataArray, of_first: xr.DataArray, of_second: xr.DataArray) -> xr.DataArray:
        return (of_couple + near * of_first + (1 - near) * of_second) / 2

    value = mean(couple.value, first.value, second.value)
    between = mean(couple.value**2, first.value**2, second.value**2) - value**2
    own = mean(couple.spread**2, first.spread**2, second.spread**2) - PARAMS.uncertainty**2
    expected = np.sqrt(PARAMS.uncertainty**2 + 0.3 * (own + between)).values
    both = np.isfinite(couple.value.values)
    np.testing.assert_allclose(fused.spread.values[both], expected[both], rtol=1e-3)


def test_spread_is_wider_without_a_base_image_on_the_other_side() -> None:
    pairs, coarse = series()
    past = [Pair(days(-abs((pair.day - DAY).days)), pair.fine, pair.coarse) for pair in pairs]
    flat = PARAMS.model_copy(update={"trend": 1.0})
    narrow, wide = (fuse_day(None, past, coarse, DAY, params).spread.values for params in (flat, PARAMS))
    own = np.sqrt((narrow**2 - PARAMS.uncertainty**2) * PARAMS.trend + PARAMS.uncertainty**2)
    np.testing.assert_allclose(wide, own, rtol=1e-3)


def test_imperfect_registration_widens_the_spread_where_neighbours_differ() -> None:
    observed = np.full((5, 5), 0.4)
    observed[:, 3:] = 0.7
    params = PARAMS.model_copy(update={"registration": 0.5})
    fused = fuse_day(image(observed), [], image(np.full((5, 5), 0.5)), DAY, params)
    # pixel (2, 2): three of its nine neighbours are 0.3 higher: variance 0.09 × (1/3)(2/3) = 0.02
    assert fused.spread.values[2, 2] == pytest.approx(np.sqrt(0.02**2 + 0.25 * 0.02), abs=1e-5)
    assert fused.spread.values[2, 0] == pytest.approx(0.02, abs=1e-6)


def test_more_of_the_predictions_are_used_where_pixels_are_still_missing() -> None:
    pairs, coarse = series()
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS, couples=1, singles=1)
    assert (fused.flag.values == FusionFlag.FILLED).any()
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS, couples=2, singles=2)
    assert not (fused.flag.values == FusionFlag.FILLED).any()


def test_single_pairs_follow_when_no_couple_knows_a_pixel() -> None:
    pairs, coarse = series()
    pairs = [pairs[1], pairs[2]]
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS)
    flags = fused.flag.values
    assert np.isin(flags[:, 10:30], [FusionFlag.ONE_PAIR, FusionFlag.FEW_SIMILAR]).all()
    assert np.isin(flags[:, :10], [FusionFlag.TWO_PAIRS, FusionFlag.FEW_SIMILAR]).all()
    alone = fuse(pairs[0], None, coarse, PARAMS).value.values
    np.testing.assert_allclose(fused.value.values[:, 20:30], alone[:, 20:30], rtol=1e-6)


def test_where_no_fine_image_is_known_the_mean_offset_of_the_window_is_added() -> None:
    fine = [[0.5, 0.7, NAN, NAN]]
    pair = Pair(days(-3), image(fine), image([[0.4, 0.4, 0.4, NAN]]))
    params = PARAMS.model_copy(update={"half_window": 2})
    fused = fuse_day(None, [pair], image([[0.3, 0.3, 0.3, 0.35]]), DAY, params)
    # offsets 0.1 and 0.3: both in the window of pixel 2, only the second in that of pixel 3
    np.testing.assert_allclose(fused.value.values[0, 2:], [0.5, 0.65], atol=1e-6)
    np.testing.assert_allclose(fused.spread.values[0, 2:], [np.hypot(0.1, 0.02), 0.02], atol=1e-5)
    assert (fused.flag.values[0, 2:] == FusionFlag.FILLED).all()


def test_offsets_of_near_days_count_more() -> None:
    blank = [[NAN, NAN, NAN]]
    pairs = [
        Pair(days(-16), image([[0.5, NAN, NAN]]), image([[0.4, 0.4, 0.4]])),
        Pair(days(-32), image([[NAN, 0.8, NAN]]), image([[0.4, 0.4, 0.4]])),
        Pair(days(-48), image([[0.9, NAN, NAN]]), image([[0.4, 0.4, 0.4]])),
        Pair(days(-1), image(blank), image([[0.4, 0.4, 0.4]])),
    ]
    fused = fuse_day(None, pairs, image([[0.3, 0.3, 0.3]]), DAY, PARAMS)
    # pixel 0: 0.1 and 0.5 with weights exp(-1), exp(-3); pixel 1: 0.4; pixel 2: their mean
    first = (0.1 * np.exp(-1) + 0.5 * np.exp(-3)) / (np.exp(-1) + np.exp(-3))
    assert fused.value.values[0, 2] == pytest.approx(0.3 + (first + 0.4) / 2, abs=1e-6)


def test_observation_of_the_day_stands() -> None:
    pairs, coarse = series()
    observed = np.full(coarse.shape, NAN)
    observed[5:9, 5:20] = 0.77
    fused = fuse_day(image(observed), pairs, coarse, DAY, PARAMS)
    seen = np.isfinite(observed)
    assert (fused.value.values[seen] == np.float32(0.77)).all()
    np.testing.assert_allclose(fused.spread.values[seen], PARAMS.uncertainty)
    assert ((fused.flag.values == FusionFlag.OBSERVED) == seen).all()
    assert np.isfinite(fused.value.values).all()


def test_observation_alone_is_enough_and_fills_the_rest() -> None:
    fused = fuse_day(image([[0.5, NAN]]), [], image([[0.4, 0.3]]), DAY, PARAMS)
    np.testing.assert_allclose(fused.value.values, [[0.5, 0.4]], atol=1e-6)
    assert fused.flag.values.tolist() == [[FusionFlag.OBSERVED, FusionFlag.FILLED]]


def test_observation_stands_even_without_any_coarse_value() -> None:
    fused = fuse_day(image([[0.5, NAN]]), [], image([[NAN, NAN]]), DAY, PARAMS)
    np.testing.assert_array_equal(fused.value.values, np.float32([[0.5, NAN]]))


def test_pixels_without_coarse_value_stay_unknown() -> None:
    pairs, coarse = series()
    coarse[3, :] = NAN
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS)
    assert np.isnan(fused.value.values[3]).all() and (fused.flag.values[3] == FusionFlag.UNKNOWN).all()
    assert np.isfinite(np.delete(fused.value.values, 3, axis=0)).all()


def test_values_stay_in_the_valid_range() -> None:
    pairs, coarse = series()
    fused = fuse_day(None, pairs, coarse, DAY, PARAMS.model_copy(update={"valid_range": (0.3, 0.5)}))
    assert fused.value.values.min() >= np.float32(0.3) and fused.value.values.max() <= np.float32(0.5)


def test_order_of_the_candidates_does_not_matter() -> None:
    pairs, coarse = series()
    one, other = (fuse_day(None, some, coarse, DAY, PARAMS) for some in (pairs, pairs[::-1]))
    xr.testing.assert_identical(one, other)


def test_no_clear_pixel_anywhere_is_an_error_that_names_the_day() -> None:
    blank = Pair(days(-3), image([[NAN, NAN]]), image([[0.4, 0.4]]))
    with pytest.raises(NoUsablePairError, match=r"day=2025-06-15, candidates=1"):
        fuse_day(None, [blank], image([[0.4, 0.4]]), DAY, PARAMS)
    with pytest.raises(NoUsablePairError):
        fuse_day(image([[NAN, NAN]]), [], image([[0.4, 0.4]]), DAY, PARAMS)


def test_candidates_on_another_grid_or_with_infinite_values_are_refused() -> None:
    pairs, coarse = series()
    with pytest.raises(GridMismatchError):
        fuse_day(None, [*pairs, Pair(DAY, image([[0.5]]), image([[0.5]]))], coarse, DAY, PARAMS)
    pairs[3].fine[0, 0] = np.inf
    with pytest.raises(NonFiniteError, match="fine_of_pair"):
        fuse_day(None, pairs, coarse, DAY, PARAMS)
