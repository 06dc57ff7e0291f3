"""How sure a class is, given how sure the soil moisture is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr


def class_probability(moisture: ArrayLike, sigma: ArrayLike, limits: ArrayLike) -> NDArray[np.float32]:
    """Probability that the true drought class is at least D0, D1, … D4 [1].

    Parameters
    ----------
    moisture, sigma
        Estimate and its standard uncertainty [m3 m-3], (…); NaN = unknown.
    limits
        Soil moisture at the upper limit of each class [m3 m-3], (class, …): the climatology's quantiles.

    Returns
    -------
    (class, …), never rising with severity; NaN where something is unknown.

    Notes
    -----
    The truth is taken as Gaussian around the estimate. The climatological distribution function F is monotonic, so
    P(F(truth) <= p) = P(truth <= F⁻¹(p)), whatever the form of F. The part of ``sigma`` that never changes at a place
    cancels in the comparison with the place's own climatology; with it, probabilities are too near 50 %, not too far.

    Examples
    --------
    On the limit of D1, one sigma below that of D0 and one above that of D2:

    >>> class_probability(0.20, 0.02, [0.22, 0.20, 0.18, 0.16, 0.14]).round(3).tolist()
    [0.8410000205039978, 0.5, 0.1589999943971634, 0.023000000044703484, 0.0010000000474974513]
    """
    value, spread = np.asarray(moisture, np.float64), np.asarray(sigma, np.float64)
    margin = np.asarray(limits, np.float64) - value
    certain = np.where(np.isnan(margin), np.nan, (margin >= 0).astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        probability = np.where(spread > 0, ndtr(margin / spread), certain)
    return np.where(np.isnan(spread), np.nan, probability).astype(np.float32)
