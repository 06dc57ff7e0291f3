"""Fetching: what a region wants of a period, brought in from the providers."""

from __future__ import annotations

import datetime as dt

from prefect.artifacts import create_markdown_artifact

from sm_core.domain import Record
from sm_core.sources.matching import wanted_periods
from tasks.adapters.fetch.wanted import SourceReport, Wanted
from tasks.adapters.fetched import is_tiled, stations_wanted
from tasks.policy import sm_task
from tasks.report_fetch import fetch_text
from tasks.wiring import services


class FetchRequest(Record):
    """Fetch everything that days from ``first`` to ``last`` of a region look at, and its stations."""

    region_id: str
    first: dt.date
    last: dt.date


class FetchRecord(Record):
    """What came of it, by source."""

    request: FetchRequest
    sources: tuple[SourceReport, ...]


@sm_task
def plan_fetch(request: FetchRequest) -> tuple[Wanted, ...]:
    """Which files of which sources are wanted."""
    region = services().region(request.region_id)
    periods = [period for day in (request.first, request.last) for period in wanted_periods(region, day)]
    spans: dict[str, tuple[dt.date, dt.date]] = {}
    for name, first, last in periods:
        known = spans.get(name, (first, last))
        spans[name] = min(known[0], first), max(known[1], last)
    granules = (Wanted(source_id=name, first=first, last=last, tiles=region.tiles if is_tiled(name) else ())
                for name, (first, last) in spans.items())
    return (*granules, *stations_wanted(request.first, request.last))


@sm_task
def fetch_sources(wants: tuple[Wanted, ...]) -> tuple[SourceReport, ...]:
    """Ask every provider, download, verify, record; troubles are in the reports."""
    return services().synchroniser.fetch(wants)


@sm_task
def report_fetch(record: FetchRecord) -> None:
    """Leave the table as an artifact of the flow run."""
    key = f"fetch-{record.request.region_id}".replace("_", "-").lower()
    create_markdown_artifact(fetch_text(record.sources), key=key, description=f"until {record.request.last}")
