"""Everything that retraining does: days prepared, stations collected, models trained, judged and registered."""

from __future__ import annotations

import datetime as dt
import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import xarray as xr

from sm_core.correction import CorrectionDay, CorrectionParams
from sm_core.correction import train as train_correction
from sm_core.domain import (
    LAYERS,
    DailyInputs,
    DailyRequest,
    GriddedInputs,
    Layer,
    ModelKind,
    ModelVersion,
    RasterRef,
    Record,
    Region,
    Role,
)
from sm_core.downscaling import DownscalingParams, TrainingDay
from sm_core.downscaling import train as train_downscaling
from sm_core.drought import FineDay, fit
from sm_core.errors import InsufficientInputsError, TooFewSamplesError
from sm_core.grid import Nesting, to_grid
from sm_core.grid.resample import How
from sm_core.qc import check_series, daily_layers
from sm_core.sources import decode, read_stations, source
from sm_core.sources.matching import wanted_periods
from sm_core.validation import SkillTable, Split, at_stations, spatial_blocks, station_skill, truth_skill
from tasks.adapters.scratch import identity_of, load
from tasks.correct import correct_day
from tasks.downscale import coarse_sm, downscale_day, feature_day
from tasks.fuse import fuse_day
from tasks.grid import grid_inputs
from tasks.inputs import resolve_inputs
from tasks.policy import sm_task
from tasks.settings import threads_for_children
from tasks.wiring import services

_log = logging.getLogger(__name__)
GAP_DAYS = 30
"""Between the days that a model learns from and the days it is judged on: the memory of the root zone."""
JUDGED_SHARE = 0.5
RECORD_YEARS = 25
"""Of coarse soil moisture before the training, for the climatology."""
COARSE_ROLES: dict[Layer, Role] = {"sm_surface": "ssm_coarse", "sm_rootzone": "rzsm_coarse"}
BLOCK_KM = 50.0
BUFFER_KM = 10.0
HELD_OUT_SHARE = 0.25
SPLIT_SEED = 2025


class TrainingRequest(Record):
    """Train a region on every n-th day of a period, with what was known at ``as_of``."""

    region_id: str
    start: dt.date | None = None
    end: dt.date | None = None
    every_days: int = 5
    as_of: dt.datetime


class TrainingPlan(Record):
    """Which days are learned from and which the result is judged on."""

    region_id: str
    as_of: dt.datetime
    training_days: tuple[dt.date, ...]
    judged_days: tuple[dt.date, ...]


class PreparedDay(Record):
    """One day ready for training: its inputs, fused fields and predictors."""

    inputs: DailyInputs
    gridded: GriddedInputs
    fused: RasterRef
    features: RasterRef
    downscaled: RasterRef | None = None
    corrected: RasterRef | None = None

    @property
    def day(self) -> dt.date:
        return self.inputs.day


class DaysRef(Record):
    """A stored list of prepared days, oldest first."""

    uri: str
    days: int


class StationTable(Record):
    """Daily station values in a file, and which stations are held out."""

    uri: str
    split: Split
    files: int
    rejected_share: float


class TrainingRecord(Record):
    """What one training did."""

    run_id: str
    plan: TrainingPlan
    models: tuple[ModelVersion, ...]
    promoted: bool
    reason: str
    at_stations: SkillTable
    against_truth: SkillTable | None
    report: str


@sm_task
def plan_training(request: TrainingRequest) -> TrainingPlan:
    """Every n-th day of the first half is learned from; after a gap, the second half is judged on.

    Raises
    ------
    InsufficientInputsError   SM301, the archive's fine images span less than 120 days.
    """
    here = services()
    region = here.region(request.region_id)
    first, last = here.archive.coverage(region.sources_for("lst_fine"))
    start, end = max(first, request.start or first), min(last, request.end or last)
    span = (end - start).days
    if span < 120:
        raise InsufficientInputsError("too short a period to train on", region=region.region_id, days=span)
    middle = start + dt.timedelta(days=round(span * (1 - JUDGED_SHARE)))
    judged_from = middle + dt.timedelta(days=GAP_DAYS)
    return TrainingPlan(
        region_id=region.region_id, as_of=request.as_of,
        training_days=_every(start, middle, request.every_days),
        judged_days=_every(judged_from, end, 2 * request.every_days),
    )


@sm_task
def prepare_archive(plan: TrainingPlan) -> None:
    """Make sure that everything the plan's days look at is in the archive."""
    here = services()
    region = here.region(plan.region_id)
    _log.info("looking for granules of %d days", len(plan.training_days) + len(plan.judged_days))
    here.archive.prepare([
        period for day in (*plan.training_days, *plan.judged_days)
        for period in wanted_periods(region, day, stand_ins=())
    ] + _record_periods(region, plan), tiles=region.tiles, as_of=plan.as_of)


def _record_periods(region: Region, plan: TrainingPlan) -> list[tuple[str, dt.date, dt.date]]:
    first = dt.date(plan.training_days[0].year - RECORD_YEARS, 1, 1)
    return [(name, first, plan.judged_days[-1]) for role in COARSE_ROLES.values()
            for name in region.sources_for(role)[:1] if source(name).period_days > 1]


