"""Station observations brought in, counted, and a training asked for when enough has come together."""

from __future__ import annotations

import datetime as dt

from prefect import flow

from tasks.accumulation import Standing, StationsRequest, announce, report_standing, take_stock
from tasks.adapters.fetched import stations_wanted
from tasks.clock import utc_now
from tasks.sync import fetch_sources
from tasks.wiring import services

WINDOW = dt.timedelta(days=30)
"""Stations are fetched again so far back: their values are revised."""


@flow(name="stations", flow_run_name="stations-{request.region_id}", log_prints=False)
def stations(request: StationsRequest) -> Standing:
    """Fetch observations, count what is new since the last training, announce that a region is due.

    The event is repeated at every run until a training has finished, so that none that is lost matters.
    """
    if services().settings.archive is None and request.as_of is None:
        today = utc_now().date()
        fetch_sources(stations_wanted(today - WINDOW, today))
    standing = take_stock(request)
    report_standing(standing, request.thresholds)
    if standing.reasons:
        announce(standing)
    return standing
