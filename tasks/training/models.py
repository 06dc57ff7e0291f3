"""The three models of a region learned and registered."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import xarray as xr

from sm_core.correction import CorrectionDay, CorrectionParams
from sm_core.correction import train as train_correction
from sm_core.domain import DailyInputs, ModelKind, ModelVersion, Role
from sm_core.downscaling import DownscalingParams, TrainingDay
from sm_core.downscaling import train as train_downscaling
from sm_core.drought import FineDay, fit
from sm_core.sources import decode
from tasks.adapters.files import write_text
from tasks.adapters.scratch import load
from tasks.downscale import coarse_sm
from tasks.policy import sm_task
from tasks.training.judge import coarse_on_grid
from tasks.training.records import COARSE_ROLES, DaysRef, StationTable, TrainingPlan, learned_days, made
from tasks.training.stations import SPLIT_FILE
from tasks.wiring import services

_log = logging.getLogger(__name__)


@sm_task
def train_downscaler(run_id: str, plan: TrainingPlan, days: DaysRef) -> ModelVersion:
    """Learn coarse soil moisture from coarse predictors, on the training days only."""
    region = services().region(plan.region_id)
    learned = learned_days(plan, days)
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
def train_corrector(
    run_id: str, plan: TrainingPlan, days: DaysRef, stations: StationTable
) -> ModelVersion:
    """Learn the correction at training stations on training days."""
    region = services().region(plan.region_id)
    learned = learned_days(plan, days)
    table = pd.read_parquet(stations.uri)
    seen = table[table["station_id"].isin(stations.split.training)]
    _log.info("learning the correction at %d stations", len(stations.split.training))
    model = train_correction(
        [CorrectionDay(d.day, load(d.features), load(made(d.downscaled))) for d in learned], seen, region.grid,
        CorrectionParams(),
    )
    directory = _model_directory(run_id, "corrector")
    model.save(directory)
    write_text(directory / SPLIT_FILE, stations.frozen.model_dump_json(indent=1))
    return services().registry.register(
        run_id, plan.region_id, "corrector", directory, trained_until=learned[-1].day,
        training_stations=stations.split.training, held_out_stations=stations.split.held_out,
    )


@sm_task
def fit_climatology(
    run_id: str, plan: TrainingPlan, days: DaysRef, models: tuple[ModelVersion, ...]
) -> ModelVersion:
    """What is usual at 1 km, from the whole coarse record and the corrected training days."""
    here = services()
    region = here.region(plan.region_id)
    learned = learned_days(plan, days)
    _log.info("fitting the climatology")
    climatology = fit(
        {layer: _record(learned[0].inputs, role) for layer, role in COARSE_ROLES.items()},
        (FineDay(d.day, load(made(d.corrected)), coarse_on_grid(d, "bilinear")) for d in learned),
        region.grid, made_with=" ".join(f"{m.name}:{m.version}" for m in models),
    )
    directory = _model_directory(run_id, "climatology")
    climatology.save(directory)
    return here.registry.register(run_id, plan.region_id, "climatology", directory, trained_until=learned[-1].day)


def _model_directory(run_id: str, kind: ModelKind) -> Path:
    directory = services().settings.data / "scratch" / "training" / run_id / kind
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _record(inputs: DailyInputs, role: Role) -> xr.Dataset:
    here = services()
    slot = inputs.slot(role)
    region = here.region(inputs.region_id)
    files = [g for g in here.archive.granules(inputs.as_of) if g.source_id == slot.source_id]
    parts = [decode(Path(g.uri), bounds=region.lonlat_bounds) for g in sorted(files, key=lambda g: g.start)]
    return xr.concat(parts, dim="time", combine_attrs="drop_conflicts")
