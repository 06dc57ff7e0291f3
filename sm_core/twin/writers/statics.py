"""Layers that do not change: GeoTIFFs on the region's grid, and administrative units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from sm_core.domain import Grid
from sm_core.twin.writers.atomic import replacing
from sm_core.twin.writers.encode import require_shape

COORDINATE_STEP = 1e-6


def write_static(directory: Path, *, name: str, values: NDArray[Any], grid: Grid, units: str) -> Path:
    """Write one layer as ``<name>.tif``.

    Parameters
    ----------
    directory
        Where to.
    name
        Of the layer: elevation, slope, clay, sand, land_cover, land.
    values
        Numbers with NaN = unknown are stored as float32, integers (classes) and masks as uint8. (y, x)
    grid
        The region's grid.
    units
        Unit of the numbers; empty for classes.

    Raises
    ------
    GridMismatchError   SM302, values are not on ``grid``.
    """
    require_shape(grid.shape, **{name: values})
    continuous = np.issubdtype(values.dtype, np.floating)
    stored = values.astype(np.float32 if continuous else np.uint8)
    path = Path(directory) / f"{name}.tif"
    with (
        replacing(path) as temporary,
        rasterio.open(
            temporary, "w", driver="GTiff", width=grid.width, height=grid.height, count=1, dtype=stored.dtype,
            crs=grid.crs, transform=rasterio.Affine(*grid.transform), nodata=np.nan if continuous else None,
            compress="deflate", predictor=3 if continuous else 1,
        ) as dataset,
    ):
        dataset.write(stored, 1)
        dataset.set_band_description(1, name)
        dataset.units = (units,)
        dataset.update_tags(AREA_OR_POINT="Area")
    return path


def write_admin_units(path: Path, *, names: Sequence[str], polygons: Sequence[BaseGeometry]) -> Path:
    """Write administrative units as GeoJSON (RFC 7946: longitude before latitude, outer rings anticlockwise, no CRS).

    Parameters
    ----------
    path
        Of the file.
    names
        One per unit, stored as property ``name``.
    polygons
        Polygons or multipolygons [degrees], one per unit.
    """
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": _geometry(polygon)}
        for name, polygon in zip(names, polygons, strict=True)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _geometry(polygon: BaseGeometry) -> dict[str, Any]:
    rounded = shapely.set_precision(polygon, COORDINATE_STEP, mode="pointwise")
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(shapely.orient_polygons(rounded)))
    return geometry
