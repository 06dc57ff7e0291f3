"""A static STAC catalogue over the published days: catalog, collection, year, month, item; and the models.

``<root>/catalog.json`` → ``<product>/<region>/collection.json`` → ``<YYYY>/catalog.json`` → ``<MM>/catalog.json`` → the
newest revision of each day. Earlier revisions are reached by ``predecessor-version``. Hrefs are relative, so that the
folder can be moved or served as it is.
"""

from __future__ import annotations

import datetime as dt
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pystac import (
    Asset,
    Catalog,
    Collection,
    Extent,
    Item,
    ItemAssetDefinition,
    Link,
    MediaType,
    Provider,
    ProviderRole,
    SpatialExtent,
    TemporalExtent,
)

from sm_core.domain import LAYERS, Grid, ModelKind, ModelVersion, Product, ProductItem
from sm_core.publishing.items import (
    EXTENSIONS,
    collection_id,
    day_name,
    described_values,
    file_stem,
    lonlat_bounds,
    model_name,
    stac_item,
)

CATALOG, COLLECTION, CHANGES, LATEST = "catalog.json", "collection.json", "CHANGES.csv", "latest.json"
MODELS = "models"
_MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
_Json = dict[str, Any]

_MODELS: Mapping[ModelKind, tuple[str, str, str, Sequence[str]]] = {
    "downscaler": ("Gradient-boosted trees", "LightGBM", "super-resolution", LAYERS),
    "corrector": ("Convolutional network fitted to stations", "PyTorch", "regression", LAYERS),
    "climatology": ("Empirical distribution by day of the year", "NumPy", "regression",
                    [f"percentile_{layer}" for layer in LAYERS]),
    "provisional_climatology": ("Empirical distribution by day of the year, of days made with substitutes", "NumPy",
                                "regression", [f"percentile_{layer}" for layer in LAYERS]),
    "mapping": ("Seasonal quantile mapping", "NumPy", "regression", LAYERS),
    "normals": ("Yearly cycle of means", "NumPy", "regression", ("lst_day", "ndvi")),
}
"""Architecture, framework, task and results of each kind of model."""


def catalogue_files(root: Path, item: ProductItem, product: Product, grid: Grid) -> Iterator[tuple[Path, _Json]]:
    """Every file of the catalogue that a publication touches, those furthest down first.

    Parameters
    ----------
    root
        Of the product store.
    item
        The newest revision of its day, complete in its folder.
    product, grid
        What was published, and where.
    """
    region = root / item.product_id / item.region_id
    month = region / f"{item.day:%Y}" / f"{item.day:%m}"
    for model in item.models:
        yield root / MODELS / f"{model_name(model)}.json", model_item(model, grid)
    if item.models:
        known = {*(path.stem for path in (root / MODELS).glob("*_v*.json")), *map(model_name, item.models)}
        yield root / MODELS / CATALOG, models_catalog(sorted(known))
    yield month / f"{item.day:%d}" / day_name(item), day_item(item, product, grid)
    yield month / CATALOG, month_catalog(item, month)
    yield month.parent / CATALOG, year_catalog(item, _folders(month.parent, month.name))
    years = _folders(region, month.parent.name)
    yield region / COLLECTION, collection(item, product, grid, years, _extent(region, item.day))
    yield root / CATALOG, root_catalog(root, item)


def root_catalog(root: Path, item: ProductItem) -> _Json:
    """The entry: a collection for each product and region, and the models."""
    found = {path.relative_to(root).as_posix() for path in root.glob(f"*/*/{COLLECTION}")}
    found.add(f"{item.product_id}/{item.region_id}/{COLLECTION}")
    catalog = Catalog("sm-daily", "Daily soil moisture and drought, and the models that they are made by.",
                      title="sm-daily")
    catalog.add_links([_link("root", f"./{CATALOG}"), *(_link("child", f"./{path}") for path in sorted(found))])
    if item.models or (root / MODELS / CATALOG).exists():
        catalog.add_link(_link("child", f"./{MODELS}/{CATALOG}"))
    return _plain(catalog)


def collection(
    item: ProductItem, product: Product, grid: Grid, years: Sequence[str], extent: tuple[dt.date, dt.date]
) -> _Json:
    """A product in a region, with what its assets are and the list of changes."""
    first, last = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in extent)
    made = Collection(
        id=collection_id(item), title=f"{product.title}: {item.region_id}", license=product.licence,
        description=f"{product.title}. Algorithm {product.algorithm_version}. {product.citation}",
        extent=Extent(SpatialExtent([list(lonlat_bounds(grid))]),
                      TemporalExtent([[first, last + dt.timedelta(days=1, seconds=-1)]])),
        keywords=["soil moisture", "drought", "root zone", "1 km", "daily"],
        providers=[Provider("sm-daily", roles=[ProviderRole.PRODUCER, ProviderRole.PROCESSOR])],
        stac_extensions=_extensions("raster", "classification"),
    )
    made.summaries.add("sm_daily:maturity", ["provisional", "final"])
    made.add_asset("changes", Asset(f"./{CHANGES}", title="What was revised, when and why", media_type="text/csv",
                                    roles=["metadata"]))
    made.item_assets = {
        v.variable.name: ItemAssetDefinition({
            "title": v.variable.long_name, "type": MediaType.COG, "roles": ["data"], **described_values(v)})
        for v in product.variables
    }
    made.add_links([_link("root", f"../../{CATALOG}"), _link("parent", f"../../{CATALOG}"),
                    *(_link("child", f"./{year}/{CATALOG}") for year in years)])
    return _plain(made)


