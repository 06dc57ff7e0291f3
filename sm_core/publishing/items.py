"""One dated publication: its identity, and its description as a STAC item."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from pyproj import Transformer
from pystac import Asset, Item, Link, MediaType

from sm_core.domain import (
    DailyInputs,
    FileRef,
    GateResult,
    Granule,
    Grid,
    ModelVersion,
    Product,
    ProductItem,
    ProductVariable,
)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "item.sm-daily")
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/version/v1.2.0/schema.json",
]
_SHA256_MULTIHASH = "1220"
_MEDIA_TYPES = {
    ".tif": MediaType.COG, ".json": MediaType.JSON, ".geojson": MediaType.GEOJSON, ".md": "text/markdown",
    ".txt": MediaType.TEXT, ".png": MediaType.PNG, ".nc": MediaType.NETCDF, ".csv": "text/csv",
    ".html": MediaType.HTML,
}
_REGION, _ROOT = "../../../..", "../../../../../.."
"""From the folder of a revision."""


def item_id(
    product: Product, region_id: str, day: dt.date, fingerprint: str, models: Sequence[ModelVersion]
) -> str:
    """Identity of a publication: the same product, day, inputs and models give the same id, in any order of models.

    Parameters
    ----------
    fingerprint
        Of the inputs, see ``DailyInputs.fingerprint``.
    """
    made_from = [
        product.product_id, product.algorithm_version, region_id, day.isoformat(), fingerprint,
        sorted(model.sha256 for model in models),
    ]
    return str(uuid.uuid5(_NAMESPACE, json.dumps(made_from)))


def made_from(item: ProductItem, algorithm_version: str, fingerprint: str, models: Sequence[ModelVersion]) -> bool:
    """Whether an item was made so, from these inputs, with these models in any order."""
    return (item.algorithm_version, item.fingerprint, sorted(model.sha256 for model in item.models)) == (
        algorithm_version, fingerprint, sorted(model.sha256 for model in models))


def identity_after(item: ProductItem, before: Sequence[ProductItem]) -> str:
    """The id of a draft as the next publication of its day.

    Usually its own. Where the newest of the publications ``before`` it was made from the same, that one's; where an
    older one was, whose inputs have come back meanwhile, one that no publication has.
    """
    if before and made_from(before[-1], item.algorithm_version, item.fingerprint, item.models):
        return before[-1].item_id
    if all(one.item_id != item.item_id for one in before):
        return item.item_id
    return str(uuid.uuid5(_NAMESPACE, json.dumps([item.item_id, before[-1].item_id])))


def draft(
    product: Product, inputs: DailyInputs, models: Sequence[ModelVersion], gate: GateResult, created: dt.datetime
) -> ProductItem:
    """An item that has everything but its files; the store gives it revision, files and directory."""
    return ProductItem(
        item_id=item_id(product, inputs.region_id, inputs.day, inputs.fingerprint, models),
        product_id=product.product_id, algorithm_version=product.algorithm_version, region_id=inputs.region_id,
        day=inputs.day, revision=0, maturity=inputs.maturity, created=created, assets=(), inputs=inputs.granules,
        fingerprint=inputs.fingerprint, models=tuple(models), gate=gate, directory="",
    )


def file_stem(item: ProductItem) -> str:
    """``<product>_<region>_<YYYYMMDD>_r<NN>``, also the STAC id."""
    return f"{item.product_id}_{item.region_id}_{item.day:%Y%m%d}_r{item.revision:02d}"


def collection_id(item: ProductItem) -> str:
    """Of the STAC collection: ``<product>_<region>``."""
    return f"{item.product_id}_{item.region_id}"


def day_name(item: ProductItem) -> str:
    """``<product>_<region>_<YYYYMMDD>.json``: the newest revision's description, under a name that stays."""
    return f"{collection_id(item)}_{item.day:%Y%m%d}.json"


def model_name(model: ModelVersion) -> str:
    """``<model>_v<version>_<start of the checksum>``, the STAC id of a model."""
    return f"{model.name}_v{model.version}_{model.sha256[:8]}"


def stac_item(item: ProductItem, product: Product, grid: Grid) -> dict[str, Any]:
    """Describe an item by STAC 1.1.

    Parameters
    ----------
    item
        With revision and assets.
    product, grid
        What was published, and where.

    Returns
    -------
    A JSON-able dict. Extensions: projection, raster (scale and offset), file (size, sha2-256 multihash),
    classification, processing, version. Hrefs are relative to the item's own folder, which lies in the catalogue as
    in :mod:`store`. ``derived_from`` are the models and the granules.
    """
    west, south, east, north = lonlat_bounds(grid)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    start = dt.datetime.combine(item.day, dt.time(), dt.UTC)
    stac = Item(
        id=file_stem(item), geometry={"type": "Polygon", "coordinates": [ring]}, bbox=[west, south, east, north],
        datetime=start, start_datetime=start, end_datetime=start + dt.timedelta(days=1, seconds=-1),
        properties=_properties(item, product, grid), stac_extensions=list(EXTENSIONS),
    )
    declared = {f"{file_stem(item)}_{v.variable.name}.tif": v for v in product.variables}
    for file in item.assets:
        variable = declared.get(file.uri)
        stac.add_asset(_asset_key(file, variable), _asset(file, variable))
    stac.add_links(_links(item))
    described: dict[str, Any] = stac.to_dict(include_self_link=False, transform_hrefs=False)
    return {**described, "collection": collection_id(item)}


