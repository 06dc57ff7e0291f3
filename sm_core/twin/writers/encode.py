"""Physical values to the integers that a product stores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.errors import GridMismatchError, UnitsError

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


def quantise(
    values: ArrayLike, *, name: str, scale: float, fill: int, valid: tuple[int, int], dtype: str, offset: float = 0.0
) -> Integers:
    """Nearest integers to ``(values - offset) / scale``, ``fill`` where unknown.

    Parameters
    ----------
    values
        Physical values, NaN = unknown. Any shape.
    name
        What they are, for the message of an error.
    scale, offset
        Of the decoding rule ``stored * scale + offset`` [unit of the values].
    fill
        Stored where unknown.
    valid
        First and last stored number that the product allows.
    dtype
        Integer type of the product, e.g. ``uint16``.

    Raises
    ------
    UnitsError   SM303, a value falls outside ``valid``: another unit than the product's?
    """
    stored = np.asarray(values, np.float32) - np.float32(offset) if offset else np.array(values, np.float32)
    stored *= np.float32(1.0 / scale)
    np.rint(stored, out=stored)
    unknown = np.isnan(stored)
    low, high = np.fmin.reduce(stored, axis=None), np.fmax.reduce(stored, axis=None)
    if low < valid[0] or high > valid[1]:
        raise UnitsError(
            "values do not fit the product", variable=name, least=low * scale + offset, greatest=high * scale + offset,
            allowed=(valid[0] * scale + offset, valid[1] * scale + offset),
        )
    np.copyto(stored, np.float32(fill), where=unknown)
    return stored.astype(dtype)


def require_shape(shape: tuple[int, ...], **arrays: NDArray[Any]) -> None:
    """Raise GridMismatchError (SM302) unless every named array has ``shape``."""
    for name, array in arrays.items():
        if array.shape != shape:
            raise GridMismatchError("array does not cover the granule", name=name, expected=shape, found=array.shape)


def window_origin(
    *, west: float, north: float, resolution: float, shape: tuple[int, int], extent: tuple[int, int]
) -> tuple[int, int]:
    """Row and column at which a window starts in a global grid whose north-west corner is 180 W, 90 N.

    Parameters
    ----------
    west, north
        Outer edges of the window [degrees].
    resolution
        Cell size [degrees].
    shape, extent
        Rows and columns of the window and of the globe.

    Raises
    ------
    GridMismatchError   SM302, the window lies off the lattice or reaches beyond the globe.

    Examples
    --------
    >>> window_origin(west=124.0, north=43.0, resolution=0.05, shape=(200, 140), extent=(3600, 7200))
    (940, 6080)
    """
    row, column = (90.0 - north) / resolution, (west + 180.0) / resolution
    start = round(row), round(column)
    on_lattice = abs(row - start[0]) < 1e-6 and abs(column - start[1]) < 1e-6
    inside = all(first >= 0 and first + n <= total for first, n, total in zip(start, shape, extent, strict=True))
    if not (on_lattice and inside):
        raise GridMismatchError(
            "window does not fit the global grid", west=west, north=north, resolution=resolution, shape=shape
        )
    return start
