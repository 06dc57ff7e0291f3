"""What is cut back, and above all what is not."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from pathlib import Path

import pytest

from sm_core.domain import Granule, Rejection
from tasks.adapters.registry import ModelRegistry
from tasks.housekeeping import HousekeepingRequest, keep_house, old_quarantine, old_records, old_scratch, vacuum
from tasks.settings_housekeeping import HousekeepingSettings

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
KEEP = HousekeepingSettings(keep_run_records=400, keep_scratch=40, keep_quarantine=180, keep_trainings_open=1)


def aged(path: Path, days: float, content: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    then = NOW.timestamp() - days * 86400
    os.utime(path, (then, then))
    return path


def test_the_newest_records_of_a_date_stay_however_old(tmp_path: Path) -> None:
    made = [aged(tmp_path / "korea" / "2020-01-01" / f"2020010{n}T000000-a.json", 500 - n) for n in range(1, 6)]
    aged(tmp_path / "korea" / "2026-11-01" / "20261101T000000-a.json", 3)
    assert list(old_records(tmp_path, NOW, KEEP)) == made[:2]


def test_scratch_that_is_still_read_stays(tmp_path: Path) -> None:
    old = aged(tmp_path / "korea" / "grid" / "a.npz", 41)
    read = aged(tmp_path / "korea" / "grid" / "b.npz", 41)
    os.utime(read, (NOW.timestamp() - 86400, read.stat().st_mtime))
    aged(tmp_path / "training" / "c.npz", 39)
    assert list(old_scratch(tmp_path, NOW, KEEP)) == [old]


def test_a_file_that_still_lies_there_stays_in_quarantine(tmp_path: Path) -> None:
    here = aged(tmp_path / "archive" / "bad.hdf", 0)
    records = {}
    gone = tmp_path / "no.hdf"
    for name, uri, days in (("kept", here, 200), ("gone", gone, 200), ("young", gone, 9)):
        granule = Granule(source_id="MOD13A2.061", start=dt.date(2020, 1, 1), end=dt.date(2020, 1, 16), tile="h28v05",
                          produced="2020-01-20", uri=str(uri), sha256=name, size=1)
        rejection = Rejection(granule=granule, error_code="SM205", message="")
        records[name] = aged(tmp_path / "quarantine" / f"{name}.json", days, rejection.model_dump_json())
    assert list(old_quarantine(tmp_path / "quarantine", NOW, KEEP)) == [records["gone"]]


def test_a_database_shrinks_when_it_is_worth_it_and_nobody_is_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table t (x)")
        connection.executemany("insert into t values (?)", [("x" * 1000,)] * 2000)
    before = path.stat().st_size
    assert vacuum(path) == (0, "0% of its pages are free")
    with sqlite3.connect(path) as connection:
        connection.execute("delete from t where rowid > 10")
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
    reader = sqlite3.connect(path)
    assert reader.execute("select count(*) from t").fetchone() == (10,)
    freed, note = vacuum(path)
    assert note == "" and freed > 0.9 * before
    assert reader.execute("select count(*) from t").fetchone() == (10,)
    reader.close()


def test_a_writer_puts_the_vacuum_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.housekeeping.LOCK_WAIT_S", 0.1)
    path = tmp_path / "a.db"
    writer = sqlite3.connect(path)
    writer.execute("create table t (x)")
    writer.executemany("insert into t values (?)", [("x" * 1000,)] * 2000)
    writer.commit()
    writer.execute("delete from t")
    writer.commit()
    writer.execute("insert into t values (1)")
    freed, note = vacuum(path)
    writer.close()
    assert freed == 0 and "locked" in note


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SM_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("SM_MLFLOW_URI", raising=False)
    (tmp_path / "data" / "mlflow").mkdir(parents=True)
    return tmp_path / "data"


def test_a_whole_round_leaves_products_granules_and_models(data: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{data / 'mlflow' / 'mlflow.db'}", data / "mlflow" / "artifacts",
                             data / "models")
    killed = registry.start_run("korea", "killed", {})
    lasting = [aged(data / name, 5000) for name in ("products/a.tif", "fetched/b.hdf", "models/c.txt",
                                                    "observations/d.parquet", "mlflow/artifacts/e.json")]
    scratch = aged(data / "scratch" / "korea" / "f.npz", 500)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    told = keep_house.fn(HousekeepingRequest(dry_run=True, as_of=later))
    assert scratch.exists() and registry.open_runs(later) == (killed,)
    done = keep_house.fn(HousekeepingRequest(as_of=later))
    assert [(c.name, c.count) for c in told.chores][:4] == [(c.name, c.count) for c in done.chores][:4]
    assert {c.name: c.count for c in done.chores}["trainings that never ended"] == 1
    assert not scratch.exists() and all(path.exists() for path in lasting)
    assert registry.open_runs(later) == ()
    again = keep_house.fn(HousekeepingRequest(as_of=later))
    assert sum(chore.count for chore in again.chores) == 0
