import numpy as np
import pytest

from sm_core.downscaling.linear import fit_linear

NAMES = ("ndvi_contrast", "clay_contrast", "sand_contrast")


def rows(seed=0, n=600, days=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)) * [0.1, 5.0, 8.0], np.arange(n) % days


def test_effects_are_found_whatever_a_day_has_in_common():
    x, day = rows()
    effects = np.array([0.2, 0.004, -0.002])
    found = fit_linear(x, x @ effects + 0.05 * day, day, NAMES, 1e-9)
    np.testing.assert_allclose(found, effects, rtol=1e-6)


def test_effects_of_the_wrong_sign_are_none():
    x, day = rows()
    found = fit_linear(x, x @ np.array([-0.2, -0.004, 0.002]), day, NAMES, 1e-6)
    np.testing.assert_allclose(found, [-0.2, 0, 0], atol=0.02)
    assert found[1] == found[2] == 0


def test_ridge_of_one_halves_the_effect_of_a_lone_feature():
    # variance 1, covariance b: b / (1 + ridge)
    x = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    assert fit_linear(x, 0.3 * x[:, 0], np.zeros(4, np.int64), ("ndvi_contrast",), 1.0) == pytest.approx([0.15])


def test_a_feature_that_does_not_vary_has_no_effect():
    x, day = rows()
    x[:, 0] = 0.7
    found = fit_linear(x, x @ np.array([9.0, 0.004, -0.002]), day, NAMES, 1e-9)
    np.testing.assert_allclose(found, [0, 0.004, -0.002], rtol=1e-6)
