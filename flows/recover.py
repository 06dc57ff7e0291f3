"""What puts runs right whose process, worker or machine went away. Run it as often as you like."""

from __future__ import annotations

from prefect import flow

from tasks.recovery import Recovered, RecoverRequest, recover_runs, report_recovery

DEFAULT = RecoverRequest()


@flow(name="recover", flow_run_name="recover", log_prints=False)
def recover(request: RecoverRequest = DEFAULT) -> Recovered:
    """Runs without a heartbeat become crashed; crashed ones are started again, a few times."""
    found = recover_runs(request)
    report_recovery(found)
    return found
