"""A range of dates: divided into runs of some dates each, which any number of workers make."""

from __future__ import annotations

import datetime as dt

from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment

from flows.daily import daily
from sm_core.domain import Outcome
from sm_core.errors import SmError
from tasks.backfill import (
    BackfillRequest,
    DaysRequest,
    Progress,
    days_left,
    in_processes,
    key_of,
    plan_backfill,
    progress_of,
    report_progress,
)
from tasks.models import resolve_models
from tasks.wiring import services

DEPLOYMENT = "days/days"


@flow(name="backfill", flow_run_name="backfill-{request.region_id}-{request.first}-{request.last}", log_prints=False)
def backfill(request: BackfillRequest) -> Progress | None:
    """Divide a range and have it made: by the workers of the server, or by processes of this machine without one.

    Asked for again, it goes on where it stands. None when there is nothing to be made.
    """
    settings = services().settings
    resolve_models(request.region_id)                        # a region that was never trained is told at once
    if settings.prefect_api_url:
        parts = plan_backfill(request, None)
        for part in parts:
            submit(part, request.days_per_run)
    elif parts := plan_backfill(request, settings.processes):
        with get_client(sync_client=True) as client:
            in_processes(parts, make_days, settings.processes, str(client.api_url))
    return progress_of(parts[0]) if parts else None


@flow(name="days", flow_run_name="days-{request.name}", log_prints=False)
def days(request: DaysRequest) -> dict[dt.date, Outcome]:
    """Make dates one after the other in one process; each keeps its own record, and one that fails stops no other.

    They are no flow runs of their own, which would cost a second each and stay behind when the process is killed.
    """
    outcomes: dict[dt.date, Outcome] = {}
    for day in days_left(request):
        with tags(f"{day}"):
            try:
                outcomes[day] = daily.fn(request.of(day)).outcome
            except SmError:
                outcomes[day] = "failed"                     # its record tells why
            report_progress(request)
    return outcomes


def make_days(request: DaysRequest) -> dict[dt.date, Outcome]:
    """As the flow ``days``, in a process of its own."""
    return days(request)


def submit(part: DaysRequest, size: int) -> str:
    """Let a worker make a part, unless one has it already; the id of the flow run."""
    attempt = 0
    while True:
        run = run_deployment(
            DEPLOYMENT, parameters={"request": part.model_dump(mode="json")}, timeout=0, as_subflow=False,
            idempotency_key=key_of(part, size, attempt), flow_run_name=f"days-{part.name}", tags=["backfill"],
        )
        if run.state is None or not run.state.is_final():
            return str(run.id)
        attempt += 1                                         # it has ended: what it left is asked for again