def year_catalog(item: ProductItem, months: Sequence[str]) -> _Json:
    """The months of a year."""
    catalog = Catalog(f"{collection_id(item)}_{item.day:%Y}", f"{collection_id(item)} in {item.day:%Y}",
                      title=f"{item.day:%Y}")
    catalog.add_links([_link("root", f"../../../{CATALOG}"), _link("parent", f"../{COLLECTION}"),
                       *(_link("child", f"./{month}/{CATALOG}") for month in months)])
    return _plain(catalog)


def month_catalog(item: ProductItem, month: Path) -> _Json:
    """The newest revision of each day of a month."""
    newest = {path.parent.name: Path(json.loads(path.read_text(encoding="utf-8"))["stac"])
              for path in month.glob(f"[0-9]*/{LATEST}")}
    newest[f"{item.day:%d}"] = Path(item.directory) / f"{file_stem(item)}.json"
    catalog = Catalog(f"{collection_id(item)}_{item.day:%Y%m}", f"{collection_id(item)} in {item.day:%Y-%m}",
                      title=f"{item.day:%Y-%m}")
    catalog.add_links([
        _link("root", f"../../../../{CATALOG}"), _link("parent", f"../{CATALOG}"),
        *(Link("item", f"./{day}/{path.parent.name}/{path.name}", MediaType.GEOJSON)
          for day, path in sorted(newest.items())),
    ])
    return _plain(catalog)


def day_item(item: ProductItem, product: Product, grid: Grid) -> _Json:
    """The description of a revision as seen from its day's folder."""
    described = stac_item(item, product, grid)
    own = f"./r{item.revision:02d}"
    for part in [*described["assets"].values(), *described["links"]]:
        if part["href"].startswith("."):
            part["href"] = _relative(posixpath.join(own, part["href"]))
    return described


def models_catalog(names: Sequence[str]) -> _Json:
    """All models that a publication was made by."""
    catalog = Catalog("models", "Models that the products are made by.", title="Models")
    catalog.add_links([_link("root", f"../{CATALOG}"), _link("parent", f"../{CATALOG}"),
                       *(Link("item", f"./{name}.json", MediaType.GEOJSON) for name in names)])
    return _plain(catalog)


def model_item(model: ModelVersion, grid: Grid) -> _Json:
    """A model, described by STAC's machine-learning extension; its date is that of its last training data."""
    architecture, framework, task, results = _MODELS[model.kind]
    west, south, east, north = lonlat_bounds(grid)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    plane = {"shape": [-1, -1], "dim_order": ["height", "width"], "data_type": "float32"}
    described = Item(
        id=model_name(model), geometry={"type": "Polygon", "coordinates": [ring]}, bbox=[west, south, east, north],
        datetime=dt.datetime.combine(model.trained_until, dt.time(), dt.UTC),
        stac_extensions=[_MLM, *_extensions("version", "file")],
        properties={
            "title": f"{model.name} {model.version}", "version": str(model.version), "mlm:name": model.name,
            "mlm:architecture": architecture, "mlm:framework": framework, "mlm:tasks": [task],
            "mlm:input": [{"name": "fields of the day", "bands": [], "input": plane}],
            "mlm:output": [{"name": name, "tasks": [task], "result": plane} for name in results],
            "sm_daily:kind": model.kind, "sm_daily:trained_until": model.trained_until.isoformat(),
            "sm_daily:training_stations": len(model.training_stations),
            "sm_daily:held_out_stations": len(model.held_out_stations),
        },
    )
    described.add_asset("model", Asset(
        f"models:/{model.name}/{model.version}", title="In the model registry",
        roles=["mlm:model"], extra_fields={"mlm:artifact_type": framework, "file:checksum": f"1220{model.sha256}"},
    ))
    described.add_links([_link("root", f"../{CATALOG}"), _link("parent", f"./{CATALOG}")])
    return _plain(described)


def _extensions(*names: str) -> list[str]:
    return [uri for uri in EXTENSIONS if any(f"/{name}/" in uri for name in names)]


def _extent(region: Path, day: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day with a visible revision, this one counted."""
    return min(outermost_day(region, day, first=True), day), max(outermost_day(region, day, first=False), day)


def outermost_day(region: Path, day: dt.date, *, first: bool) -> dt.date:
    """The first or last day with a visible revision, else ``day``."""
    for year in sorted(region.glob("[0-9]*"), reverse=not first):
        for month in sorted(year.glob("[0-9]*"), reverse=not first):
            for folder in sorted(month.glob("[0-9]*"), reverse=not first):
                if (folder / LATEST).exists():
                    return dt.date(int(year.name), int(month.name), int(folder.name))
    return day


def _folders(parent: Path, own: str) -> list[str]:
    return sorted({*(path.parent.name for path in parent.glob(f"[0-9]*/{CATALOG}")), own})


def _relative(path: str) -> str:
    plain = posixpath.normpath(path)
    return plain if plain.startswith("..") else f"./{plain}"


def _link(rel: str, href: str) -> Link:
    return Link(rel, href, MediaType.JSON)


def _plain(described: Catalog | Item) -> _Json:
    plain: _Json = described.to_dict(include_self_link=False, transform_hrefs=False)
    return plain
