from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from sm_core.errors import GridMismatchError, NonFiniteError, NoUsablePairError
from sm_core.fusion import NDVI_PARAMS, FusionFlag, Pair, fuse, fuse_day, rank_pairs

DAY = date(2025, 6, 15)
NAN = float("nan")
PARAMS = NDVI_PARAMS.model_copy(update={"half_window": 5})


class Summary(NamedTuple):
    day: date
    clear_fraction: float


def image(values: object) -> xr.DataArray:
    return xr.DataArray(np.array(values, np.float32), dims=("y", "x"))


def days(offset: int) -> date:
    return DAY + timedelta(offset)


def offsets(couples: tuple[tuple[Summary, Summary], ...]) -> list[tuple[int, int]]:
    return [((first.day - DAY).days, (second.day - DAY).days) for first, second in couples]


def test_near_clear_bracketing_couples_come_first() -> None:
    near, far = Summary(days(-8), 0.8), Summary(days(-24), 0.8)
    after = Summary(days(16), 0.8)
    # ages 24, 40 bracket; ages 8 + 24 on one side score exp(-32/16) / 2 < exp(-40/16) is false: 0.068 against 0.082
    assert offsets(rank_pairs([after, far, near], DAY)) == [(-8, 16), (-24, 16), (-24, -8)]


def test_clear_images_beat_nearer_cloudy_ones() -> None:
    cloudy, clear, after = Summary(days(-1), 0.3), Summary(days(-9), 0.9), Summary(days(7), 1.0)
    # 0.3 exp(-8/16) = 0.18 against 0.9 exp(-16/16) = 0.33
    assert offsets(rank_pairs([cloudy, clear, after], DAY))[0] == (-9, 7)


def test_images_without_a_clear_pixel_are_left_out() -> None:
    assert rank_pairs([Summary(days(-1), 0.0), Summary(days(3), 0.5)], DAY) == ()
    assert rank_pairs([], DAY) == ()


def test_image_of_the_day_itself_brackets_with_any_other() -> None:
    same, before, after = Summary(DAY, 0.5), Summary(days(-16), 0.5), Summary(days(16), 0.5)
    assert offsets(rank_pairs([before, same, after], DAY)) == [(-16, 0), (0, 16), (-16, 16)]


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
    # the nearest couple (-4, +6) lacks columns 10-29, which (-20, +22) knows
    assert (fused.flag.values == FusionFlag.TWO_PAIRS).mean() > 0.95
    direct = fuse(pairs[1], pairs[2], coarse, PARAMS).value.values
    known = np.isfinite(direct)
    np.testing.assert_array_equal(fused.value.values[known], direct[known])


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
