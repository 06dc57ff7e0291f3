"""The day's product: rasters, summary and description, visible at once or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

from sm_core.domain import DailyInputs, FileRef, GateResult, ModelVersion, ProductItem, RasterRef, Region
from sm_core.drought import summarise, to_csv, to_geojson, to_markdown
from sm_core.publishing import SOIL_MOISTURE_1KM, draft, identity_after, made_from, write_cogs, write_netcdf
from tasks.adapters.scratch import load
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def already_published(region_id: str, inputs: DailyInputs, models: tuple[ModelVersion, ...]) -> ProductItem | None:
    """What is shown of the day, if these inputs and models made it and it is undamaged."""
    here = services()
    product = SOIL_MOISTURE_1KM
    shown = here.store.latest(product.product_id, region_id, inputs.day)
    if shown is None or not made_from(shown, product.algorithm_version, inputs.fingerprint, models):
        return None
    return None if here.store.damaged(shown) else shown


@sm_task
def publish_day(
    inputs: DailyInputs, models: tuple[ModelVersion, ...], fields: RasterRef, gate: GateResult
) -> ProductItem:
    """Store the next revision of the day."""
    here = services()
    region = here.region(inputs.region_id)
    product = SOIL_MOISTURE_1KM
    made = load(fields)

    def write(directory: Path, item: ProductItem) -> Sequence[FileRef]:
        rasters = write_cogs(made, product, directory, item=item, grid=region.grid)
        whole = write_netcdf(made, product, directory, item=item, grid=region.grid)
        texts = (_write(directory / name, text) for name, text in _summary(made, inputs, item, region))
        return (*rasters, whole, *texts)

    item = draft(product, inputs, models, gate, utc_now())
    before = here.store.revisions(product.product_id, region.region_id, inputs.day)
    item = item.model_copy(update={"item_id": identity_after(item, before)})
    return here.store.publish(item, product, region.grid, write)


def _summary(
    made: xr.Dataset, inputs: DailyInputs, item: ProductItem, region: Region
) -> Iterator[tuple[str, str]]:
    """The day by itself, so that making it again gives the same; the report compares it with the days before."""
    here = services()
    statics, units = here.statics(region), here.units(region)
    summary = summarise(
        made, units, statics["land"].values > 0.5, region=region, day=inputs.day, maturity=item.maturity,
        sources=sorted({slot.source_id for slot in inputs.slots if slot.source_id}), based_on=item.item_id,
        land_cover=statics["land_cover"].values if "land_cover" in statics else None,
    )
    yield "drought.json", summary.model_dump_json(indent=1)
    yield "drought.csv", to_csv(summary)
    yield "drought.geojson", to_geojson(summary, units)
    yield "drought.md", to_markdown(summary)


def _write(path: Path, text: str) -> FileRef:
    content = text.encode()
    path.write_bytes(content)
    return FileRef(uri=path.name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
