"""``sm-daily up`` with its real children: deploys, schedules, heals, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tasks.adapters.processes import descendants
from tests.flows.conftest import ROOT, sm_daily

PATIENCE_S = 600


class Up:
    """The process, what it said, and its server's interface."""

    def __init__(
        self, process: subprocess.Popen[str], log: Path, ports: dict[str, int], settings: dict[str, str]
    ) -> None:
        self.process, self.log, self.ports, self.settings = process, log, ports, settings
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Connection"] = "close"        # one that was left open is closed just as it is used again

    def said(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def ask(self, method: str, where: str, /, **body: Any) -> Any:
        address = f"http://127.0.0.1:{self.ports['port']}/api/{where}"
        while (answer := self._session.request(method, address, json=body or None, timeout=120)).status_code == 503:
            time.sleep(1)  # a busy server with SQLite says so, and means: again
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def child(self, *words: str) -> int:
        """The one child of these words."""
        for pid in descendants(self.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if all(word in command for word in words):
                return pid
        raise AssertionError(words)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "archive").mkdir()
    with started(folder) as up:
        waited(lambda: up.said("ready: "))
        yield up


@contextmanager
def started(folder: Path) -> Iterator[Up]:
    ports = dict(zip(("port", "mlflow-port", "page-port", "metrics-port"), free_ports(4), strict=True))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    settings = {"SM_DATA": str(folder / "data"), "SM_ARCHIVE": str(folder / "archive"), "COLUMNS": "200",
                "PREFECT_WORKER_QUERY_SECONDS": "1"}
    log = folder / "up.log"
    options = [part for name, port in ports.items() for part in (f"--{name}", str(port))]
    with log.open("w") as lines:
        process = subprocess.Popen([sys.executable, "-m", "flows", "up", *options], cwd=ROOT, env=kept | settings,
                                   stdout=lines, stderr=lines, text=True, start_new_session=True)
    try:
        yield Up(process, log, ports, settings)
    finally:
        process.terminate()
        process.wait(120)


def test_only_this_machine_is_listened_to(running: Up) -> None:
    assert {addresses_of(port) for port in running.ports.values()} == {("127.0.0.1",)}


def test_a_deployed_schedule_yields_scheduled_runs(running: Up) -> None:
    """With another version of a library below Prefect it silently does not."""
    runs = waited(lambda: running.ask("POST", "flow_runs/filter", flows={"name": {"any_": ["stations"]}},
                                      flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}))
    assert all(run["auto_scheduled"] for run in runs)
    assert all(run["expected_start_time"].endswith(("03:00:00Z", "03:00:00+00:00")) for run in runs)


def test_what_the_operator_paused_stays_paused(running: Up) -> None:
    deployment = running.ask("GET", "deployments/name/stations/stations")
    (schedule,) = deployment["schedules"]
    running.ask("PATCH", f"deployments/{deployment['id']}/schedules/{schedule['id']}", active=False)
    running.ask("PATCH", f"automations/{automation(running)['id']}", enabled=False)
    before = automation(running)
    running.settings["SM_PREFECT_API_URL"] = f"http://127.0.0.1:{running.ports['port']}/api"
    again = sm_daily("deploy", **running.settings)
    assert again.returncode == 0, again.stderr
    assert [one["active"] for one in running.ask("GET", "deployments/name/stations/stations")["schedules"]] == [False]
    assert automation(running) == before and not before["enabled"]


