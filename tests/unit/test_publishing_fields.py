from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sm_core.domain import LAYERS, CorrectionFlag, Grid, QaFlag
from sm_core.fusion.flags import FusionFlag
from sm_core.publishing import SOIL_MOISTURE_1KM, product_fields

DAY = dt.date(2019, 6, 15)
GRID = Grid.from_origin("g", west=126.0, north=38.0, resolution=0.01, width=2, height=2)


def field(*values: float) -> tuple[tuple[str, str], np.ndarray]:
    return ("y", "x"), np.array(values, np.float32).reshape(2, 2)


def corrected(**more: Any) -> xr.Dataset:
    return xr.Dataset(
        {"sm_surface": field(0.1, 0.2, 0.3, 0.4), "sm_rootzone": field(0.2, 0.2, 0.2, 0.2),
         "sm_surface_spread": field(0.05, 0.05, 0.05, 0.05), "sm_rootzone_spread": field(0.04, 0.04, 0.04, 0.04),
         "flag": field(CorrectionFlag.CORRECTED, CorrectionFlag.LITTLE_TRUST, CorrectionFlag.UNCORRECTED, 0), **more},
        attrs={"conservation_error": 1e-8, "day": "2019-06-15"})


def fused(**more: Any) -> xr.Dataset:
    return xr.Dataset(
        {"lst_day": field(270.0, 290.0, 290.0, 290.0),
         "lst_day_flag": field(FusionFlag.OBSERVED, FusionFlag.TWO_PAIRS, FusionFlag.OBSERVED, FusionFlag.OBSERVED),
         "ndvi_flag": field(FusionFlag.TWO_PAIRS, FusionFlag.TWO_PAIRS, FusionFlag.FILLED, FusionFlag.TWO_PAIRS),
         **more})


def drought(**more: Any) -> xr.Dataset:
    marks = (("y", "x"), np.array([[True, False], [False, True]]))
    return xr.Dataset({
        **{f"percentile_{layer}": field(1.0, 8.0, 40.0, 40.0) for layer in LAYERS},
        **{f"extrapolated_{layer}": marks for layer in LAYERS}, **more}, attrs={"climatology_kind": "provisional"})


def statics(**more: Any) -> xr.Dataset:
    known = {"land": field(1, 1, 1, 0), "slope": field(0, 25, 0, 0), "land_cover": field(12, 5, 13, 17)}
    return xr.Dataset({**known, **more})


@pytest.fixture
def made() -> xr.Dataset:
    return product_fields(corrected(), fused(), drought(), statics(), GRID, day=DAY,
                          coarse_flags=QaFlag.COARSE_PROVISIONAL)


def test_every_declared_variable_is_there(made: xr.Dataset) -> None:
    assert {v.variable.name for v in SOIL_MOISTURE_1KM.variables} <= set(made.data_vars)


def test_water_is_unknown_everywhere(made: xr.Dataset) -> None:
    assert np.isnan(made["sm_surface"].values[1, 1])
    assert np.isnan(made["percentile_sm_rootzone"].values[1, 1])
    assert made["drought_class"].values.ravel().tolist() == [255, 3, 255, 255]      # frozen, dry, urban, water
    assert not made["extrapolated_sm_rootzone"].values[1, 1]


def test_bits_say_what_a_user_should_know(made: xr.Dataset) -> None:
    bits = [QaFlag(int(value)) for value in made["qa_flags"].values.ravel()]
    day = QaFlag.COARSE_PROVISIONAL
    assert bits[0] == day | QaFlag.FROZEN
    assert bits[1] == day | QaFlag.LST_GAP_FILLED | QaFlag.OUTSIDE_TRAINING_DOMAIN | QaFlag.STEEP
    assert bits[2] == day | QaFlag.NDVI_GAP_FILLED | QaFlag.UNCORRECTED | QaFlag.URBAN
    assert bits[3] == day | QaFlag.WATER


def test_what_the_gate_needs_comes_along(made: xr.Dataset) -> None:
    assert made.attrs["conservation_error"] == 1e-8


def test_bounds_are_the_spread_times_1645(made: xr.Dataset) -> None:
    np.testing.assert_allclose(made["sm_surface_lower_90"].values.ravel()[:3], [0.01775, 0.11775, 0.21775], atol=1e-6)
    np.testing.assert_allclose(made["sm_surface_upper_90"].values.ravel()[:3], [0.18225, 0.28225, 0.38225], atol=1e-6)
    assert np.isnan(made["sm_rootzone_lower_90"].values[1, 1])


