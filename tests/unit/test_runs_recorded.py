"""How a run ends is recorded, whatever ends it; what the ledger knows of runs."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from sm_core.domain import DailyRequest, Held
from sm_core.errors import SourceUnavailableError
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.runs import RunBook
from tasks.due import PastRun
from tasks.runs import Run, alone
from tasks.wiring import services

DAY = dt.date(2019, 6, 10)


def at(hour: int) -> dt.datetime:
    return dt.datetime(2019, 6, 12, hour, tzinfo=dt.UTC)


def request(hour: int = 6) -> DailyRequest:
    return DailyRequest(region_id="demo", day=DAY, as_of=at(hour))


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SM_DATA", str(tmp_path))
    monkeypatch.setenv("SM_ARCHIVE", str(tmp_path))
    return tmp_path


@pytest.fixture
def book(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.upgrade()
    yield RunBook(database)
    database.close()


def past(run_id: str, as_of: int, finished: int, day: dt.date = DAY, **more) -> PastRun:
    return PastRun(**{"run_id": run_id, "day": day, "as_of": at(as_of), "finished": at(finished), "reason": "",
                      "outcome": "published", "code_version": "1", **more})


@pytest.mark.parametrize(("error", "outcome", "code", "transient"), [
    (SourceUnavailableError("no answer"), "failed", "SM201", True),
    (ZeroDivisionError("a mistake"), "failed", "SM000", False),
    (KeyboardInterrupt(), "interrupted", None, False),
    (SystemExit(143), "interrupted", None, False),
])
def test_however_a_run_ends_its_record_says_so(data, error, outcome, code, transient):
    with pytest.raises(type(error)), Run(request()) as run, run.step("fetch"):
        raise error
    record = json.loads(next((data / "runs" / "demo" / "2019-06-10").glob("*.json")).read_text())
    assert (record["outcome"], record["error_code"], record["transient"]) == (outcome, code, transient)
    assert [step["step"] for step in record["steps"]] == ["fetch"]
    last = services().run_book.last("demo", DAY)
    assert last is not None
    assert (last.run_id, last.outcome) == (record["run_id"], outcome)
    assert last.reason


def test_a_closed_run_is_recorded_once(data):
    with pytest.raises(ZeroDivisionError), Run(request()) as run:
        run.close("waiting")
        raise ZeroDivisionError
    assert len(list((data / "runs" / "demo" / "2019-06-10").iterdir())) == 1


def test_a_run_that_knows_less_than_one_that_made_the_date_is_overtaken(data):
    assert Run(request(6)).overtaken is None
    services().run_book.add("demo", past("a", 5, 7))
    assert Run(request(6)).overtaken is None
    services().run_book.add("demo", past("b", 8, 9))
    assert Run(request(6)).overtaken == "a run that knew more has made it (as of 2019-06-12 08:00)"
    assert Run(request(8)).overtaken is None
    services().run_book.add("demo", past("c", 10, 11, outcome="failed"))
    assert Run(request(9)).overtaken is None


def test_one_run_of_a_date_at_a_time(data):
    from tasks.adapters.locks import locked

    with alone(request()):
        with locked(data / "locks" / "demo" / "2019-06-10.lock", wait=False) as mine:
            assert not mine
        with locked(data / "locks" / "demo" / "2019-06-11.lock", wait=False) as mine:
            assert mine


def test_the_last_run_is_the_one_that_knew_most(book):
    held = (Held(role="lst_fine", files=3, digest="ab", of_day=""),)
    runs = [past("a", 6, 7), past("b", 9, 10, held=held, serving="m", missing=("ssm_coarse",)), past("c", 8, 11)]
    for run in (*runs, runs[0]):                                        # told twice: kept once
        book.add("demo", run)
    book.add("demo", past("d", 6, 7, day=DAY + dt.timedelta(1)))
    book.add("korea", past("e", 12, 12))
    assert book.last("demo", DAY) == runs[1]
    assert [run.run_id for run in book.of_days("demo", [DAY])[DAY]] == ["a", "c", "b"]
    assert {day.day: run.run_id for day, run in book.newest("demo").items()} == {10: "b", 11: "d"}
    assert book.last("demo", dt.date(2000, 1, 1)) is None


def test_with_the_same_knowledge_the_later_end_counts(book):
    """A run that was cut off, and its second start with the same request."""
    book.add("demo", past("z", 6, 7, outcome="interrupted"))
    book.add("demo", past("a", 6, 9))
    assert [run.run_id for run in book.newest("demo").values()] == ["a"]
