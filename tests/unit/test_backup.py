"""Backup and restore of databases and files; models are in tests/models/test_backup_models.py."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from sm_core.errors import AlreadyRunningError, BackupError
from tasks.adapters.locks import locked
from tasks.backup import MANIFEST, back_up, restore, verify
from tasks.settings import Settings

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A data folder with a ledger that is being written to, and some files."""
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    data = tmp_path / "first"
    for name, text in {"observations/a.parquet": "a", "runs/korea/2020-01-01/1.json": "{}", "reports/x.md": "x",
                       "scratch/korea/y.npz": "y", "products/z.tif": "z", "runs/half.part": "p"}.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    (data / "ledger").mkdir()
    with sqlite3.connect(data / "ledger" / "ledger.db") as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table edition (uri text)")
        connection.executemany("insert into edition values (?)",
                               [(f"{data.resolve()}/fetched/g.hdf",), ("/elsewhere/h.hdf",), (None,)])
    return Settings(data=data)


def uris(data: Path) -> list[str | None]:
    with sqlite3.connect(data / "ledger" / "ledger.db") as connection:
        return [uri for (uri,) in connection.execute("select uri from edition order by rowid")]


def test_a_round_trip_to_another_folder(settings: Settings, tmp_path: Path) -> None:
    made = back_up(settings, tmp_path / "backup", "1.2", NOW)
    assert {file.path for file in made.files} == {
        "ledger/ledger.db", "observations/a.parquet", "runs/korea/2020-01-01/1.json", "reports/x.md"}
    assert verify(tmp_path / "backup") == made
    second = Settings(data=tmp_path / "second")
    _, aside = restore(tmp_path / "backup", second, NOW)
    assert aside == ""
    assert uris(second.data) == [f"{tmp_path / 'second'}/fetched/g.hdf", "/elsewhere/h.hdf", None]
    assert (second.data / "runs" / "korea" / "2020-01-01" / "1.json").read_text() == "{}"


def test_what_a_writer_has_not_committed_is_not_in_it(settings: Settings, tmp_path: Path) -> None:
    writer = sqlite3.connect(settings.data / "ledger" / "ledger.db")
    writer.execute("insert into edition values ('unfinished')")
    back_up(settings, tmp_path / "backup", "1.2", NOW)
    writer.close()
    assert "unfinished" not in uris(tmp_path / "backup")


def test_nothing_is_replaced_unless_told(settings: Settings, tmp_path: Path) -> None:
    back_up(settings, tmp_path / "backup", "1.2", NOW)
    (settings.data / "reports" / "x.md").write_text("newer")
    with pytest.raises(BackupError, match="already holds"):
        restore(tmp_path / "backup", settings, NOW)
    assert (settings.data / "reports" / "x.md").read_text() == "newer"
    _, aside = restore(tmp_path / "backup", settings, NOW, overwrite=True)
    assert (settings.data / "reports" / "x.md").read_text() == "x"
    assert (Path(aside) / "reports" / "x.md").read_text() == "newer"
    assert len(uris(Path(aside))) == len(uris(settings.data)) == 3
    assert (settings.data / "products" / "z.tif").read_text() == "z"
    assert not (settings.data / "ledger" / "ledger.db-wal").exists() or uris(settings.data)


@pytest.mark.parametrize("harm", ["change", "remove", "manifest"])
def test_a_damaged_backup_is_refused(settings: Settings, tmp_path: Path, harm: str) -> None:
    back_up(settings, tmp_path / "backup", "1.2", NOW)
    victim = tmp_path / "backup" / (MANIFEST if harm == "manifest" else "observations/a.parquet")
    victim.write_text("b") if harm != "remove" else victim.unlink()
    with pytest.raises(BackupError):
        restore(tmp_path / "backup", Settings(data=tmp_path / "second"), NOW)
    assert not (tmp_path / "second").exists()


def test_a_folder_in_use_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    back_up(settings, tmp_path / "backup", "1.2", NOW)
    with pytest.raises(BackupError, match="not empty"):
        back_up(settings, tmp_path / "backup", "1.2", NOW)
    with locked(settings.data / "up-server.lock"), pytest.raises(AlreadyRunningError):
        restore(tmp_path / "backup", settings, NOW, overwrite=True)


def test_a_damaged_database_is_no_backup(settings: Settings, tmp_path: Path) -> None:
    path = settings.data / "ledger" / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.executemany("insert into edition values (?)", [("x" * 2000,)] * 20)
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
    content = bytearray(path.read_bytes())
    content[4096:4200] = b"\xff" * 104
    path.write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        back_up(settings, tmp_path / "backup", "1.2", NOW)


def test_a_database_on_a_server_is_told_of_without_its_password(settings: Settings, tmp_path: Path) -> None:
    there = settings.model_copy(update={"ledger_url": "postgresql+psycopg://sm:secret-word@db.example/sm"})
    made = back_up(there, tmp_path / "backup", "1.2", NOW)
    assert made.elsewhere == {
        "ledger": "pg_dump --format=custom --file=ledger.dump --dbname='postgresql://sm@db.example/sm'"}
    assert "secret-word" not in (tmp_path / "backup" / MANIFEST).read_text()
