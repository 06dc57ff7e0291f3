"""GLEAM: one variable and one year per netCDF file, daily, global."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from sm_core.domain import Granule
from sm_core.errors import SchemaDriftError
from sm_core.sources.declare import source
from sm_core.sources.latlon import read_latlon
from sm_core.sources.native import GEOGRAPHIC, Subset, native_dataset
from sm_core.sources.packing import check_physical


def decode_year(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """``sm_surface`` or ``sm_rootzone`` [m3 m-3] of the days and area asked for. (time, y, x)

    A day that the file lacks is absent. The variable's name in the file is the last part of the source id.

    Raises
    ------
    SchemaDriftError   SM206, days outside the year of the file's name.

    References
    ----------
    .. [1] Miralles et al. (2025), Sci. Data 12, 416, doi:10.1038/s41597-025-04610-y.
    .. [2] Martens et al. (2017), Geosci. Model Dev. 10, 1903-1925, doi:10.5194/gmd-10-1903-2017.
    """
    provider_name = granule.source_id.rpartition(".")[2]
    variable = source(granule.source_id).variables[0]
    field = read_latlon(path, provider_name, subset)
    if len(field.times) and not granule.start <= field.times[0].date() <= field.times[-1].date() <= granule.end:
        raise SchemaDriftError(
            f"{path.name} holds days of another year", first=field.times[0].date(), last=field.times[-1].date()
        )
    values = check_physical(variable, field.values, path.name)
    return native_dataset(
        {variable: values}, granule, y=field.y, x=field.x, crs=GEOGRAPHIC, resolution=field.resolution,
        times=field.times,
    )
