"""Training of a region: prepare days, learn, judge on what no model saw, register, and serve if it helps."""

from __future__ import annotations

from prefect import flow

from tasks.register import finish_training, open_training
from tasks.train import (
    TrainingRecord,
    TrainingRequest,
    collect_stations,
    correct_days,
    downscale_days,
    fit_climatology,
    judge,
    plan_training,
    prepare_archive,
    prepare_days,
    train_corrector,
    train_downscaler,
)


@flow(name="retrain", flow_run_name="retrain-{request.region_id}", log_prints=False)
def retrain(request: TrainingRequest) -> TrainingRecord:
    """Train downscaler, corrector and climatology of a region and decide whether they serve."""
    plan = plan_training(request)
    prepare_archive(plan)
    days = prepare_days(plan)
    stations = collect_stations(plan)
    run_id = open_training(plan)
    downscaler = train_downscaler(run_id, plan, days)
    days = downscale_days(plan, days, downscaler)
    corrector = train_corrector(run_id, plan, days, stations)
    days = correct_days(plan, days, corrector)
    climatology = fit_climatology(run_id, plan, days, (downscaler, corrector))
    at_stations, against_truth = judge(plan, days, stations)
    return finish_training(run_id, plan, stations, (downscaler, corrector, climatology), at_stations, against_truth)
