"""What days are compared with: the climatology that fits a day, one for provisional days, and their update."""

from __future__ import annotations

import datetime as dt
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import xarray as xr

from sm_core.domain import LAYERS, DailyInputs, DailyRequest, ModelKind, ModelVersion, ProductItem, Record, Region
from sm_core.drought import Climatology, FineDay, FineRecord, fit
from sm_core.errors import ModelNotFoundError, TooFewSamplesError
from sm_core.grid import to_grid
from sm_core.publishing import SOIL_MOISTURE_1KM, read_cogs
from sm_core.sources import decode, newest
from sm_core.sources.declare import substitute
from sm_core.sources.matching import match_inputs, wanted_periods
from tasks.adapters.scratch import identity_of, load
from tasks.correct import correct_day
from tasks.downscale import downscale_day, feature_day
from tasks.fuse import fuse_day
from tasks.grid import grid_inputs
from tasks.models import resolve_stand_ins
from tasks.policy import sm_task
from tasks.settings import threads_for_children
from tasks.substitute import why_unfit
from tasks.training.records import COARSE_ROLES, DaysRef, PreparedDay, load_days, made, store_days
from tasks.wiring import services

PROVISIONAL: ModelKind = "provisional_climatology"
LEAST_DAYS = 12
"""Hindcast days, fewer of which tell nothing of a cell's offset."""
_log = logging.getLogger(__name__)


class HindcastRequest(Record):
    """Make every n-th day of a period as it would have been made while it was provisional."""

    region_id: str
    start: dt.date | None = None
    end: dt.date | None = None
    every_days: int = 10
    as_of: dt.datetime


def made_with(models: Sequence[ModelVersion]) -> str:
    """Names those of a day's models that decide on its soil moisture; what a climatology must share with the day."""
    kinds = {model.kind: f"{model.name}:{model.version}" for model in models}
    return " ".join(kinds[kind] for kind in ("downscaler", "corrector", "mapping") if kind in kinds)


def suited(inputs: DailyInputs, serving: tuple[ModelVersion, ...]) -> tuple[ModelVersion, ...]:
    """The models in service for a day: one of mapped soil moisture is compared with the climatology of such days.

    Without one that was made with the same models, the climatology of final days serves, and the summary says so.
    """
    mapped = [slot.model for slot in inputs.slots if slot.model is not None and slot.model.kind == "mapping"]
    registry = services().registry
    try:
        own = registry.champion(inputs.region_id, PROVISIONAL) if mapped else None
    except ModelNotFoundError:
        return serving
    if own is None or Climatology.load(registry.fetch(own)).made_with != made_with([*serving, *mapped]):
        return serving
    return (*(model for model in serving if model.kind != "climatology"), own)


def open_climatology(region_id: str, version: ModelVersion) -> Climatology:
    """A registered climatology, with the 1-km record that it is pinned to."""
    climatology = Climatology.load(services().registry.fetch(version))
    if climatology.pinned is None:
        return climatology
    return climatology.with_fine(FineRecord.open(_record_directory(region_id, climatology)))


@sm_task
def climatologies(region_id: str) -> tuple[ModelVersion, ...]:
    """Those in service: of final days and, if there is one, of provisional days.

    Raises
    ------
    ModelNotFoundError   SM501, the region has not been trained.
    """
    registry = services().registry
    serving = (registry.champion(region_id, "climatology"),)
    try:
        return (*serving, registry.champion(region_id, PROVISIONAL))
    except ModelNotFoundError:
        return serving


@sm_task
def update_climatology(region_id: str, serving: ModelVersion) -> ModelVersion:
    """Add the days published by the serving models to the 1-km record, and let the climatology count it.

    Returns the version that serves then: a new one, or the same while no year before the newest one has changed.
    """
    here = services()
    region, climatology = here.region(region_id), Climatology.load(here.registry.fetch(serving))
    record = FineRecord.create(_record_directory(region_id, climatology), region.grid,
                               made_with=climatology.made_with, kind=climatology.kind)
    added = record.add(_published(region, climatology, record))
    _log.info("%s: %d days added to the record", serving.name, added)
    pinned = climatology.pin(record)
    if pinned.pinned == climatology.pinned:
        return serving
    noted = {"updates": f"{serving.name}:{serving.version}"}
    return _registered(region_id, serving.kind, replace(pinned, fine=None), serving.trained_until, noted,
                       {"years": len(record.years)})


