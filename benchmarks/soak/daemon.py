"""Two ways to live through the simulated days: in one process, and with server, worker and whatever kills them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import requests

from benchmarks.soak.world import REGION_ID, ROOT, SoakWorld

Target = Literal["flow", "worker", "server", "download", "publish", "power", "term"]
TARGETS: tuple[Target, ...] = ("flow", "server", "power", "download", "publish", "worker", "term")
"""``power``: all at once; ``term``: a flow process that is asked to stop, not killed."""
PATIENCE_S = 1800
UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]
SILENT_S = 90


def environment(world: SoakWorld, data: Path, told: Mapping[str, str]) -> dict[str, str]:
    """A clean environment for the daemon's processes, with the models that serve already."""
    shutil.copytree(world.data, data, ignore=shutil.ignore_patterns("scratch", "prefect", "runs", "products",
                                                                    "ledger", "reports"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    return kept | dict(told) | {
        "SM_DATA": str(data), "SM_REGION_FILE": str(world.region), "SM_STATICS": str(world.archive),
        "SM_READ_TIMEOUT_S": "120", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "NUMBA_NUM_THREADS": "1",
        "PREFECT_HOME": str(data / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{data}/mlflow/mlflow.db",
        "PYTHONPATH": str(ROOT), "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


class InProcess:
    """The reference: no server, no worker, nobody killed."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._log = (Path(settings["SM_DATA"]).parent / "in_process.log").open("w")
        self._process = subprocess.Popen([sys.executable, "-m", "benchmarks.soak.in_process"], cwd=ROOT, env=settings,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)

    def sweep(self) -> int:
        """One sweep; how many dates were made."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{REGION_ID}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("done "):
                return int(line.split()[1])
        raise SystemExit("the reference ended: see in_process.log")

    def pause(self) -> None:
        """Nothing needs to be stopped."""

    def resume(self) -> None:
        """Nothing was stopped."""

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()


class Served:
    """Prefect server, worker and flow processes, and somebody who kills them.

    Attributes
    ----------
    killed
        How often what was killed.
    memory
        Resident memory [MB] of server and worker after each sweep.
    """

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        self._port = _free_port()
        self._data = Path(settings["SM_DATA"])
        address = f"http://127.0.0.1:{self._port}/api"
        self._settings = settings | {
            "SM_PREFECT_API_URL": address, "PREFECT_API_URL": address, "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(self._port), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        }
        self._api = Api(address)
        self._random = random.Random(seed)
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: Counter[str] = Counter()
        self.memory: list[dict[str, float]] = []
        self.resume()
        self._deploy()

    def sweep(self, kill: Target | None = None) -> int:
        """One sweep by its deployment, until nothing is left to do; how many runs of dates that were."""
        before = self._api.count("daily")
        self._api.start("sweep/sweep", {"request": {"region_id": REGION_ID}})
        if kill is not None:
            self._kill(kill)
        self._settle()
        self.memory.append({name: sum(map(_resident_mb, _group(part.pid))) for name, part in self._parts.items()})
        return self._api.count("daily") - before

    def pause(self) -> None:
        """The machine is off."""
        for name in list(self._parts):
            self._stop(name)
        for process in list(self._flows()):
            _end(process)

    def resume(self) -> None:
        """The machine is on again."""
        self._start("server")
        self._api.wait()
        self._start("worker")

    def unfinished(self) -> list[str]:
        """Names of runs in a state that is none to end in."""
        return [str(run["name"]) for run in self._api.runs(UNFINISHED)]

    def states(self) -> dict[str, int]:
        """How many runs of dates ended how."""
        return dict(Counter(str(run["state_name"]) for run in self._api.runs(None, "daily")))

    def close(self) -> None:
        self.pause()

    def _settle(self) -> None:
        """Until every run has ended and what crashed was started again, or given up."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self._mend()
            if not self._api.runs(UNFINISHED) and not self._restartable():
                return
            quiet = self._api.runs(["RUNNING", "PENDING"])
            if self._restartable() or (quiet and not list(self._flows())):
                self._api.start("recover/recover", {"request": {"silent_s": SILENT_S, "settle_s": 10}})
            time.sleep(5)
        raise SystemExit(f"not settled: {[(r['name'], r['state_name']) for r in self._api.runs(UNFINISHED)]}")

    def _restartable(self) -> bool:
        return any(run["run_count"] < 3 and not run["auto_scheduled"] for run in self._api.runs(["CRASHED"]))

    def _mend(self) -> None:
        """Start again what was killed, as systemd would."""
        for name, part in list(self._parts.items()):
            if part.poll() is not None:
                self._start(name)
                if name == "server":
                    self._api.wait()

    def _kill(self, target: Target) -> None:
        """Wait for the moment, then kill without warning."""
        victims = self._victims(target)
        if not victims:
            return
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if target == "term" else signal.SIGKILL)
        self.killed[target] += 1
        time.sleep(self._random.uniform(0, 3))

    def _victims(self, target: Target) -> list[int]:
        end = time.monotonic() + 120
        time.sleep(self._random.uniform(0, 15))
        of_date = self._random.random() < 0.7                    # else whatever runs first, the sweep
        while time.monotonic() < end:
            if of_date and not self._api.runs(["RUNNING"], "daily"):
                time.sleep(0.5)
                continue
            flows = list(self._flows())
            if target in ("worker", "server") and flows:
                return _group(self._parts[target].pid)
            if target == "power" and flows:
                return [*flows, *(pid for part in self._parts.values() for pid in _group(part.pid))]
            if target in ("flow", "term") and flows:
                time.sleep(self._random.uniform(0, 20))
                return [self._random.choice(flows)] if (flows := list(self._flows())) else []
            if target == "download" and flows and any((self._data / "fetched" / ".partial").glob("*")):
                return flows
            if target == "publish" and flows and any((self._data / "products").rglob(".tmp-*")):
                return flows
            time.sleep(0.02)
        return []

    def _flows(self) -> Iterator[int]:
        """Processes of flow runs of this daemon."""
        mark = f"PREFECT_HOME={self._settings['PREFECT_HOME']}\0".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                flow = b"prefect.engine" in words or b"prefect.flow_engine" in words
                if flow and mark in (folder / "environ").read_bytes():
                    yield int(folder.name)

    def _start(self, name: str) -> None:
        words = {"server": ("server", "start"), "worker": ("worker", "start", "--pool", "sm-daily", "--limit", "2")}
        with (self._data.parent / f"{name}.log").open("ab") as log:
            self._parts[name] = subprocess.Popen([sys.executable, "-m", "prefect", *words[name]], cwd=ROOT,
                                                 env=self._settings, stdout=log, stderr=log, start_new_session=True)

    def _stop(self, name: str) -> None:
        part = self._parts.pop(name)
        part.send_signal(signal.SIGINT)
        try:
            part.wait(20)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait(20)
        for pid in _group(part.pid):
            _end(pid)

    def _deploy(self) -> None:
        done = subprocess.run([sys.executable, "-c", "from flows.cli import main; main()", "deploy"], cwd=ROOT,
                              env=self._settings, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr + done.stdout)
        self._api.pause_schedules()


class Api:
    """The few questions that the soak has for Prefect's REST API; a server that is away is waited for."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()
        self._session.trust_env = False

    def start(self, deployment: str, parameters: dict[str, Any]) -> None:
        found = self._ask("GET", f"deployments/name/{deployment}")["id"]
        self._ask("POST", f"deployments/{found}/create_flow_run", {"parameters": parameters,
                                                                   "state": {"type": "SCHEDULED"}})

    def runs(self, types: list[str] | None, flow: str | None = None) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"limit": 200, "offset": 0}
        if types:
            body["flow_runs"] = {"state": {"type": {"any_": types}}}
        if flow:
            body["flows"] = {"name": {"any_": [flow]}}
        found: list[dict[str, Any]] = []
        while page := self._ask("POST", "flow_runs/filter", body | {"offset": len(found)}):
            found += page
        return found

    def count(self, flow: str) -> int:
        return int(self._ask("POST", "flow_runs/count", {"flows": {"name": {"any_": [flow]}}}))

    def pause_schedules(self) -> None:
        for one in self._ask("POST", "deployments/filter", {}):
            self._ask("POST", f"deployments/{one['id']}/pause_deployment", {})

    def wait(self) -> None:
        self._ask("GET", "health")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        end = time.monotonic() + 300
        while True:
            try:
                answer = self._session.request(method, f"{self._url}/{path}", json=body, timeout=60)
                if answer.status_code < 500:
                    answer.raise_for_status()
                    return answer.json() if answer.content else None
            except (requests.ConnectionError, requests.Timeout):
                pass
            if time.monotonic() > end:
                raise SystemExit(f"the server does not answer {path}")
            time.sleep(1)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _group(leader: int) -> list[int]:
    """A process and its children; those of flow runs are in sessions of their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == leader:
                found.append(int(folder.name))
    return found


def _resident_mb(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
