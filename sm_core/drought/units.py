"""Administrative units on the region grid."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from sm_core.domain import Grid, Region
from sm_core.errors import StaticLayerError
from sm_core.grid.points import cell_of


@dataclass(frozen=True)
class AdminUnits:
    """Which unit each cell belongs to.

    Attributes
    ----------
    names
        Unique names; a name that returns gets a number, "Jung-gu (2)".
    index
        Position in ``names``, -1 outside all units. (y, x)
    grid
        The region grid.
    """

    names: tuple[str, ...]
    index: NDArray[np.int32]
    grid: Grid


def load_units(region: Region, root: Path) -> AdminUnits:
    """Read a region's administrative units from GeoJSON (RFC 7946: longitude, latitude on WGS 84).

    A cell belongs to the unit that holds its centre; a unit too small to hold any gets the cell of a point inside
    it. A region without a file of units is one unit, of its own title.

    Parameters
    ----------
    region
        Names the file, relative to ``root`` or absolute, and the property that names a unit.
    root
        The archive folder.

    Raises
    ------
    StaticLayerError   SM304, the file is missing or no GeoJSON in degrees, a unit has no name, or none is here.
    """
    grid = region.grid
    if region.admin_units is None:
        return AdminUnits((region.title,), np.zeros(grid.shape, np.int32), grid)
    path = root / region.admin_units
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
        names = [str(feature["properties"][region.name_property]) for feature in features]
    except OSError as cause:
        raise StaticLayerError(f"admin units cannot be read: {cause}", region=region.region_id) from cause
    except (ValueError, KeyError, TypeError, AttributeError, shapely.errors.ShapelyError) as cause:
        raise StaticLayerError(
            f"admin units are not GeoJSON features with the property {region.name_property!r}: {cause!r}",
            region=region.region_id, file=path.name,
        ) from cause
    index = _rasterise([_on_grid(shape, grid, region, path) for shape in shapes], grid)
    index = _include_small(index, shapes, grid)
    if not (index >= 0).any():
        raise StaticLayerError("no admin unit lies in the region", region=region.region_id, file=path.name)
    return _present_only(_unique(names), index, grid)


def _on_grid(shape: Any, grid: Grid, region: Region, path: Path) -> Any:
    west, south, east, north = shape.bounds if not shape.is_empty else (0, 0, 0, 0)
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise StaticLayerError("admin units are not in degrees", region=region.region_id, file=path.name)
    if grid.crs == "EPSG:4326":
        return shape
    project = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform
    return shapely.transform(shape, lambda xy: np.column_stack(project(xy[:, 0], xy[:, 1])))


def _rasterise(shapes: list[Any], grid: Grid) -> NDArray[np.int32]:
    from rasterio import Affine
    from rasterio.features import rasterize

    drawn = [(shape, position) for position, shape in enumerate(shapes) if not shape.is_empty]
    if not drawn:
        return np.full(grid.shape, -1, np.int32)
    index: NDArray[np.int32] = rasterize(
        drawn, out_shape=grid.shape, fill=-1, transform=Affine(*grid.transform), dtype="int32"
    )
    return index


def _include_small(index: NDArray[np.int32], shapes: list[Any], grid: Grid) -> NDArray[np.int32]:
    drawn = set(np.unique(index).tolist())
    for position, shape in enumerate(shapes):
        if position not in drawn and not shape.is_empty:
            point = shape.representative_point()
            row, column = cell_of([point.x], [point.y], grid)
            if row[0] >= 0:
                index[row[0], column[0]] = position
    return index


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _present_only(names: list[str], index: NDArray[np.int32], grid: Grid) -> AdminUnits:
    kept = [position for position in np.unique(index).tolist() if position >= 0]
    lookup = np.full(len(names) + 1, -1, np.int32)
    lookup[kept] = np.arange(len(kept))
    return AdminUnits(tuple(names[position] for position in kept), lookup[index], grid)
