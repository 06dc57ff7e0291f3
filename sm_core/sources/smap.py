"""SMAP Level-4 geophysical data: 3-hourly surface and root-zone soil moisture on the global 9-km EASE-Grid 2.0."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from sm_core.domain import Granule
from sm_core.errors import SchemaDriftError
from sm_core.sources.hdf5 import opened
from sm_core.sources.names import part
from sm_core.sources.native import EASE2, GEOGRAPHIC, Subset, cell_range, native_dataset
from sm_core.sources.packing import Packed, check_physical, unpack

FIELDS = {"sm_surface": "Geophysical_Data/sm_surface", "sm_rootzone": "Geophysical_Data/sm_rootzone"}
SHAPE = (1624, 3856)
CELL_M = 9008.055210146
WEST_M, NORTH_M = -17367530.4451615, 7314540.8306386


def decode_l4(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """SPL4SMGP ``sm_surface`` (0-5 cm) and ``sm_rootzone`` (0-100 cm) [m3 m-3] of one 3-h mean. (1, y, x)

    ``time`` is the middle of the three hours, from the file name. The coordinates are those of the M09 grid; a file
    with ``x`` and ``y`` must agree with them.

    References
    ----------
    .. [1] Brodzik et al. (2012), ISPRS Int. J. Geo-Inf. 1, 32-45, doi:10.3390/ijgi1010032 (EASE-Grid 2.0).
    .. [2] Reichle et al. (2019), J. Adv. Model. Earth Syst. 11, 3106-3130, doi:10.1029/2019MS001729.
    """
    y = NORTH_M - CELL_M * (np.arange(SHAPE[0], dtype=np.float64) + 0.5)
    x = WEST_M + CELL_M * (np.arange(SHAPE[1], dtype=np.float64) + 0.5)
    rows, columns = _window(y, x, subset, path.name)
    with opened(path) as file:
        _check_layout(file, y, x, path.name)
        packed = {name: Packed(file[field][rows, columns], dict(file[field].attrs)) for name, field in FIELDS.items()}
    variables = {name: check_physical(name, unpack(field), path.name) for name, field in packed.items()}
    return native_dataset(
        variables, granule, y=y[rows], x=x[columns], crs=EASE2, resolution=CELL_M, times=_time(granule)
    )


def _window(
    y: NDArray[np.float64], x: NDArray[np.float64], subset: Subset, where: str
) -> tuple[slice, slice]:
    if not subset.bounds:
        return slice(0, len(y)), slice(0, len(x))
    west, south, east, north = subset.bounds
    project = Transformer.from_crs(GEOGRAPHIC, EASE2, always_xy=True).transform
    (left, bottom), (right, top) = project(west, south), project(east, north)
    return cell_range(y, bottom, top, where), cell_range(x, left, right, where)


def _check_layout(file: h5py.File, y: NDArray[np.float64], x: NDArray[np.float64], where: str) -> None:
    for field in FIELDS.values():
        if field not in file or file[field].shape != SHAPE:
            raise SchemaDriftError(f"{where} lacks {field} of shape {SHAPE}", found=sorted(file))
    for name, expected in (("y", y), ("x", x)):
        if name in file and not np.allclose(file[name][()], expected, rtol=0, atol=CELL_M / 100):
            raise SchemaDriftError(f"{where}: {name} is not that of the 9-km EASE-Grid 2.0", first=file[name][:2])


def _time(granule: Granule) -> pd.DatetimeIndex:
    clock = part(granule) or "T000000"
    return pd.DatetimeIndex([pd.Timestamp(f"{granule.start:%Y%m%d}{clock}")])
