"""Layers that do not change, brought on the region's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from sm_core.domain import Region
from sm_core.errors import StaticLayerError

CATEGORICAL = ("land_cover",)


def load_statics(region: Region, root: Path) -> xr.Dataset:
    """Read a region's static layers from any rasters and resample them onto its grid.

    Parameters
    ----------
    region
        Names the layers and their paths; relative paths are taken from ``root``.
    root
        The archive folder.

    Returns
    -------
    Dataset (y, x), float32, NaN = unknown. Continuous layers are averaged, classes take the most frequent one;
    ``land`` becomes 1 where at least half of the cell is land, else 0.

    Raises
    ------
    StaticLayerError   SM304, a layer is missing, unreadable, or empty over the region.
    """
    grid = region.grid
    layers = {layer.name: (("y", "x"), _read(region, layer.name, root / layer.path)) for layer in region.statics}
    statics = xr.Dataset(layers, {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id, "crs": grid.crs})
    if "land" not in statics:
        raise StaticLayerError("the region file names no static layer 'land'", region=region.region_id)
    statics["land"] = (statics["land"] >= 0.5).astype(np.float32)
    return statics


def _read(region: Region, name: str, path: Path) -> np.ndarray:
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    grid = region.grid
    resampling = Resampling.mode if name in CATEGORICAL else Resampling.average
    try:
        with (
            rasterio.open(path) as dataset,
            WarpedVRT(
                dataset, crs=grid.crs, transform=rasterio.Affine(*grid.transform), width=grid.width,
                height=grid.height, resampling=resampling, nodata=np.nan, dtype="float32",
            ) as vrt,
        ):
            values: np.ndarray = vrt.read(1, out_dtype="float32")
    except rasterio.errors.RasterioError as cause:
        raise StaticLayerError(
            f"static layer cannot be read: {cause}", region=region.region_id, layer=name, path=path.name
        ) from cause
    if not np.isfinite(values).any():
        raise StaticLayerError("static layer is empty over the region", region=region.region_id, layer=name)
    return values
