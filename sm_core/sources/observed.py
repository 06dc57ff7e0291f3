"""Temperature and vegetation index of the 1-km sinusoidal products, with the time at which each cell was seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule
from sm_core.grid import sinusoidal
from sm_core.sources.native import native_dataset
from sm_core.sources.packing import Packed, check_physical, unpack
from sm_core.sources.structmetadata import SinusoidalCells


def lst_variables(
    name: str, lst: Packed, view_time: Packed, keep: NDArray[np.bool_], cells: SinusoidalCells, where: str
) -> dict[str, NDArray[np.float32]]:
    """``name`` [K] and ``name_hour`` [h UTC] of the cells to keep. (y, x)

    Raises
    ------
    UnitsError   SM303, see :func:`~sm_core.sources.packing.check_physical`.
    """
    values = check_physical(name, unpack(lst, keep), where)
    hour = utc_hour(unpack(view_time, np.isfinite(values)), cells.y, cells.x)
    return {name: values, f"{name}_hour": hour}


def ndvi_variables(
    ndvi: Packed, day_of_year: Packed, keep: NDArray[np.bool_], snow: NDArray[np.bool_], granule: Granule, where: str
) -> dict[str, NDArray[np.float32]]:
    """``ndvi`` [1] and ``ndvi_day`` [d since the composite's first day] of the cells to keep, and ``ndvi_snow`` [1] of
    those and of snow. (y, x)

    Raises
    ------
    UnitsError   SM303, see :func:`~sm_core.sources.packing.check_physical`.
    """
    values = check_physical("ndvi", unpack(ndvi, keep), where)
    since = days_since_start(unpack(day_of_year, np.isfinite(values)), granule.start)
    covered = np.where(snow, np.float32(1), np.where(np.isfinite(values), np.float32(0), np.float32(np.nan)))
    return {"ndvi": values, "ndvi_day": check_physical("ndvi_day", since, where), "ndvi_snow": covered}


def sinusoidal_dataset(
    variables: Mapping[str, NDArray[np.float32]], granule: Granule, cells: SinusoidalCells
) -> xr.Dataset:
    """A decoded 1-km tile or subset. (1, y, x)"""
    return native_dataset(
        variables, granule, y=cells.y, x=cells.x, crs=sinusoidal.CRS, resolution=sinusoidal.CELL_M, tile=cells.tile
    )


def utc_hour(
    solar_hour: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float32]:
    """UTC hours since 00 UTC of the file date [h, 0 to 24] from local solar time [h] on a sinusoidal grid. (y, x)

    >>> y, x = np.array([0.0]), np.array([np.pi / 2 * sinusoidal.EARTH_RADIUS_M])  # 90 E: 6 h ahead of UTC
    >>> utc_hour(np.array([[10.5]], np.float32), y, x)
    array([[4.5]], dtype=float32)
    """
    per_metre = 12.0 / (np.pi * sinusoidal.EARTH_RADIUS_M * np.cos(y / sinusoidal.EARTH_RADIUS_M))
    utc = solar_hour - per_metre.astype(np.float32)[:, None] * x.astype(np.float32)[None, :]
    np.add(utc, 24, out=utc, where=utc < 0)
    np.subtract(utc, 24, out=utc, where=utc >= 24)
    return utc


def with_solar_hour(tile: xr.Dataset, name: str) -> xr.Dataset:
    """Add ``<name>_solar_hour``, the local solar time of the view [h, 0 to 24], from ``<name>_hour`` (UTC).

    A day's views lie around one solar hour, while their UTC hours may straddle midnight and must not be averaged.
    """
    per_metre = 12.0 / (np.pi * sinusoidal.EARTH_RADIUS_M * np.cos(tile.y / sinusoidal.EARTH_RADIUS_M))
    solar = (tile[f"{name}_hour"] + per_metre * tile.x) % 24.0
    attrs = {"units": "h", "long_name": "local solar time of the view"}
    return tile.assign({f"{name}_solar_hour": solar.astype(np.float32).assign_attrs(attrs)})


def days_since_start(day_of_year: NDArray[np.float32], start: dt.date) -> NDArray[np.float32]:
    """Days since ``start`` [d]; a day of the year before it belongs to the next year.

    >>> days_since_start(np.array([353.0, 366.0, 1.0, np.nan], np.float32), dt.date(2020, 12, 18))  # day 353 of 366
    array([ 0., 13., 14., nan], dtype=float32)
    """
    length = dt.date(start.year, 12, 31).timetuple().tm_yday
    since = day_of_year - np.float32(start.timetuple().tm_yday)
    since[since < 0] += length
    return since
