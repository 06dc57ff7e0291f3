"""From observations that arrive to a decision in MLflow, on a real Prefect server and worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from sm_core.sources import read_stations
from sm_core.twin.writers.ismn import write_ismn_header_values
from tasks.adapters.registry import ModelRegistry
from tasks.settings import load_settings
from tests.flows.conftest import ROOT, Trained, sm_daily

PATIENCE_S = 300
NEW_STATIONS = 2


@pytest.fixture
def mine(trained: Trained, tmp_path: Path) -> Trained:
    """Archive and data of one's own, with the rasters that are there already."""
    shutil.copytree(trained.archive, tmp_path / "archive")
    shutil.copytree(trained.data, tmp_path / "data", ignore=shutil.ignore_patterns("products", "runs", "prefect"))
    return Trained(trained.region, tmp_path / "archive", tmp_path / "data")


@pytest.mark.endurance
def test_observations_that_arrive_lead_to_a_decision(mine: Trained, tmp_path: Path) -> None:
    settings = environment(mine, tmp_path)
    before = registry(mine).trainings("small")
    serving = registry(mine).champion("small", "corrector")
    with running(settings, "server", "start"):
        api = Api(settings["PREFECT_API_URL"])
        api.wait()
        assert sm_daily("deploy", "--data", str(mine.data), **settings).returncode == 0
        with running(settings, "worker", "start", "--pool", "sm-daily"):
            arrive(mine.archive)
            counted = api.result(api.start("stations/stations", look_for(mine)))
            (asked,) = waited(lambda: api.runs("retrain"))
            again = sm_daily("deploy", "--data", str(mine.data), **settings)
            assert again.returncode == 0, again.stderr
            assert api.result(asked["id"])["state"]["type"] == "COMPLETED"
        assert counted["state"]["type"] == "COMPLETED"
        assert "retrain-when-stations-accumulated" in {one["name"] for one in api.post("automations/filter")}
        assert asked["parameters"]["request"]["region_id"] == "small"
        assert asked["work_queue_name"] == "training"
        queues = {one["name"]: one["priority"] for one in api.post("work_pools/sm-daily/queues/filter")}
        assert queues["daily"] < queues["stations"] < queues["training"]
    after = registry(mine).trainings("small")
    assert len(after) == len(before) + 1
    decision = json.loads(registry(mine).document(after[0].run_id, "decision.json").read_text())
    assert decision["against"] == before[0].run_id
    assert after[0].tags["outcome"] == decision["outcome"] in ("promoted", "shadow", "rejected")
    assert after[0].as_of.isoformat() == asked["parameters"]["request"]["as_of"].replace("Z", "+00:00")
    assert (registry(mine).champion("small", "corrector") == serving) == (decision["outcome"] != "promoted")
    assert keeps_apart(before[0], after[0])
    assert "<svg" in registry(mine).document(after[0].run_id, "report.html").read_text()


def keeps_apart(first: Any, second: Any) -> bool:
    """Nothing that was held out teaches later."""
    held = {name for model in first.models for name in model.held_out_stations}
    return bool(held) and not held & {name for model in second.models for name in model.training_stations}


def look_for(mine: Trained) -> dict[str, Any]:
    return {"request": {"region_id": "small", "every_days": 10, "thresholds": {"stations": NEW_STATIONS}}}


def arrive(archive: Path) -> None:
    """Two stations more, beside known ones."""
    files = sorted((archive / "stations").rglob("*.stm"))
    for number in range(NEW_STATIONS):
        name = f"TW{number + 1:03d}"
        for one in (s for path in files if f"_{name}_" in path.name for s in read_stations(path)):
            moved = one.station.model_copy(update={
                "name": f"NEW{number}", "lon": one.station.lon + 0.013,
                "station_id": one.station.station_id.replace(name, f"NEW{number}"),
            })
            rows = one.values.assign(value=one.values["value"] + 0.004)
            write_ismn_header_values(archive / "stations", station=moved, values=rows)


def registry(mine: Trained) -> ModelRegistry:
    return ModelRegistry(load_settings(data=mine.data).mlflow_tracking_uri, mine.data / "mlflow" / "artifacts",
                         mine.data / "models")


class Api:
    """The few questions that the test has for Prefect's REST API."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()
        self._session.trust_env = False

    def post(self, path: str, **body: Any) -> Any:
        return self._answer("POST", path, body)

    def get(self, path: str) -> Any:
        return self._answer("GET", path, None)

    def _answer(self, method: str, path: str, body: object) -> Any:
        """A busy server with SQLite says 503 and means: again."""
        address = f"{self._url}/{path}"
        while (answer := self._session.request(method, address, json=body, timeout=120)).status_code == 503:
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    def wait(self) -> None:
        def ready() -> bool:
            try:
                return bool(self.get("health"))
            except requests.RequestException:
                return False

        waited(ready)

    def start(self, name: str, parameters: dict[str, Any]) -> str:
        deployment = self.get(f"deployments/name/{name}")["id"]
        return str(self.post(f"deployments/{deployment}/create_flow_run", parameters=parameters,
                             state={"type": "SCHEDULED"}, idempotency_key=name)["id"])

    def runs(self, flow: str) -> list[dict[str, Any]]:
        return list(self.post("flow_runs/filter", flows={"name": {"any_": [flow]}}))

    def result(self, run_id: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            run = self.get(f"flow_runs/{run_id}")
            return run if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return waited(ended)


def waited(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.3)
    raise AssertionError("it did not happen")


def environment(mine: Trained, folder: Path) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "SM_DATA": str(mine.data), "SM_ARCHIVE": str(mine.archive), "SM_REGION_FILE": str(mine.region),
        "SM_PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1", "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false", "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_WORKER_QUERY_SECONDS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


@contextmanager
def running(settings: dict[str, str], *arguments: str) -> Iterator[None]:
    """A part of Prefect, stopped at the end with all its children."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    log = (Path(settings["PREFECT_HOME"]).parent / f"{arguments[0]}.log").open("w")
    process = subprocess.Popen([sys.executable, "-m", "prefect", *arguments], cwd=ROOT, env=kept | settings,
                               stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        log.close()