def _links(item: ProductItem) -> list[Link]:
    links = [
        Link("root", f"{_ROOT}/catalog.json", MediaType.JSON), Link("parent", "../../catalog.json", MediaType.JSON),
        Link("collection", f"{_REGION}/collection.json", MediaType.JSON),
        Link("latest-version", f"../{day_name(item)}", MediaType.GEOJSON),
        *(Link("derived_from", f"{_ROOT}/models/{model_name(model)}.json", MediaType.GEOJSON,
               title=f"model {model.name} {model.version}") for model in item.models),
        *(Link("derived_from", _name(granule), title=f"granule of {granule.source_id}", extra_fields=_content(granule))
          for granule in item.inputs),
    ]
    if item.supersedes is not None:
        before = item.model_copy(update={"revision": item.revision - 1})
        links.append(Link("predecessor-version", f"../r{before.revision:02d}/{file_stem(before)}.json",
                          MediaType.GEOJSON))
    return links


def _asset_key(file: FileRef, declared: ProductVariable | None) -> str:
    if declared is not None:
        return declared.variable.name
    return "netcdf" if file.uri.endswith(".nc") else PurePosixPath(file.uri).name


def _content(file: Granule | FileRef) -> dict[str, Any]:
    checksum = {"file:checksum": _SHA256_MULTIHASH + file.sha256} if file.sha256 else {}
    return {**checksum, "file:size": file.size}


def _properties(item: ProductItem, product: Product, grid: Grid) -> dict[str, Any]:
    code = grid.crs if grid.crs.startswith("EPSG:") else None
    projection = {"proj:code": code} if code else {"proj:code": None, "proj:wkt2": _wkt(grid)}
    return {
        "title": f"{product.title}, {item.region_id}, {item.day}", "license": product.licence,
        "created": _utc(item.created), "version": str(item.revision),
        **projection, "proj:shape": list(grid.shape), "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
        "processing:level": "L4", "processing:datetime": _utc(item.created),
        "processing:version": item.algorithm_version,
        "processing:lineage": lineage(item),
        "sm_daily:item_id": item.item_id, "sm_daily:product": item.product_id, "sm_daily:region": item.region_id,
        "sm_daily:maturity": item.maturity, "sm_daily:revision": item.revision, "sm_daily:supersedes": item.supersedes,
        "sm_daily:citation": product.citation, "sm_daily:inputs_sha256": item.fingerprint,
        "sm_daily:inputs": [_input(granule) for granule in item.inputs],
        "sm_daily:models": [
            {"name": m.name, "kind": m.kind, "version": m.version, "sha256": m.sha256,
             "trained_until": m.trained_until.isoformat()} for m in item.models
        ],
        "sm_daily:checks": [result.model_dump() for result in item.gate.results],
        "sm_daily:checks_not_applicable": list(item.gate.not_applicable),
    }


def lineage(item: ProductItem) -> str:
    """One sentence: made how, from what."""
    sources = sorted({granule.source_id for granule in item.inputs})
    models = ", ".join(f"{model.name} {model.version}" for model in item.models)
    return (f"ESTARFM fusion, LightGBM downscaling and CNN station correction of {len(item.inputs)} granules of "
            f"{', '.join(sources) or 'no source'}; models: {models or 'none'}.")


def _input(granule: Granule) -> dict[str, Any]:
    return {"name": _name(granule), "source": granule.source_id, "start": granule.start.isoformat(),
            "end": granule.end.isoformat(), "tile": granule.tile, "sha256": granule.sha256}


def _name(granule: Granule) -> str:
    return PurePosixPath(granule.uri).name


def _asset(file: FileRef, declared: ProductVariable | None) -> Asset:
    extra = _content(file)
    media_type = _MEDIA_TYPES.get(PurePosixPath(file.uri).suffix)
    if declared is None:
        whole = media_type == MediaType.NETCDF
        return Asset(f"./{file.uri}", title="All variables of the day" if whole else None, media_type=media_type,
                     roles=["archive"] if whole else ["metadata"], extra_fields=extra)
    return Asset(f"./{file.uri}", title=declared.variable.long_name, media_type=media_type, roles=["data"],
                 extra_fields={**extra, **described_values(declared)})


def described_values(declared: ProductVariable) -> dict[str, Any]:
    """What the numbers of a variable mean, in STAC's words: bands, classes, bits."""
    described: dict[str, Any] = {"bands": [_band(declared)]}
    if declared.flag_values:
        described["classification:classes"] = [
            {"value": value, "name": _identifier(meaning), "description": meaning, "color_hint": colour[1:]}
            for value, meaning, colour in declared.flag_values
        ]
    if declared.flag_bits:
        described["classification:bitfields"] = [_bitfield(bit, meaning) for bit, meaning in declared.flag_bits]
    return described


def _band(declared: ProductVariable) -> dict[str, Any]:
    encoding, variable = declared.encoding, declared.variable
    return {
        "name": variable.name, "description": variable.long_name, "data_type": encoding.dtype,
        "nodata": encoding.nodata, "unit": variable.units, "raster:scale": encoding.scale,
        "raster:offset": encoding.offset, "raster:sampling": "area",
    }


def _bitfield(bit: int, meaning: str) -> dict[str, Any]:
    return {
        "name": _identifier(meaning), "description": meaning, "offset": bit, "length": 1,
        "classes": [{"value": 0, "name": "no", "description": f"not: {meaning}"},
                    {"value": 1, "name": "yes", "description": meaning}],
    }


def _identifier(meaning: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in meaning.lower()).split())


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wkt(grid: Grid) -> str:
    from pyproj import CRS

    return str(CRS.from_user_input(grid.crs).to_wkt())


def lonlat_bounds(grid: Grid) -> tuple[float, float, float, float]:
    """West, south, east, north [degrees], whatever the grid's CRS."""
    if grid.crs == "EPSG:4326":
        return grid.bounds
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    west, south, east, north = to_lonlat.transform_bounds(*grid.bounds)
    return float(west), float(south), float(east), float(north)
