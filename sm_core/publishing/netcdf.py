"""The day as one NetCDF file after CF and ACDD, for those who work with arrays."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from sm_core.domain import FileRef, Grid, Product, ProductItem, ProductVariable
from sm_core.errors import UnitsError
from sm_core.grid import check_on_grid
from sm_core.grid.points import lonlat
from sm_core.publishing.cog import encode
from sm_core.publishing.items import file_stem, lineage, lonlat_bounds

CHUNK = 256
LARGEST = 32767
EPOCH = dt.date(1970, 1, 1)
_GRID_MAPPING, _BOUNDS = "crs", "bnds"
_Attributes = Mapping[str, Any]


def write_netcdf(
    ds: xr.Dataset, product: Product, directory: Path, *, item: ProductItem, grid: Grid
) -> FileRef:
    """Write every variable of the product into one file, ``<product>_<region>_<YYYYMMDD>_r<NN>.nc``.

    Parameters
    ----------
    ds, product, directory, item, grid
        As of :func:`cog.write_cogs`; ``item`` also gives date and lineage.

    Returns
    -------
    FileRef; ``uri`` is the file's name in ``directory``. The same input gives the same bytes.

    Raises
    ------
    GridMismatchError   SM302, the fields lie on another grid.
    UnitsError          SM303, a value does not fit its encoding.
    NonFiniteError      SM403, a value is infinite.

    Notes
    -----
    Stored numbers are those of the GeoTIFFs, as signed integers where they are scaled (-1 = unknown). Dimensions are
    (time, lat, lon), or (time, y, x) on projected grids; the time is 00 UTC of the day, with bounds. A layer's depth is
    a scalar coordinate with bounds.

    References
    ----------
    .. [1] CF conventions 1.11, https://cfconventions.org
    .. [2] Attribute Convention for Data Discovery 1.3, https://wiki.esipfed.org/Attribute_Convention_for_Data_Discovery_1-3
    """
    check_on_grid(grid, ds)
    path = directory / f"{file_stem(item)}.nc"
    rows, columns = _axes(grid)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": 1, rows: grid.height, columns: grid.width, _BOUNDS: 2}
        for key, value in _about(product, item, grid).items():
            file.attrs[key] = value
        _write_time(file, item.day)
        _write_grid(file, grid)
        for depth in dict.fromkeys(v.depth for v in product.variables if v.depth):
            _write_depth(file, depth)
        for declared in product.variables:
            _write_variable(file, declared, _packed(ds[declared.variable.name].values, declared), product, grid)
    return FileRef(uri=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size)


def _packed(values: NDArray[Any], declared: ProductVariable) -> NDArray[Any]:
    """CF packs into signed integers: 65535 becomes -1, all that fits stays."""
    stored = encode(values, declared)
    if not _is_scaled(declared) or stored.dtype != np.uint16:
        return stored
    if ((stored > LARGEST) & (stored != declared.encoding.nodata)).any():
        raise UnitsError("a value does not fit its encoding", variable=declared.variable.name)
    return stored.view(np.int16)


def _is_scaled(declared: ProductVariable) -> bool:
    return (declared.encoding.scale, declared.encoding.offset) != (1.0, 0.0)


def _write_variable(
    file: Any, declared: ProductVariable, stored: NDArray[Any], product: Product, grid: Grid
) -> None:
    unknown = np.array(declared.encoding.nodata).astype(declared.encoding.dtype)
    variable = file.create_variable(
        declared.variable.name, ("time", *_axes(grid)), stored.dtype, data=stored[None],
        fillvalue=unknown.view(stored.dtype)[()], compression="gzip", compression_opts=4, shuffle=True,
        chunks=(1, min(CHUNK, grid.height), min(CHUNK, grid.width)),
    )
    _set(variable, {**_meaning(declared), **_packing(declared, stored.dtype), **_relations(declared, product, grid)})


def _meaning(declared: ProductVariable) -> _Attributes:
    variable = declared.variable
    return {
        "standard_name": variable.standard_name, "long_name": variable.long_name, "units": variable.units,
        "cell_methods": variable.cell_methods or None,
        "coverage_content_type": "qualityInformation" if declared.flag_bits else "modelResult",
    }


def _packing(declared: ProductVariable, dtype: np.dtype[Any]) -> _Attributes:
    encoding, (low, high) = declared.encoding, declared.variable.valid_range
    limits = np.round((np.array([low, high]) - encoding.offset) / encoding.scale).astype(dtype)
    if declared.flag_values:
        return {"flag_values": np.array([value for value, _, _ in declared.flag_values], dtype),
                "flag_meanings": " ".join(_word(meaning) for _, meaning, _ in declared.flag_values)}
    if declared.flag_bits:
        return {"flag_masks": np.array([1 << bit for bit, _ in declared.flag_bits], dtype),
                "flag_meanings": " ".join(_word(meaning) for _, meaning in declared.flag_bits)}
    if not _is_scaled(declared):
        return {"valid_range": limits}
    return {"scale_factor": encoding.scale, "add_offset": encoding.offset, "valid_range": limits}


def _relations(declared: ProductVariable, product: Product, grid: Grid) -> _Attributes:
    name = declared.variable.name
    names = [other.variable.name for other in product.variables]
    about = [other for other in names if other.startswith(f"{name}_")]
    if about and "qa_flags" in names:
        about.append("qa_flags")
    coordinates = [_depth_name(declared.depth)] if declared.depth else []
    if grid.crs != "EPSG:4326":
        coordinates += ["lat", "lon"]
    return {"grid_mapping": _GRID_MAPPING, "coordinates": " ".join(coordinates) or None,
            "ancillary_variables": " ".join(about) or None}


def _write_time(file: Any, day: dt.date) -> None:
    days = (day - EPOCH).days
    _plain(file, "time", ("time",), np.array([days], np.int32), {
        "standard_name": "time", "long_name": "UTC day", "units": f"days since {EPOCH} 00:00:00",
        "calendar": "standard", "units_metadata": "leap_seconds: none", "axis": "T", "bounds": "time_bnds",
    })
    _plain(file, "time_bnds", ("time", _BOUNDS), np.array([[days, days + 1]], np.int32), {})


def _write_depth(file: Any, depth: tuple[float, float]) -> None:
    name = _depth_name(depth)
    _plain(file, name, (), np.float64(sum(depth) / 2), {
        "standard_name": "depth", "long_name": "depth below the surface", "units": "m", "positive": "down", "axis": "Z",
        "bounds": f"{name}_bnds",
    })
    _plain(file, f"{name}_bnds", (_BOUNDS,), np.array(depth), {})


def _write_grid(file: Any, grid: Grid) -> None:
    geographic = grid.crs == "EPSG:4326"
    rows, columns = _axes(grid)
    names = ("latitude", "longitude") if geographic else ("projection_y_coordinate", "projection_x_coordinate")
    units = ("degrees_north", "degrees_east") if geographic else ("m", "m")
    steps = (grid.transform[4], grid.transform[0])
    for axis, name, standard_name, unit, centres, step in zip(
        "YX", (rows, columns), names, units, (grid.y, grid.x), steps, strict=True
    ):
        edges = centres[:, None] + step * np.array([-0.5, 0.5])
        _plain(file, name, (name,), centres, {
            "standard_name": standard_name, "long_name": standard_name.replace("_", " "), "units": unit, "axis": axis,
            "bounds": f"{name}_bnds",
        })
        _plain(file, f"{name}_bnds", (name, _BOUNDS), np.round(edges, 9), {})
    _plain(file, _GRID_MAPPING, (), np.int32(0), {
        key: value for key, value in CRS.from_user_input(grid.crs).to_cf().items() if value not in ("", None)})
    if not geographic:
        longitude, latitude = lonlat(grid.x, grid.y, grid.crs)
        for name, values, standard_name, unit in (
            ("lat", latitude, "latitude", "degrees_north"), ("lon", longitude, "longitude", "degrees_east"),
        ):
            _plain(file, name, (rows, columns), values, {"standard_name": standard_name, "long_name": standard_name,
                                                         "units": unit})


def _about(product: Product, item: ProductItem, grid: Grid) -> _Attributes:
    west, south, east, north = lonlat_bounds(grid)
    created = item.created.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    models = "; ".join(f"{m.name} {m.version} {m.sha256[:12]}" for m in item.models)
    return {
        "Conventions": "CF-1.11, ACDD-1.3", "title": product.title, "summary": _summary(product, item),
        "keywords": "soil moisture, root zone, drought, 1 km, daily", "id": file_stem(item),
        "naming_authority": "sm-daily", "institution": "sm-daily", "creator_name": "sm-daily",
        "creator_type": "institution", "publisher_name": "sm-daily", "project": "sm-daily", "source": lineage(item),
        "history": f"{created} made from {len(item.inputs)} granules by {product.product_id} {item.algorithm_version}",
        "processing_level": "L4", "product_version": f"{item.algorithm_version} r{item.revision:02d}",
        "date_created": created, "date_modified": created, "license": product.licence, "references": product.citation,
        "acknowledgement": product.citation, "comment": "Research product, no official warning.",
        "maturity": item.maturity, "revision": np.int32(item.revision), "item_id": item.item_id,
        "supersedes": item.supersedes or "nothing", "inputs_sha256": item.fingerprint, "models": models or "none",
        "region": item.region_id, "grid_id": grid.grid_id, "cdm_data_type": "Grid",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "time_coverage_start": f"{item.day}T00:00:00Z",
        "time_coverage_end": f"{item.day + dt.timedelta(days=1)}T00:00:00Z",
        "time_coverage_duration": "P1D", "time_coverage_resolution": "P1D",
        "geospatial_lat_min": south, "geospatial_lat_max": north, "geospatial_lat_units": "degrees_north",
        "geospatial_lon_min": west, "geospatial_lon_max": east, "geospatial_lon_units": "degrees_east",
        "geospatial_vertical_min": 0.0, "geospatial_vertical_max": 1.0, "geospatial_vertical_positive": "down",
        "geospatial_vertical_units": "m",
        "geospatial_bounds": shapely.box(south, west, north, east).wkt,
        "geospatial_bounds_crs": "EPSG:4326",
    }


def _summary(product: Product, item: ProductItem) -> str:
    return (f"{product.title}: {item.region_id}, {item.day}, {item.maturity}, revision {item.revision}. Soil moisture "
            "at 1 km with uncertainty and 90 % bounds, its percentile among all years, drought class, available water "
            "and quality flags.")


def _axes(grid: Grid) -> tuple[str, str]:
    return ("lat", "lon") if grid.crs == "EPSG:4326" else ("y", "x")


def _depth_name(depth: tuple[float, float]) -> str:
    return f"depth_{depth[0] * 100:.0f}_{depth[1] * 100:.0f}_cm"


def _plain(file: Any, name: str, dims: tuple[str, ...], values: Any, attributes: _Attributes) -> None:
    array = np.asarray(values)
    _set(file.create_variable(name, dims, array.dtype, data=array), attributes)


def _set(variable: Any, attributes: _Attributes) -> None:
    for key, value in attributes.items():
        if value is not None:
            variable.attrs[key] = value


def _word(meaning: str) -> str:
    return meaning.replace(" ", "_")
