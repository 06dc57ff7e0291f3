"""GLASS: NDVI and LST on the global 0.05-degree grid, LST on 1-km sinusoidal tiles; HDF4-EOS, one field per file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule
from sm_core.errors import SchemaDriftError
from sm_core.sources import hdf4
from sm_core.sources.declare import source
from sm_core.sources.native import GEOGRAPHIC, Subset, cell_range, native_dataset
from sm_core.sources.observed import sinusoidal_dataset
from sm_core.sources.packing import check_physical, unpack
from sm_core.sources.structmetadata import geographic_corners, grid_shaped, sinusoidal_cells

FIELD_NAMES = {"ndvi": "NDVI", "lst_day": "LST"}
RESOLUTION = 0.05
GLOBAL_SHAPE = (3600, 7200)
GLOBAL_CORNERS = (-180.0, -90.0, 180.0, 90.0)


def decode_latlon(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """GLASS13B01 ``ndvi`` [1] or GLASS08B31 ``lst_day`` [K] at 0.05 degrees. (1, y, x)

    Notes
    -----
    Scale and fill are those of the file's attributes. The grid is that of StructMetadata; a file that gives none is
    taken as global with its first row at 90 N.

    References
    ----------
    .. [1] Liang et al. (2021), Bull. Am. Meteorol. Soc. 102, E323-E337, doi:10.1175/BAMS-D-18-0341.1.
    """
    name, variable, layout = _field(path, granule)
    y, x = _centres(layout, layout.shapes[name], path.name)
    if subset.bounds:
        west, south, east, north = subset.bounds
        rows, columns = cell_range(y, south, north, path.name), cell_range(x, west, east, path.name)
    else:
        rows, columns = slice(0, len(y)), slice(0, len(x))
    field = hdf4.read(path, [name], rows=(rows.start, rows.stop)).fields[name]
    values = check_physical(variable, unpack(field)[:, columns], path.name)
    return native_dataset(
        {variable: values}, granule, y=y[rows], x=x[columns], crs=GEOGRAPHIC, resolution=RESOLUTION
    )


def decode_tile(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """GLASS06A01 ``lst_day`` [K] on a 1-km sinusoidal tile. (1, y, x); always the whole tile."""
    name, variable, layout = _field(path, granule)
    grid = grid_shaped(layout.attributes.get("StructMetadata.0", ""), layout.shapes[name])
    if grid is None:
        raise SchemaDriftError(f"{path.name} does not say where its tile lies", shape=layout.shapes[name])
    cells = sinusoidal_cells(grid, granule.tile, path.name)
    values = unpack(hdf4.read(path, [name]).fields[name])
    return sinusoidal_dataset({variable: check_physical(variable, values, path.name)}, granule, cells)


def _field(path: Path, granule: Granule) -> tuple[str, str, hdf4.Hdf4File]:
    """Name of the file's field, the variable that it is, and the file's layout."""
    variable = source(granule.source_id).variables[0]
    layout = hdf4.read(path, ())
    flat = [name for name, shape in layout.shapes.items() if len(shape) == 2]
    if FIELD_NAMES[variable] in flat:
        return FIELD_NAMES[variable], variable, layout
    if len(flat) != 1:
        raise SchemaDriftError(f"{path.name} has no field {FIELD_NAMES[variable]!r}", found=sorted(layout.shapes))
    return flat[0], variable, layout


def _centres(
    layout: hdf4.Hdf4File, shape: tuple[int, ...], where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = grid_shaped(layout.attributes.get("StructMetadata.0", ""), shape)
    corners = geographic_corners(grid) if grid else None
    if corners is None and shape == GLOBAL_SHAPE:
        corners = GLOBAL_CORNERS
    if corners is None:
        raise SchemaDriftError(f"{where} does not say where its grid lies", shape=shape)
    west, south, east, north = corners
    step_x, step_y = (east - west) / shape[1], (north - south) / shape[0]
    if max(abs(step_x - RESOLUTION), abs(step_y - RESOLUTION)) > 1e-6:
        raise SchemaDriftError(f"{where}: cells of {step_x:g} x {step_y:g} degrees instead of {RESOLUTION}")
    rows, columns = np.arange(shape[0], dtype=np.float64), np.arange(shape[1], dtype=np.float64)
    return np.round(north - RESOLUTION * (rows + 0.5), 9), np.round(west + RESOLUTION * (columns + 0.5), 9)
