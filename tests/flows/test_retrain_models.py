"""What a training leaves behind: models that load, a report, commands that tell and undo."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from sm_core.correction import Corrector, correct
from sm_core.domain import load_region
from sm_core.downscaling import Downscaler, downscale
from sm_core.sources import read_stations
from sm_core.twin.writers.ismn import write_ismn_header_values
from tasks.accumulation import StationsRequest, Thresholds, take_stock
from tasks.adapters.registry import ModelRegistry
from tasks.adapters.scratch import load
from tasks.downscale import coarse_sm
from tasks.register import KnownStations
from tasks.settings import load_settings
from tasks.training.records import DaysRef, PreparedDay, TrainingRecord, load_days
from tasks.training.stations import station_days
from tests.flows.conftest import Trained, sm_daily

DRIFT, DRIFT_FROM = 0.15, "2019-07-10"


@pytest.fixture
def mine(trained: Trained, tmp_path: Path) -> Trained:
    """Archive and data of one's own, with the rasters that are there already."""
    shutil.copytree(trained.archive, tmp_path / "archive")
    shutil.copytree(trained.data, tmp_path / "data", ignore=shutil.ignore_patterns("products", "runs"))
    return Trained(trained.region, tmp_path / "archive", tmp_path / "data")


def registry(trained: Trained, cache: Path | None = None) -> ModelRegistry:
    return ModelRegistry(load_settings(data=trained.data).mlflow_tracking_uri, trained.data / "mlflow" / "artifacts",
                         cache or trained.data / "models")


def record_of(trained: Trained) -> TrainingRecord:
    run_id = registry(trained).in_service("small").run_id
    return TrainingRecord.model_validate_json((trained.data / "reports" / "small" / run_id / "record.json").read_text())


def made_days(trained: Trained) -> list[PreparedDay]:
    lists = (trained.data / "scratch" / "small" / "prepared").glob("*.jsonl")
    return [day for path in lists for day in load_days(DaysRef(uri=str(path), days=0)) if day.corrected]


def test_champion_from_the_registry_gives_the_numbers_of_its_training(trained: Trained, tmp_path: Path) -> None:
    fresh = registry(trained, tmp_path / "fresh")
    downscaler, corrector = (fresh.fetch(fresh.champion("small", kind)) for kind in ("downscaler", "corrector"))
    day = made_days(trained)[-1]
    features, grid = load(day.features), load_region(trained.region).grid
    fine = downscale(features, coarse_sm(day.gridded).isel(time=[-1]), Downscaler.load(downscaler), grid)
    xr.testing.assert_equal(fine.drop_attrs(), load(day.downscaled).drop_attrs())
    corrected = correct(fine, features, Corrector.load(corrector))
    xr.testing.assert_equal(corrected.drop_attrs(), load(day.corrected).drop_attrs())


def test_report_is_one_page_that_asks_nobody(trained: Trained) -> None:
    record = record_of(trained)
    page = registry(trained).document(record.run_id, "report.html").read_text()
    for word in ("unseen stations", "data fingerprint", "Invariants", "Are the intervals honest?",
                 "share of the gain in its trees", "Root zone, 0–100 cm: corrected", record.run_id,
                 *(m.sha256 for m in record.models)):
        assert word in page
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert page.count("<svg") >= 15
    assert page.count("<svg") == page.count("</svg>")


def test_documents_tell_what_was_known(trained: Trained) -> None:
    record = record_of(trained)
    known = KnownStations.model_validate_json(registry(trained).document(record.run_id, "known.json").read_text())
    assert len(known.days) >= 20
    assert min(known.days.values()) > 20
    decision = json.loads(registry(trained).document(record.run_id, "decision.json").read_text())
    assert decision["against"] is None
    assert {check["check"] for check in decision["checks"]} >= {"conservation", "sm_surface_seams"}


