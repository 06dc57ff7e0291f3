"""Worker and flow process die together: on a real server, the run is found dead, started again, and at last left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import ROOT, Trained, sm_daily
from tests.flows.test_retrain_by_event import Api, environment, running, waited

LOOK = {"request": {"silent_s": 10, "settle_s": 0, "most_runs": 2}}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    for name in ("archive", "data"):
        (tmp_path / name).mkdir()
    here = Trained(ROOT / "deployments" / "regions" / "demo.yaml", tmp_path / "archive", tmp_path / "data")
    return environment(here, tmp_path) | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "PYTHONPATH": str(ROOT)}


@pytest.mark.endurance
def test_a_run_whose_process_is_gone_is_started_again_and_at_last_given_up(
    settings: dict[str, str], tmp_path: Path
) -> None:
    api, begun = Api(settings["PREFECT_API_URL"]), tmp_path / "begun"
    with ExitStack() as parts:
        parts.enter_context(running(settings, "server", "start"))
        api.wait()
        assert sm_daily("deploy", **settings).returncode == 0
        with running(settings, "worker", "start", "--pool", "sm-daily"):
            asleep = start_sleepy(api, begun)
            waited(begun.exists)
            kill(settings, "prefect worker start")
            kill(settings, "prefect.engine")
        assert api.get(f"flow_runs/{asleep}")["state"]["type"] == "RUNNING"      # nobody knows
        begun.unlink()
        parts.enter_context(running(settings, "worker", "start", "--pool", "sm-daily"))
        time.sleep(10)
        look(api)
        assert api.get(f"flow_runs/{asleep}")["state"]["name"] in ("Orphaned", "AwaitingRetry", "Pending", "Running")
        look(api)
        waited(begun.exists)                                                     # started again
        kill(settings, "prefect.engine")
        waited(lambda: api.get(f"flow_runs/{asleep}")["state"]["type"] == "CRASHED")
        time.sleep(10)                                                           # the worker tells it twice
        look(api)
        last = api.get(f"flow_runs/{asleep}")
        assert (last["state"]["type"], last["run_count"]) == ("CRASHED", 2)      # and no third time


def start_sleepy(api: Api, begun: Path) -> str:
    flow = api.post("flows/", name="sleepy")
    deployment = api.post("deployments/", name="sleepy", flow_id=flow["id"], entrypoint="tests.flows.sleepy.sleepy",
                          pull_steps=[], work_pool_name="sm-daily", work_queue_name="daily")
    return str(api.post(f"deployments/{deployment['id']}/create_flow_run", parameters={"begun": str(begun)},
                        state={"type": "SCHEDULED"})["id"])


def look(api: Api) -> None:
    deployment: dict[str, Any] = api.get("deployments/name/recover/recover")
    run = api.post(f"deployments/{deployment['id']}/create_flow_run", parameters=LOOK, state={"type": "SCHEDULED"})
    assert api.result(run["id"])["state"]["type"] == "COMPLETED"


def kill(settings: dict[str, str], words: str) -> None:
    """Without warning, those of this test's processes that were started so."""
    found = [pid for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")) if is_ours(pid, settings, words)]
    assert found, words
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def is_ours(pid: int, settings: dict[str, str], words: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return words in command and settings["PREFECT_HOME"] in Path(f"/proc/{pid}/environ").read_text()
    except OSError:
        return False
