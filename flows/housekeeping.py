"""What grows is cut back, once a day."""

from __future__ import annotations

from prefect import flow

from tasks.housekeeping import HousekeepingRecord, HousekeepingRequest, keep_house, report_housekeeping


@flow(name="housekeeping", flow_run_name="housekeeping", log_prints=False)
def housekeeping(request: HousekeepingRequest) -> HousekeepingRecord:
    """Cut back run records, scratch, quarantine and databases; call trainings failed that never ended."""
    record = keep_house(request)
    report_housekeeping(record)
    return record