def test_what_is_known_already_is_not_new(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in (("DATA", trained.data), ("ARCHIVE", trained.archive), ("REGION_FILE", trained.region)):
        monkeypatch.setenv(f"SM_{name}", str(path))
    standing = take_stock.fn(StationsRequest(region_id="small", thresholds=Thresholds(station_days=1, stations=1)))
    assert (standing.station_days, standing.stations, standing.reasons) == (0, 0, ())
    assert standing.trained_as_of is not None


def test_readings_in_another_unit_teach_nothing(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in (("DATA", trained.data), ("ARCHIVE", trained.archive), ("REGION_FILE", trained.region)):
        monkeypatch.setenv(f"SM_{name}", str(path))
    shutil.copytree(trained.archive / "stations", tmp_path / "stations")
    rewrite(tmp_path / "stations", lambda values, late: values.where(~late, 100 * values))
    region = load_region(trained.region)
    good, flipped = (station_days(region, sorted(folder.rglob("*.stm")))
                     for folder in (trained.archive / "stations", tmp_path / "stations"))
    assert (good.table["day"] > DRIFT_FROM).any()
    assert not (flipped.table["day"] > DRIFT_FROM).any()
    assert flipped.rejected > good.rejected
    assert set(good.table["station_id"]) <= set(flipped.refused), "half of what they report is out of range"


def test_accuracy_of_what_serves_at_any_stations_as_json(trained: Trained) -> None:
    done = trained.run("accuracy", "--json", "--truth", "--start", "2019-08-07", "--every", "20", "--stations",
                       str(trained.archive / "stations"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["days"] == 4
    assert {row["stage"] for row in found["truth"]["rows"]} == {"coarse", "downscaled", "corrected"}
    corrector = registry(trained).champion("small", "corrector")
    assert found["seen_stations"] == len(corrector.training_stations)
    assert found["unseen_stations"] >= len(corrector.held_out_stations)
    strange = trained.run("accuracy", "--json", "--stations", "/nowhere")
    assert strange.returncode == 1
    assert "SM105" in strange.stderr


def test_drifted_sensors_do_not_reach_service_unless_by_hand_and_then_back(mine: Trained) -> None:
    options = ("--region", str(mine.region), "--data", str(mine.data))
    nothing = sm_daily("models", "rollback", "--reason", "x", *options)
    assert nothing.returncode == 1
    assert "SM501" in nothing.stderr
    serving = registry(mine).in_service("small")
    drift(mine.archive / "stations")
    learned = mine.run("train", "--every", "10")
    assert learned.returncode == 0, learned.stderr
    newest = registry(mine).trainings("small")[0]
    assert registry(mine).in_service("small").run_id == serving.run_id != newest.run_id
    assert newest.tags["outcome"] == "rejected"
    assert "yardstick" in newest.tags["reasons"]
    served = sm_daily("models", "serve", newest.run_id[:8], "--reason", "looked at by hand", *options)
    assert served.returncode == 0, served.stderr
    listed = sm_daily("models", "list", *options)
    assert newest.run_id[:8] in listed.stdout and "champion" in listed.stdout
    back = sm_daily("models", "rollback", "--reason", "maps look wrong", *options)
    assert back.returncode == 0, back.stderr
    assert registry(mine).in_service("small").run_id == serving.run_id
    shown = sm_daily("models", "show", newest.run_id[:8], *options)
    assert "rolled back: maps look wrong" in shown.stdout
    assert "report.html" in shown.stdout


def drift(folder: Path) -> None:
    """Every sensor reads too high from a day on."""
    rewrite(folder, lambda values, late: values + DRIFT * late)


def rewrite(folder: Path, changed: Callable[[pd.Series, pd.Series], pd.Series]) -> None:
    """Every sensor's readings changed, given which of them are of :data:`DRIFT_FROM` and later."""
    series = [one for path in sorted(folder.rglob("*.stm")) for one in read_stations(path)]
    shutil.rmtree(folder)
    for one in series:
        late = pd.Series(one.values.index >= DRIFT_FROM, one.values.index)
        rows = one.values.assign(value=changed(one.values["value"], late))
        write_ismn_header_values(folder, station=one.station, values=rows)
