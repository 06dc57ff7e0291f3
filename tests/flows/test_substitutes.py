"""A day made with substitutes is provisional, and becomes final with the real sources."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from sm_core.domain import QaFlag
from sm_core.twin.archive import materialise
from tasks.adapters.registry import ModelRegistry
from tasks.fit_substitutes import SubstitutesRecord
from tasks.settings import load_settings
from tests.flows.conftest import Trained

DAY = "2019-07-20"
SMAP = "SPL4SMGP.008"


@pytest.fixture(scope="module")
def mine(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An archive with seven weeks of SMAP, and the substitutes fitted on it in service."""
    own = trained.copy(tmp_path_factory.mktemp("substitutes"))
    materialise(trained.archive, [SMAP], dt.date(2019, 6, 24), dt.date(2019, 8, 9))
    shutil.move(trained.archive / SMAP, own.archive / SMAP)
    fitted = own.run("substitutes")
    assert fitted.returncode == 0, fitted.stderr
    assert "NOT in service; less than two years" in " ".join(fitted.stdout.split())
    record = next(own.data.glob("reports/small/substitutes/*/record.json")).read_text()
    registry = ModelRegistry(load_settings(data=own.data).mlflow_tracking_uri, own.data / "mlflow" / "artifacts",
                             own.data / "models")
    for one in SubstitutesRecord.model_validate_json(record).fitted:
        assert one.model is not None, one.reason
        registry.promote(one.model)
    learned = own.run("climatology", "provisional", "--every", "1")
    assert learned.returncode == 0, learned.stderr
    assert "in service: small.provisional_climatology version 1" in learned.stdout
    return own


@pytest.fixture(scope="module")
def runs(mine: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Output of the run without the real coarse sources of the day, and of the run after they came."""
    aside = tmp_path_factory.mktemp("aside")
    gleam = [next(mine.archive.rglob(f"{name}_2019_*.nc")) for name in ("SMs", "SMrz")]
    late = [*gleam, *(path for path in (mine.archive / "GLASS08B31.V40").rglob("*.hdf") if _after(path, "2019200"))]
    for path in late:
        shutil.copy(path, aside / path.name)
    for path in gleam:
        _cut_off(path, after=dt.date(2019, 7, 18))
    for path in late[len(gleam):]:
        path.unlink()
    early = mine.run("run", DAY)
    assert early.returncode == 0, early.stderr
    for path in late:
        shutil.copy(aside / path.name, path)
    final = mine.run("run", DAY)
    assert final.returncode == 0, final.stderr
    return early.stdout, final.stdout


def test_day_without_real_coarse_sources_is_provisional_and_says_by_what(runs: tuple[str, str], mine: Trained) -> None:
    item = json.loads((revision(mine, 1) / "item.json").read_text())
    assert item["maturity"] == "provisional"
    assert {m["name"] for m in item["models"]} == {
        "small.downscaler", "small.corrector", "small.provisional_climatology", "small.mapping", "small.normals"}
    used = {g["source_id"] for g in item["inputs"]}
    assert SMAP in used
    assert not {s for s in used if s.startswith(("GLEAM", "GLASS08"))}
    table = runs[0]
    assert f"| ssm_coarse | present | {SMAP} | 88 | GLEAM_v4.2a.SMs: nothing covers {DAY}" in table
    assert f"| lst_coarse | present | GLASS08B31.V40.extended | 0 | GLASS08B31.V40: nothing covers {DAY}" in table


def test_provisional_day_carries_its_flags(runs: tuple[str, str], mine: Trained) -> None:
    wanted = QaFlag.COARSE_PROVISIONAL | QaFlag.COARSE_SUBSTITUTE | QaFlag.STATE_SUBSTITUTE
    assert (_read(mine, 1, "qa_flags") & int(wanted) == int(wanted)).all()
    assert not (_read(mine, 2, "qa_flags") & int(wanted)).any()


def test_substituted_field_resembles_the_final_one(runs: tuple[str, str], mine: Trained) -> None:
    provisional, final = (_read(mine, n, "sm_rootzone").astype(float) for n in (1, 2))
    land = (provisional < 65535) & (final < 65535)
    assert land.mean() > 0.5
    assert np.abs(provisional[land] - final[land]).mean() * 1e-4 < 0.05
    assert np.corrcoef(provisional[land], final[land])[0, 1] > 0.7


def test_day_becomes_final_when_the_real_sources_arrive(runs: tuple[str, str], mine: Trained) -> None:
    first, second = (json.loads((revision(mine, n) / "item.json").read_text()) for n in (1, 2))
    assert second["maturity"] == "final"
    assert second["revision"] == first["revision"] + 1
    assert second["supersedes"] == first["item_id"]
    assert {m["kind"] for m in second["models"]} == {"downscaler", "corrector", "climatology"}
    assert SMAP not in {g["source_id"] for g in second["inputs"]}
    assert "GLEAM_v4.2a.SMs | 1 |" in runs[1]


def test_provisional_day_is_compared_with_provisional_days(runs: tuple[str, str], mine: Trained) -> None:
    first, second = (json.loads((revision(mine, n) / "drought.json").read_text()) for n in (1, 2))
    assert (first["climatology_kind"], second["climatology_kind"]) == ("provisional", "final")
    assert "no climatology" not in (revision(mine, 1) / "drought.md").read_text()
    provisional, final = (_read(mine, n, "percentile_sm_rootzone").astype(float) * 0.01 for n in (1, 2))
    land = (provisional < 655) & (final < 655)
    assert np.abs(provisional[land] - final[land]).mean() < 25


def test_update_counts_both_kinds_of_days(runs: tuple[str, str], mine: Trained) -> None:
    done = mine.run_on_data("climatology", "update")
    assert done.returncode == 0, done.stderr
    assert "small.climatology version 1" in done.stdout                 # the newest year is still growing
    assert "small.provisional_climatology version 1" in done.stdout
    records = {json.loads(path.read_text())["kind"]: path.parent
               for path in (mine.data / "climatology" / "small").glob("*/record.json")}
    assert {kind: [path.name for path in folder.glob("*.h5")] for kind, folder in records.items()} == {
        "final": ["2019-07.h5"], "provisional": ["2019-07.h5"]}


def revision(mine: Trained, number: int) -> Path:
    return mine.data / "products" / "soil_moisture_1km" / "small" / "2019" / "07" / "20" / f"r{number:02d}"


def _read(mine: Trained, number: int, variable: str) -> np.ndarray:
    name = f"soil_moisture_1km_small_20190720_r{number:02d}_{variable}.tif"
    with rasterio.open(revision(mine, number) / name) as dataset:
        return dataset.read(1)


def _after(path: Path, yyyyddd: str) -> bool:
    return path.name.split(".A")[1][:7] > yyyyddd


def _cut_off(path: Path, after: dt.date) -> None:
    """As a growing yearly file is before it reaches the day: fill values in the days to come."""
    with h5py.File(path, "r+") as file:
        field = file[path.name.split("_")[0]]
        lat, lon = file["lat"][:], file["lon"][:]
        rows, columns = (np.flatnonzero((axis > low) & (axis < high)) for axis, low, high in
                         ((lat, 35.9, 37.3), (lon, 126.7, 128.1)))
        begin = (after - dt.date(after.year, 1, 1)).days + 1
        field[begin:, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] = -999.0
