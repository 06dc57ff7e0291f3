"""How good each stage is where no model has looked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pandas as pd
import xarray as xr

from sm_core.domain import LAYERS
from sm_core.grid import Nesting, to_grid
from sm_core.grid.resample import How
from sm_core.validation import SkillTable, at_stations, station_skill, truth_skill
from tasks.adapters.scratch import load
from tasks.downscale import coarse_sm
from tasks.policy import sm_task
from tasks.training.records import DaysRef, PreparedDay, StationTable, TrainingPlan, load_days, made
from tasks.wiring import services

_log = logging.getLogger(__name__)


@sm_task
def judge(
    plan: TrainingPlan, days: DaysRef, stations: StationTable
) -> tuple[SkillTable, SkillTable | None]:
    """Each stage's skill on judged days: at stations no model saw, and against the truth where one is known."""
    here = services()
    region = here.region(plan.region_id)
    _log.info("judging on %d days at %d unseen stations", len(plan.judged_days), len(stations.split.held_out))
    judged = [d for d in load_days(days) if d.day in plan.judged_days]
    stages = {
        "coarse": _stack(judged, lambda d: coarse_on_grid(d, "nearest")),
        "downscaled": _stack(judged, lambda d: load(made(d.downscaled))),
        "corrected": _stack(judged, lambda d: load(made(d.corrected))),
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


def coarse_on_grid(day: PreparedDay, how: How) -> xr.Dataset:
    """Coarse soil moisture of the day, brought on the region grid. (y, x)"""
    grid = services().region(day.inputs.region_id).grid
    return to_grid(coarse_sm(day.gridded).isel(time=[-1]), grid, how).isel(time=0, drop=True)


def _stack(days: Sequence[PreparedDay], field: Callable[[PreparedDay], xr.Dataset]) -> xr.Dataset:
    fields = [field(day)[list(LAYERS)] for day in days]
    times = pd.DatetimeIndex(pd.to_datetime([day.day for day in days]), name="time")
    return xr.concat(fields, dim=times, combine_attrs="override")
