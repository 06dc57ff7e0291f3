"""The linear part of downscaling: effects of contrasts whose sign is known from physics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

SIGNS: Mapping[str, int] = {
    "clay_contrast": 1, "sand_contrast": -1, "topographic_wetness_contrast": 1, "lst_contrast": -1,
}
"""Wetter or drier when the feature grows, everything else being equal; holds for the linear part and the trees."""
TEXTURE = ("clay_contrast", "sand_contrast")


def fit_linear(
    table: NDArray[np.float64], target: NDArray[np.float64], day: NDArray[np.int64], names: Sequence[str],
    ridge: float,
) -> NDArray[np.float64]:
    """Least squares within days, with a ridge prior and signs as in :data:`SIGNS`.

    Parameters
    ----------
    table
        Contrasts, all known. (rows, features)
    target
        Departure from the large-scale wetness [m3 m-3]. (rows,)
    day
        Of each row; what all rows of a day have in common is not explained. (rows,)
    names
        Of the features.
    ridge
        > 0, in units of each feature's variance within days.

    Returns
    -------
    Effects [m3 m-3 per unit of the feature]; 0 for a feature that does not vary. (features,)
    """
    x, y = _within(table, day), _within(target[:, None], day)[:, 0]
    scale = x.std(axis=0)
    varies = scale > 1e-9 * np.maximum(np.abs(table).max(axis=0), 1e-9)
    x = x / np.where(varies, scale, 1.0) * varies
    root = np.linalg.cholesky(x.T @ x / len(x) + ridge * np.eye(len(names)))
    signs = np.array([SIGNS.get(name, 0) for name in names])
    bounds = np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf)
    effects = lsq_linear(root.T, np.linalg.solve(root, x.T @ y / len(x)), bounds, method="bvls").x
    result: NDArray[np.float64] = np.where(varies, effects / np.where(varies, scale, 1.0), 0.0)
    return result


def _within(values: NDArray[np.float64], day: NDArray[np.int64]) -> NDArray[np.float64]:
    _, place, count = np.unique(day, return_inverse=True, return_counts=True)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, place, values)
    result: NDArray[np.float64] = values - (total / count[:, None])[place]
    return result
