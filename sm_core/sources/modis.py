"""MODIS: land surface temperature (M?D11A1) and vegetation indices (M?D13A2), HDF4-EOS, 1-km sinusoidal tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule
from sm_core.sources import hdf4
from sm_core.sources.native import Subset
from sm_core.sources.observed import lst_variables, ndvi_variables, sinusoidal_dataset
from sm_core.sources.structmetadata import SinusoidalCells, tile_cells

LST_FIELDS = {
    "lst_day": ("LST_Day_1km", "QC_Day", "Day_view_time"),
    "lst_night": ("LST_Night_1km", "QC_Night", "Night_view_time"),
}
"""Temperature, quality and local solar view time of each variable."""
VI_FIELDS = ("1 km 16 days NDVI", "1 km 16 days pixel reliability", "1 km 16 days composite day of the year")
USABLE_RANKS = (0, 1)
SNOW_RANK = 2


def decode_lst(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """MOD11A1/MYD11A1: ``lst_day``, ``lst_night`` [K] and their ``_hour`` [h UTC]. (1, y, x); always the whole tile.

    Notes
    -----
    Kept are cells of mandatory quality "good", and "other quality" where the LST error is at most 2 K. The quality
    fields have no fill: 0 means good, and counts only where a temperature is stored.

    References
    ----------
    .. [1] Wan (2019), Collection-6.1 MODIS Land Surface Temperature Products Users' Guide.
    """
    file = hdf4.read(path, [name for names in LST_FIELDS.values() for name in names])
    cells = _cells(file, granule, path)
    variables: dict[str, NDArray[np.float32]] = {}
    for name, (lst, quality, view_time) in LST_FIELDS.items():
        keep = accept_lst(file.fields[quality].data)
        variables |= lst_variables(name, file.fields[lst], file.fields[view_time], keep, cells, path.name)
    return sinusoidal_dataset(variables, granule, cells)


def decode_vi(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """MOD13A2/MYD13A2: ``ndvi`` [1], ``ndvi_day`` [d since the composite's first day], ``ndvi_snow`` [1].

    (1, y, x); the whole tile.

    Notes
    -----
    Kept are cells of pixel reliability 0 (good) and 1 (marginal); snow, cloud and fill are dropped. The composite is of
    snow where no better view was had in its 16 days.

    References
    ----------
    .. [1] Didan, Barreto Munoz (2019), MODIS Vegetation Index User's Guide, Collection 6.1.
    """
    file = hdf4.read(path, VI_FIELDS)
    cells = _cells(file, granule, path)
    ndvi, reliability, day = (file.fields[name] for name in VI_FIELDS)
    keep = np.isin(reliability.data, USABLE_RANKS)
    return sinusoidal_dataset(ndvi_variables(ndvi, day, keep, reliability.data == SNOW_RANK, granule, path.name),
                              granule, cells)


def accept_lst(quality: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where MxD11 quality is good enough: bits 0-1 are 00, or 01 with bits 6-7 (LST error) 00 or 01.

    >>> accept_lst(np.array([0b00000000, 0b01000001, 0b10000001, 0b00000010], np.uint8))
    array([ True,  True, False, False])
    """
    mandatory = quality & 0b11
    return np.asarray((mandatory == 0) | ((mandatory == 1) & (quality >> 6 <= 1)))


def _cells(file: hdf4.Hdf4File, granule: Granule, path: Path) -> SinusoidalCells:
    shapes = {name: field.data.shape for name, field in file.fields.items()}
    return tile_cells(file.attributes.get("StructMetadata.0", ""), shapes, granule.tile, path.name)
