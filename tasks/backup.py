"""Ledger, registry, run records and Prefect's database in one folder with checksums, and back.

Products and granules are not in it: products are files that never change (copy them by any means), granules can be
fetched again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from sm_core.domain import Record
from sm_core.errors import AlreadyRunningError, BackupError
from tasks.adapters.databases import LEDGER, MLFLOW, PREFECT, addresses, databases, without_password
from tasks.adapters.files import write_text
from tasks.adapters.locks import locked
from tasks.adapters.mirror import sha256_of
from tasks.settings import Settings

MANIFEST = "manifest.json"
FOLDERS = ("observations", "mlflow/artifacts", "runs", "quarantine", "reports", "alerts")
"""Below the data folder, beside the databases."""
PLACES: Mapping[str, str] = {LEDGER: "ledger/ledger.db", MLFLOW: "mlflow/mlflow.db", PREFECT: "prefect/prefect.db"}
_PATHS: Mapping[str, tuple[tuple[str, str], ...]] = {
    LEDGER: (("edition", "uri"),),
    MLFLOW: (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source"),
             ("model_versions", "storage_location"), ("logged_models", "artifact_location")),
    PREFECT: (),
}
"""Columns that hold paths below the data folder."""
UP_LOCKS = "up-*.lock"


class BackedFile(Record):
    """A file of the backup, relative to it."""

    path: str
    size: int
    sha256: str


class Manifest(Record):
    """What a backup holds."""

    code_version: str
    created: dt.datetime
    data: str
    """The data folder that it was made of."""
    files: tuple[BackedFile, ...]
    elsewhere: dict[str, str]
    """Databases on servers, which back themselves up: how."""


def back_up(settings: Settings, to: Path, code_version: str, now: dt.datetime) -> Manifest:
    """Make a backup in a folder that is new or empty. Everything may go on working meanwhile.

    Raises
    ------
    BackupError   SM603, the folder is not empty, or a database is damaged.
    """
    if to.exists() and any(to.iterdir()):
        raise BackupError(f"{to} is not empty")
    to.mkdir(parents=True, exist_ok=True)
    data = settings.data.resolve()
    for name, path in databases(settings).items():          # before the files that they name: those are only added
        if path is not None and path.is_file():
            _copy_database(path, to / PLACES[name])
    for folder in FOLDERS:
        for path in _files(data / folder):
            target = to / path.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):    # housekeeping was faster
                shutil.copy2(path, target)
    manifest = Manifest(
        code_version=code_version, created=now, data=str(data), elsewhere=_elsewhere(settings),
        files=tuple(BackedFile(path=str(path.relative_to(to)), size=path.stat().st_size, sha256=sha256_of(path))
                    for path in _files(to)),
    )
    write_text(to / MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def verify(backup: Path) -> Manifest:
    """Read a backup's manifest and compare every file with it.

    Raises
    ------
    BackupError   SM603, it is no backup, or a file is missing or differs.
    """
    try:
        manifest = Manifest.model_validate_json((backup / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as cause:
        raise BackupError(f"{backup} holds no {MANIFEST} that can be read") from cause
    for file in manifest.files:
        path = backup / file.path
        if not path.is_file() or sha256_of(path) != file.sha256:
            raise BackupError(f"{file.path} of {backup} is missing or differs from the manifest")
    return manifest


def restore(backup: Path, settings: Settings, now: dt.datetime, *, overwrite: bool = False) -> tuple[Manifest, str]:
    """Put a verified backup into the data folder of these settings, wherever the first one lay.

    What was there is moved aside, to ``replaced-<time>`` in the data folder. Paths that the databases hold are made
    those of this folder.

    Returns
    -------
    The manifest, and the folder that replaced files lie in (empty: none were there).

    Raises
    ------
    BackupError           SM603, the backup is damaged, or something is there and ``overwrite`` is not said.
    AlreadyRunningError   SM602, the daemon runs on this folder.
    """
    manifest = verify(backup)
    data = settings.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    with _at_rest(data):
        there = [place for place in (*PLACES.values(), *FOLDERS) if _is_there(data / place)]
        if there and not overwrite:
            raise BackupError(f"{data} already holds {', '.join(there)}")
        staged = data / f".restore-{now:%Y%m%dT%H%M%S}"
        shutil.rmtree(staged, ignore_errors=True)
        for file in manifest.files:
            target = staged / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(backup / file.path, target)
        for name, place in PLACES.items():
            if (staged / place).is_file():
                rebase(staged / place, name, manifest.data, str(data))
        aside = data / f"replaced-{now:%Y%m%dT%H%M%S}"
        for place in there:
            _move(data / place, aside / place)
            for journal in ("-wal", "-shm"):                # of the database that was; they would spoil the new one
                _move(data / f"{place}{journal}", aside / f"{place}{journal}")
        for place in (*PLACES.values(), *FOLDERS):
            _move(staged / place, data / place)
        shutil.rmtree(staged)
    return manifest, str(aside) if there else ""


def rebase(database: Path, name: str, before: str, after: str) -> None:
    """Make paths below one folder those of another, in the columns that hold them."""
    if before == after:
        return
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        known = {table for (table,) in connection.execute("select name from sqlite_master where type = 'table'")}
        for table, column in _PATHS[name]:
            if table in known:
                for prefix in ("file://", ""):
                    old = f"{prefix}{before}/"
                    connection.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                        (f"{prefix}{after}/", len(old) + 1, len(old), old),
                    )


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's own way, which waits for nobody and sees one state."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read, \
                contextlib.closing(sqlite3.connect(target)) as write:
            read.backup(write)
            write.execute("pragma journal_mode = delete")
            (state,), = write.execute("pragma integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as cause:
        raise BackupError(f"{source} is damaged: {cause}") from cause
    if state != "ok":
        raise BackupError(f"{source} is damaged: {state}")


def _elsewhere(settings: Settings) -> dict[str, str]:
    found = {}
    for name, path in databases(settings).items():
        if path is None:
            address = without_password(addresses(settings)[name])
            found[name] = (f"{address}: back it up there" if address.startswith("http") else
                           f"pg_dump --format=custom --file={name}.dump --dbname='{_plain(address)}'")
    return found


def _plain(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}".replace(":***@", "@")


@contextlib.contextmanager
def _at_rest(data: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        for path in sorted(data.glob(UP_LOCKS)):
            if not held.enter_context(locked(path, wait=False)):
                raise AlreadyRunningError(f"sm-daily up is running on {data}")
        yield


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".part"))


def _is_there(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and bool(_files(path)))


def _move(source: Path, target: Path) -> None:
    if source.exists():
        if target.is_dir():
            shutil.rmtree(target)                           # a folder without files
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
