"""What days are compared with, kept up to date."""

from __future__ import annotations

from prefect import flow

from sm_core.domain import ModelVersion
from tasks.climatology import (
    HindcastRequest,
    climatologies,
    fit_provisional,
    hindcast_provisional,
    update_climatology,
)
from tasks.models import resolve_models


@flow(name="update-climatology", flow_run_name="update-climatology-{region_id}", log_prints=False)
def update(region_id: str) -> tuple[ModelVersion, ...]:
    """Let the climatologies in service count what was published since; returns those that serve then."""
    return tuple(update_climatology(region_id, one) for one in climatologies(region_id))


@flow(name="provisional-climatology", flow_run_name="provisional-climatology-{request.region_id}", log_prints=False)
def provisional(request: HindcastRequest) -> ModelVersion:
    """Fit the climatology of provisional days for the models in service, and put it in service."""
    models = resolve_models(request.region_id)[:2]
    return fit_provisional(request, hindcast_provisional(request, models), models)
