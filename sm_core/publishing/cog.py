"""Cloud-optimised GeoTIFF: one file for each variable, readable by any GIS without further knowledge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster

from sm_core.domain import Encoding, FileRef, Grid, Product, ProductItem, ProductVariable
from sm_core.errors import GridMismatchError, NonFiniteError, PublishError, StoreUnavailableError, UnitsError
from sm_core.grid import check_on_grid
from sm_core.publishing.items import file_stem

BLOCK = 256
RasterValues = NDArray[np.floating] | NDArray[np.integer]


def write_cogs(
    ds: xr.Dataset, product: Product, directory: Path, *, item: ProductItem, grid: Grid
) -> tuple[FileRef, ...]:
    """Write every variable of the product into a directory.

    Parameters
    ----------
    ds
        (y, x) on ``grid``; all variables of the product in their declared units, NaN = unknown; class and bit layers
        may be integers that hold the nodata value itself.
    product
        Declares variables and encodings.
    directory
        An existing folder.
    item
        Its product, region, day and revision name the files; day, maturity, item id and models go into the tags.
    grid
        The region grid.

    Returns
    -------
    One FileRef for each variable; ``uri`` is the file's name in ``directory``. The same input gives the same bytes.

    Raises
    ------
    GridMismatchError   SM302, the fields lie on another grid.
    UnitsError          SM303, a value does not fit its encoding.
    NonFiniteError      SM403, a value is infinite.
    PublishError        SM700, a variable of the product is missing.
    """
    check_on_grid(grid, ds)
    missing = [v.variable.name for v in product.variables if v.variable.name not in ds]
    if missing:
        raise PublishError("the fields lack variables of the product", missing=missing, day=item.day)
    files = []
    for declared in product.variables:
        name = file_name(item, declared.variable.name)
        stored = encode(ds[declared.variable.name].values, declared)
        content = _cog(stored, declared, grid, _item_tags(product, item, grid))
        (directory / name).write_bytes(content)
        files.append(FileRef(uri=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content)))
    return tuple(files)


def read_cogs(
    directory: Path, product: Product, item: ProductItem, grid: Grid, variables: Sequence[str] | None = None
) -> xr.Dataset:
    """Read a published item back.

    Returns
    -------
    Dataset (y, x) on ``grid`` of all variables, or those named: float32 with NaN = unknown; class and bit layers as
    stored.

    Raises
    ------
    GridMismatchError       SM302, the item was published on another grid.
    StoreUnavailableError   SM702, a file cannot be read.
    """
    fields = {}
    for declared in product.variables:
        name = declared.variable.name
        if variables is None or name in variables:
            fields[name] = (("y", "x"), decode(_read(directory / file_name(item, name), grid), declared))
    return xr.Dataset(fields, {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id, "crs": grid.crs})


def as_stored(ds: xr.Dataset, product: Product, variables: Sequence[str]) -> xr.Dataset:
    """These variables as ``read_cogs`` will give them back.

    Raises
    ------
    UnitsError       SM303, a value does not fit its encoding.
    NonFiniteError   SM403, a value is infinite.
    """
    declared = [v for v in product.variables if v.variable.name in variables]
    return xr.Dataset({v.variable.name: (("y", "x"), decode(encode(ds[v.variable.name].values, v), v))
                       for v in declared}, {"y": ds.y, "x": ds.x})


def file_name(item: ProductItem, variable: str) -> str:
    """``<product>_<region>_<YYYYMMDD>_r<NN>_<variable>.tif``"""
    return f"{file_stem(item)}_{variable}.tif"


def encode(values: RasterValues, declared: ProductVariable) -> RasterValues:
    """Values as they are stored: ``(value - offset) / scale``, rounded; NaN becomes nodata.

    Raises
    ------
    UnitsError       SM303, a value does not fit the encoding.
    NonFiniteError   SM403, a value is infinite.
    """
    encoding, name = declared.encoding, declared.variable.name
    if encoding.dtype == "float32":
        return np.where(np.isnan(values), encoding.nodata, values).astype(np.float32)
    if np.isinf(values).any():
        raise NonFiniteError("an infinite value cannot be published", variable=name)
    unknown = np.isnan(values) | (_is_flag(declared) & (values == encoding.nodata))
    stored = np.round((np.where(unknown, 0, values).astype(np.float64) - encoding.offset) / encoding.scale)
    largest = np.iinfo(encoding.dtype).max
    wrong = ~unknown & ((stored < 0) | (stored > largest) | (stored == encoding.nodata))
    if wrong.any():
        raise UnitsError("a value does not fit its encoding", variable=name, value=float(values[wrong][0]),
                         cells=int(wrong.sum()))
    return np.where(unknown, encoding.nodata, stored).astype(encoding.dtype)


def decode(stored: RasterValues, declared: ProductVariable) -> RasterValues:
    """Inverse of ``encode`` up to half a step of the scale; class and bit layers stay as stored."""
    if _is_flag(declared):
        return stored
    encoding = declared.encoding
    known = stored != encoding.nodata
    values = stored.astype(np.float64) * encoding.scale + encoding.offset
    return np.where(known, values, np.nan).astype(np.float32)


def _read(path: Path, grid: Grid) -> RasterValues:
    try:
        with rasterio.open(path) as file:
            if file.tags().get("grid_id") != grid.grid_id or file.shape != grid.shape:
                raise GridMismatchError("the item was published on another grid", expected=grid.grid_id,
                                        found=file.tags().get("grid_id"), file=path.name)
            values: RasterValues = file.read(1)
    except rasterio.errors.RasterioError as cause:
        raise StoreUnavailableError(f"a published file cannot be read: {cause}", file=path.name) from cause
    return values


def _is_flag(declared: ProductVariable) -> bool:
    return bool(declared.flag_values or declared.flag_bits)


def _cog(stored: RasterValues, declared: ProductVariable, grid: Grid, tags: dict[str, str]) -> bytes:
    encoding, variable = declared.encoding, declared.variable
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": 1, "dtype": encoding.dtype,
        "crs": grid.crs, "transform": rasterio.Affine(*grid.transform), "nodata": encoding.nodata,
    }
    with MemoryFile() as plain, MemoryFile() as optimised:
        with plain.open(**profile) as file:
            file.write(stored, 1)
            file.scales, file.offsets, file.units = (encoding.scale,), (encoding.offset,), (variable.units,)
            file.set_band_description(1, variable.long_name)
            file.update_tags(AREA_OR_POINT="Area", **tags)
            file.update_tags(1, **_band_tags(declared))
            if declared.flag_values:
                file.write_colormap(1, {value: _rgb(colour) for value, _, colour in declared.flag_values})
        copy_raster(plain.name, optimised.name, driver="COG", **_cog_options(encoding))
        content: bytes = optimised.read()
    return content


def _cog_options(encoding: Encoding) -> dict[str, str]:
    return {
        "COMPRESS": "DEFLATE", "LEVEL": "6", "PREDICTOR": "YES", "BLOCKSIZE": str(BLOCK), "STATISTICS": "YES",
        "OVERVIEW_RESAMPLING": encoding.overviews.upper(),
    }


def _item_tags(product: Product, item: ProductItem, grid: Grid) -> dict[str, str]:
    return {
        "Conventions": "CF-1.11", "title": product.title, "product": product.product_id,
        "algorithm_version": product.algorithm_version, "region": item.region_id, "day": item.day.isoformat(),
        "time_coverage_start": f"{item.day}T00:00:00Z", "time_coverage_duration": "P1D", "maturity": item.maturity,
        "revision": str(item.revision), "item_id": item.item_id, "inputs_sha256": item.fingerprint,
        "models": "; ".join(f"{m.name} {m.version} {m.sha256[:12]}" for m in item.models),
        "license": product.licence, "references": product.citation, "grid_id": grid.grid_id, "crs": grid.crs,
    }


def _band_tags(declared: ProductVariable) -> dict[str, str]:
    variable = declared.variable
    tags = {
        "name": variable.name, "long_name": variable.long_name, "standard_name": variable.standard_name or "",
        "units": variable.units, "cell_methods": variable.cell_methods,
        "valid_range": f"{variable.valid_range[0]:g} {variable.valid_range[1]:g}",
    }
    if declared.flag_values:
        tags["flag_values"] = " ".join(str(value) for value, _, _ in declared.flag_values)
        tags["flag_meanings"] = " ".join(_word(meaning) for _, meaning, _ in declared.flag_values)
    if declared.flag_bits:
        tags["flag_masks"] = " ".join(str(1 << bit) for bit, _ in declared.flag_bits)
        tags["flag_meanings"] = " ".join(_word(meaning) for _, meaning in declared.flag_bits)
    return {key: value for key, value in tags.items() if value}


def _word(meaning: str) -> str:
    return meaning.replace(" ", "_")


def _rgb(colour: str) -> tuple[int, int, int, int]:
    red, green, blue = (int(colour[start:start + 2], 16) for start in (1, 3, 5))
    return red, green, blue, 255
