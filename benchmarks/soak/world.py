"""The small world of the soak: made, trained and put in service once, then only copied."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sm_core.domain import ModelVersion
from sm_core.twin.archive import materialise
from tasks.adapters.registry import ModelRegistry
from tasks.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
REGION_ID = "soak"
FIRST = dt.date(2019, 6, 25)
LEARNED = dt.date(2018, 5, 15), dt.date(2018, 9, 30)
OVERLAP = dt.date(2018, 6, 5), dt.date(2018, 9, 25)
SMAP = "SPL4SMGP.008"
DAY = dt.timedelta(days=1)
SIDE = 50
"""Cells of the region's side."""
UPKEEP: dict[str, Any] = {
    "retry_hours": [0.2, 1, 6, 12, 24, 24, 24], "images_within_days": 1,
    "thresholds": {"sm_surface": 0, "sm_rootzone": 0, "drought_class": 0, "known": 0},
}
"""Any change is published, so that the end does not depend on the way."""


@dataclass(frozen=True)
class SoakWorld:
    """A region file, a simulated archive, and a data folder with models in service."""

    region: Path
    archive: Path
    data: Path


def world(folder: Path, days: int, *, window: int, refreshed: int) -> SoakWorld:
    """The world below ``folder``, for a life of so many days; made unless it is there.

    ``window`` [days] and the one age at which a date is made again [days] are written into its region file.
    """
    made = SoakWorld(folder / f"{REGION_ID}.yaml", folder / "archive", folder / "data")
    if not (folder / f"done-{days}").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _declare(made.region, window, refreshed)
        _command("twin", str(made.archive), "--region", str(made.region), "--start", "2018-05-01",
                 "--end", str(FIRST + (days + 90) * DAY), "--record-start", "2016-01-01", "--stations", "20")
        _train(made)
        (folder / f"done-{days}").touch()
    _declare(made.region, window, refreshed)
    return made


def _declare(path: Path, window: int, refreshed: int) -> None:
    declared = yaml.safe_load((ROOT / "deployments" / "regions" / "demo.yaml").read_text(encoding="utf-8"))
    declared["roles"]["lst_fine"] = ["MOD11A1.061", "VJ121A1D.002"]
    declared |= {
        "region_id": REGION_ID, "title": "Soak",
        "upkeep": UPKEEP | {"window_days": window, "refresh_days": [refreshed]},
        "grid": {"grid_id": "soak_001", "crs": "EPSG:4326", "west": 127.0, "north": 37.0, "resolution": 0.01,
                 "width": SIDE, "height": SIDE},
    }
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")


def _train(made: SoakWorld) -> None:
    where = ("--region", str(made.region), "--archive", str(made.archive), "--data", str(made.data))
    _command("train", *where, "--start", str(LEARNED[0]), "--end", str(LEARNED[1]), "--every", "8")
    materialise(made.archive, [SMAP], *OVERLAP)
    _command("substitutes", *where, "--start", str(OVERLAP[0]), "--end", str(OVERLAP[1]))
    registry = ModelRegistry(load_settings(data=made.data).mlflow_tracking_uri, made.data / "mlflow" / "artifacts",
                             made.data / "models")
    for path in sorted((made.data / "reports" / REGION_ID).rglob("record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for told in (*record.get("models", ()), *(one["model"] for one in record.get("fitted", ()))):
            if told is not None:
                registry.promote(ModelVersion.model_validate(told))


def _command(*arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    done = subprocess.run([sys.executable, "-c", "from flows.cli import main; main()", *arguments], cwd=ROOT,
                          env=environment | {"COLUMNS": "200"}, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"sm-daily {' '.join(arguments)}: {done.stderr}{done.stdout}")
