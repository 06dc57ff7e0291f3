"""Fetching from all providers, to be run every hour or every day."""

from __future__ import annotations

from prefect import flow

from tasks.sync import FetchRecord, FetchRequest, fetch_sources, plan_fetch, report_fetch


@flow(name="fetch", flow_run_name="fetch-{request.region_id}-{request.last}", log_prints=False)
def fetch(request: FetchRequest) -> FetchRecord:
    """Bring in what is new, revised or withdrawn. A provider in trouble is told of and stops no other."""
    record = FetchRecord(request=request, sources=fetch_sources(plan_fetch(request)))
    report_fetch(record)
    return record
