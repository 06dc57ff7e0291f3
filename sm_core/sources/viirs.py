"""VIIRS: land surface temperature (V??21A1D/N) and vegetation indices (V??13A2), HDF-EOS5, 1-km sinusoidal tiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule
from sm_core.errors import SchemaDriftError
from sm_core.sources.declare import source
from sm_core.sources.hdf5 import opened
from sm_core.sources.native import Subset
from sm_core.sources.observed import lst_variables, ndvi_variables, sinusoidal_dataset
from sm_core.sources.packing import Packed
from sm_core.sources.structmetadata import SinusoidalCells, tile_cells

LST_FIELDS = ("LST_1KM", "QC", "View_Time")
VI_FIELDS = ("1 km 16 days NDVI", "1 km 16 days pixel reliability", "1 km 16 days composite day of the year")
STRUCT_METADATA = "HDFEOS INFORMATION/StructMetadata.0"
LAST_USABLE_RANK, SNOW_RANK = 4, 8


def decode_lst(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """VNP21A1D/N, VJ121A1D/N: ``lst_day`` or ``lst_night`` [K] and its ``_hour`` [h UTC]. (1, y, x); the whole tile.

    Notes
    -----
    Kept are cells of mandatory quality 0 or 1, cloud flag (bits 4-5) 0 and LST accuracy (bits 14-15) of at least 1
    (2 K or better; 3 is best, the reverse of MxD11). The view time is taken as local solar time, as in MxD11A1.

    References
    ----------
    .. [1] Hulley, Freepartner, Malakar, Sarkar (2022), VIIRS Land Surface Temperature and Emissivity Product Guide.
    """
    (lst, quality, view_time), cells = _read(path, LST_FIELDS, granule)
    name = source(granule.source_id).variables[0]
    variables = lst_variables(name, lst, view_time, accept_lst(quality.data), cells, path.name)
    return sinusoidal_dataset(variables, granule, cells)


def decode_vi(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """VNP13A2, VJ113A2: ``ndvi`` [1], ``ndvi_day`` [d since the composite's first day], ``ndvi_snow`` [1].

    (1, y, x); the whole tile.

    Notes
    -----
    Pixel reliability is another scale than that of MODIS: 0 (excellent) to 4 (pass) are kept; questionable, poor,
    cloud, shadow, snow, estimated and long-term-average cells are dropped. ``XDim``/``YDim`` hold cell edges, not
    centres, and are not used.

    References
    ----------
    .. [1] Didan, Barreto Munoz (2022), VIIRS Vegetation Index Product Suite User Guide, version 2.
    """
    (ndvi, reliability, day), cells = _read(path, VI_FIELDS, granule)
    keep = (reliability.data >= 0) & (reliability.data <= LAST_USABLE_RANK)
    return sinusoidal_dataset(ndvi_variables(ndvi, day, keep, reliability.data == SNOW_RANK, granule, path.name),
                              granule, cells)


def accept_lst(quality: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where VxP21 quality is good enough.

    >>> best, poor = 0b11_00_00_00_00_00_00_00, 0b00_00_00_00_00_00_00_00
    >>> accept_lst(np.array([best, best | 1, best | 2, best | 0b11_00_00, poor], np.uint16))
    array([ True,  True, False, False, False])
    """
    return np.asarray((quality & 0b11 <= 1) & ((quality >> 4) & 0b11 == 0) & (quality >> 14 >= 1))


def _read(path: Path, names: Sequence[str], granule: Granule) -> tuple[list[Packed], SinusoidalCells]:
    """The named fields of the one grid that has them, whatever its name, and where their cells lie."""
    with opened(path) as file:
        grids = [grid["Data Fields"] for grid in file.get("HDFEOS/GRIDS", {}).values() if "Data Fields" in grid]
        found = next((fields for fields in grids if all(name in fields for name in names)), None)
        if found is None or STRUCT_METADATA not in file:
            raise SchemaDriftError(f"{path.name} lacks a grid with {names}", found=[sorted(grid) for grid in grids])
        struct = file[STRUCT_METADATA][()].decode("latin-1")
        fields = {name: Packed(found[name][()], dict(found[name].attrs)) for name in names}
    shapes = {name: field.data.shape for name, field in fields.items()}
    return list(fields.values()), tile_cells(struct, shapes, granule.tile, path.name)
