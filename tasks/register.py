"""A training's run in MLflow: opened before learning, closed with figures, report and decision."""

from __future__ import annotations

import math

from sm_core.domain import LAYERS, ModelVersion
from sm_core.validation import SkillTable
from tasks.adapters.files import write_text
from tasks.policy import sm_task
from tasks.train import StationTable, TrainingPlan, TrainingRecord
from tasks.wiring import services


@sm_task
def open_training(plan: TrainingPlan) -> str:
    """Start the MLflow run that the models of this training belong to."""
    tags = {"region": plan.region_id, "as_of": plan.as_of.isoformat(), "code_version": services().code_version}
    return services().registry.start_run(plan.region_id, f"train to {plan.training_days[-1]}", tags)


@sm_task
def finish_training(
    run_id: str, plan: TrainingPlan, stations: StationTable, models: tuple[ModelVersion, ...],
    at_stations: SkillTable, against_truth: SkillTable | None,
) -> TrainingRecord:
    """Decide whether the models serve, write the report, close the MLflow run."""
    here = services()
    promoted, reason = decide(at_stations)
    report = training_report(plan, stations, at_stations, against_truth, promoted, reason)
    record = TrainingRecord(
        run_id=run_id, plan=plan, models=models, promoted=promoted, reason=reason, at_stations=at_stations,
        against_truth=against_truth, report=report,
    )
    folder = here.reports / plan.region_id
    write_text(folder / run_id / "report.md", report)
    write_text(folder / run_id / "split.json", stations.split.model_dump_json(indent=1))
    write_text(folder / run_id / "record.json", record.model_dump_json(indent=1))
    here.registry.end_run(run_id, _metrics(at_stations, against_truth), _params(plan, stations), folder / run_id)
    if promoted:
        for model in models:
            here.registry.promote(model)
        write_text(folder / "latest.md", report)
    return record


def decide(at_stations: SkillTable) -> tuple[bool, str]:
    """Whether a training may serve, by its skill at unseen stations.

    In both layers its ubRMSE must be below that of the coarse field, and its RMSE not above the upper end of the
    coarse field's interval. RMSE itself cannot decide: with a few dozen stations it is mostly their own offsets from
    the square kilometre around them.
    """
    for layer in LAYERS:
        coarse, corrected = at_stations.row("coarse", layer), at_stations.row("corrected", layer)
        if not corrected.ubrmsd.value < coarse.ubrmsd.value:
            return False, f"{layer}: ubRMSE {corrected.ubrmsd} at unseen stations, coarse field {coarse.ubrmsd}"
        if not corrected.rmsd.value <= (coarse.rmsd.upper or coarse.rmsd.value):
            return False, f"{layer}: RMSE {corrected.rmsd} at unseen stations, coarse field {coarse.rmsd}"
    return True, "at unseen stations, ubRMSE below the coarse field's in both layers and RMSE within its interval"


def training_report(
    plan: TrainingPlan, stations: StationTable, at_stations: SkillTable, against_truth: SkillTable | None,
    promoted: bool, reason: str,
) -> str:
    """What a reader wants to know of a training, in markdown."""
    twin = against_truth is not None
    lines = [
        f"# Training of {plan.region_id}, learned up to {plan.training_days[-1]}", "",
        f"Learned from {len(plan.training_days)} days ({plan.training_days[0]} to {plan.training_days[-1]}) and "
        f"{len(stations.split.training)} stations; judged on {len(plan.judged_days)} later days "
        f"({plan.judged_days[0]} to {plan.judged_days[-1]}) at {len(stations.split.held_out)} stations of blocks that "
        f"no model saw ({len(stations.split.dropped)} stations in the buffer between are used for neither).",
        f"{stations.files} station files; {100 * stations.rejected_share:.1f} % of the readings rejected by quality "
        "control.", "",
        f"{'In service' if promoted else 'NOT in service'}: {reason}.", "",
        f"## At unseen stations{' (twin)' if twin else ''}", "",
        "m³/m³; scores per station, averaged over stations, with 95 % bootstrap intervals over stations.", "",
        str(at_stations), "",
    ]
    if against_truth is not None:
        lines += ["## Against the known 1-km truth (twin)", "",
                  "All land cells and judged days pooled. A simulation never proves real-world accuracy.", "",
                  str(against_truth), ""]
    return "\n".join(lines)


def _metrics(at_stations: SkillTable, against_truth: SkillTable | None) -> dict[str, float]:
    tables = {"stations": at_stations} | ({"truth": against_truth} if against_truth else {})
    return {
        f"{where}.{row.stage}.{row.layer}.{score}": getattr(row, score).value
        for where, table in tables.items() for row in table.rows
        for score in ("pearson_r", "rmsd", "ubrmsd", "bias") if math.isfinite(getattr(row, score).value)
    }


def _params(plan: TrainingPlan, stations: StationTable) -> dict[str, object]:
    return {
        "training_days": len(plan.training_days), "judged_days": len(plan.judged_days),
        "first_day": plan.training_days[0], "last_day": plan.training_days[-1],
        "training_stations": len(stations.split.training), "held_out_stations": len(stations.split.held_out),
    }
