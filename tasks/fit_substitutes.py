"""Fitting substitutes: what is common to a source and what stands in for it, learned, judged and registered."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Granule, GriddedGranule, Layer, ModelKind, ModelVersion, Record, Region, Role
from sm_core.errors import TooFewSamplesError
from sm_core.sources import decode, newest, source
from sm_core.sources.declare import SUBSTITUTES
from sm_core.substitutes import (
    CdfMapping,
    CoarseImage,
    CoarseLattice,
    Normals,
    Skill,
    StateNormals,
    fit_state,
    mapping_skill,
    state_skill,
)
from sm_core.substitutes.normals import StateVariable
from tasks.adapters.files import write_text
from tasks.adapters.scratch import load, load_field
from tasks.grid import GranuleError, daily_mean_raster, grid_granules
from tasks.policy import sm_task
from tasks.substitute import STATES, fine_image
from tasks.training.records import COARSE_ROLES
from tasks.wiring import services

_log = logging.getLogger(__name__)
MIN_JUDGED_DAYS = 90
"""Days with both sources that the last year must hold to be judged on, and those before it to learn from."""
LOOK_BACK: dict[StateVariable, tuple[int, int]] = {"lst_day": (16, 0), "ndvi": (64, 18)}
"""How many days before a day a fine image may begin at most, and at least, to be known on that day."""
FINE_ROLES: dict[Role, Role] = {"lst_coarse": "lst_fine", "ndvi_coarse": "ndvi_fine"}


class SubstitutesRequest(Record):
    """Fit the substitutes of a region on a period of its archive."""

    region_id: str
    start: dt.date | None = None
    end: dt.date | None = None
    as_of: dt.datetime


class FittedModel(Record):
    """One fitted model, or why there is none; whether it serves, and why."""

    kind: ModelKind
    model: ModelVersion | None
    promoted: bool
    reason: str
    skill: tuple[Skill, ...] = ()


class SubstitutesRecord(Record):
    """What one fit of the substitutes did."""

    run_id: str
    request: SubstitutesRequest
    fitted: tuple[FittedModel, ...]
    report: str


@sm_task
def prepare_overlap(request: SubstitutesRequest) -> None:
    """Make sure that what is learned from is in the archive, if a first day is named; else what is there must do.

    Years of three-hourly global files are no small matter.
    """
    if request.start is None:
        return
    here = services()
    region = here.region(request.region_id)
    first, last = _period(request, region)
    wanted = {name for role in (*STATES, *FINE_ROLES.values()) for name in region.sources_for(role)[:1]}
    wanted |= {name for role in COARSE_ROLES.values() if (name := _stand_in(region, role))}
    here.archive.prepare([(name, first, last) for name in sorted(wanted)], tiles=region.tiles, as_of=request.as_of)


@sm_task
def open_substitutes(request: SubstitutesRequest) -> str:
    """Start the MLflow run that the models belong to."""
    here = services()
    tags = {"region": request.region_id, "as_of": request.as_of.isoformat(), "code_version": here.code_version}
    return here.registry.start_run(request.region_id, f"substitutes {request.as_of:%Y-%m-%d}", tags)


@sm_task
def fit_mapping(run_id: str, request: SubstitutesRequest) -> FittedModel:
    """Map near-real-time coarse soil moisture to the first source of its roles, from all days that both hold."""
    region = services().region(request.region_id)
    stand_in = _stand_in(region, "ssm_coarse")
    if stand_in is None or stand_in != _stand_in(region, "rzsm_coarse"):
        return _none("mapping", "the region names no source that stands in for both layers")
    references = {layer: region.sources_for(role)[0] for layer, role in COARSE_ROLES.items()}
    try:
        native = _daily_means(stand_in, request, region)
        _log.info("mapping %s to %s from %d days", stand_in, ", ".join(references.values()), native.sizes["time"])
        reference = _reference(references, request, region)
        near = CoarseLattice.of(reference).regrid(native)
        mapping = CdfMapping.fit(near, reference, source_id=stand_in, reference_ids=references)
    except TooFewSamplesError as cause:
        return _none("mapping", str(cause))
    model = _register(run_id, request, "mapping", mapping, mapping.last)
    skill = _judge_mapping(near, reference)
    return _decided(model, skill, "mapped", ("raw", "climatology"))


@sm_task
def fit_normals(run_id: str, request: SubstitutesRequest) -> FittedModel:
    """Normals of coarse temperature and vegetation index, and what fine images tell of their departures."""
    region = services().region(request.region_id)
    states: dict[StateVariable, StateNormals] = {}
    skill: list[Skill] = []
    try:
        for role, variable in STATES.items():
            coarse_id, fine_id = region.sources_for(role)[0], region.sources_for(FINE_ROLES[role])[0]
            coarse = [
                CoarseImage(r.start, partial(_values, r, variable)) for r in _rasters(role, coarse_id, request, region)
            ]
            fine = [fine_image(r, variable) for r in _rasters(FINE_ROLES[role], fine_id, request, region)]
            _log.info("normals of %s from %d coarse and %d fine images", variable, len(coarse), len(fine))
            states[variable] = fit_state(coarse, fine, coarse_id=coarse_id, fine_id=fine_id)
            year = coarse[-1].day.year
            learned = [image for image in coarse if image.day.year < year]
            judged = [image for image in coarse if image.day.year == year]
            if learned and min((learned[-1].day - learned[0].day).days, judged[-1].day.timetuple().tm_yday) > 180:
                earlier = fit_state(learned, [i for i in fine if i.start.year < year], coarse_id=coarse_id,
                                    fine_id=fine_id)
                reach, delay = LOOK_BACK[variable]
                skill += state_skill(variable, earlier, judged, fine, reach_days=reach, delay_days=delay)
    except TooFewSamplesError as cause:
        return _none("normals", str(cause))
    last = max(normals.last for normals in states.values())
    model = _register(run_id, request, "normals", Normals(states), last)
    return _decided(model, tuple(skill), "extension", ("climatology",))


@sm_task
def finish_substitutes(
    run_id: str, request: SubstitutesRequest, fitted: tuple[FittedModel, ...]
) -> SubstitutesRecord:
    """Put in service what has proved itself, write the report, close the MLflow run."""
    here = services()
    report = substitutes_report(request.region_id, fitted)
    record = SubstitutesRecord(run_id=run_id, request=request, fitted=fitted, report=report)
    folder = here.reports / request.region_id / "substitutes" / run_id
    write_text(folder / "report.md", report)
    write_text(folder / "record.json", record.model_dump_json(indent=1))
    metrics = {f"{row.variable}.{row.method}.rmse": row.rmse for one in fitted for row in one.skill}
    here.registry.end_run(run_id, metrics, {}, folder)
    for one in fitted:
        if one.promoted and one.model:
            here.registry.promote(one.model)
    return record


def substitutes_report(region_id: str, fitted: Sequence[FittedModel]) -> str:
    """What a reader wants to know of a fit, in markdown."""
    lines = [f"# Substitutes of {region_id}", ""]
    for one in fitted:
        name = f"{one.model.name} {one.model.version}" if one.model else one.kind
        lines += [f"{name}: {'in service' if one.promoted else 'NOT in service'}; {one.reason}.", ""]
        if one.skill:
            lines += ["| variable | method | RMSE | bias | anomaly r |", "|---|---|---|---|---|"]
            lines += [f"| {r.variable} | {r.method} | {r.rmse:.4f} | {r.bias:+.4f} | {r.anomaly_r:.2f} |"
                      for r in one.skill]
            lines.append("")
    return "\n".join(lines)


def _decided(model: ModelVersion, skill: tuple[Skill, ...], own: str, others: tuple[str, ...]) -> FittedModel:
    if not skill:
        return FittedModel(kind=model.kind, model=model, promoted=False,
                           reason="less than two years to fit on one and judge on another")
    rmse = {(row.variable, row.method): row.rmse for row in skill}
    for variable in dict.fromkeys(row.variable for row in skill):
        for other in others:
            if not rmse[variable, own] < rmse[variable, other]:
                return FittedModel(kind=model.kind, model=model, promoted=False, skill=skill,
                                   reason=f"{variable} of the last year is no nearer than {other}")
    return FittedModel(kind=model.kind, model=model, promoted=True, skill=skill,
                       reason=f"in the last year, fitted on those before, nearer than {' and '.join(others)}")


def _none(kind: ModelKind, reason: str) -> FittedModel:
    return FittedModel(kind=kind, model=None, promoted=False, reason=reason)


def _period(request: SubstitutesRequest, region: Region) -> tuple[dt.date, dt.date]:
    first, last = services().archive.coverage(region.sources_for("lst_fine"))
    return max(first, request.start or first), min(last, request.end or last)


def _stand_in(region: Region, role: Role) -> str | None:
    names = {entry.source_id for entry in SUBSTITUTES if entry.role == role and entry.model == "mapping"}
    return next((name for name in region.sources_for(role) if name in names), None)


def _granules(source_id: str, request: SubstitutesRequest, region: Region) -> list[list[Granule]]:
    here = services()
    first, last = request.start or dt.date.min, request.end or dt.date.max
    found = newest(
        g for g in here.archive.granules(request.as_of)
        if g.source_id == source_id and first <= g.start <= last and (not g.tile or g.tile in region.tiles)
    )
    sealed = [g for g in here.checksums.seal(found) if not here.quarantine.holds(g.sha256)]
    files = source(source_id).files_per_period
    periods = [list(group) for _, group in groupby(sealed, key=lambda g: g.start)]
    return [period for period in periods if 2 * len(period) >= files]


def _daily_means(source_id: str, request: SubstitutesRequest, region: Region) -> xr.Dataset:
    here = services()
    means = []
    for period in _granules(source_id, request, region):
        try:
            means.append(load(daily_mean_raster(period, region, here.scratch(region.region_id))))
        except GranuleError as failure:
            here.quarantine.reject(failure.rejection)
    if not means:
        raise TooFewSamplesError(f"the archive holds no complete day of {source_id}", region=region.region_id)
    return xr.concat(means, dim="time", combine_attrs="drop_conflicts")


def _reference(references: dict[Layer, str], request: SubstitutesRequest, region: Region) -> xr.Dataset:
    granules = services().archive.granules(request.as_of)
    layers = []
    for layer in LAYERS:
        files = sorted((g for g in granules if g.source_id == references[layer]), key=lambda g: g.start)
        if not files:
            raise TooFewSamplesError(f"the archive holds no {references[layer]}", region=region.region_id)
        parts = [decode(Path(g.uri), bounds=region.lonlat_bounds) for g in newest(files)]
        layers.append(xr.concat(parts, dim="time", combine_attrs="drop_conflicts"))
    return xr.merge(layers, join="inner", combine_attrs="drop_conflicts")


def _judge_mapping(near: xr.Dataset, reference: xr.Dataset) -> tuple[Skill, ...]:
    known = np.isfinite(reference[LAYERS[0]].values).any(axis=(1, 2))
    common = np.intersect1d(near.time.values, reference.time.values[known])
    years = common.astype("datetime64[Y]").astype(int) + 1970
    last = int(years[-1])
    if min((years == last).sum(), (years < last).sum()) < MIN_JUDGED_DAYS:
        return ()
    return mapping_skill(near, reference, last, {})


def _rasters(role: Role, source_id: str, request: SubstitutesRequest, region: Region) -> list[GriddedGranule]:
    here = services()
    scratch = here.scratch(region.region_id)
    rasters = []
    for period in _granules(source_id, request, region):
        try:
            rasters.append(grid_granules(role, period[0].start, period, region, period[0].start, scratch))
        except GranuleError as failure:
            here.quarantine.reject(failure.rejection)
    return rasters


def _values(raster: GriddedGranule, variable: StateVariable) -> NDArray[np.float32]:
    return load_field(raster.raster, variable).values


def _register(
    run_id: str, request: SubstitutesRequest, kind: ModelKind, fitted: CdfMapping | Normals, last: dt.date
) -> ModelVersion:
    here = services()
    directory = here.settings.data / "scratch" / "training" / run_id / kind
    directory.mkdir(parents=True, exist_ok=True)
    fitted.save(directory)
    return here.registry.register(run_id, request.region_id, kind, directory, trained_until=last)
