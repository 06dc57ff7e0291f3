"""Which granules make the day."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from sm_core.domain import DailyInputs, DailyRequest, Granule, InputSlot, ModelKind, ModelVersion, Region, Role
from sm_core.errors import DayOutOfRangeError, SourceError, UnitsError
from sm_core.sources import decode, source
from sm_core.sources.matching import match_inputs, wanted_periods
from tasks.adapters.scratch import identity_of, load
from tasks.policy import sm_task
from tasks.substitute import remark, why_unfit
from tasks.wiring import Services, services

YEARLY = 365
"""Files of such a period grow: they are looked into, whether they reach the day."""


@sm_task
def fetch_inputs(request: DailyRequest) -> None:
    """Make sure that what can be had for the day is in the archive; substitutes where what they stand for is not."""
    if request.day > request.as_of.date():
        raise DayOutOfRangeError(f"{request.day} has not begun at {request.as_of:%Y-%m-%d %H:%M} UTC")
    here = services()
    region = here.region(request.region_id)
    prepare = partial(here.archive.prepare, tiles=region.tiles, as_of=request.as_of)
    prepare(wanted_periods(region, request.day, stand_ins=()))
    late = match_inputs(request, region, _catalogue(here, region, request)).missing
    if late:
        prepare(wanted_periods(region, request.day, stand_ins=late))


@sm_task
def resolve_inputs(request: DailyRequest, stand_ins: tuple[ModelVersion, ...] = ()) -> DailyInputs:
    """Fill every input role of the day from the archive; quarantined files are passed over and said so.

    ``stand_ins`` are the models of substitutes in service; without them no substitute is used.
    """
    here = services()
    region = here.region(request.region_id)
    catalogue = _catalogue(here, region, request)
    passed_over: set[str] = set()
    models: dict[ModelKind, ModelVersion | str] = {model.kind: model for model in stand_ins}
    while True:
        matched = match_inputs(request, region, [g for g in catalogue if g.uri not in passed_over], models)
        unfit = {model.kind: why for model in matched.models if (why := why_unfit(model, request.day))}
        if unfit:
            models |= unfit
            continue
        inputs = matched.model_copy(update={"slots": tuple(
            slot.model_copy(update={"granules": here.checksums.seal(slot.granules)}) for slot in matched.slots
        )})
        rejected = {g.uri for g in inputs.granules if here.quarantine.holds(g.sha256)}
        if not rejected:
            quarantined = f"{len(passed_over)} files quarantined" if passed_over else None
            return inputs.model_copy(update={"slots": tuple(
                _noting(slot, quarantined, remark(slot, inputs)) for slot in inputs.slots
            )})
        passed_over |= rejected


def lacking(inputs: DailyInputs) -> tuple[Role, ...]:
    """Roles that the day waits for, by the region's patience."""
    return inputs.lacking(services().region(inputs.region_id).upkeep.images_within_days)


def _catalogue(here: Services, region: Region, request: DailyRequest) -> list[Granule]:
    """The archive without the yearly files of the day's year that do not reach the day."""
    known = here.archive.granules(request.as_of)
    return [g for g in known if not _falls_short(here, region, g, request.day)]


def _falls_short(here: Services, region: Region, granule: Granule, day: dt.date) -> bool:
    if not granule.start <= day <= granule.end or source(granule.source_id).period_days < YEARLY:
        return False
    if not any(granule.source_id in entry.sources for entry in region.roles):
        return False
    sealed = here.checksums.seal([granule])[0]
    identity = identity_of(["days", region.grid.model_dump_json(), sealed.sha256])

    def make() -> xr.Dataset:
        content = decode(Path(granule.uri), bounds=region.lonlat_bounds)
        field = content[source(granule.source_id).variables[0]].values
        return xr.Dataset({"known": ("time", np.isfinite(field).any(axis=(1, 2)))}, {"time": content.time})

    try:
        days = load(here.scratch(region.region_id).store(f"days/{granule.source_id}", str(granule.start.year),
                                                         identity, make))
    except (SourceError, UnitsError):
        return False                                     # gridding will quarantine it
    known = days["time"].values[days["known"].values].astype("datetime64[D]")
    return np.datetime64(day, "D") not in known


def _noting(slot: InputSlot, *notes: str | None) -> InputSlot:
    if slot.status != "present" or not any(notes):
        return slot
    return slot.model_copy(update={"reason": "; ".join(note for note in (slot.reason, *notes) if note)})
