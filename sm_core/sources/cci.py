"""Daily images of the ESA CCI and C3S merged surface soil moisture products."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xarray as xr

from sm_core.domain import Granule
from sm_core.errors import SchemaDriftError
from sm_core.sources.latlon import read_latlon
from sm_core.sources.native import GEOGRAPHIC, Subset, native_dataset
from sm_core.sources.packing import check_physical


def decode_image(path: Path, granule: Granule, subset: Subset) -> xr.Dataset:
    """``sm_surface`` [m3 m-3] where the image's flag is 0 (no inconsistency, snow, or dense vegetation). (1, y, x)

    References
    ----------
    .. [1] Dorigo et al. (2017), Remote Sens. Environ. 203, 185-215, doi:10.1016/j.rse.2017.07.001.
    """
    field = read_latlon(path, "sm", Subset(bounds=subset.bounds), accepted_flag="flag")
    if list(field.times) != [pd.Timestamp(granule.start)]:
        raise SchemaDriftError(f"{path.name} holds other days than its name says", found=list(field.times))
    return native_dataset(
        {"sm_surface": check_physical("sm_surface", field.values, path.name)}, granule, y=field.y, x=field.x,
        crs=GEOGRAPHIC, resolution=field.resolution, times=field.times,
    )