def test_other_hosts_and_origins_are_turned_away(running: Up) -> None:
    elsewhere = {"Host": "elsewhere.example"}
    assert status(running.ports["mlflow-port"], "/", elsewhere) == 403
    assert status(running.ports["page-port"], "/", elsewhere) == 421
    assert status(running.ports["metrics-port"], "/metrics", {}) == 200
    answer = requests.options(
        f"http://127.0.0.1:{running.ports['port']}/api/flow_runs/filter", timeout=30,
        headers={"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_of_another_site_changes_nothing(running: Up) -> None:
    """A browser sends such a request without asking first."""
    answer = requests.post(
        f"http://127.0.0.1:{running.ports['port']}/api/flows/", data='{"name": "forged"}', timeout=30,
        headers={"Origin": "http://elsewhere.example", "Content-Type": "text/plain"})
    assert answer.status_code == 422


def test_a_failure_is_looked_into_at_once(running: Up) -> None:
    """The region was never trained here."""
    made = running.ask("GET", "deployments/name/daily/daily")["id"]
    request = {"region_id": "demo", "day": "2019-06-15", "as_of": "2026-01-01T00:00:00Z"}
    run = running.ask("POST", f"deployments/{made}/create_flow_run", parameters={"request": request},
                      state={"type": "SCHEDULED"})
    assert waited(lambda: ended(running, run["id"]))["state"]["type"] == "FAILED"
    asked = waited(lambda: [one for one in running.ask("POST", "flow_runs/filter", flows={"name": {"any_": ["watch"]}})
                            if not one["auto_scheduled"]])
    assert all(one["created_by"]["type"] == "AUTOMATION" for one in asked)


def test_what_is_killed_is_started_again_and_works(running: Up) -> None:
    worker, server = running.child("worker", "start"), running.child("server", "start")
    os.kill(worker, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    waited(lambda: running.said("server ended with status -9") and running.said("worker ended with status -9"))
    waited(lambda: healthy(running))
    made = running.ask("GET", "deployments/name/stations/stations")["id"]
    run = running.ask("POST", f"deployments/{made}/create_flow_run", parameters={"request": {"region_id": "demo"}},
                      state={"type": "SCHEDULED"})
    done = waited(lambda: ended(running, run["id"]))
    assert done["state"]["type"] == "COMPLETED"
    assert done["name"] == "stations-demo"
    assert running.child("worker", "start") != worker and running.child("server", "start") != server


def test_a_second_one_on_the_same_folder_is_refused(running: Up) -> None:
    del running.settings["SM_PREFECT_API_URL"]
    second = sm_daily("up", **running.settings)
    assert second.returncode == 1
    assert "SM602" in second.stderr


def test_the_end_leaves_no_process_and_no_running_run(running: Up, tmp_path: Path) -> None:
    run = begin_sleepy(running, tmp_path / "begun")
    waited((tmp_path / "begun").exists)
    before = (running.process.pid, *descendants(running.process.pid))
    running.process.terminate()
    assert running.process.wait(120) == 0
    assert "Traceback" not in running.log.read_text()
    assert [pid for pid in before if alive(pid)] == []
    database = Path(running.settings["SM_DATA"]) / "prefect" / "prefect.db"
    with sqlite3.connect(database) as connection:
        (state,) = connection.execute("select state_type from flow_run where replace(id, '-', '') = ?",
                                      [run.replace("-", "")]).fetchone()
    assert state == "CRASHED"


def begin_sleepy(running: Up, begun: Path) -> str:
    flow = running.ask("POST", "flows/", name="sleepy")["id"]
    entrypoint = f"{ROOT / 'tests' / 'flows' / 'sleepy.py'}:sleepy"
    made = running.ask("POST", "deployments/", name="sleepy", flow_id=flow, entrypoint=entrypoint, path=str(ROOT),
                       work_pool_name="sm-daily", work_queue_name="daily")["id"]
    return str(running.ask("POST", f"deployments/{made}/create_flow_run", parameters={"begun": str(begun)},
                           state={"type": "SCHEDULED"})["id"])


def ended(running: Up, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = running.ask("GET", f"flow_runs/{run_id}")
    return run if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED") else None


def automation(running: Up) -> dict[str, Any]:
    (found,) = [one for one in running.ask("POST", "automations/filter") if one["name"] == "crash-what-went-silent"]
    return dict(found)


def healthy(running: Up) -> bool:
    try:
        return bool(running.ask("GET", "health"))
    except requests.RequestException:
        return False


def status(port: int, path: str, headers: dict[str, str]) -> int:
    return requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30).status_code


def addresses_of(port: int) -> tuple[str, ...]:
    """Where this machine listens at a port."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = [row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    return tuple(socket.inet_ntoa(bytes.fromhex(text)[::-1]) if len(text) == 8 else text for text in listening)


def alive(pid: int) -> bool:
    """A process that is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def waited(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.3)
    raise AssertionError("it did not happen")
