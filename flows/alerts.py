"""What waits in the outbox, sent without a day being made."""

from __future__ import annotations

from prefect import flow

from tasks.adapters.notify.channel import ChannelReport
from tasks.alert import deliver_alerts


@flow(name="deliver-alerts", flow_run_name="deliver-alerts-{region_id}", log_prints=False)
def deliver(region_id: str) -> tuple[ChannelReport, ...]:
    """Send what waits, and decide nothing."""
    return deliver_alerts(region_id)
