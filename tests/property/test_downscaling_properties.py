import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sm_core.downscaling import conserve
from sm_core.grid import Nesting

CELL = 4
moisture = st.floats(0.0625, 0.5)


def nesting(rows, columns):
    row, column = np.indices((rows * CELL, columns * CELL)) // CELL
    area = np.cos(np.deg2rad(30 + np.arange(rows * CELL)))[:, None] * np.ones(columns * CELL)
    return Nesting(row * columns + column, area, (rows, columns))


@st.composite
def scenes(draw):
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    fine = draw(arrays(np.float64, (rows * CELL, columns * CELL), elements=moisture))
    sea = draw(arrays(np.bool_, fine.shape))
    coarse = draw(arrays(np.float64, (rows, columns), elements=moisture))
    gaps = draw(arrays(np.bool_, coarse.shape, elements=st.integers(0, 4).map(lambda n: n == 0)))
    return np.where(sea, np.nan, fine), np.where(gaps, np.nan, coarse), nesting(rows, columns)


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_every_known_cell_mean_is_met_whatever_the_coast(scene):
    fine, coarse, nest = scene
    result = conserve(fine, coarse, nest)
    means = nest.aggregate(result.values)
    met = np.isfinite(means) & np.isfinite(coarse)
    np.testing.assert_allclose(means[met], coarse[met], atol=1e-7)
    assert result.largest_deviation <= 1e-7
    np.testing.assert_array_equal(np.isfinite(result.values), np.isfinite(fine))
    known = np.isfinite(fine)
    assert np.all((result.values[known] >= 0) & (result.values[known] <= np.float32(0.6)))


@settings(deadline=None, max_examples=30)
@given(scenes())
def test_conserving_twice_changes_nothing(scene):
    fine, coarse, nest = scene
    assume(np.isfinite(coarse).all())
    once = conserve(fine, coarse, nest).values
    known = np.isfinite(fine)
    np.testing.assert_allclose(conserve(once, coarse, nest).values[known], once[known], atol=1e-6)