def test_a_known_half_width_counts_and_bounds_stay_possible() -> None:
    half = field(0.15, 0.03, 0.4, 0.1)
    made = product_fields(corrected(sm_surface_halfwidth_90=half), fused(), drought(), statics(), GRID, day=DAY)
    np.testing.assert_allclose(made["sm_surface_lower_90"].values.ravel()[:3], [0.0, 0.17, 0.0], atol=1e-6)
    np.testing.assert_allclose(made["sm_surface_upper_90"].values.ravel()[:3], [0.25, 0.23, 0.6], atol=1e-6)
    np.testing.assert_allclose(made["sm_rootzone_upper_90"].values[0, 0], 0.2 + 1.645 * 0.04, atol=1e-6)


def test_age_of_the_newest_clear_observation(made: xr.Dataset) -> None:
    np.testing.assert_array_equal(made["observation_age"].values.ravel(), [0, np.nan, 0, np.nan])
    aged = product_fields(corrected(), fused(lst_day_age=field(0, 3, np.nan, 5)), drought(), statics(), GRID, day=DAY)
    np.testing.assert_array_equal(aged["observation_age"].values.ravel(), [0, 3, np.nan, np.nan])
    ancient = product_fields(corrected(), fused(lst_day_age=field(300, 3, 0, 5)), drought(), statics(), GRID, day=DAY)
    assert ancient["observation_age"].values[0, 0] == 254


def test_what_else_is_known_of_the_drought_comes_along(made: xr.Dataset) -> None:
    assert np.isnan(made["available_water_ratio"].values).all()
    ratio, stage = field(12.0, 50.0, 100.0, 60.0), (("y", "x"), np.array([[4, 2], [0, 1]], np.uint8))
    chance = ("drought", "y", "x"), np.full((5, 2, 2), 0.5, np.float32)
    further = drought(available_water_ratio=ratio, upland_stage=stage, drought_probability=chance)
    more = product_fields(corrected(), fused(), further, statics(), GRID, day=DAY)
    np.testing.assert_array_equal(more["available_water_ratio"].values.ravel(), [12, 50, 100, np.nan])
    assert more["upland_stage"].values.ravel().tolist() == [4, 2, 0, 255]
    assert more["drought_probability"].dims == ("drought", "y", "x")
    assert np.isnan(more["drought_probability"].values[:, 1, 1]).all()
    assert more["extrapolated_sm_rootzone"].values.ravel().tolist() == [True, False, False, False]
    assert more.attrs["climatology_kind"] == "provisional"


def test_clipped_and_paddy() -> None:
    wet = corrected(sm_surface=field(0.0, 0.6, 0.3, 0.4))
    made = product_fields(wet, fused(), drought(), statics(paddy=field(0, 1, 0.2, 0)), GRID, day=DAY)
    bits = [QaFlag(int(value)) for value in made["qa_flags"].values.ravel()]
    assert [bool(b & QaFlag.CLIPPED) for b in bits] == [True, True, False, False]
    assert [bool(b & QaFlag.PADDY) for b in bits] == [False, True, False, False]


def test_snow_and_distance_to_stations_set_their_bits() -> None:
    far, snow = corrected(station_km=field(10, 50, 50.1, 400)), fused(snow=field(0.4, 0.6, np.nan, 1))
    made = product_fields(far, snow, drought(), statics(), GRID, day=DAY)
    bits = [QaFlag(int(value)) for value in made["qa_flags"].values.ravel()]
    assert [bool(b & QaFlag.SNOW) for b in bits] == [False, True, False, True]
    assert [bool(b & QaFlag.FAR_FROM_STATION) for b in bits] == [False, False, True, True]
    assert made["drought_class"].values.ravel()[1] == 255               # under snow nothing is said of drought
    assert made["percentile_sm_rootzone"].values.ravel()[1] == 8


@pytest.mark.parametrize(("month", "value"), [(4, 3), (6, 255), (9, 255), (10, 3)])
def test_paddies_have_no_class_while_they_stand_under_water(month: int, value: int) -> None:
    paddies = statics(paddy=field(0, 1, 0, 0))
    made = product_fields(corrected(), fused(), drought(), paddies, GRID, day=dt.date(2019, month, 15))
    assert made["drought_class"].values[0, 1] == value
