"""One small simulated archive, trained once for all flow tests, by the command line as a user would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tasks.adapters.registry import ModelRegistry
from tasks.register import TrainingRecord
from tasks.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Trained:
    """A region file, an archive, and a data folder with models in service."""

    region: Path
    archive: Path
    data: Path

    def copy(self, to: Path) -> Trained:
        """The same models on an archive and products of one's own."""
        shutil.copytree(self.archive, to / "archive", ignore=shutil.ignore_patterns(".truth", "twin.yaml"))
        shutil.copytree(self.data, to / "data", ignore=shutil.ignore_patterns("products", "runs", "scratch", "ledger"))
        return Trained(self.region, to / "archive", to / "data")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``sm-daily`` on this region, archive and data folder."""
        return self.run_on_data(*arguments, "--archive", str(self.archive))

    def run_on_data(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``sm-daily`` on this region and data folder, where no archive is asked for."""
        return sm_daily(*arguments, "--region", str(self.region), "--data", str(self.data))


def sm_daily(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    command = [sys.executable, "-c", "from flows.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment | {"COLUMNS": "200"} | settings, capture_output=True,
                          text=True, timeout=600, check=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Made once for all processes that tests run in; each has its own copy."""
    own = tmp_path_factory.mktemp("small")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    original = shared / "small-original"
    with FileLock(shared / "small.lock"):
        if not (original / "done").is_file():
            make_and_train(original)
            (original / "done").touch()
    shutil.copytree(original, own, dirs_exist_ok=True)
    return Trained(own / "small.yaml", own / "archive", own / "data")


def make_and_train(folder: Path) -> None:
    folder.mkdir()
    region = folder / "small.yaml"
    declared = yaml.safe_load((ROOT / "deployments" / "regions" / "demo.yaml").read_text(encoding="utf-8"))
    declared |= {
        "region_id": "small",
        "grid": {"grid_id": "small_001", "west": 127.0, "north": 37.0, "resolution": 0.01, "width": 80, "height": 80},
    }
    region.write_text(yaml.safe_dump(declared), encoding="utf-8")
    made = sm_daily("twin", str(folder / "archive"), "--region", str(region), "--start", "2019-04-01", "--end",
                    "2019-10-15", "--record-start", "2016-01-01", "--stations", "24")
    assert made.returncode == 0, made.stderr
    small = Trained(region, folder / "archive", folder / "data")
    learned = small.run("train", "--every", "10")
    assert learned.returncode == 0, learned.stderr + learned.stdout
    put_in_service(small.data)


def put_in_service(data: Path) -> None:
    """Whatever the judgement on so small a region, its models serve in these tests."""
    record = TrainingRecord.model_validate_json(next(data.glob("reports/small/*/record.json")).read_text())
    registry = ModelRegistry(load_settings(data=data).mlflow_tracking_uri, data / "mlflow" / "artifacts",
                             data / "models")
    for model in record.models:
        registry.promote(model)