@sm_task
def prepare_days(plan: TrainingPlan) -> DaysRef:
    """Grid, fuse and build the predictors of all days, in worker processes; days without inputs are left out."""
    days = (*plan.training_days, *plan.judged_days)
    workers = min(services().settings.processes, len(days))
    size = -(-len(days) // (4 * workers))
    parts = [days[i:i + size] for i in range(0, len(days), size)]
    with (
        threads_for_children(1),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        futures = [pool.submit(_prepare, plan.region_id, plan.as_of, part) for part in parts]
        prepared: list[PreparedDay] = []
        for future in futures:
            prepared += future.result()
            _log.info("days gridded and fused: %d of %d", len(prepared), len(days))
        return _store(plan.region_id, prepared)


def _prepare(region_id: str, as_of: dt.datetime, days: Sequence[dt.date]) -> list[PreparedDay]:
    prepared = []
    for day in days:
        request = DailyRequest(region_id=region_id, day=day, as_of=as_of)
        inputs = resolve_inputs.fn(request)
        while (gridded := grid_inputs.fn(inputs)).rejected:
            inputs = resolve_inputs.fn(request)
        if inputs.missing:
            continue
        fused = fuse_day.fn(inputs, gridded)
        features = feature_day.fn(inputs, gridded, fused)
        prepared.append(PreparedDay(inputs=inputs, gridded=gridded, fused=fused, features=features))
    return prepared


@sm_task
def collect_stations(plan: TrainingPlan) -> StationTable:
    """Station files read, checked, brought to layers and UTC days; whole blocks of stations held out.

    Raises
    ------
    TooFewSamplesError   SM504, fewer than four stations report on the plan's days.
    """
    here = services()
    region = here.region(plan.region_id)
    files = here.archive.station_files()
    _log.info("reading %d station files", len(files))
    series = [check_series(s) for path in files for s in read_stations(path)
              if not region.networks or s.station.network in region.networks]
    rejected = sum(int((s.values["qc"] != "").sum()) for s in series)
    readings = sum(len(s.values) for s in series)
    table = daily_layers(series)
    table = table[table["day"].isin(pd.to_datetime([*plan.training_days, *plan.judged_days]))]
    west, south, east, north = region.lonlat_bounds
    table = table[table["lon"].between(west, east) & table["lat"].between(south, north)]
    if table["station_id"].nunique() < 4:
        raise TooFewSamplesError("too few stations in the region", region=region.region_id,
                                 stations=table["station_id"].nunique(), minimum=4)
    split = spatial_blocks(table.drop_duplicates("station_id").itertuples(), block_km=BLOCK_KM,
                           held_out_share=HELD_OUT_SHARE, seed=SPLIT_SEED, buffer_km=BUFFER_KM)
    path = here.settings.data / "scratch" / region.region_id / "stations.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    return StationTable(uri=str(path), split=split, files=len(files), rejected_share=rejected / max(readings, 1))


@sm_task
def train_downscaler(run_id: str, plan: TrainingPlan, days: DaysRef) -> ModelVersion:
    """Learn coarse soil moisture from coarse predictors, on the training days only."""
    region = services().region(plan.region_id)
    learned = _training(plan, days)
    _log.info("learning to downscale from %d days", len(learned))
    model = train_downscaling(
        (TrainingDay(d.day, load(d.features), coarse_sm(d.gridded).isel(time=[-1])) for d in learned),
        region.grid, DownscalingParams(),
    )
    directory = _model_directory(run_id, "downscaler")
    model.save(directory)
    return services().registry.register(
        run_id, plan.region_id, "downscaler", directory, trained_until=learned[-1].day
    )


@sm_task
def downscale_days(plan: TrainingPlan, days: DaysRef, model: ModelVersion) -> DaysRef:
    """Every prepared day downscaled, as the daily run does it."""
    services().registry.fetch(model)

    def downscaled(day: PreparedDay) -> PreparedDay:
        return day.model_copy(update={"downscaled": downscale_day.fn(day.inputs, day.gridded, day.features, model)})

    with ThreadPoolExecutor(services().settings.processes) as pool:
        return _store(plan.region_id, list(pool.map(downscaled, _load(days))))


@sm_task
def train_corrector(
    run_id: str, plan: TrainingPlan, days: DaysRef, stations: StationTable
) -> ModelVersion:
    """Learn the correction at training stations on training days."""
    region = services().region(plan.region_id)
    learned = _training(plan, days)
    table = pd.read_parquet(stations.uri)
    seen = table[table["station_id"].isin(stations.split.training)]
    _log.info("learning the correction at %d stations", len(stations.split.training))
    model = train_correction(
        [CorrectionDay(d.day, load(d.features), load(_made(d.downscaled))) for d in learned], seen, region.grid,
        CorrectionParams(),
    )
    directory = _model_directory(run_id, "corrector")
    model.save(directory)
    return services().registry.register(
        run_id, plan.region_id, "corrector", directory, trained_until=learned[-1].day,
        training_stations=stations.split.training, held_out_stations=stations.split.held_out,
    )


@sm_task
def correct_days(plan: TrainingPlan, days: DaysRef, model: ModelVersion) -> DaysRef:
    """Every prepared day corrected, as the daily run does it."""
    return _store(plan.region_id, [
        d.model_copy(update={"corrected": correct_day.fn(d.inputs, _made(d.downscaled), d.features, model)})
        for d in _load(days)
    ])


@sm_task
def fit_climatology(
    run_id: str, plan: TrainingPlan, days: DaysRef, models: tuple[ModelVersion, ...]
) -> ModelVersion:
    """What is usual at 1 km, from the whole coarse record and the corrected training days."""
    here = services()
    region = here.region(plan.region_id)
    learned = _training(plan, days)
    _log.info("fitting the climatology")
    climatology = fit(
        {layer: _record(learned[0].inputs, role) for layer, role in COARSE_ROLES.items()},
        (FineDay(d.day, load(_made(d.corrected)), _coarse_on_grid(d, "bilinear")) for d in learned),
        region.grid, made_with=" ".join(f"{m.name}:{m.version}" for m in models),
    )
    directory = _model_directory(run_id, "climatology")
    climatology.save(directory)
    return here.registry.register(run_id, plan.region_id, "climatology", directory, trained_until=learned[-1].day)


@sm_task
def judge(
    plan: TrainingPlan, days: DaysRef, stations: StationTable
) -> tuple[SkillTable, SkillTable | None]:
    """Each stage's skill on judged days: at stations no model saw, and against the truth where one is known."""
    here = services()
    region = here.region(plan.region_id)
    _log.info("judging on %d days at %d unseen stations", len(plan.judged_days), len(stations.split.held_out))
    judged = [d for d in _load(days) if d.day in plan.judged_days]
    stages = {
        "coarse": _stack(judged, lambda d: _coarse_on_grid(d, "nearest")),
        "downscaled": _stack(judged, lambda d: load(_made(d.downscaled))),
        "corrected": _stack(judged, lambda d: load(_made(d.corrected))),
    }
    table = pd.read_parquet(stations.uri)
    unseen = table[table["station_id"].isin(stations.split.held_out) & table["day"].isin(stages["coarse"].time.values)]
    points = {stage: at_stations(fields, unseen, region.grid) for stage, fields in stages.items()}
    skill = station_skill(points, unseen)
    truths = [here.archive.truth(d.day) for d in judged]
    if any(truth is None for truth in truths):
        return skill, None
    truth = xr.concat([t[list(LAYERS)] for t in truths if t is not None], dim="time").assign_coords(
        time=stages["coarse"].time)
    nesting = Nesting.of(coarse_sm(judged[0].gridded), region.grid)
    return skill, truth_skill(stages, truth, nesting)


def _every(start: dt.date, end: dt.date, step: int) -> tuple[dt.date, ...]:
    return tuple(start + dt.timedelta(days=n) for n in range(0, (end - start).days + 1, step))


def _store(region_id: str, days: Sequence[PreparedDay]) -> DaysRef:
    text = "\n".join(day.model_dump_json() for day in days)
    path = services().settings.data / "scratch" / region_id / "prepared" / f"{identity_of([text])[:16]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return DaysRef(uri=str(path), days=len(days))


def _load(days: DaysRef) -> list[PreparedDay]:
    lines = Path(days.uri).read_text(encoding="utf-8").splitlines()
    return [PreparedDay.model_validate_json(line) for line in lines]


def _training(plan: TrainingPlan, days: DaysRef) -> list[PreparedDay]:
    learned = [day for day in _load(days) if day.day in plan.training_days]
    if not learned:
        raise TooFewSamplesError("no training day has all its inputs", region=plan.region_id)
    return learned


def _made(ref: RasterRef | None) -> RasterRef:
    if ref is None:
        raise TooFewSamplesError("a day was not carried through the earlier stage")
    return ref


def _model_directory(run_id: str, kind: ModelKind) -> Path:
    directory = services().settings.data / "scratch" / "training" / run_id / kind
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _coarse_on_grid(day: PreparedDay, how: How) -> xr.Dataset:
    grid = services().region(day.inputs.region_id).grid
    return to_grid(coarse_sm(day.gridded).isel(time=[-1]), grid, how).isel(time=0, drop=True)


def _stack(days: Sequence[PreparedDay], field: Callable[[PreparedDay], xr.Dataset]) -> xr.Dataset:
    fields = [field(day)[list(LAYERS)] for day in days]
    times = pd.DatetimeIndex(pd.to_datetime([day.day for day in days]), name="time")
    return xr.concat(fields, dim=times, combine_attrs="override")


def _record(inputs: DailyInputs, role: Role) -> xr.Dataset:
    here = services()
    slot = inputs.slot(role)
    region = here.region(inputs.region_id)
    files = [g for g in here.archive.granules(inputs.as_of) if g.source_id == slot.source_id]
    parts = [decode(Path(g.uri), bounds=region.lonlat_bounds) for g in sorted(files, key=lambda g: g.start)]
    return xr.concat(parts, dim="time", combine_attrs="drop_conflicts")
