"""GeoTIFFs of any origin as fields, and fused fields as GeoTIFFs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from sm_core.errors import GranuleCorruptError
from tasks.adapters.files import replaced

FUSED = ("value", "spread", "flag")


def read_field(path: Path) -> xr.DataArray:
    """All bands of a raster in its unit (scale and offset applied), unknown as NaN: (y, x), or (band, y, x).

    Attributes: ``grid_id`` (CRS, transform and size as text), ``crs``, ``transform``.

    Raises
    ------
    GranuleCorruptError   SM205, no raster, or one that cannot be read.
    GridMismatchError     SM302, the raster has no transform: nobody could tell where it is.
    """
    try:
        with rasterio.open(path) as dataset:
            values = np.stack([_band(dataset, band) for band in dataset.indexes])
            crs, transform = dataset.crs, dataset.transform
    except (RasterioIOError, OSError) as cause:
        raise GranuleCorruptError(f"{path.name} cannot be read as a raster: {cause}") from cause
    rounded = tuple(float(f"{number:.9g}") for number in transform[:6])
    attrs = {"grid_id": f"{crs} {rounded} {values.shape[1:]}", "crs": crs, "transform": transform}
    if len(values) == 1:
        return xr.DataArray(values[0], dims=("y", "x"), attrs=attrs)
    return xr.DataArray(values, dims=("band", "y", "x"), attrs=attrs)


def write_fused(fused: xr.Dataset, crs: object, transform: rasterio.Affine, target: Path) -> None:
    """Write value, spread and flag as float32 bands, NaN = unknown; the file appears whole."""
    bands = {
        (name if fused[name].ndim == 2 else f"{name}_{number}"): plane
        for name in FUSED
        for number, plane in enumerate(np.atleast_3d(fused[name].values.T).T, 1)
    }
    profile = {
        "driver": "GTiff", "height": fused.sizes["y"], "width": fused.sizes["x"], "count": len(bands),
        "dtype": "float32", "crs": crs, "transform": transform, "nodata": np.nan, "compress": "deflate", "predictor": 3,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with replaced(target) as temporary, rasterio.open(temporary, "w", **profile) as dataset:
        for number, (name, plane) in enumerate(bands.items(), 1):
            dataset.write(plane.astype(np.float32), number)
            dataset.set_band_description(number, name)


def _band(dataset: DatasetReader, band: int) -> NDArray[np.float32]:
    masked = dataset.read(band, masked=True)
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    values = masked.astype(np.float32) * np.float32(scale) + np.float32(offset)
    return np.asarray(values.filled(np.nan), np.float32)
