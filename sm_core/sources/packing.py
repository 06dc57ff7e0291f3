"""From stored numbers to physical values: fills, scales, valid ranges, and a last look at the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sm_core.errors import UnitsError
from sm_core.sources.declare import variable

FEW_CELLS = 10
FEW_SHARE = 0.001
"""Values outside the physical range are dropped up to this many cells or this share, above it they are an error."""
SLACK = {"sm_surface": 0.01, "sm_rootzone": 0.01}
"""Values outside the range by less than this are set to its edge (numerical noise of models) [unit]."""
LEAST_PEAK = {"ndvi": 0.02, "sm_surface": 0.005, "sm_rootzone": 0.005}
"""A field of more than ``LEAST_CELLS`` cells that stays below this in magnitude was scaled twice [unit]."""
LEAST_CELLS = 100


@dataclass(frozen=True)
class Packed:
    """A field as a file stores it.

    ``attributes`` may hold ``_FillValue`` (one or several, its capitals in any spelling), ``missing_value``,
    ``valid_range``, ``scale_factor`` and ``add_offset``; each may be an array of one, or a text such as ``n/a``.
    """

    data: NDArray[Any]
    attributes: Mapping[str, Any]


def unpack(packed: Packed, keep: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Physical values of a stored field; NaN where it is fill, out of its valid range, or not to be kept.

    Parameters
    ----------
    packed
        Any shape.
    keep
        Quality mask of the same shape.

    Raises
    ------
    UnitsError   SM303, the valid range excludes every stored value.

    Notes
    -----
    ``scale_factor`` means "multiply" in most products and "divide" in MOD13 (10000.0). No product here stores values
    coarser than its unit, so a factor above 1 can only be a divisor.

    Examples
    --------
    >>> unpack(Packed(np.array([-3000, 5000]), {"_FillValue": -3000, "scale_factor": 10000.0}))
    array([nan, 0.5], dtype=float32)
    >>> unpack(Packed(np.array([0, 15000]), {"_FillValue": 0, "scale_factor": 0.02}))
    array([ nan, 300.], dtype=float32)
    """
    raw, named = packed.data, {name.lower(): value for name, value in packed.attributes.items()}
    unknown = ~keep if keep is not None else np.zeros(raw.shape, bool)
    for fill in (*_numbers(named, "_fillvalue"), *_numbers(named, "missing_value")):
        unknown |= raw == fill
    limits = _numbers(named, "valid_range")
    if len(limits) == 2:
        outside = (raw < limits[0]) | (raw > limits[1])
        stored, excluded = int(np.count_nonzero(~unknown)), int(np.count_nonzero(outside & ~unknown))
        if stored == excluded > FEW_CELLS:
            raise UnitsError("the valid range excludes every stored value", valid_range=limits, cells=stored)
        unknown |= outside
    scale = next(iter(_numbers(named, "scale_factor")), 1.0)
    offset = next(iter(_numbers(named, "add_offset")), 0.0)
    values = raw.astype(np.float32)
    if scale != 1.0:
        values *= np.float32(1.0 / scale if scale > 1.0 else scale)
    if offset:
        values += np.float32(offset)
    values[unknown] = np.nan
    return values


def check_physical(name: str, values: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """The values, with the few outside the declared range of variable ``name`` dropped or, within slack, clipped.

    Parameters
    ----------
    name
        A declared variable.
    values
        In its unit; NaN = unknown. Changed in place.
    where
        File and source, for the message.

    Raises
    ------
    UnitsError   SM303, more than a few cells lie outside, or all lie suspiciously close to zero: the scale is wrong.
    """
    low, high = variable(name).valid_range
    slack = SLACK.get(name, 0.0)
    if slack:
        values[(values < low) & (values >= low - slack)] = low
        values[(values > high) & (values <= high + slack)] = high
    outside = (values < low) | (values > high)
    count = int(np.count_nonzero(outside))
    known = values.size - int(np.count_nonzero(np.isnan(values)))
    if count > max(FEW_CELLS, FEW_SHARE * known):
        raise UnitsError(
            f"{where}: {count} of {known} values of {name} lie outside {low:g} to {high:g} {variable(name).units}",
            lowest=float(np.nanmin(values)), highest=float(np.nanmax(values)),
        )
    if count:
        values[outside] = np.nan
    if known > LEAST_CELLS and name in LEAST_PEAK and (peak := float(np.nanmax(np.abs(values)))) < LEAST_PEAK[name]:
        raise UnitsError(f"{where}: no value of {name} exceeds {peak:.2g} in magnitude; it was scaled twice")
    return values


def _numbers(attributes: Mapping[str, Any], name: str) -> tuple[float, ...]:
    """An attribute as numbers; NaN fills compare equal to nothing and are harmless."""
    value = attributes.get(name)
    if value is None or isinstance(value, (str, bytes)):
        return ()
    array = np.atleast_1d(value)
    return tuple(array.tolist()) if np.issubdtype(array.dtype, np.number) else ()
