from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sm_core.grid import Nesting


def nesting_2x3(factor: int) -> Nesting:
    rows, cols = np.mgrid[0:2 * factor, 0:3 * factor]
    cell = (rows // factor) * 3 + cols // factor
    area = np.cos(np.deg2rad(40 - 0.01 * rows))
    return Nesting(cell=cell.astype(np.int64), area=area, shape=(2, 3))


@settings(deadline=None)
@given(coarse=hnp.arrays(np.float64, (2, 3), elements=st.floats(0, 0.6)), factor=st.integers(1, 12))
def test_aggregating_a_replicated_field_gives_it_back(coarse: np.ndarray, factor: int) -> None:
    nesting = nesting_2x3(factor)
    assert np.allclose(nesting.aggregate(nesting.replicate(coarse)), coarse, atol=1e-12)


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), known=st.floats(0.05, 1.0))
def test_replacing_each_cell_by_its_mean_keeps_the_mean(seed: int, known: float) -> None:
    rng = np.random.default_rng(seed)
    nesting = nesting_2x3(10)
    fine = np.where(rng.random(nesting.cell.shape) < known, rng.random(nesting.cell.shape), np.nan)
    mean = nesting.aggregate(fine)
    again = nesting.aggregate(np.where(np.isfinite(fine), nesting.replicate(mean), np.nan))
    assert np.allclose(again, mean, atol=1e-12, equal_nan=True)
