"""Stored values decode to what was encoded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sm_core.domain import Product
from sm_core.publishing import SOIL_MOISTURE_1KM
from sm_core.publishing.cog import decode, encode

DECLARED = {v.variable.name: v for v in SOIL_MOISTURE_1KM.variables}
CONTINUOUS = [name for name in DECLARED if name not in ("drought_class", "qa_flags")]


@pytest.mark.parametrize("name", CONTINUOUS)
@given(data=st.data())
def test_within_half_a_step(name, data):
    declared = DECLARED[name]
    low, high = declared.variable.valid_range
    values = data.draw(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6),
                              elements=st.floats(low, np.float32(high), width=32) | st.just(np.nan)))
    back = decode(encode(values, declared), declared)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_allclose(back, values, atol=0.5001 * declared.encoding.scale)
    np.testing.assert_array_equal(encode(back, declared), encode(values, declared))


@given(values=arrays(np.uint8, (4, 4), elements=st.sampled_from([0, 1, 2, 3, 4, 5, 255])),
       flags=arrays(np.uint16, (4, 4), elements=st.integers(0, (1 << 15) - 1)))
def test_classes_and_bits_are_kept(values, flags):
    for name, stored in (("drought_class", values), ("qa_flags", flags)):
        encoded = encode(stored, DECLARED[name])
        np.testing.assert_array_equal(decode(encoded, DECLARED[name]), stored)
        assert encoded.dtype == stored.dtype


def test_the_product_is_a_record():
    assert Product.model_validate_json(SOIL_MOISTURE_1KM.model_dump_json()) == SOIL_MOISTURE_1KM
