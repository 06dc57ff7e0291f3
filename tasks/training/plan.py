"""Which days a training looks at, and that everything they need is at hand."""

from __future__ import annotations

import datetime as dt
import logging

from sm_core.domain import Region
from sm_core.errors import InsufficientInputsError
from sm_core.sources import source
from sm_core.sources.matching import wanted_periods
from tasks.policy import sm_task
from tasks.training.records import COARSE_ROLES, TrainingPlan, TrainingRequest
from tasks.wiring import services

_log = logging.getLogger(__name__)
GAP_DAYS = 30
"""Between the days that a model learns from and the days it is judged on: the memory of the root zone."""
JUDGED_SHARE = 0.5
RECORD_YEARS = 25
"""Of coarse soil moisture before the training, for the climatology."""


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


def _every(start: dt.date, end: dt.date, step: int) -> tuple[dt.date, ...]:
    return tuple(start + dt.timedelta(days=n) for n in range(0, (end - start).days + 1, step))
