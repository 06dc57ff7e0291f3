"""Days made ready for training, and carried through the models as the daily run does it."""

from __future__ import annotations

import datetime as dt
import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from sm_core.domain import DailyRequest, ModelVersion
from tasks.correct import correct_day
from tasks.downscale import downscale_day, feature_day
from tasks.fuse import fuse_day
from tasks.grid import grid_inputs
from tasks.inputs import resolve_inputs
from tasks.policy import sm_task
from tasks.settings import threads_for_children
from tasks.training.records import DaysRef, PreparedDay, TrainingPlan, load_days, made, store_days
from tasks.wiring import services

_log = logging.getLogger(__name__)


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
        return store_days(plan.region_id, prepared)


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
def downscale_days(plan: TrainingPlan, days: DaysRef, model: ModelVersion) -> DaysRef:
    """Every prepared day downscaled, as the daily run does it."""
    services().registry.fetch(model)

    def downscaled(day: PreparedDay) -> PreparedDay:
        return day.model_copy(update={"downscaled": downscale_day.fn(day.inputs, day.gridded, day.features, model)})

    with ThreadPoolExecutor(services().settings.processes) as pool:
        return store_days(plan.region_id, list(pool.map(downscaled, load_days(days))))


@sm_task
def correct_days(plan: TrainingPlan, days: DaysRef, model: ModelVersion) -> DaysRef:
    """Every prepared day corrected, as the daily run does it."""
    return store_days(plan.region_id, [
        d.model_copy(update={"corrected": correct_day.fn(d.inputs, made(d.downscaled), d.features, model)})
        for d in load_days(days)
    ])
