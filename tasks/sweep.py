"""The sweep: find out what is new, see how every date stands, start those that are due."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings
from pydantic import Field

from sm_core.domain import DailyRequest, Record, Region
from sm_core.errors import ModelNotFoundError, RunLostError
from sm_core.publishing import SOIL_MOISTURE_1KM
from sm_core.sources import identify, source
from sm_core.sources.declare import substitute
from sm_core.sources.matching import WINDOWS, wanted_periods
from tasks.adapters.fetch.wanted import SourceReport, Wanted
from tasks.adapters.fetched import is_tiled
from tasks.adapters.ledger.runs import RunBook
from tasks.clock import utc_now
from tasks.due import DAY, STATES, Standing
from tasks.models import resolve_models, resolve_stand_ins
from tasks.policy import sm_task
from tasks.runs import Run
from tasks.survey import in_service, survey
from tasks.wiring import services

DAILY = "daily/daily"
MOST_RUNS = 3
"""So often a run that crashed is started, all in all; see ``flows/recover.py``."""
UNFINISHED = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED)
SETTLED = ("final", "early", "provisional")
MOST_SHOWN = 200
_log = logging.getLogger(__name__)


class SweepRequest(Record):
    """Keep the dates of a region up."""

    region_id: str = Field(description="a region of deployments/regions")
    as_of: dt.datetime | None = Field(default=None, description="decide from what was known then, UTC; empty: now")


class SweepRecord(Record):
    """How the dates stand, and which were started."""

    request: SweepRequest
    as_of: dt.datetime
    standings: tuple[Standing, ...]
    started: tuple[dt.date, ...] = ()


@sm_task
def discover(request: SweepRequest) -> tuple[SourceReport, ...]:
    """Ask the providers for what dates of the window and dates that are not final can use."""
    here = services()
    if here.settings.archive is not None or request.as_of is not None:
        return ()
    region, now = here.region(request.region_id), utc_now()
    days = set(here.run_book.newest(region.region_id))
    window = (now.date() - region.upkeep.window_days * DAY, now.date())
    spans = [*_window_wants(region, window), *_late_wants(region, _not_final(here.run_book, region, window[0]))]
    if days:
        sources = sorted({name for entry in region.roles for name in entry.sources})
        reach = max(max(one.before, one.after) for one in WINDOWS) * DAY
        pending = here.ledger.pending(sources, min(days) - reach, max(days) + reach, now)
        spans += [(listed.source_id, *_days_of(listed.name)) for listed in pending]
    return here.synchroniser.fetch(
        Wanted(source_id=name, first=first, last=last, tiles=region.tiles if is_tiled(name) else ())
        for name, first, last in spans
    )


@sm_task
def take_stock(request: SweepRequest) -> SweepRecord:
    """How every date stands."""
    as_of = request.as_of or utc_now()
    serving = _in_service(request.region_id)
    standings = survey(request.region_id, as_of, serving, running=running_days(request.region_id))
    for one in standings:
        if one.state == "given up":
            _log.error("given up: region=%s day=%s tries=%d %s", request.region_id, one.day, one.tries, one.reason)
    return SweepRecord(request=request, as_of=as_of, standings=standings)


@sm_task
def report_sweep(record: SweepRecord) -> None:
    """Leave the table as an artifact of the flow run."""
    key = f"sweep-{record.request.region_id}".replace("_", "-").lower()
    create_markdown_artifact(sweep_text(record), key=key, description=f"as of {record.as_of:%Y-%m-%d %H:%M}")


def chosen(record: SweepRecord) -> tuple[Standing, ...]:
    """The dates to start, the oldest first; the newest of the due ones is always among them."""
    due = [one for one in record.standings if one.due]
    most = services().region(record.request.region_id).upkeep.most_at_once
    return tuple(due) if len(due) <= most else (*due[:most - 1], due[-1])


def start(record: SweepRecord, one: Standing) -> bool:
    """Put a date on the server's queue; the same date for the same reason is there only once.

    Returns
    -------
    False when the run that had the same reason ended without a word; it counts as a failure then.
    """
    request = DailyRequest(region_id=record.request.region_id, day=one.day, as_of=record.as_of)
    name = f"daily-{request.region_id}-{one.day}"
    run = run_deployment(
        DAILY, parameters={"request": request.model_dump(mode="json")}, timeout=0, as_subflow=False,
        idempotency_key=f"{name}-{one.key}", flow_run_name=name,
        tags=[f"region:{request.region_id}", f"day:{one.day}", one.state],
    )
    if not isinstance(run, FlowRun) or not _lost(run):
        return True
    state = run.state_name or "unknown"
    Run(request).close("failed", error=RunLostError(f"the run ended as {state} without a record", run=run.name))
    return False


def has_server() -> bool:
    """Whether runs are handed to a server and its workers, not made in this process."""
    return get_current_settings().api.url is not None


def running_days(region_id: str) -> frozenset[dt.date]:
    """Dates of a region with a run that is queued or under way at the server."""
    if not has_server():
        return frozenset()
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNFINISHED))))
    with get_client(sync_client=True) as client:
        found: list[FlowRun] = []
        while page := client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["daily"])),
                                            flow_run_filter=unfinished, limit=MOST_SHOWN, offset=len(found)):
            found += page
    return frozenset(_days_asked(found, region_id))


def sweep_text(record: SweepRecord) -> str:
    """The table in markdown: every date that is not settled, the newest first."""
    counts = Counter(one.state for one in record.standings)
    lost = [one for one in record.standings if one.state in ("given up", "withheld")]
    lines = [f"# {record.request.region_id}, as of {record.as_of:%Y-%m-%d %H:%M} UTC", "",
             ", ".join(f"{count} {state}" for state, count in counts.most_common()) or "nothing was ever made", ""]
    if lost:
        lines += [f"**{len(lost)} dates need a person**: " + ", ".join(str(one.day) for one in lost), ""]
    shown = [one for one in reversed(record.standings) if one.due or one.state not in SETTLED][:MOST_SHOWN]
    if shown:
        lines += ["| date | state | revision | why | since | next |", "|---|---|---|---|---|---|"]
        lines += [_row(one, one.day in record.started) for one in shown]
    used = [state for state in STATES if state in counts]
    return "\n".join([*lines, "", *(f"*{state}*: {STATES[state]}.  " for state in used)])


def _row(one: Standing, started: bool) -> str:
    revision = f"r{one.revision:02d} {one.maturity}" if one.revision else "–"
    tries = f" ({one.tries} tries)" if one.tries else ""
    cells = (one.day, f"{one.state}{tries}{', started' if started else ''}", revision, one.reason.replace("|", "/"),
             _minute(one.since), _minute(one.next))
    return f"| {' | '.join(map(str, cells))} |"


def _minute(when: dt.datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else "–"


def _in_service(region_id: str) -> str | None:
    try:
        models = (*resolve_models.fn(region_id), *resolve_stand_ins.fn(region_id))
    except ModelNotFoundError as error:
        _log.warning("%s: %s", error.code, error)
        return None
    return in_service(models, SOIL_MOISTURE_1KM.algorithm_version)


def _window_wants(region: Region, window: tuple[dt.date, dt.date]) -> Iterator[tuple[str, dt.date, dt.date]]:
    spans: dict[str, tuple[dt.date, dt.date]] = {}
    for day in window:
        for name, first, last in wanted_periods(region, day):
            known = spans.get(name, (first, last))
            spans[name] = min(known[0], first), max(known[1], last)
    return ((name, *span) for name, span in spans.items())


def _late_wants(region: Region, days: Collection[dt.date]) -> Iterator[tuple[str, dt.date, dt.date]]:
    """What comes later than the window reaches, for dates that still wait for it."""
    late = {name for entry in region.roles for name in entry.sources if substitute(entry.role, name) is None
            and (source(name).latency_days or 0) > region.upkeep.window_days}
    return (period for day in sorted(days) for period in wanted_periods(region, day, stand_ins=())
            if period[0] in late)


def _not_final(book: RunBook, region: Region, before: dt.date) -> list[dt.date]:
    return [day for day, run in book.newest(region.region_id).items() if day < before and run.maturity != "final"]


def _days_of(name: str) -> tuple[dt.date, dt.date]:
    granule = identify(Path(name))
    return (granule.start, granule.end) if granule else (dt.date.max, dt.date.min)


def _days_asked(runs: Sequence[FlowRun], region_id: str) -> Iterator[dt.date]:
    for run in runs:
        asked = run.parameters.get("request")
        if isinstance(asked, dict) and asked.get("region_id") == region_id:
            yield dt.date.fromisoformat(str(asked["day"]))


def _lost(run: FlowRun) -> bool:
    """Ended, and nobody will start it again."""
    if run.state_type is None or run.state_type in UNFINISHED:
        return False
    return run.state_type != StateType.CRASHED or run.run_count >= MOST_RUNS
