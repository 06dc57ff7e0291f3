"""The models in service judged at any stations, the archive's or others."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from prefect import flow

from sm_core.domain import ModelVersion, Record
from sm_core.validation import SkillTable
from tasks.accuracy import find_station_files, plan_accuracy, stations_of
from tasks.models import resolve_models
from tasks.training.days import correct_days, downscale_days, prepare_days
from tasks.training.judge import judge


class AccuracyRequest(Record):
    """Judge every n-th day of a period; ``stations``: a file or a folder of them, None: the archive's."""

    region_id: str
    stations: Path | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    every_days: int = 10
    truth: bool = False
    as_of: dt.datetime


class AccuracyRecord(Record):
    """Skill at stations that the models never saw, at those they learned from, and against a known truth."""

    region_id: str
    first: dt.date
    last: dt.date
    days: int
    models: tuple[ModelVersion, ...]
    unseen_stations: int
    seen_stations: int
    unseen: SkillTable
    seen: SkillTable
    truth: SkillTable | None = None


@flow(name="accuracy", flow_run_name="accuracy-{request.region_id}", log_prints=False)
def accuracy(request: AccuracyRequest) -> AccuracyRecord:
    """Carry days through the models in service and score them."""
    files = None if request.stations is None else find_station_files(request.stations)
    models = resolve_models(request.region_id)
    plan = plan_accuracy(request.region_id, models, request.start, request.end, request.every_days, request.as_of)
    days = prepare_days(plan)
    days = downscale_days(plan, days, models[0])
    days = correct_days(plan, days, models[1])
    unseen, seen = stations_of(plan, days, files)
    at_unseen, truth = judge(plan, days, unseen)
    at_seen, _ = judge(plan, days, seen)
    return AccuracyRecord(
        region_id=request.region_id, first=plan.judged_days[0], last=plan.judged_days[-1], days=days.days,
        models=models, unseen_stations=len(unseen.split.held_out), seen_stations=len(seen.split.held_out),
        unseen=at_unseen, seen=at_seen, truth=truth if request.truth else None,
    )


def accuracy_text(record: AccuracyRecord) -> str:
    """The figures in markdown."""
    lines = [
        f"# {record.region_id}: {record.days} days from {record.first} to {record.last}", "",
        f"## At {record.unseen_stations} stations that the models never saw", "", str(record.unseen), "",
        f"## At {record.seen_stations} stations that they learned from (no measure of accuracy elsewhere)", "",
        str(record.seen), "",
    ]
    if record.truth is not None:
        lines += ["## Against the known 1-km truth (twin)", "", str(record.truth), ""]
    return "\n".join(lines)
