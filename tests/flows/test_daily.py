"""The daily flow on real Prefect and MLflow, embedded, run as a user runs it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from tasks.clock import utc_now
from tasks.hosts.clock import Clock
from tasks.hosts.exports import settings_for
from tasks.hosts.serve import SimulatedHosts
from tests.flows.conftest import Trained, sm_daily

DAY = "2019-07-20"


@pytest.fixture(scope="module")
def published(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, str]:
    done = trained.run("run", DAY)
    assert done.returncode == 0, done.stderr
    return trained, done.stdout


def revision(trained: Trained, number: int = 1) -> Path:
    return trained.data / "products" / "soil_moisture_1km" / "small" / "2019" / "07" / "20" / f"r{number:02d}"


def any_change_counts(trained: Trained) -> Trained:
    """The same region, whose days are published again at any change."""
    declared = yaml.safe_load(trained.region.read_text(encoding="utf-8"))
    declared["upkeep"] = {"thresholds": dict.fromkeys(("sm_surface", "sm_rootzone", "drought_class", "known"), 0)}
    region = trained.data / "small.yaml"
    region.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return Trained(region, trained.archive, trained.data)


def records(trained: Trained) -> list[dict]:
    return [json.loads(p.read_text()) for p in sorted((trained.data / "runs" / "small" / DAY).glob("*.json"))]


def test_day_is_published_with_every_declared_file(published: tuple[Trained, str]) -> None:
    folder = revision(published[0])
    names = {path.name for path in folder.iterdir()}
    stem = "soil_moisture_1km_small_20190720_r01"
    assert {f"{stem}_{v}.tif" for v in ("sm_surface", "sm_rootzone", "drought_class", "qa_flags")} <= names
    assert {"item.json", "SHA256SUMS", "drought.json", "drought.md", f"{stem}.json"} <= names
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_published_values_are_soil_moisture_on_the_declared_grid(published: tuple[Trained, str]) -> None:
    with rasterio.open(revision(published[0]) / "soil_moisture_1km_small_20190720_r01_sm_surface.tif") as dataset:
        assert dataset.crs.to_epsg() == 4326
        assert (dataset.width, dataset.height) == (80, 80)
        assert dataset.bounds.left == pytest.approx(127.0)
        values = dataset.read(1, masked=True) * dataset.scales[0]
    assert values.count() > 0.9 * values.size
    assert 0.02 < values.min() < values.max() < 0.6
    assert np.std(values) > 0.005


def test_item_says_what_made_it(published: tuple[Trained, str]) -> None:
    item = json.loads((revision(published[0]) / "item.json").read_text())
    assert item["maturity"] == "final"
    assert {m["kind"] for m in item["models"]} == {"downscaler", "corrector", "climatology"}
    assert all(len(g["sha256"]) == 64 for g in item["inputs"])
    assert {g["source_id"].split(".")[0] for g in item["inputs"]} == {
        "MOD11A1", "MOD13A2", "GLASS08B31", "GLASS13B01", "GLEAM_v4"}


def test_output_tells_inputs_checks_costs_and_drought(published: tuple[Trained, str]) -> None:
    text = published[1]
    assert "published" in text
    for word in ("lst_fine", "sm_surface_range", "peak memory", "Soil-moisture drought", "Data quality"):
        assert word in text


def test_same_day_again_is_unchanged(published: tuple[Trained, str]) -> None:
    again = published[0].run("run", DAY)
    assert again.returncode == 0, again.stderr
    assert f"{DAY}: unchanged" in again.stdout
    assert not revision(published[0], 2).exists()
    assert records(published[0])[-1]["outcome"] == "unchanged"


def test_reprocessed_granule_gives_a_new_revision(trained: Trained, tmp_path: Path) -> None:
    mine = any_change_counts(trained.copy(tmp_path))
    assert mine.run("run", DAY).returncode == 0
    old = next((mine.archive / "MOD11A1.061").rglob("MOD11A1.A2019205.*"))
    source = next((mine.archive / "MOD11A1.061").rglob("MOD11A1.A2019204.*"))
    stamp = old.name.split(".")[-2]
    old.with_name(old.name.replace(stamp, "2019300000000")).write_bytes(source.read_bytes())
    again = mine.run("run", DAY)
    assert again.returncode == 0, again.stderr
    item = json.loads((revision(mine, 2) / "item.json").read_text())
    assert item["revision"] == 2
    assert item["supersedes"] == json.loads((revision(mine, 1) / "item.json").read_text())["item_id"]


def test_corrupt_granule_is_quarantined_and_the_day_goes_on(trained: Trained, tmp_path: Path) -> None:
    mine = trained.copy(tmp_path)
    bad = next((mine.archive / "MOD11A1.061").rglob("MOD11A1.A2019199.*"))
    bad.write_bytes(bad.read_bytes()[:20000])
    done = mine.run("run", DAY)
    assert done.returncode == 0, done.stderr
    notes = [json.loads(p.read_text()) for p in (mine.data / "quarantine").glob("*.json")]
    assert [(n["error_code"], n["granule"]["uri"]) for n in notes] == [("SM205", str(bad))]
    assert bad.is_file()
    assert bad.name not in (revision(mine) / "item.json").read_text()
    assert "files quarantined" in done.stdout


def test_without_coarse_soil_moisture_the_day_waits(trained: Trained, tmp_path: Path) -> None:
    mine = trained.copy(tmp_path)
    for path in mine.archive.rglob("SMs_2019_*"):
        path.unlink()
    done = mine.run("run", DAY)
    assert done.returncode == 0, done.stderr
    assert f"{DAY}: waiting" in done.stdout
    assert "nothing covers 2019-07-20" in done.stdout
    assert not revision(mine).exists()
    assert records(mine)[-1]["outcome"] == "waiting"


def test_without_images_the_day_waits_and_is_then_made_without(trained: Trained, tmp_path: Path) -> None:
    mine = trained.copy(tmp_path)
    for name in ("MOD11A1", "GLASS08B31"):
        for path in mine.archive.rglob(f"{name}.*"):
            if path.is_file():
                path.unlink()
    early = mine.run("run", DAY, "--as-of", "2019-07-29T12:00")
    assert early.returncode == 0, early.stderr
    assert f"{DAY}: waiting" in early.stdout
    late = mine.run("run", DAY, "--as-of", "2019-07-30T12:00")
    assert late.returncode == 0, late.stderr
    assert f"{DAY}: published" in late.stdout
    assert json.loads((revision(mine) / "item.json").read_text())["maturity"] == "provisional"
    with rasterio.open(next(revision(mine).glob("*_sm_surface.tif"))) as made:
        assert np.ma.count(made.read(1, masked=True)) > 0.9 * made.width * made.height


def test_damaged_model_stops_the_run_with_its_code(trained: Trained, tmp_path: Path) -> None:
    mine = trained.copy(tmp_path)
    for weights in (mine.data / "models").rglob("weights.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x01")
    done = mine.run("run", DAY)
    assert done.returncode == 1
    assert "SM502" in done.stderr
    assert "Traceback" not in done.stderr
    failed = records(mine)[-1]
    assert (failed["outcome"], failed["error_code"]) == ("failed", "SM502")
    assert not revision(mine).exists()


def test_sensors_side_by_side_make_a_day_together(trained: Trained, tmp_path: Path) -> None:
    declared = yaml.safe_load(trained.region.read_text(encoding="utf-8"))
    declared["roles"]["lst_fine"] = ["MOD11A1.061", "MYD11A1.061"]
    declared["side_by_side"] = [["MOD11A1.061", "MYD11A1.061"]]
    region = tmp_path / "small.yaml"
    region.write_text(yaml.safe_dump(declared), encoding="utf-8")
    both = Trained(region, trained.archive, trained.copy(tmp_path).data)
    done = both.run("run", DAY)
    assert done.returncode == 0, done.stderr
    item = json.loads((revision(both) / "item.json").read_text())
    used = [g["source_id"] for g in item["inputs"]]
    assert used.count("MOD11A1.061") > 10 and used.count("MYD11A1.061") > 10
    assert item["maturity"] == "final"


def test_fetched_from_simulated_hosts_the_day_is_the_same(
    published: tuple[Trained, str], tmp_path: Path
) -> None:
    trained = published[0]
    mine = trained.copy(tmp_path)
    shutil.rmtree(mine.archive)
    with SimulatedHosts(trained.archive, Clock(utc_now())) as hosts:
        settings = settings_for(hosts.urls, hosts.accounts) | {"SM_STATICS": str(trained.archive)}
        done = sm_daily("run", DAY, "--region", str(mine.region), "--data", str(mine.data), **settings)
    assert done.returncode == 0, done.stderr
    assert f"{DAY}: published" in done.stdout
    ours, theirs = (json.loads((revision(one) / "item.json").read_text()) for one in (mine, trained))
    assert {g["sha256"] for g in ours["inputs"]} == {g["sha256"] for g in theirs["inputs"]}
    assert (mine.data / "ledger" / "ledger.db").is_file()
    assert not any(path.is_file() for path in (mine.data / "fetched" / ".partial").iterdir())