@sm_task
def hindcast_provisional(request: HindcastRequest, models: tuple[ModelVersion, ...]) -> DaysRef:
    """Days with all their real sources, made with substitutes only and with no image from after them.

    Raises
    ------
    ModelNotFoundError   SM501, no mapping of soil moisture is in service: no day would be provisional by it.
    """
    here = services()
    region = here.region(request.region_id)
    stand_ins = resolve_stand_ins.fn(request.region_id)
    if not any(model.kind == "mapping" for model in stand_ins):
        raise ModelNotFoundError(f"region {region.region_id} has no mapping in service; see sm-daily substitutes")
    first, last = here.archive.coverage(_as_provisional(region, stand_ins).sources_for("rzsm_coarse"))
    first, last = max(first, request.start or first), min(last, request.end or last)
    days = [first + dt.timedelta(days=n) for n in range(0, (last - first).days + 1, request.every_days)]
    if request.start is not None:
        here.archive.prepare([period for day in days for period in wanted_periods(region, day)],
                             tiles=region.tiles, as_of=request.as_of)
    workers = max(min(here.settings.processes, len(days)), 1)
    with threads_for_children(1), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_hindcast, request, day, models, stand_ins) for day in days]
        found = [future.result() for future in futures]
    return store_days(region.region_id, [day for day in found if day is not None])


@sm_task
def fit_provisional(
    request: HindcastRequest, days: DaysRef, models: tuple[ModelVersion, ...]
) -> ModelVersion:
    """The climatology of provisional days: the long coarse record, carried to 1 km by lines fitted on hindcasts.

    Raises
    ------
    TooFewSamplesError   SM504, fewer than ``LEAST_DAYS`` hindcasts lie in the record.
    """
    region = services().region(request.region_id)
    hindcasts = load_days(days)
    records = {layer: coarse_record(region, region.sources_for(role)[0], request.as_of)
               for layer, role in COARSE_ROLES.items()}
    known = set.intersection(*({_date(time) for time in record.time.values} for record in records.values()))
    hindcasts = [day for day in hindcasts if day.day in known]
    if len(hindcasts) < LEAST_DAYS:
        raise TooFewSamplesError("too few days can be made as provisional ones", region=region.region_id,
                                 days=len(hindcasts), least=LEAST_DAYS)
    mappings = {model.name: model for day in hindcasts for model in day.inputs.models if model.kind == "mapping"}
    climatology = fit(
        records, (FineDay(day.day, load(made(day.corrected)), _coarse_on(region, records, day.day))
                  for day in hindcasts),
        region.grid, made_with=made_with([*models, *mappings.values()]), kind="provisional",
    )
    return _registered(region.region_id, PROVISIONAL, climatology, hindcasts[-1].day, {}, {"days": len(hindcasts)})


def coarse_record(region: Region, source_id: str, as_of: dt.datetime) -> xr.Dataset:
    """All that the archive holds of a yearly coarse source around the region, on its native lattice. (time, y, x)

    Raises
    ------
    TooFewSamplesError   SM504, it holds nothing.
    """
    files = newest(g for g in services().archive.granules(as_of) if g.source_id == source_id)
    if not files:
        raise TooFewSamplesError(f"the archive holds no {source_id}", region=region.region_id)
    parts = [decode(Path(g.uri), bounds=region.lonlat_bounds) for g in sorted(files, key=lambda g: g.start)]
    return xr.concat(parts, dim="time", combine_attrs="drop_conflicts")


