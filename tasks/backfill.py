"""A range of dates divided into runs of some dates each; what is left of a run; how far the whole has come.

A date is done when it has an outcome of a run that knew as much (``as_of``), whatever machine that ran on. So a run
that was cut off is simply made again, and two that meet do no harm: the first to have a date makes it.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.context import SpawnContext
from typing import Literal, Self

from prefect.artifacts import create_markdown_artifact
from pydantic import Field, model_validator

from sm_core.domain import DailyRequest, Outcome, Record
from sm_core.errors import ProcessError
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.settings import serve_children, threads_for_children
from tasks.wiring import services

Order = Literal["newest", "oldest"]
DAY = dt.timedelta(days=1)
MOST_VAIN = 2
"""Times in a row that processes end without a date done in between."""
BLOCKS_PER_PROCESS = 4


class BackfillRequest(Record):
    """Make every date of a range. ``as_of`` None: what is known now."""

    region_id: str = Field(description="Region to make.")
    first: dt.date = Field(description="First date of the range.")
    last: dt.date = Field(description="Last date of the range.")
    order: Order = Field(default="newest", description="Which dates are made first.")
    as_of: dt.datetime | None = Field(default=None, description="Use only what was known then (UTC).")
    days_per_run: int = Field(default=30, ge=1, le=366, description="Dates that one run makes, one after the other.")
    everything: bool = Field(default=False, description="Also look at dates that are published as final.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("the first date lies after the last")
        return self


class DaysRequest(Record):
    """Make these dates, one after the other, as a part of a backfill of ``total`` dates from ``begin`` to ``end``."""

    region_id: str = Field(description="Region of the backfill.")
    days: tuple[dt.date, ...] = Field(description="Dates of this part, in the order in which they are made.")
    as_of: dt.datetime = Field(description="Only what was known then is used (UTC, with its zone).")
    begin: dt.date = Field(description="First date of the whole backfill.")
    end: dt.date = Field(description="Last date of the whole backfill.")
    total: int = Field(description="Dates of the whole backfill.")

    @property
    def name(self) -> str:
        """``<region>-<earliest>-<latest>``."""
        return f"{self.region_id}-{min(self.days)}-{max(self.days)}"

    def of(self, day: dt.date) -> DailyRequest:
        """The request of one date."""
        return DailyRequest(region_id=self.region_id, day=day, as_of=self.as_of)


class Progress(Record):
    """How far a backfill has come, and when it will end if it goes on like this."""

    region_id: str
    begin: dt.date
    end: dt.date
    total: int
    outcomes: dict[Outcome, int]
    started: dt.datetime | None
    at: dt.datetime

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    @property
    def expected_end(self) -> dt.datetime | None:
        """None before the first date is done, and when all are."""
        left = self.total - self.done
        if self.started is None or not self.done or left <= 0:
            return None
        return self.at + (self.at - self.started) / self.done * left


def divide(
    request: BackfillRequest, as_of: dt.datetime, settled: Collection[dt.date], size: int
) -> tuple[DaysRequest, ...]:
    """Runs of at most ``size`` dates that lie side by side, in the order that was asked for.

    The bounds of the runs are those of the calendar, so that a range asked for again is divided in the same way.
    ``settled`` dates are left out.
    """
    wanted = [request.first + n * DAY for n in range((request.last - request.first).days + 1)]
    blocks: dict[int, list[dt.date]] = {}
    for day in wanted:
        if day not in settled:
            blocks.setdefault(day.toordinal() // size, []).append(day)
    newest = request.order == "newest"
    total = sum(len(days) for days in blocks.values())
    return tuple(
        DaysRequest(region_id=request.region_id, days=tuple(sorted(blocks[number], reverse=newest)), as_of=as_of,
                    begin=request.first, end=request.last, total=total)
        for number in sorted(blocks, reverse=newest)
    )


def key_of(request: DaysRequest, size: int, attempt: int) -> str:
    """The same for the same part of the calendar, whichever of its dates are left: no two workers have it made."""
    begin = dt.date.fromordinal(max(min(request.days).toordinal() // size * size, request.begin.toordinal()))
    end = dt.date.fromordinal(min((max(request.days).toordinal() // size + 1) * size - 1, request.end.toordinal()))
    return f"days-{request.region_id}-{begin}-{end}-{attempt}"


@sm_task
def plan_backfill(request: BackfillRequest, processes: int | None) -> tuple[DaysRequest, ...]:
    """What is to be made. ``processes``: of this machine, when no server divides the work."""
    settled = frozenset[dt.date]() if request.everything else _final(request)
    count = (request.last - request.first).days + 1
    size = request.days_per_run
    if processes is not None:
        size = max(1, min(size, -(-count // (BLOCKS_PER_PROCESS * processes))))
    return divide(request, request.as_of or utc_now(), settled, size)


@sm_task
def days_left(request: DaysRequest) -> tuple[dt.date, ...]:
    """The dates of a run that have no outcome yet."""
    known = services().run_book.of_days(request.region_id, request.days)
    return tuple(
        day for day in request.days
        if not any(run.as_of >= request.as_of and run.outcome != "interrupted" for run in known[day])
    )


@sm_task
def report_progress(request: DaysRequest) -> Progress:
    """Leave how far the whole backfill has come as an artifact."""
    progress = progress_of(request)
    key = f"backfill-{request.region_id}".replace("_", "-").lower()
    create_markdown_artifact(progress_text(progress), key=key, description=f"{progress.done} of {progress.total}")
    return progress


def progress_of(request: DaysRequest) -> Progress:
    """Counted in the ledger, where all machines note what they did."""
    counted, started = services().run_book.counted(request.region_id, request.begin, request.end, request.as_of)
    return Progress(region_id=request.region_id, begin=request.begin, end=request.end, total=request.total,
                    outcomes=counted, started=started, at=utc_now())


def progress_text(progress: Progress) -> str:
    """In markdown."""
    share = 100 * progress.done / progress.total if progress.total else 100
    lines = [f"# {progress.region_id}, {progress.begin} to {progress.end}: {progress.done} of {progress.total} dates "
             f"({share:.0f} %)", "", "| outcome | dates |", "|---|---|",
             *(f"| {name} | {count} |" for name, count in sorted(progress.outcomes.items()))]
    if end := progress.expected_end:
        lines += ["", f"Expected to end {end:%Y-%m-%d %H:%M} UTC, as it goes since "
                      f"{progress.started:%Y-%m-%d %H:%M}."]
    return "\n".join(lines)


def in_processes(
    parts: Sequence[DaysRequest], make: Callable[[DaysRequest], Mapping[dt.date, Outcome]], processes: int, api_url: str
) -> None:
    """Have the parts made by processes of this machine. One that is killed is replaced, its part made again.

    Raises
    ------
    ProcessError   SM601, processes end again and again before they have made a single date.
    """
    left, vain = list(parts), 0
    context = multiprocessing.get_context("spawn")
    with threads_for_children(max(1, multiprocessing.cpu_count() // processes)):
        while left:
            before = progress_of(parts[0]).done
            left, trouble = _once(left, make, processes, context, api_url)
            vain = 0 if progress_of(parts[0]).done > before else vain + 1
            if left and vain >= MOST_VAIN:
                raise ProcessError(f"processes end before a date is made: {trouble!r}", times=vain) from trouble


def _once(
    parts: Sequence[DaysRequest], make: Callable[[DaysRequest], Mapping[dt.date, Outcome]], processes: int,
    context: SpawnContext, api_url: str,
) -> tuple[list[DaysRequest], BaseException | None]:
    """The parts that did not come to their end, and why the last of them did not."""
    left, trouble = [], None
    with ProcessPoolExecutor(processes, context, serve_children, (api_url,)) as pool:
        running = {pool.submit(make, part): part for part in parts}
        for ended in as_completed(running):
            if (error := ended.exception()) is not None:
                left.append(running[ended])
                trouble = error
    return left, trouble


def _final(request: BackfillRequest) -> frozenset[dt.date]:
    store, product = services().store, SOIL_MOISTURE_1KM.product_id
    days = [day for day in store.days(product, request.region_id) if request.first <= day <= request.last]
    newest = ((day, store.latest(product, request.region_id, day)) for day in days)
    return frozenset(day for day, item in newest if item is not None and item.maturity == "final")
