"""Training of a region: prepare days, learn, judge on what no model saw, register, and serve if it helps."""

from __future__ import annotations

from prefect import flow

from sm_core.errors import SmError
from tasks.register import abandon_training, finish_training, open_training
from tasks.training.days import correct_days, downscale_days, prepare_days
from tasks.training.examine import examine, run_champion
from tasks.training.judge import judge
from tasks.training.models import fit_climatology, train_corrector, train_downscaler
from tasks.training.plan import plan_training, prepare_archive
from tasks.training.records import DaysRef, StationTable, TrainingPlan, TrainingRecord, TrainingRequest
from tasks.training.stations import collect_stations


@flow(name="retrain", flow_run_name="retrain-{request.region_id}", log_prints=False)
def retrain(request: TrainingRequest) -> TrainingRecord:
    """Train downscaler, corrector and climatology of a region and decide whether they serve."""
    plan = plan_training(request)
    prepare_archive(plan)
    days = prepare_days(plan)
    stations = collect_stations(plan, days)
    run_id = open_training(plan)
    try:
        return _train(run_id, plan, days, stations)
    except SmError as error:
        abandon_training(run_id, f"{error.code} {error}")
        raise


def _train(run_id: str, plan: TrainingPlan, days: DaysRef, stations: StationTable) -> TrainingRecord:
    downscaler = train_downscaler(run_id, plan, days)
    days = downscale_days(plan, days, downscaler)
    corrector = train_corrector(run_id, plan, days, stations)
    days = correct_days(plan, days, corrector)
    climatology = fit_climatology(run_id, plan, days, (downscaler, corrector))
    at_stations, against_truth = judge(plan, days, stations)
    champion = run_champion(plan, days)
    examination = examine(plan, days, stations, champion)
    return finish_training(
        run_id, plan, days, stations, (downscaler, corrector, climatology), at_stations, against_truth, examination,
        champion,
    )
