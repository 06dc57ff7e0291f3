"""One variable of a netCDF file on a regular latitude-longitude grid, read only where and when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.errors import GranuleCorruptError, SchemaDriftError
from sm_core.sources.hdf5 import BROKEN
from sm_core.sources.magic import check_magic
from sm_core.sources.native import Subset, cell_range
from sm_core.sources.packing import Packed, unpack

LEAST_VALUE = -900.0
"""Anything below is fill (-999, -9999), whether the file declares it or not."""
_AXES = {"time": "time", "lat": "y", "latitude": "y", "lon": "x", "longitude": "x"}


@dataclass(frozen=True)
class LatLonField:
    """Values (time, y, x) with days [datetime64, midnight] and cell centres [degrees], y descending, x ascending."""

    values: NDArray[np.float32]
    times: pd.DatetimeIndex
    y: NDArray[np.float64]
    x: NDArray[np.float64]

    @property
    def resolution(self) -> float:
        return round(float(self.x[-1] - self.x[0]) / max(len(self.x) - 1, 1), 6)


def read_latlon(path: Path, name: str, subset: Subset, *, accepted_flag: str | None = None) -> LatLonField:
    """Read variable ``name``: dimensions by their names in any order, latitudes either way up, fill as NaN.

    Parameters
    ----------
    path
        netCDF-4 file.
    subset
        Days and area; days that the file lacks are absent from the result, which may be empty.
    accepted_flag
        A variable of the same dimensions that must be 0 where a value is kept.

    Raises
    ------
    ForeignFileError      SM207, not a netCDF-4 file.
    GranuleCorruptError   SM205, cut short or unreadable.
    SchemaDriftError      SM206, no such variable, other dimensions, an uneven grid, or a time that cannot be decoded.
    GridMismatchError     SM302, the file does not reach the area.
    UnitsError            SM303, the valid range excludes every stored value.
    """
    with _opened(path) as file:
        _check_variables(file, path.name, [name] + ([accepted_flag] if accepted_flag else []))
        file = file.rename({dim: _AXES[str(dim)] for dim in file[name].dims})
        times, y, x = _times(file, path.name), _axis(file, "y", path.name), _axis(file, "x", path.name)
        chosen = _selection(times, y, x, subset, path.name)
        packed = _load(file[name], chosen)
        keep = _load(file[accepted_flag], chosen).data == 0 if accepted_flag else None
    values = unpack(packed, keep)
    values[values < LEAST_VALUE] = np.nan
    times, y, x = times[chosen["time"]], y[chosen["y"]], x[chosen["x"]]
    if len(y) > 1 and y[0] < y[-1]:
        values, y = values[:, ::-1], y[::-1]
    return LatLonField(np.ascontiguousarray(values), times, y, x)


@contextmanager
def _opened(path: Path) -> Iterator[xr.Dataset]:
    check_magic(path, "HDF5")
    try:
        with xr.open_dataset(
            path, engine="h5netcdf", mask_and_scale=False, decode_times=False, phony_dims="sort"
        ) as file:
            yield file
    except BROKEN as cause:
        raise GranuleCorruptError(f"{path.name} cannot be read: {cause}") from cause
    except ValueError as cause:
        raise SchemaDriftError(f"{path.name} is no netCDF file: {cause}") from cause


def _check_variables(file: xr.Dataset, where: str, names: list[str]) -> None:
    missing = [name for name in names if name not in file]
    if missing:
        raise SchemaDriftError(f"{where} lacks {missing}", found=sorted(map(str, file.variables)))
    dims = file[names[0]].dims
    if sorted(_AXES.get(str(dim), "?") for dim in dims) != ["time", "x", "y"]:
        raise SchemaDriftError(f"{where}: {names[0]} has dimensions {dims}")
    unlabelled = [str(dim) for dim in dims if dim not in file.variables]
    if unlabelled:
        raise SchemaDriftError(f"{where} has no coordinates for {unlabelled}")


def _times(file: xr.Dataset, where: str) -> pd.DatetimeIndex:
    try:
        decoded = xr.decode_cf(file[["time"]]).indexes["time"]
    except (ValueError, OverflowError) as cause:
        raise SchemaDriftError(f"{where}: its time cannot be decoded: {cause}") from cause
    if not isinstance(decoded, pd.DatetimeIndex):
        raise SchemaDriftError(f"{where}: time without unit or with calendar {file.time.attrs.get('calendar')!r}")
    return decoded.floor("D")


def _axis(file: xr.Dataset, axis: str, where: str) -> NDArray[np.float64]:
    centres = np.asarray(np.round(file[axis].values, 5), np.float64)
    steps = np.diff(centres)
    if steps.size and (np.ptp(steps) > 1e-3 * abs(steps[0]) or (axis == "x" and (steps[0] < 0 or centres[-1] > 180))):
        raise SchemaDriftError(f"{where}: {axis} is not an even axis from -180 or -90 degrees", first=centres[:3])
    return centres


def _selection(
    times: pd.DatetimeIndex, y: NDArray[np.float64], x: NDArray[np.float64], subset: Subset, where: str
) -> dict[str, slice]:
    time = slice(0, len(times))
    if subset.days:
        first, last = (pd.Timestamp(day) for day in subset.days)
        time = slice(int(times.searchsorted(first)), int(times.searchsorted(last, side="right")))
    if not subset.bounds:
        return {"time": time, "y": slice(0, len(y)), "x": slice(0, len(x))}
    west, south, east, north = subset.bounds
    return {"time": time, "y": cell_range(y, south, north, where), "x": cell_range(x, west, east, where)}


def _load(variable: xr.DataArray, chosen: dict[str, slice]) -> Packed:
    part = variable.isel(chosen).transpose("time", "y", "x")
    return Packed(part.values, variable.attrs)
