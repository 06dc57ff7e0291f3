"""What readers get, what comes in, and the machine, looked at apart from the daily flow."""

from __future__ import annotations

from prefect import flow

from tasks.watch.look import look, report_watch
from tasks.watch.records import WatchReport, WatchRequest


@flow(name="watch", flow_run_name="watch-{request.region_id}", log_prints=False)
def watch(request: WatchRequest) -> WatchReport:
    """Check, tell each trouble once when it begins and once when it is over, call the dead-man address if none is."""
    report = look(request)
    report_watch(report)
    return report
