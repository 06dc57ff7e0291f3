"""Local means with gaps, and how far the local coarse change can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]


def moving_mean(values: Field, size: int) -> NDArray[np.float64]:
    """Mean of the known values in the size × size window around each known pixel; NaN where it is unknown. (y, x)

    >>> moving_mean(np.array([[1.0, 2.0, np.nan, 8.0]]), 3).round(9).tolist()
    [[1.5, 1.5, nan, 8.0]]
    """
    known = np.isfinite(values)
    return np.where(known, window_mean(values, size), np.nan)


def window_mean(values: Field, size: int) -> NDArray[np.float64]:
    """Mean of the known values in the size × size window around every pixel; NaN where there is none. (y, x)

    >>> window_mean(np.array([[1.0, 2.0, np.nan, 8.0, np.nan, np.nan]]), 3).round(9).tolist()
    [[1.5, 1.5, 5.0, 8.0, 8.0, nan]]
    """
    from scipy.ndimage import uniform_filter

    known = np.isfinite(values)
    share = uniform_filter(known.astype(np.float64), size, mode="constant")
    total = uniform_filter(np.where(known, values, 0.0).astype(np.float64), size, mode="constant")
    some = share > 0.5 / size**2
    return np.where(some, total / np.where(some, share, 1.0), np.nan)


def local_agreement(fine: Field, coarse: Field, cell: int, window: int) -> float:
    """Share of the local variance of ``fine`` that ``coarse`` explains (Eq. 12), 0 where they disagree in sign.

    Parameters
    ----------
    fine, coarse
        (y, x), NaN = unknown.
    cell, window
        Local is what differs between the moving means over ``cell`` and over ``window`` pixels.

    Returns
    -------
    Squared correlation in 0 … 1; 0 if either does not vary.
    """
    together = np.isfinite(fine) & np.isfinite(coarse)
    first, second = (
        (moving_mean(values, cell) - moving_mean(values, window))[together]
        for values in (np.where(together, fine, np.nan), np.where(together, coarse, np.nan))
    )
    covariance = float((first * second).sum())
    variances = float((first**2).sum() * (second**2).sum())
    return covariance**2 / variances if covariance > 0 and variances > 0 else 0.0
