"""A range of dates made once each: by processes without a server, and by two workers of which one run is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from sm_core.domain import RunRecord
from sm_core.publishing import ProductStore
from tests.flows.conftest import Trained, sm_daily
from tests.flows.test_retrain_by_event import Api, environment, running, waited

PRODUCT = "soil_moisture_1km"


@pytest.fixture
def mine(trained: Trained, tmp_path: Path) -> Trained:
    shutil.copytree(trained.archive, tmp_path / "archive")
    shutil.copytree(trained.data, tmp_path / "data",
                    ignore=shutil.ignore_patterns("products", "runs", "prefect", "ledger", "reports", "alerts"))
    return Trained(trained.region, tmp_path / "archive", tmp_path / "data")


def published(mine: Trained) -> Counter[str]:
    """Revisions by day."""
    store = ProductStore(mine.data / "products")
    return Counter({f"{day}": len(store.revisions(PRODUCT, "small", day)) for day in store.days(PRODUCT, "small")})


def outcomes(mine: Trained) -> Counter[tuple[str, str]]:
    records = (RunRecord.model_validate_json(path.read_text()) for path in (mine.data / "runs").rglob("*.json"))
    return Counter((f"{one.request.day}", one.outcome) for one in records)


@pytest.mark.endurance
def test_processes_of_this_machine_make_a_range_and_no_date_twice(mine: Trained) -> None:
    done = mine.run("backfill", "2019-07-20", "2019-07-22", "--order", "newest")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 dates (100 %)" in done.stdout
    days = {f"2019-07-{day}": 1 for day in (20, 21, 22)}
    assert published(mine) == days
    assert outcomes(mine) == {(day, "published"): 1 for day in days}
    again = mine.run("backfill", "2019-07-20", "2019-07-22")
    assert again.returncode == 0, again.stderr
    assert "every day is published as final" in again.stdout
    assert outcomes(mine).total() == 3


def engines(mine: Trained) -> list[int]:
    """Processes that make runs of this test's data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"prefect.engine" in (path / "cmdline").read_bytes() \
                    and f"SM_DATA={mine.data}".encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.endurance
def test_two_workers_share_a_range_and_a_killed_run_is_made_up_for(mine: Trained, tmp_path: Path) -> None:
    settings = environment(mine, tmp_path) | {"OMP_NUM_THREADS": "1"}
    asked = ("backfill", "2019-07-20", "2019-07-23", "--order", "oldest", "--days-per-run", "2", "--region",
             str(mine.region), "--archive", str(mine.archive), "--data", str(mine.data))

    def ask() -> str:
        done: subprocess.CompletedProcess[str] = sm_daily(*asked, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with running(settings, "server", "start"):
        api = Api(settings["PREFECT_API_URL"])
        api.wait()
        assert sm_daily("deploy", "--data", str(mine.data), **settings).returncode == 0
        workers = ("worker", "start", "--pool", "sm-daily", "--limit", "1", "--name")
        with running(settings, *workers, "first"), running(settings, *workers, "second"):
            assert "The workers go on" in ask()
            parts = {run["id"] for run in api.runs("days")}
            ask()
            assert {run["id"] for run in api.runs("days")} == parts      # what is under way is not asked for twice
            waited(lambda: len(engines(mine)) == len(parts))
            waited(lambda: published(mine))
            os.kill(engines(mine)[0], signal.SIGKILL)
            ended = [api.result(one)["state"]["type"] for one in parts]
            assert sorted(ended) in (["COMPLETED", "CRASHED"], ["COMPLETED"] * 2)   # or made up for by the server
            ask()
            for run in api.runs("days"):
                api.result(run["id"])
        queues = {run["work_queue_name"] for run in api.runs("days")}
    assert queues == {"backfill"}
    assert published(mine) == {f"2019-07-{day}": 1 for day in (20, 21, 22, 23)}
    made = outcomes(mine)
    assert [made[f"2019-07-{day}", "published"] for day in (20, 21, 22, 23)] == [1] * 4
    assert not list((mine.data / "products").rglob(".tmp-*"))
