"""What grows is cut back; nothing that is published, or that something published was made from, is touched."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from pydantic import ConfigDict

from sm_core.domain import Record
from tasks.adapters.databases import databases
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.settings_housekeeping import HousekeepingSettings, load_housekeeping_settings
from tasks.wiring import services

KEPT_OF_A_DATE = 3
LEAST_FREE_SHARE = 0.3
"""Of a database's pages; with fewer, giving them back is not worth the wait."""
LARGEST_VACUUM = 2_000_000_000
"""A larger database would keep its writers waiting for longer than they do [bytes]."""
LOCK_WAIT_S = 5


class HousekeepingRequest(Record):
    """What is cut back, as of when."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    dry_run: bool = False
    """Only tell what would be done."""
    as_of: dt.datetime | None = None
    """Ages are counted from this moment (UTC); empty: now."""


class Chore(Record):
    """One kind of thing: how many were cut back, and what that freed [bytes]."""

    name: str
    count: int
    freed: int = 0
    note: str = ""


class HousekeepingRecord(Record):
    """What was done, or would have been."""

    request: HousekeepingRequest
    chores: tuple[Chore, ...]


@sm_task
def keep_house(request: HousekeepingRequest) -> HousekeepingRecord:
    """Every chore, one after the other."""
    here, keep = services(), load_housekeeping_settings()
    now = request.as_of or utc_now()
    data = here.settings.data
    chores = (
        _remove("run records", old_records(data / "runs", now, keep), request.dry_run),
        _remove("scratch", old_scratch(data / "scratch", now, keep), request.dry_run),
        _remove("quarantine records", old_quarantine(data / "quarantine", now, keep), request.dry_run),
        _close_trainings(now, keep, request.dry_run),
        *(_vacuum(name, path, request.dry_run) for name, path in databases(here.settings).items() if path is not None),
    )
    return HousekeepingRecord(request=request, chores=chores)


@sm_task
def report_housekeeping(record: HousekeepingRecord) -> None:
    """Leave the table as an artifact of the flow run."""
    create_markdown_artifact(housekeeping_text(record), key="housekeeping",
                             description="dry run" if record.request.dry_run else "done")


def housekeeping_text(record: HousekeepingRecord) -> str:
    """The chores in markdown."""
    rows = [f"| {one.name} | {one.count} | {one.freed / 1e6:.1f} | {one.note} |" for one in record.chores]
    head = "Nothing was changed: a dry run.\n\n" if record.request.dry_run else ""
    return head + "\n".join(["| what | how many | freed [MB] | note |", "|---|---|---|---|", *rows])


def old_records(root: Path, now: dt.datetime, keep: HousekeepingSettings) -> Iterator[Path]:
    """Run records that are old, except the newest of each date."""
    for date in root.glob("*/*"):
        if date.is_dir():
            yield from (path for path in sorted(date.glob("*.json"))[:-KEPT_OF_A_DATE]
                        if _age(path.stat().st_mtime, now) > keep.keep_run_records)


def old_scratch(root: Path, now: dt.datetime, keep: HousekeepingSettings) -> Iterator[Path]:
    """Intermediate files that nobody wrote or read for long; each can be made again."""
    for path in root.rglob("*"):
        if path.is_file():
            stat = path.stat()
            if _age(max(stat.st_mtime, stat.st_atime), now) > keep.keep_scratch:
                yield path


def old_quarantine(root: Path, now: dt.datetime, keep: HousekeepingSettings) -> Iterator[Path]:
    """Old records of files that have gone: where the file still lies, the record keeps it from being used."""
    from sm_core.domain import Rejection

    for path in root.glob("*.json"):
        if _age(path.stat().st_mtime, now) > keep.keep_quarantine:
            rejection = Rejection.model_validate_json(path.read_text(encoding="utf-8"))
            if not Path(rejection.granule.uri).exists():
                yield path


def vacuum(path: Path) -> tuple[int, str]:
    """Give free pages of an SQLite database back to the disk, if that is worth it and disturbs nobody.

    Returns
    -------
    Bytes that were freed, and why none were.
    """
    pages, free, size = pages_of(path)
    if free < LEAST_FREE_SHARE * pages:
        return 0, f"{free / max(pages, 1):.0%} of its pages are free"
    if size > LARGEST_VACUUM:
        return 0, "too large to be done while it is in use: see docs/runbook.md"
    if shutil.disk_usage(path.parent).free < 2 * size:
        return 0, "no room on the disk for a second copy"
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)) as connection:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as busy:
        return 0, f"put off: {busy}"
    return size - path.stat().st_size, ""


def pages_of(path: Path) -> tuple[int, int, int]:
    """Pages, free pages, and size [bytes] of an SQLite database."""
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_S)) as connection:
        (pages,), = connection.execute("pragma page_count")
        (free,), = connection.execute("pragma freelist_count")
    return pages, free, path.stat().st_size


def _remove(name: str, paths: Iterable[Path], dry_run: bool) -> Chore:
    count = freed = 0
    for path in paths:
        count, freed = count + 1, freed + path.stat().st_size
        if not dry_run:
            path.unlink(missing_ok=True)
    return Chore(name=name, count=count, freed=freed)


def _close_trainings(now: dt.datetime, keep: HousekeepingSettings, dry_run: bool) -> Chore:
    registry = services().registry
    before = now - dt.timedelta(days=keep.keep_trainings_open)
    killed = registry.open_runs(before)
    if not dry_run:
        for run_id in killed:
            registry.fail_run(run_id, "it never ended: killed, or the machine went down")
    return Chore(name="trainings that never ended", count=len(killed), note=", ".join(one[:8] for one in killed))


def _vacuum(name: str, path: Path, dry_run: bool) -> Chore:
    if not path.is_file():
        return Chore(name=f"database {name}", count=0, note="not there")
    if dry_run:
        pages, free, size = pages_of(path)
        return Chore(name=f"database {name}", count=0, note=f"{size / 1e6:.1f} MB, {free / max(pages, 1):.0%} free")
    freed, note = vacuum(path)
    return Chore(name=f"database {name}", count=int(not note), freed=freed, note=note)


def _age(timestamp: float, now: dt.datetime) -> float:
    """Age [days]."""
    return (now.timestamp() - timestamp) / 86400
