"""ESTARFM by hand: one row of three pixels, window of three, two similar pixels suffice.

Fine 1 and coarse 1 agree (0.2 0.2 0.8), so do the first two pixels of each date: the similarity threshold of date 1 is
std(0.2 0.2 0.8) × 2 / 4 = 0.346 / 2 = 0.173. Both similar pixels have the same relative difference, so their weights
are 1 (own pixel, D = 1) to 1/2 (neighbour, D = 1 + 1/1).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr

from sm_core.errors import GridMismatchError, NonFiniteError
from sm_core.fusion import FUSION_FLAGS, EstarfmParams, FusionFlag, Pair, fuse

FIRST, SECOND = date(2025, 4, 1), date(2025, 4, 17)
FINE1, COARSE1 = [0.2, 0.2, 0.8], [0.2, 0.2, 0.8]
FINE2, COARSE2 = [0.4, 0.4, 1.0], [0.3, 0.3, 0.9]
COARSE0 = [0.26, 0.29, 0.5]
PARAMS = EstarfmParams(
    half_window=1, min_similar=2, uncertainty=0.02, valid_range=(-0.5, 2.0), min_coarse_change=0.5
)


def image(*rows: list[float], **attrs: str) -> xr.DataArray:
    return xr.DataArray(np.array(rows), dims=("y", "x"), attrs=attrs)


def pair(day: date, fine: list[float], coarse: list[float]) -> Pair:
    return Pair(day, image(fine), image(coarse))


BEFORE, AFTER = pair(FIRST, FINE1, COARSE1), pair(SECOND, FINE2, COARSE2)


def changed(**update: object) -> EstarfmParams:
    return EstarfmParams(**{**PARAMS.model_dump(), **update})


def test_value_is_the_temporal_mean_of_the_weighted_changes() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), PARAMS)
    # pixel 0: changes 0.06, 0.09 since date 1 → 0.07; -0.04, -0.01 since date 2 → -0.03; window means 0.075, -0.025,
    # so weights 1/4 and 3/4 of (0.2 + 0.07) and (0.4 - 0.03)
    assert fused.value.values[0, 0] == pytest.approx(0.345, abs=1e-6)
    assert fused.flag.values[0, 0] == FusionFlag.TWO_PAIRS


def test_evenness_draws_the_weights_of_the_dates_together() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), changed(evenness=2.0))
    # mean absolute change 0.05, so 0.1 is added: weights 0.125/0.3 and 0.175/0.3
    assert fused.value.values[0, 0] == pytest.approx((0.125 * 0.27 + 0.175 * 0.37) / 0.3, abs=1e-6)


def test_pixel_with_too_few_similar_ones_takes_the_mean_change_of_its_window() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), PARAMS)
    # pixel 2: window means (0.09 - 0.3)/2 = -0.105 and (-0.01 - 0.4)/2 = -0.205, weights 0.205/0.31 and 0.105/0.31
    expected = (0.205 * (0.8 - 0.105) + 0.105 * (1.0 - 0.205)) / 0.31
    assert fused.value.values[0, 2] == pytest.approx(expected, abs=1e-6)
    assert fused.flag.values[0, 2] == FusionFlag.FEW_SIMILAR


# the predictions of the two dates differ by 0.1 at all three pixels; the dates' weights are 1/4, 3/4 at pixel 0,
# 0.15/0.2, 0.05/0.2 at pixel 1 (window means -0.05 and -0.15), 0.205/0.31, 0.105/0.31 at pixel 2
DISAGREEMENT = 0.01 / 2 * (2 * (0.25**2 + 0.75**2) + (0.205**2 + 0.105**2) / 0.31**2) / 3


def test_spread_adds_uncertainty_scatter_of_changes_and_disagreement_of_dates() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), PARAMS)
    # both dates: weights 2/3, 1/3 on changes 0.03 apart → variance 2/9 × 0.0009 = 0.0002; uncertainty² = 0.0004
    assert fused.spread.values[0, 0] == pytest.approx(np.sqrt(0.0004 + 0.0002 + DISAGREEMENT), abs=1e-5)


def test_spread_of_a_pixel_with_few_similar_ones_doubts_half_the_change() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), PARAMS)
    doubt = 0.25 * (0.205 * 0.105**2 + 0.105 * 0.205**2) / 0.31
    assert fused.spread.values[0, 2] == pytest.approx(np.sqrt(0.0004 + doubt + DISAGREEMENT), abs=1e-5)


def test_conversion_coefficient_is_the_slope_of_fine_on_coarse() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), changed(min_coarse_change=0.02))
    # points (0.2, 0.2) and (0.3, 0.4), twice each: slope 2 without residual → 0.2 + 2 × 0.07 = 0.4 - 2 × 0.03
    assert fused.value.values[0, 0] == pytest.approx(0.34, abs=1e-5)


def test_conversion_coefficient_above_the_largest_is_not_taken() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), changed(min_coarse_change=0.02, max_coefficient=1.5))
    assert fused.value.values[0, 0] == pytest.approx(0.345, abs=1e-6)


def test_conversion_coefficient_of_falling_fine_values_is_not_taken() -> None:
    after = pair(SECOND, [0.1, 0.1, 0.7], COARSE2)
    fused = fuse(BEFORE, after, image(COARSE0), changed(min_coarse_change=0.02))
    assert fused.value.values[0, 0] == pytest.approx(0.25 * 0.27 + 0.75 * 0.07, abs=1e-6)


def test_insignificant_conversion_coefficient_is_not_taken() -> None:
    # points (0.2, 0.2), (0.2, 0.2), (0.3, 0.21), (0.3, 0.35): slope 0.8 with F = 0.0064 / (0.0098 / 2) = 1.3, far
    # from the 18.5 that 1 and 2 degrees of freedom ask for; all changes are positive: a slope below 1 lowers the value
    after, coarse = pair(SECOND, [0.21, 0.35, 1.0], COARSE2), image([0.36, 0.39, 0.6])
    fused = fuse(BEFORE, after, coarse, changed(min_coarse_change=0.02, classes=2))
    loose = fuse(BEFORE, after, coarse, changed(min_coarse_change=0.02, classes=2, significance=0.9))
    assumed = fuse(BEFORE, after, coarse, changed(min_coarse_change=0.5, classes=2))
    assert fused.value.values[0, 0] == assumed.value.values[0, 0]
    assert loose.value.values[0, 0] < assumed.value.values[0, 0] - 0.01


def test_prediction_out_of_range_falls_back_to_the_mean_of_the_similar_pixels() -> None:
    fused = fuse(BEFORE, AFTER, image(COARSE0), changed(valid_range=(0.348, 2.0)))
    assert fused.value.values[0, 0] == pytest.approx(0.25 * 0.2 + 0.75 * 0.4, abs=1e-6)
    assert fused.flag.values[0, 0] == FusionFlag.OUT_OF_RANGE


def test_one_pair_adds_the_weighted_change_and_doubts_it() -> None:
    fused = fuse(BEFORE, None, image(COARSE0), changed(min_coarse_change=0.0))
    assert fused.value.values[0, 0] == pytest.approx(0.2 + 0.07, abs=1e-6)
    assert fused.spread.values[0, 0] == pytest.approx(np.sqrt(0.0004 + 0.0002 + (0.5 * 0.07) ** 2), abs=1e-5)
    assert fused.flag.values.tolist() == [[FusionFlag.ONE_PAIR, FusionFlag.ONE_PAIR, FusionFlag.FEW_SIMILAR]]


def test_unknown_pixels_stay_unknown_and_take_no_part() -> None:
    nan = float("nan")
    fused = fuse(BEFORE, AFTER, image([0.26, nan, 0.5]), PARAMS)
    assert np.isnan(fused.value.values[0, 1]) and np.isnan(fused.spread.values[0, 1])
    assert fused.flag.values.tolist() == [[FusionFlag.FEW_SIMILAR, FusionFlag.UNKNOWN, FusionFlag.FEW_SIMILAR]]
    # pixel 0 is left alone in its window: changes 0.06 and -0.04 → weights 0.4 and 0.6
    assert fused.value.values[0, 0] == pytest.approx(0.4 * 0.26 + 0.6 * 0.36, abs=1e-6)


def test_unknown_pixels_do_not_enter_the_similarity_threshold() -> None:
    # a fourth pixel unknown at date 1 only; were its fine value of date 2 and a fill value counted, all were similar
    before = pair(FIRST, [*FINE1, float("nan")], [*COARSE1, 0.5])
    after = pair(SECOND, [*FINE2, 0.4], [*COARSE2, 0.5])
    fused = fuse(before, after, image([*COARSE0, 0.5]), PARAMS)
    assert fused.value.values[0, 0] == pytest.approx(0.345, abs=1e-6)


def test_pair_without_any_known_pixel_gives_nothing() -> None:
    blank = pair(SECOND, [float("nan")] * 3, COARSE2)
    fused = fuse(BEFORE, blank, image(COARSE0), PARAMS)
    assert np.isnan(fused.value.values).all() and (fused.flag.values == FusionFlag.UNKNOWN).all()


def test_single_known_pixel_takes_its_own_coarse_change() -> None:
    nan = float("nan")
    before = pair(FIRST, [nan, 0.3, nan], COARSE1)
    fused = fuse(before, None, image([0.5, 0.25, 0.5]), changed(half_window=25))
    assert fused.value.values[0, 1] == pytest.approx(0.35, abs=1e-6)
    assert fused.flag.values.tolist() == [[0, FusionFlag.FEW_SIMILAR, 0]]


def test_no_coarse_change_weights_both_dates_equally() -> None:
    before, after = pair(FIRST, FINE1, [0.5] * 3), pair(SECOND, FINE2, [0.5] * 3)
    fused = fuse(before, after, image([0.5] * 3), changed(half_window=50))
    np.testing.assert_allclose(fused.value.values, [[0.3, 0.3, 0.9]], atol=1e-6)


def test_fine_values_of_zero_over_zero_coarse_are_weighted_too() -> None:
    before = pair(FIRST, [0.0, 0.0, 0.6], [0.0, 0.0, 0.6])
    fused = fuse(before, None, image([0.1, 0.1, 0.7]), PARAMS)
    np.testing.assert_allclose(fused.value.values, [[0.1, 0.1, 0.7]], atol=1e-6)


def test_only_wanted_pixels_are_predicted_and_they_as_without_the_mask() -> None:
    rng = np.random.default_rng(1)
    fields = [image(*rng.random((40, 60))) for _ in range(5)]
    before, after = Pair(FIRST, *fields[:2]), Pair(SECOND, *fields[2:4])
    params = changed(half_window=4, coarse_cell=3)
    wanted = np.zeros((40, 60), bool)
    wanted[3:9, 10:12] = wanted[30, 58] = True
    part = fuse(before, after, fields[4], params, where=wanted)
    whole = fuse(before, after, fields[4], params)
    assert ((part.flag.values > 0) == wanted).all() and (np.isfinite(part.value.values) == wanted).all()
    np.testing.assert_allclose(part.value.values[wanted], whole.value.values[wanted], rtol=1e-6)
    np.testing.assert_allclose(part.spread.values[wanted], whole.spread.values[wanted], rtol=1e-6)


def test_result_names_grid_unit_and_flags() -> None:
    coarse = image(COARSE0, grid_id="korea_001", units="1").assign_coords(y=[38.0], x=[126.0, 126.1, 126.2])
    fused = fuse(BEFORE, AFTER, coarse, PARAMS)
    assert fused.attrs == {"grid_id": "korea_001"} and fused.value.attrs == {"units": "1"}
    assert fused.x.values.tolist() == [126.0, 126.1, 126.2]
    assert fused.flag.dtype == np.uint8 and fused.value.dtype == np.float32 and fused.spread.dtype == np.float32
    meanings = fused.flag.attrs["flag_meanings"].split()
    assert dict(zip(fused.flag.attrs["flag_values"], meanings, strict=True))[FusionFlag.FILLED] == "filled"
    assert set(FUSION_FLAGS) == set(FusionFlag)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused(value: float) -> None:
    with pytest.raises(NonFiniteError, match=r"image=coarse_after, pixels=1"):
        fuse(BEFORE, pair(SECOND, FINE2, [0.3, value, 0.9]), image(COARSE0), PARAMS)


def test_images_of_different_shape_are_refused() -> None:
    with pytest.raises(GridMismatchError, match="shape"):
        fuse(BEFORE, AFTER, image(COARSE0[:2]), PARAMS)
    with pytest.raises(GridMismatchError, match="shape"):
        fuse(BEFORE, AFTER, image(COARSE0).transpose("x", "y"), PARAMS)


def test_images_of_different_grids_are_refused() -> None:
    before = Pair(FIRST, image(FINE1, grid_id="a"), image(COARSE1, grid_id="a"))
    with pytest.raises(GridMismatchError, match="grids"):
        fuse(before, AFTER, image(COARSE0, grid_id="b"), PARAMS)


def test_empty_valid_range_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        changed(valid_range=(1.0, 1.0))
