from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sm_core.errors import UnitsError
from sm_core.sources.packing import Packed, check_physical, unpack

NAN = np.nan


@pytest.mark.parametrize(("raw", "attributes", "expected"), [
    ([15000, 0], {"scale_factor": 0.02, "_FillValue": 0}, [300.0, NAN]),
    ([5000, -3000], {"scale_factor": 10000.0, "_FillValue": -3000}, [0.5, NAN]),  # MOD13: a divisor
    ([5000, -15000, -13000], {"scale_factor": 0.0001, "_FillValue": np.array([-15000, -13000])}, [0.5, NAN, NAN]),
    ([7, 0], {"scale_factor": np.array([2.0]), "_Fillvalue": np.array([0])}, [3.5, NAN]),  # VIIRS filespec spelling
    ([7, 9], {"scale_factor": "n/a", "add_offset": "n/a", "_FillValue": b"n/a"}, [7.0, 9.0]),
    ([10], {"scale_factor": 0.5, "add_offset": -65.0}, [-60.0]),
    ([1, 2, 3], {"valid_range": [2, 2]}, [NAN, 2.0, NAN]),
    ([1, 2], {"missing_value": 2}, [1.0, NAN]),
    ([1, 2], {}, [1.0, 2.0]),
])
def test_unpack(raw: list[int], attributes: dict[str, object], expected: list[float]) -> None:
    values = unpack(Packed(np.array(raw, np.int16), attributes))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, np.array(expected, np.float32), rtol=1e-6)


def test_nan_as_fill_value_marks_nothing_else() -> None:
    values = unpack(Packed(np.array([1.5, NAN], np.float32), {"_FillValue": np.float32(NAN)}))
    np.testing.assert_array_equal(values, np.array([1.5, NAN], np.float32))


def test_keep_masks_and_leaves_the_stored_field_alone() -> None:
    raw = np.array([1, 2, 3], np.uint8)
    values = unpack(Packed(raw, {}), np.array([True, False, True]))
    np.testing.assert_array_equal(values, np.array([1, NAN, 3], np.float32))
    np.testing.assert_array_equal(raw, [1, 2, 3])


def test_valid_range_in_other_units_than_the_values_is_no_empty_granule() -> None:
    raw = np.full(50, 29000, np.uint16)  # 290 K in 0.01 K; range written in kelvin
    with pytest.raises(UnitsError, match="excludes every stored value"):
        unpack(Packed(raw, {"scale_factor": 0.01, "valid_range": [200, 350]}))


def test_valid_range_does_not_mind_a_granule_of_fill() -> None:
    values = unpack(Packed(np.zeros(50, np.uint16), {"_FillValue": 0, "valid_range": [7500, 65535]}))
    assert np.isnan(values).all()


@given(hnp.arrays(np.int16, 30, elements=st.integers(-2000, 10000)), st.sampled_from([10000.0, 0.0001]))
def test_scale_as_divisor_or_factor_gives_the_same_ndvi(raw: np.ndarray, factor: float) -> None:
    values = unpack(Packed(raw, {"scale_factor": factor, "_FillValue": -3000, "valid_range": [-2000, 10000]}))
    np.testing.assert_allclose(values, raw / 10000, atol=1e-6)


def test_few_values_out_of_range_are_dropped() -> None:
    values = check_physical("lst_day", np.array([290.0] * 100 + [10.0, 999.0, NAN], np.float32), "file")
    assert np.isnan(values[100:]).all()
    assert (values[:100] == 290).all()


@pytest.mark.parametrize(("name", "value"), [
    ("lst_day", 25.0), ("lst_day", 14500.0), ("lst_night", 5.8), ("ndvi", 5000.0), ("ndvi", -0.9), ("sm_surface", 30.0),
    ("sm_rootzone", -9.999), ("ndvi", 5e-5), ("sm_surface", 0.002),
])
def test_wrong_scale_or_unit_is_found_out(name: str, value: float) -> None:
    with pytest.raises(UnitsError, match=f"granule.hdf.*{name}") as caught:
        check_physical(name, np.full(500, value, np.float32), "granule.hdf")
    assert caught.value.code == "SM303"


def test_dry_or_bare_fields_pass_when_anything_in_them_is_normal() -> None:
    ndvi = np.zeros(1000, np.float32)
    ndvi[7] = 0.05
    assert np.isfinite(check_physical("ndvi", ndvi, "file")).all()


def test_small_negative_soil_moisture_is_clipped_larger_is_dropped() -> None:
    values = check_physical("sm_surface", np.array([-0.005, -0.02, 0.3, 1.004], np.float32), "file")
    np.testing.assert_array_equal(values, np.array([0.0, NAN, 0.3, 1.0], np.float32))


def test_unknown_everywhere_is_valid() -> None:
    for name in ("ndvi", "lst_day", "sm_surface"):
        assert np.isnan(check_physical(name, np.full(1000, NAN, np.float32), "file")).all()
