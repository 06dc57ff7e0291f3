"""The day's product: rasters, summary and description, visible at once or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

from sm_core.domain import DailyInputs, FileRef, GateResult, ModelVersion, ProductItem, RasterRef, Region
from sm_core.drought import load_units, summarise, to_csv, to_geojson, to_markdown
from sm_core.publishing import SOIL_MOISTURE_1KM, draft, item_id, write_cogs, write_netcdf
from tasks.adapters.scratch import load
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def already_published(region_id: str, inputs: DailyInputs, models: tuple[ModelVersion, ...]) -> ProductItem | None:
    """The item that these inputs and models would give, if it is published and undamaged."""
    here = services()
    product = SOIL_MOISTURE_1KM
    wanted = item_id(product, region_id, inputs.day, inputs.fingerprint, models)
    found = here.store.find(wanted, product_id=product.product_id, region_id=region_id, day=inputs.day)
    return found if found and not here.store.damaged(found) else None


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

    return here.store.publish(draft(product, inputs, models, gate, utc_now()), product, region.grid, write)


def _summary(
    made: xr.Dataset, inputs: DailyInputs, item: ProductItem, region: Region
) -> Iterator[tuple[str, str]]:
    """The day by itself, so that making it again gives the same; the report compares it with the days before."""
    here = services()
    statics, units = here.statics(region), load_units(region, here.archive.root)
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
