"""The coarse field at each pixel's own time of observation."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sm_core.errors import GridMismatchError

DAY = np.timedelta64(1, "D")


def coarse_at(coarse_series: xr.DataArray, when: xr.DataArray) -> xr.DataArray:
    """Interpolate a coarse series linearly in time to each pixel's own observation time.

    Composites take every pixel from another day; their coarse partner has to be of the same days.

    Parameters
    ----------
    coarse_series
        (time, y, x) with a datetime64 ``time`` in rising order; NaN = unknown.
    when
        Time of each pixel's observation, (y, x): datetime64 (NaT = none), or float days since 1970-01-01 (NaN = none).

    Returns
    -------
    (y, x) float32 between the nearest known layers before and after; NaN where either is missing. Within one step
    (the median spacing) before the first or after the last layer that layer stands.

    Raises
    ------
    GridMismatchError   SM302, series and times differ in shape.

    Examples
    --------
    >>> times = np.array(["2025-01-01", "2025-01-09"], "datetime64[ns]")
    >>> series = xr.DataArray([[[0.2, 0.2]], [[0.6, 0.6]]], dims=("time", "y", "x"), coords={"time": times})
    >>> when = xr.DataArray(np.array([["2025-01-03", "2025-01-09"]], "datetime64[ns]"), dims=("y", "x"))
    >>> coarse_at(series, when).values
    array([[0.3, 0.6]], dtype=float32)
    """
    if coarse_series.dims != ("time", "y", "x") or when.dims != ("y", "x") or coarse_series.shape[1:] != when.shape:
        raise GridMismatchError("coarse series and times differ", series=coarse_series.shape, times=when.shape)
    from sm_core.fusion.loops import between

    days = (coarse_series.time.values - np.datetime64("1970-01-01", "ns")) / DAY
    step = float(np.median(np.diff(days))) if len(days) > 1 else 1.0
    at = _days(when)
    held = (at >= days[0] - step) & (at <= days[-1] + step)
    at = np.where(held, np.clip(at, days[0], days[-1]), np.nan)
    value = np.empty(when.shape, np.float32)
    between(days, np.ascontiguousarray(coarse_series.values), at, value)
    coords = {dim: coarse_series.coords[dim] for dim in ("y", "x") if dim in coarse_series.coords}
    return xr.DataArray(value, coords, ("y", "x"), attrs=coarse_series.attrs)


def _days(when: xr.DataArray) -> np.ndarray:
    if np.issubdtype(when.dtype, np.datetime64):
        values = when.values.astype("datetime64[ns]")
        return np.where(np.isnat(values), np.nan, (values - np.datetime64("1970-01-01", "ns")) / DAY)
    return np.asarray(when.values, np.float64)
