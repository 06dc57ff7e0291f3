from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr

from sm_core.fusion import NDVI_PARAMS, Pair, fuse
from sm_core.fusion.residual import local_agreement, moving_mean, window_mean

NAN = float("nan")


def test_means_leave_unknown_pixels_out() -> None:
    values = np.array([[1.0, NAN, 3.0, NAN, NAN, 9.0]])
    np.testing.assert_allclose(moving_mean(values, 3), [[1.0, NAN, 3.0, NAN, NAN, 9.0]])
    np.testing.assert_allclose(window_mean(values, 3), [[1.0, 2.0, 3.0, 3.0, 9.0, 9.0]])
    np.testing.assert_allclose(moving_mean(values, 5), [[2.0, NAN, 2.0, NAN, NAN, 9.0]])


def test_mean_is_over_a_square() -> None:
    values = np.arange(25.0).reshape(5, 5)
    assert moving_mean(values, 3)[2, 2] == pytest.approx(12.0)
    assert moving_mean(values, 3)[0, 0] == pytest.approx((0 + 1 + 5 + 6) / 4)


def test_agreement_is_the_squared_local_correlation() -> None:
    rng = np.random.default_rng(0)
    signal, noise = (window_mean(rng.normal(size=(90, 90)), 3) for _ in range(2))
    assert local_agreement((signal, 2 * signal + 5), None, 3, 15) == pytest.approx(1.0)
    assert local_agreement((signal, -signal), None, 3, 15) == 0.0
    assert local_agreement((signal, noise), None, 3, 15) < 0.05
    noise *= signal.std() / noise.std()
    assert local_agreement((signal, signal + noise), None, 3, 15) == pytest.approx(0.5, abs=0.1)


def test_agreement_of_a_constant_or_unknown_field_is_zero() -> None:
    field = np.random.default_rng(0).normal(size=(20, 20))
    assert local_agreement((field, np.zeros((20, 20))), None, 3, 9) == 0.0
    assert local_agreement((field, np.full((20, 20), NAN)), None, 3, 9) == 0.0


def image(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"))


def cells(values: np.ndarray) -> np.ndarray:
    return np.kron(values, np.ones((5, 5)))


def test_local_coarse_change_is_given_back_where_coarse_and_fine_agree() -> None:
    rng = np.random.default_rng(3)
    detail = rng.normal(0, 0.05, (100, 100))
    detail -= cells(detail.reshape(20, 5, 20, 5).mean(axis=(1, 3)))
    coarse = [cells(rng.uniform(0.3, 0.6, (20, 20))) for _ in range(3)]
    fine = [field + detail for field in coarse]
    pairs = [Pair(date(2025, 1, k + 1), image(fine[k]), image(coarse[k])) for k in (0, 1)]
    target = image(coarse[2])
    published = NDVI_PARAMS.model_copy(update={"coarse_cell": 0})
    errors = [fuse(*pairs, target, params).value.values - fine[2] for params in (published, NDVI_PARAMS)]
    rmse = [float(np.sqrt((error**2).mean())) for error in errors]
    assert rmse[1] < 0.7 * rmse[0]


def test_local_coarse_change_is_not_believed_where_coarse_and_fine_disagree() -> None:
    rng = np.random.default_rng(3)
    fine = image(rng.uniform(0.3, 0.6, (100, 100)))
    moved = fine + cells(rng.normal(0, 0.05, (20, 20)))
    coarse = [image(cells(rng.uniform(0.3, 0.6, (20, 20)))) for _ in range(3)]
    pairs = Pair(date(2025, 1, 1), fine, coarse[0]), Pair(date(2025, 1, 17), moved, coarse[1])
    published = NDVI_PARAMS.model_copy(update={"coarse_cell": 0})
    with_change, without = (fuse(*pairs, coarse[2], params).value.values for params in (NDVI_PARAMS, published))
    assert np.abs(with_change - without).max() < 0.01