def _hindcast(
    request: HindcastRequest, day: dt.date, models: tuple[ModelVersion, ...], stand_ins: tuple[ModelVersion, ...]
) -> PreparedDay | None:
    here = services()
    region = here.region(request.region_id)
    if any(why_unfit(model, day) for model in stand_ins):
        return None
    fine = {name for role in ("ndvi_fine", "lst_fine") for name in region.sources_for(role)}
    known = [g for g in here.archive.granules(request.as_of) if g.end <= day or g.source_id not in fine]
    matched = match_inputs(DailyRequest(region_id=region.region_id, day=day, as_of=request.as_of),
                           _as_provisional(region, stand_ins), known, {model.kind: model for model in stand_ins})
    inputs = matched.model_copy(update={"slots": tuple(
        slot.model_copy(update={"granules": here.checksums.seal(slot.granules)}) for slot in matched.slots)})
    if inputs.missing or (gridded := grid_inputs.fn(inputs)).rejected:
        return None
    fused = fuse_day.fn(inputs, gridded)
    features = feature_day.fn(inputs, gridded, fused)
    downscaled = downscale_day.fn(inputs, gridded, features, models[0])
    return PreparedDay(inputs=inputs, gridded=gridded, fused=fused, features=features, downscaled=downscaled,
                       corrected=correct_day.fn(inputs, downscaled, features, models[1]))


def _as_provisional(region: Region, stand_ins: Sequence[ModelVersion]) -> Region:
    """The region as if nothing were there but what stands in, in the roles for which something does."""
    kinds = {model.kind for model in stand_ins}

    def reduced(role: str, sources: tuple[str, ...]) -> tuple[str, ...]:
        standing = tuple(name for name in sources if (entry := substitute(role, name)) and entry.model in kinds)
        return standing or sources

    return region.model_copy(update={"roles": tuple(
        entry.model_copy(update={"sources": reduced(entry.role, entry.sources)}) for entry in region.roles)})


def _coarse_on(region: Region, records: dict[str, xr.Dataset], day: dt.date) -> xr.Dataset:
    layers = [to_grid(record.sel(time=[str(day)]), region.grid, "bilinear") for record in records.values()]
    return xr.merge(layers, combine_attrs="drop_conflicts").isel(time=0, drop=True)


def _registered(
    region_id: str, kind: ModelKind, climatology: Climatology, trained_until: dt.date, noted: dict[str, str],
    figures: dict[str, float],
) -> ModelVersion:
    here = services()
    run_id = here.registry.start_run(region_id, kind.replace("_", " "), noted)
    directory = here.settings.data / "scratch" / "training" / run_id / kind
    directory.mkdir(parents=True, exist_ok=True)
    climatology.save(directory)
    version = here.registry.register(run_id, region_id, kind, directory, trained_until=trained_until)
    here.registry.end_run(run_id, figures, {}, directory)
    here.registry.renew(version)
    return version


def _published(
    region: Region, climatology: Climatology, record: FineRecord
) -> Iterator[tuple[dt.date, xr.Dataset]]:
    """Days that the climatology's models published and its record has not got, in order."""
    here, product = services(), SOIL_MOISTURE_1KM
    for day in here.store.days(product.product_id, region.region_id):
        item = _newest_of(climatology, here.store.revisions(product.product_id, region.region_id, day))
        if item is not None and record.stamp(day) != item.item_id:
            fields = read_cogs(here.store.directory(item), product, item, region.grid, LAYERS)
            yield day, fields.assign_attrs(item_id=item.item_id)


def _newest_of(climatology: Climatology, revisions: Sequence[ProductItem]) -> ProductItem | None:
    """A day that became final was provisional once, and belongs to both records."""
    fitting = [item for item in revisions
               if item.maturity == climatology.kind and made_with(item.models) == climatology.made_with]
    return fitting[-1] if fitting else None


def _record_directory(region_id: str, climatology: Climatology) -> Path:
    identity = identity_of([climatology.made_with, climatology.kind])[:16]
    return services().settings.data / "climatology" / region_id / identity


def _date(time: object) -> dt.date:
    import pandas as pd

    return pd.Timestamp(time).date()
