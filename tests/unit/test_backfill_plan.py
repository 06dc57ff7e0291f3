"""A range divided into runs, and those runs made by processes that may be killed."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sm_core.domain import Outcome
from sm_core.errors import ProcessError
from tasks.backfill import (
    BackfillRequest,
    DaysRequest,
    Progress,
    days_left,
    divide,
    in_processes,
    key_of,
    progress_of,
    progress_text,
)
from tasks.due import PastRun
from tasks.wiring import services

AS_OF = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
FIRST, DAY = dt.date(2019, 6, 1), dt.timedelta(days=1)
days_of = st.dates(dt.date(2000, 1, 1), dt.date(2026, 12, 31))


def request(count: int, **more: object) -> BackfillRequest:
    return BackfillRequest.model_validate({"region_id": "r", "first": FIRST, "last": FIRST + (count - 1) * DAY, **more})


@given(days_of, st.integers(1, 400), st.sampled_from(["newest", "oldest"]), st.integers(1, 40), st.randoms())
def test_every_date_that_is_not_settled_is_in_one_run_in_order(first, count, order, size, chance) -> None:  # type: ignore[no-untyped-def]
    wanted = [first + n * DAY for n in range(count)]
    settled = {day for day in wanted if chance.random() < 0.3}
    asked = BackfillRequest(region_id="r", first=first, last=wanted[-1], order=order)
    parts = divide(asked, AS_OF, settled, size)
    made = [day for part in parts for day in part.days]
    assert made == sorted(set(wanted) - settled, reverse=order == "newest")
    assert all(part.total == len(made) and len(part.days) <= size for part in parts)
    keys = [key_of(part, size, 0) for part in parts]
    assert len(set(keys)) == len(keys)
    again = divide(asked, AS_OF, set(wanted) - set(made[-3:]), size)     # nearly done: the same keys for what is left
    assert {key_of(part, size, 0) for part in again} <= set(keys)


def test_a_range_must_be_one() -> None:
    with pytest.raises(ValidationError, match="after the last"):
        request(0)


def test_the_end_is_told_from_how_it_went() -> None:
    began = AS_OF
    progress = Progress(region_id="r", begin=FIRST, end=FIRST + 9 * DAY, total=10, started=began,
                        outcomes={"published": 3, "waiting": 1}, at=began + dt.timedelta(hours=2))
    assert progress.done == 4 and progress.expected_end == began + dt.timedelta(hours=5)
    assert "4 of 10 dates (40 %)" in progress_text(progress) and "2026-05-01 05:00" in progress_text(progress)
    assert progress.model_copy(update={"outcomes": {"published": 10}}).expected_end is None
    assert progress.model_copy(update={"outcomes": {}, "started": None}).expected_end is None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SM_DATA", str(tmp_path))
    return tmp_path


def note(day: dt.date, outcome: Outcome, as_of: dt.datetime = AS_OF, run_id: str = "") -> None:
    services().run_book.add("r", PastRun(
        run_id=run_id or f"{day}{outcome}{as_of}", day=day, as_of=as_of, finished=dt.datetime.now(dt.UTC),
        outcome=outcome, reason="", code_version="1"))


def test_what_has_an_outcome_of_a_run_that_knew_as_much_is_done(here: Path) -> None:
    part = divide(request(6), AS_OF, (), 30)[0]
    for number, outcome in enumerate(("published", "waiting", "failed", "interrupted")):
        note(FIRST + number * DAY, outcome)  # type: ignore[arg-type]
    note(FIRST + 4 * DAY, "published", AS_OF - DAY)
    note(FIRST + 5 * DAY, "unchanged", AS_OF + DAY)
    assert days_left.fn(part) == (FIRST + 4 * DAY, FIRST + 3 * DAY)
    progress = progress_of(part)
    assert progress.outcomes == {"published": 1, "waiting": 1, "failed": 1, "unchanged": 1}


def make(part: DaysRequest) -> dict[dt.date, Outcome]:
    """Takes a moment for each date; the process that meets the fatal date first is killed there."""
    folder = services().settings.data
    for day in days_left.fn(part):
        fatal = folder / f"{day}.fatal"
        if fatal.exists():
            fatal.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if (folder / f"{day}.broken").exists():
            raise RuntimeError("broken")
        time.sleep(0.02)
        note(day, "published", run_id=f"{day}-{os.getpid()}")
    return {}


def test_a_killed_process_is_replaced_and_every_date_is_made_once(here: Path) -> None:
    (here / f"{FIRST + 4 * DAY}.fatal").touch()
    parts = divide(request(24), AS_OF, (), 3)
    in_processes(parts, make, 2, "http://127.0.0.1:9/api")
    runs = services().run_book.of_days("r", [FIRST + n * DAY for n in range(24)])
    assert Counter(len(found) for found in runs.values()) == {1: 24}
    assert progress_of(parts[0]).done == 24
    assert len({run.run_id.rpartition("-")[2] for found in runs.values() for run in found}) > 2


def test_processes_that_never_make_a_date_are_not_started_for_ever(here: Path) -> None:
    (here / f"{FIRST}.broken").touch()
    with pytest.raises(ProcessError, match="broken") as caught:
        in_processes(divide(request(1), AS_OF, (), 1), make, 1, "http://127.0.0.1:9/api")
    assert caught.value.code == "SM601"
