"""The doctor finds what is wrong and says what to do."""

from __future__ import annotations

import base64
import datetime as dt
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from tasks import doctor
from tasks.doctor import Check, examine, unknown_settings
from tasks.settings import Settings
from tasks.wiring import Services

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    for name in ("PREFECT_HOME", "SM_PREFECT_API_URL", "SM_ARCHIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "WAIT_S", 2)
    (tmp_path / "data" / "mlflow").mkdir(parents=True)
    return Services(Settings(data=tmp_path / "data", archive=tmp_path))


def named(checks: Iterable[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_fresh_machine_is_told_to_train_and_nothing_else(here: Services) -> None:
    checks = named(examine(here, "korea", lambda: NOW))
    assert {name for name, check in checks.items() if check.state == "failure"} <= {"models", "disk"}
    assert "SM501" in checks["models"].message and "sm-daily train" in checks["models"].remedy
    assert checks["versions"].state == checks["libraries"].state == "ok"


def test_a_library_that_silently_stops_schedules_is_named(here: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "2.1.9" if name.lower() == "sqlalchemy" else real(name))
    (check,) = doctor._versions()
    assert check.state == "failure" and "sqlalchemy 2.1.9" in check.message and "no run" in check.message


def test_a_damaged_database_is_named(here: Services) -> None:
    path = here.settings.data / "prefect" / "prefect.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x)")
        connection.executemany("insert into t values (?)", [("x" * 2000,)] * 20)
    content = bytearray(path.read_bytes())
    content[4096:4300] = b"\xff" * 204
    path.write_bytes(content)
    checks = named(doctor._databases(here))
    assert checks["database prefect"].state == "failure" and "Restore" in checks["database prefect"].remedy
    assert checks["database ledger"].state == "ok"


@pytest.mark.parametrize(("days", "state"), [(-1, "failure"), (5, "warning"), (50, "ok")])
def test_a_token_that_ends_is_told_in_time(
    here: Services, monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    ends = int((NOW + dt.timedelta(days=days)).timestamp())
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    monkeypatch.setenv("SM_EARTHDATA_TOKEN", f"x.{claims}.y")
    assert named(doctor._credentials(here, NOW))["credentials"].state == state


def test_a_server_that_is_not_there(here: Services) -> None:
    gone = here.settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"})
    assert named(doctor._server(gone, lambda: NOW))["server"].state == "failure"


def test_a_clock_that_is_wrong(here: Services, loopback, reply) -> None:
    server = loopback(lambda _: reply(json.dumps(doctor.version("prefect")).encode()))
    there = here.settings.model_copy(update={"prefect_api_url": server.url})
    for ahead, state in ((0, "ok"), (5, "failure")):
        now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=ahead)
        assert named(doctor._server(there, lambda now=now: now))["clock"].state == state


def test_a_misspelt_setting_is_told_of() -> None:
    assert unknown_settings(["SM_DATA", "SM_PROCESES", "PATH", "SM_KEEP_SCRATCH"]) == ("SM_PROCESES",)
