"""Local means with gaps, and how far the local coarse change can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]
STRIP_ROWS = 128
"""Rows worked on at once."""


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
    return _window_means([values], np.isfinite(values), size)[0]


def local_agreement(
    first: tuple[Field, Field], second: tuple[Field, Field] | None, cell: int, window: int, threads: int = 1
) -> float:
    """Share of the local variance of the fine change that the coarse change explains (Eq. 12).

    Parameters
    ----------
    first, second
        Fine and coarse image of two dates, (y, x), NaN = unknown; without the second the images themselves count.
    cell, window
        Local is what differs between the moving means over ``cell`` and over ``window`` pixels.
    threads
        Rows are shared among so many; the result does not depend on it.

    Returns
    -------
    Squared correlation in 0 … 1; 0 if the two disagree in sign or either does not vary.
    """
    starts = range(0, first[0].shape[0], STRIP_ROWS)
    products = np.zeros(3)
    with ThreadPoolExecutor(threads) as pool:
        for of_strip in pool.map(partial(_strip_products, first, second, cell, window), starts):
            products += of_strip
    covariance, variance1, variance2 = (float(product) for product in products)
    return covariance**2 / (variance1 * variance2) if covariance > 0 and variance1 > 0 and variance2 > 0 else 0.0


def _strip_products(
    first: tuple[Field, Field], second: tuple[Field, Field] | None, cell: int, window: int, start: int
) -> tuple[np.floating, np.floating, np.floating]:
    rows = first[0].shape[0]
    stop = min(start + STRIP_ROWS, rows)
    top, bottom = max(0, start - window // 2), min(rows, stop + window // 2)
    fine, coarse = (
        image[top:bottom] if second is None else second[k][top:bottom] - image[top:bottom]
        for k, image in enumerate(first)
    )
    together = np.isfinite(fine) & np.isfinite(coarse)
    inside = slice(start - top, stop - top)
    chosen = together[inside]
    means = [_window_means((fine, coarse), together, size) for size in (cell, window)]
    one, other = ((small[inside] - large[inside])[chosen] for small, large in zip(*means, strict=True))
    return (one * other).sum(), (one**2).sum(), (other**2).sum()


def _window_means(images: Sequence[Field], known: NDArray[np.bool_], size: int) -> list[NDArray[np.float64]]:
    """As :func:`window_mean` of images that are known at the same pixels."""
    from scipy.ndimage import uniform_filter

    share = uniform_filter(known.astype(np.float64), size, mode="constant")
    some = share > 0.5 / size**2
    divisor = np.where(some, share, 1.0)
    totals = (uniform_filter(np.where(known, image, 0.0).astype(np.float64), size, mode="constant") for image in images)
    return [np.where(some, total / divisor, np.nan) for total in totals]
