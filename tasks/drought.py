"""What the day's soil moisture means: percentiles, classes, quality flags; the report."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import xarray as xr

from sm_core.domain import DailyInputs, ModelVersion, ProductItem, QaFlag, RasterRef, Region
from sm_core.drought import (
    LANGUAGES,
    AdminUnits,
    DroughtSummary,
    drought_fields,
    flash_field,
    summarise,
    to_csv,
    to_geojson,
    to_html,
    to_markdown,
)
from sm_core.publishing import SOIL_MOISTURE_1KM, product_fields, read_cogs
from tasks.adapters.files import write_text
from tasks.adapters.scratch import identity_of, load
from tasks.climatology import open_climatology
from tasks.policy import sm_task
from tasks.wiring import services

HISTORY_DAYS = 90
FLASH_DAYS = 60
"""How long a flash drought is told of after it began."""
_SUMMARY = "drought.json"


@sm_task
def drought_day(inputs: DailyInputs, corrected: RasterRef, fused: RasterRef, climatology: ModelVersion) -> RasterRef:
    """Every field that the product declares, and what else the summary needs."""
    here = services()
    region = here.region(inputs.region_id)
    flags = _coarse_flags(inputs)
    identity = identity_of([corrected.identity, fused.identity, climatology.sha256, str(int(flags))])

    def make() -> xr.Dataset:
        moisture, statics = load(corrected), here.statics(region)
        usual = open_climatology(region.region_id, climatology)
        return product_fields(
            moisture, load(fused), drought_fields(moisture, usual, statics, inputs.day), statics, region.grid,
            day=inputs.day, coarse_flags=flags,
        )

    return here.scratch(region.region_id).store("fields", f"{inputs.day:%Y%m%d}", identity, make)


@sm_task
def report_drought(item: ProductItem, fields: RasterRef) -> Path:
    """The published day in words, tables and maps, compared with the days before; returns the folder.

    Unlike the item's own files these depend on the days before, and are written anew when the day is reported again.
    """
    here = services()
    region = here.region(item.region_id)
    made, units, statics = load(fields), here.units(region), here.statics(region)
    recent = _recent_percentiles(item, region)
    if recent is not None:
        flash = flash_field(made["percentile_sm_rootzone"].values, recent, item.day)
        made["flash_drought"] = (("y", "x"), flash)
    history = drought_history(region.region_id, item.day)
    summary = summarise(
        made, units, statics["land"].values > 0.5, region=region, day=item.day, maturity=item.maturity,
        based_on=item.item_id, sources=sorted({granule.source_id for granule in item.inputs}), history=history,
        land_cover=statics["land_cover"].values if "land_cover" in statics else None,
    )
    return write_report(report_directory(region.region_id, item.day), summary, units, history)


def write_report(
    directory: Path, summary: DroughtSummary, units: AdminUnits, history: tuple[DroughtSummary, ...]
) -> Path:
    """JSON, CSV and GeoJSON, and for each language Markdown and a page; the JSON last."""
    write_text(directory / "drought.csv", to_csv(summary))
    write_text(directory / "drought.geojson", to_geojson(summary, units))
    for language in LANGUAGES:
        write_text(directory / f"drought.{language}.md", to_markdown(summary, language))
        write_text(directory / f"drought.{language}.html", to_html(summary, units, history, language))
    write_text(directory / _SUMMARY, summary.model_dump_json(indent=1))
    return directory


def report_directory(region_id: str, day: dt.date) -> Path:
    """Where a day's report is."""
    return services().reports / "drought" / region_id / f"{day:%Y-%m-%d}"


def drought_history(region_id: str, day: dt.date, days: int = HISTORY_DAYS) -> tuple[DroughtSummary, ...]:
    """Reported summaries of the days before one, oldest first."""
    paths = (report_directory(region_id, day - dt.timedelta(days=back)) / _SUMMARY for back in range(days, 0, -1))
    return tuple(DroughtSummary.model_validate_json(path.read_text(encoding="utf-8")) for path in paths
                 if path.is_file())


def _recent_percentiles(item: ProductItem, region: Region) -> xr.DataArray | None:
    """Published root-zone percentiles of the days in which a flash drought may have begun. (time, y, x)"""
    here, name = services(), "percentile_sm_rootzone"
    found: dict[dt.date, np.ndarray] = {}
    for back in range(FLASH_DAYS, 0, -1):
        day = item.day - dt.timedelta(days=back)
        past = here.store.latest(item.product_id, item.region_id, day)
        if past is not None and past.algorithm_version == item.algorithm_version:
            directory = here.store.directory(past)
            found[day] = read_cogs(directory, SOIL_MOISTURE_1KM, past, region.grid, (name,))[name].values
    if not found:
        return None
    return xr.DataArray(np.stack(list(found.values())), {"time": np.array(list(found), "datetime64[ns]")},
                        ("time", "y", "x"))


def _coarse_flags(inputs: DailyInputs) -> QaFlag:
    region = services().region(inputs.region_id)
    flags = QaFlag(0)
    for slot in (inputs.slot("ssm_coarse"), inputs.slot("rzsm_coarse")):
        if slot.provisional:
            flags |= QaFlag.COARSE_PROVISIONAL
        if slot.source_id != region.sources_for(slot.role)[0]:
            flags |= QaFlag.COARSE_SUBSTITUTE
    if any(inputs.slot(role).model is not None for role in ("lst_coarse", "ndvi_coarse")):
        flags |= QaFlag.STATE_SUBSTITUTE
    if any(slot.reason and "tiles missing" in slot.reason for slot in inputs.slots):
        flags |= QaFlag.TILE_MISSING
    return flags
