"""A training's run in MLflow: opened before learning, closed with figures, report and decision."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from sm_core.domain import LAYERS, ModelVersion, Record
from sm_core.validation import SkillTable
from tasks.adapters.files import write_text
from tasks.policy import sm_task
from tasks.report_training import TrainingReport, training_html, training_text
from tasks.training.each_station import SCORES, each_station
from tasks.training.examine import OFFSETS, Champion, Examination
from tasks.training.promotion import (
    PromotionDecision,
    check,
    decide,
    decide_challenge,
    decide_first,
    paired_scores,
)
from tasks.training.provenance import provenance
from tasks.training.records import DaysRef, StationTable, TrainingPlan, TrainingRecord
from tasks.wiring import services

__all__ = ["abandon_training", "decide", "finish_training", "open_training"]
DECISION, KNOWN = "decision.json", "known.json"
"""Documents of a training: what was decided, and the stations it knew."""


class KnownStations(Record):
    """Admitted days by station at a training, and the stations that were refused."""

    days: dict[str, int]
    refused: tuple[str, ...]


@sm_task
def open_training(plan: TrainingPlan) -> str:
    """Start the MLflow run that the models of this training belong to."""
    tags = {"region": plan.region_id, "as_of": plan.as_of.isoformat(), "code_version": services().code_version}
    return services().registry.start_run(plan.region_id, f"train to {plan.training_days[-1]}", tags)


@sm_task
def abandon_training(run_id: str, error: str) -> None:
    """Close the MLflow run of a training that failed, with its error."""
    services().registry.fail_run(run_id, error)


@sm_task
def finish_training(
    run_id: str, plan: TrainingPlan, days: DaysRef, stations: StationTable, models: tuple[ModelVersion, ...],
    at_stations: SkillTable, against_truth: SkillTable | None, examination: Examination, champion: Champion | None,
) -> TrainingRecord:
    """Decide whether the models serve, write the report, close the MLflow run."""
    here = services()
    decision = decide_training(plan, models, at_stations, examination, champion)
    made_of = provenance(plan, days, stations)
    about = TrainingReport(run_id=run_id, plan=plan, stations=stations, decision=decision, at_stations=at_stations,
                           against_truth=against_truth, examination=examination, provenance=made_of)
    report = training_text(about)
    record = TrainingRecord(
        run_id=run_id, plan=plan, models=models, promoted=decision.outcome == "promoted",
        reason="; ".join(decision.reasons), decision=decision, at_stations=at_stations, against_truth=against_truth,
        report=report,
    )
    folder = here.reports / plan.region_id / run_id
    write_text(folder / "report.md", report)
    write_text(folder / "report.html", training_html(about, here.registry.fetch(models[0])))
    write_text(folder / "split.json", stations.frozen.model_dump_json(indent=1))
    write_text(folder / DECISION, decision.model_dump_json(indent=1))
    write_text(folder / KNOWN, KnownStations(days=stations.known, refused=tuple(stations.refused)).model_dump_json())
    write_text(folder / OFFSETS, Path(examination.offsets).read_text(encoding="utf-8"))
    write_text(folder / SCORES, each_station(pd.read_parquet(examination.points)))
    write_text(folder / "provenance.json", made_of.model_dump_json(indent=1))
    write_text(folder / "record.json", record.model_dump_json(indent=1))
    here.registry.end_run(
        run_id, _metrics(at_stations, against_truth, decision), made_of.params, folder,
        {"outcome": decision.outcome, "reasons": record.reason, "data_fingerprint": made_of.fingerprint},
    )
    _put_in_place(plan, record, decision)
    return record


def decide_training(
    plan: TrainingPlan, models: tuple[ModelVersion, ...], at_stations: SkillTable, examination: Examination,
    champion: Champion | None,
) -> PromotionDecision:
    """Against the champion at stations and on days that neither knows; without one, against the coarse field."""
    if champion is None:
        outcome, reasons = decide_first(at_stations, examination.checks)
        return PromotionDecision(
            outcome=outcome, reasons=reasons, against=None, champion=(), challenger=models,
            judged_days=len(plan.judged_days), scores=(), checks=examination.checks,
        )
    taught = {name for model in models for name in model.training_stations}
    apart = check("kept_apart", "training stations among those held out from the champion",
                  len(taught & champion.held_out_stations), (0, 0), max(len(champion.held_out_stations), 1))
    checks = (*examination.checks, apart)
    if champion.days is None:
        outcome, reasons = decide_first(at_stations, checks)
        note = "the champion cannot be run by this version: judged against the coarse field"
        return PromotionDecision(
            outcome=outcome, reasons=(*reasons, note), against=champion.run_id, champion=champion.models,
            challenger=models, judged_days=len(plan.judged_days), scores=(), checks=checks,
        )
    points = pd.read_parquet(examination.points)
    unseen = points[~points["station_id"].isin(champion.training_stations)]
    if examination.compared_from is not None:
        unseen = unseen[unseen["day"] >= pd.Timestamp(examination.compared_from)]
    scores = paired_scores(_stage(unseen, "champion"), _stage(unseen, "corrected"), unseen)
    outcome, reasons = decide_challenge(scores, checks, at_stations)
    return PromotionDecision(
        outcome=outcome, reasons=reasons, against=champion.run_id, champion=champion.models, challenger=models,
        judged_days=unseen["day"].nunique(), scores=scores, checks=checks,
    )


def _stage(points: pd.DataFrame, stage: str) -> pd.DataFrame:
    columns = {f"{stage}.{layer}": layer for layer in LAYERS}
    return points[["station_id", "day", *columns]].rename(columns=columns)


def _put_in_place(plan: TrainingPlan, record: TrainingRecord, decision: PromotionDecision) -> None:
    here = services()
    noted = {
        "outcome": decision.outcome, "reasons": record.reason, "as_of": plan.as_of.isoformat(),
        "judged_against": decision.against or "coarse field",
    }
    for model in record.models:
        here.registry.annotate(model.name, model.version, noted)
        if decision.outcome == "promoted":
            here.registry.promote(model)
        elif decision.outcome == "shadow":
            here.registry.shadow(model)
    if decision.outcome == "promoted":
        write_text(here.reports / plan.region_id / "latest.md", record.report)


def _metrics(
    at_stations: SkillTable, against_truth: SkillTable | None, decision: PromotionDecision
) -> dict[str, float]:
    tables = {"stations": at_stations} | ({"truth": against_truth} if against_truth else {})
    skill = {
        f"{where}.{row.stage}.{row.layer}.{score}": getattr(row, score).value
        for where, table in tables.items() for row in table.rows
        for score in ("pearson_r", "rmsd", "ubrmsd", "bias")
    }
    gains = {f"gain.{s.layer}.{s.measure}": s.gain.value for s in decision.scores}
    checks = {f"check.{c.check}": c.value for c in decision.checks if c.value is not None}
    return {name: value for name, value in (skill | gains | checks).items() if math.isfinite(value)}
