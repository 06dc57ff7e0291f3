"""Administrative units on the region grid."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from scipy import sparse

from sm_core.domain import Grid, Region
from sm_core.drought.coverage import area_fractions
from sm_core.errors import StaticLayerError

BUNDLED = {"korea_provinces": "Administrative units: made with Natural Earth, naturalearthdata.com (public domain)."}
"""Unit files that come with the library, and whose they are; a region names one instead of a path."""
KOREAN_PROPERTY, ID_PROPERTY = "name_ko", "id"
LONGEST_EDGE_DEGREES = 0.01
"""Edges are parted at this length before they are projected, in which they would bend."""
_ENCODINGS = ("UTF-8", "CP949")


@dataclass(frozen=True)
class AdminUnits:
    """Which share of each cell lies in which unit.

    Attributes
    ----------
    ids, names, korean
        Of each unit; ids and names are unique (a name that returns gets a number, "Jung-gu (2)").
    shapes
        Polygons in longitude and latitude (shapely), for maps.
    coverage
        Fraction of a cell's area inside a unit [1]. Sparse (unit, cell), cells in row order.
    grid
        The region grid.
    attribution
        Whose borders they are.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    korean: tuple[str, ...]
    shapes: tuple[Any, ...]
    coverage: sparse.csr_array
    grid: Grid
    attribution: str = ""

    @classmethod
    def of_shapes(
        cls, names: Sequence[str], shapes: Sequence[Any], grid: Grid, *, ids: Sequence[str] = (),
        korean: Sequence[str] = (),
    ) -> AdminUnits:
        """Units from polygons in longitude and latitude; those outside the grid are left out."""
        rows = [area_fractions(project(shape, grid), grid) for shape in shapes]
        here = [position for position, row in enumerate(rows) if row.nnz]
        unique = _unique(names)
        ids = _unique(ids or [re.sub(r"\W+", "-", name).strip("-").lower() for name in unique])
        cells = grid.width * grid.height
        coverage = sparse.csr_array(sparse.vstack([rows[n] for n in here]) if here else (0, cells))

        def chosen(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[position] for position in here)

        return cls(chosen(ids), chosen(unique), chosen(korean or unique), chosen(shapes), coverage, grid)

    @cached_property
    def index(self) -> NDArray[np.int32]:
        """Position of the unit with the largest share of each cell, -1 outside all. (y, x)"""
        index = np.full(self.coverage.shape[1], -1, np.int32)
        largest = np.zeros(self.coverage.shape[1])
        entries = self.coverage.tocoo()
        for unit, cell, share in zip(entries.coords[0], entries.coords[1], entries.data, strict=True):
            if share > largest[cell]:
                index[cell], largest[cell] = unit, share
        return index.reshape(self.grid.shape)


def load_units(region: Region, root: Path) -> AdminUnits:
    """Read a region's administrative units from any vector file: GeoJSON, GeoPackage, shapefile (also zipped).

    A region without a file of units is one unit, of its own title.

    Parameters
    ----------
    region
        Names the file, relative to ``root`` or absolute, or one of ``BUNDLED``, and the property that names a unit.
        ``name_ko`` and ``id`` are taken where the file has them.
    root
        The archive folder.

    Returns
    -------
    The units with some area on the grid. Coordinates may be in any CRS that the file declares.

    Raises
    ------
    StaticLayerError   SM304, the file is missing or no vector file, has no known coordinates, a unit has no name or
                       no area, or none is here.
    """
    grid = region.grid
    if region.admin_units is None:
        return AdminUnits.of_shapes([region.title], [shapely.box(*region.lonlat_bounds)], grid,
                                    korean=[region.korean_title])
    path = _path(region.admin_units, root)
    table = _read(path, region)
    columns = {name: [str(value) for value in values] for name, values in table.columns.items()}
    if region.name_property not in columns:
        raise _unusable(f"have no property {region.name_property!r}", region, path)
    shapes = [_polygons(wkb, region, path) for wkb in table.geometry]
    shapes = [_lonlat(shape, table.crs, region, path) for shape in shapes]
    units = AdminUnits.of_shapes(
        columns[region.name_property], shapes, grid, ids=columns.get(ID_PROPERTY, ()),
        korean=columns.get(KOREAN_PROPERTY, ()),
    )
    if not units.names:
        raise StaticLayerError("no admin unit lies in the region", region=region.region_id, file=path.name)
    return replace(units, attribution=BUNDLED.get(region.admin_units, ""))


def project(shape: Any, grid: Grid) -> Any:
    """A polygon in longitude and latitude, in the grid's CRS."""
    if grid.crs == "EPSG:4326":
        return shape
    return _transformed(shapely.segmentize(shape, LONGEST_EDGE_DEGREES), "EPSG:4326", grid.crs)


@dataclass(frozen=True)
class _Table:
    geometry: Sequence[bytes | None]
    columns: dict[str, Sequence[Any]]
    crs: str | None


def _path(named: str, root: Path) -> Path:
    if named in BUNDLED:
        return Path(str(files("sm_core.drought"))) / "boundaries" / f"{named}.geojson"
    return root / named


def _read(path: Path, region: Region) -> _Table:
    from pyogrio import raw
    from pyogrio.errors import DataLayerError, DataSourceError

    if not path.is_file():
        raise _unusable("are not there", region, path)
    bare = path.suffix.lower() == ".shp" and not path.with_suffix(".cpg").is_file()
    for encoding in _ENCODINGS if bare else (None,):
        try:
            with warnings.catch_warnings():                             # what it warns of is refused in _polygons
                warnings.simplefilter("ignore", RuntimeWarning)
                about, _, geometry, values = raw.read(path, encoding=encoding)
        except UnicodeDecodeError:
            continue
        except (DataSourceError, DataLayerError, ValueError) as cause:
            raise _unusable(f"cannot be read: {cause}", region, path) from cause
        names = [str(name) for name in about["fields"]]
        return _Table([] if geometry is None else geometry, dict(zip(names, values, strict=True)), about["crs"])
    raise _unusable(f"have names in neither {' nor '.join(_ENCODINGS)}", region, path)


def _polygons(wkb: bytes | None, region: Region, path: Path) -> Any:
    shape = shapely.force_2d(shapely.from_wkb(wkb)) if wkb is not None else None
    if shape is None or shape.is_empty or shapely.get_dimensions(shape) < 2:
        raise _unusable("include one without an area", region, path)
    parts = shapely.get_parts(shapely.get_parts([shape if shape.is_valid else shapely.make_valid(shape)]))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def _lonlat(shape: Any, crs: str | None, region: Region, path: Path) -> Any:
    try:
        known = CRS.from_user_input(crs or "EPSG:4326")
    except CRSError as cause:
        raise _unusable(f"have an unknown coordinate system: {cause}", region, path) from cause
    if not known.equals("EPSG:4326", ignore_axis_order=True):
        shape = _transformed(shape, known, "EPSG:4326")
    west, south, east, north = shape.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise _unusable("are not in degrees and name no other coordinate system", region, path)
    return shape


def _transformed(shape: Any, source: CRS | str, target: CRS | str) -> Any:
    change = Transformer.from_crs(source, target, always_xy=True).transform
    return shapely.transform(shape, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))


def _unusable(what: str, region: Region, path: Path) -> StaticLayerError:
    return StaticLayerError(f"admin units {what}", region=region.region_id, file=path.name)


def _unique(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
