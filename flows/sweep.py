"""What keeps a region's dates up: run it as often as you like, at any time."""

from __future__ import annotations

import datetime as dt
import logging

from prefect import flow

from flows.daily import daily
from sm_core.domain import DailyRequest
from tasks.adapters.locks import locked
from tasks.sweep import (
    SweepRecord,
    SweepRequest,
    chosen,
    discover,
    has_server,
    report_sweep,
    start,
    take_stock,
)
from tasks.wiring import services

_log = logging.getLogger(__name__)


@flow(name="sweep", flow_run_name="sweep-{request.region_id}", log_prints=False)
def sweep(request: SweepRequest) -> SweepRecord:
    """Ask the providers, see how every date stands, start `daily` for each that is due.

    With a server each date is a run of the deployment ``daily``, else they are made here, one after the other. A sweep
    beside another one of the same region only looks.
    """
    lock = services().settings.data / "locks" / request.region_id / "sweep.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, wait=False) as alone:
        if alone:
            discover(request)
        record = take_stock(request)
        if alone:
            started = tuple(one.day for one in chosen(record) if _make(record, one.day))
            record = record.model_copy(update={"started": started})
    report_sweep(record)
    return record


def _make(record: SweepRecord, day: dt.date) -> bool:
    one = next(one for one in record.standings if one.day == day)
    if has_server():
        return start(record, one)
    request = DailyRequest(region_id=record.request.region_id, day=day, as_of=record.as_of)
    state = daily(request, return_state=True)
    if not state.is_completed():
        _log.warning("not made: region=%s day=%s %s", request.region_id, day, state.message)
    return True
