"""An archive on disk: any folder of native files, in any sub-folders, known by their providers' names."""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sm_core.domain import Granule
from sm_core.errors import ArchiveNotFoundError, GranuleCorruptError, InsufficientInputsError
from sm_core.sources import identify

if TYPE_CHECKING:
    import xarray as xr

STATION_SOURCES = ("ISMN", "RDA", "USCRN.hourly02", "USCRN.daily01", "CSV")
_BLOCK = 1 << 20
BULK_DAYS = 150
"""Longer periods are simulated as a whole, in worker processes; starting those takes seconds."""


class Archive(Protocol):
    """Where granules and station files come from."""

    root: Path

    def prepare(
        self, periods: Sequence[tuple[str, dt.date, dt.date]], *, tiles: Sequence[str] = (),
        as_of: dt.datetime | None = None,
    ) -> None:
        """Make sure that what can be had of these (source id, first day, last day) is there.

        ``tiles`` are those wanted, ``as_of`` is the request that it is done for.
        """

    def granules(self, as_of: dt.datetime | None = None) -> tuple[Granule, ...]:
        """Every granule of the archive, all editions; or what was in use at ``as_of``, where that is known."""

    def station_files(self, as_of: dt.datetime | None = None) -> tuple[Path, ...]:
        """Every station file; or those that were known at ``as_of``, where that is known."""

    def coverage(self, source_ids: Sequence[str]) -> tuple[dt.date, dt.date]:
        """First and last day of the first of these sources that is there."""

    def truth(self, day: dt.date) -> xr.Dataset | None:
        """The known 1-km truth of a day, where the archive is a simulation."""


class Mirror:
    """A folder that somebody else fills."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ArchiveNotFoundError(f"no such archive folder: {root}")
        self.root = root

    def prepare(
        self, periods: Sequence[tuple[str, dt.date, dt.date]], *, tiles: Sequence[str] = (),
        as_of: dt.datetime | None = None,
    ) -> None:
        """Nothing to do: a mirror holds what it holds."""

    def granules(self, as_of: dt.datetime | None = None) -> tuple[Granule, ...]:
        found = tuple(granule for granule in self._known() if granule.source_id not in STATION_SOURCES)
        if not found:
            raise ArchiveNotFoundError(f"no granule with a known provider's file name below {self.root}")
        return found

    def station_files(self, as_of: dt.datetime | None = None) -> tuple[Path, ...]:
        return tuple(sorted(Path(g.uri) for g in self._known() if g.source_id in STATION_SOURCES))

    def coverage(self, source_ids: Sequence[str]) -> tuple[dt.date, dt.date]:
        granules = self.granules()
        for source_id in source_ids:
            found = [granule for granule in granules if granule.source_id == source_id]
            if found:
                return min(g.start for g in found), max(g.end for g in found)
        raise InsufficientInputsError(f"the archive holds none of {', '.join(source_ids)}")

    def truth(self, day: dt.date) -> xr.Dataset | None:
        return None

    def _known(self) -> Iterator[Granule]:
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and (granule := identify(path)) is not None:
                yield granule


class TwinMirror(Mirror):
    """A simulated archive, whose granules come into being when they are wanted."""

    def __init__(self, root: Path, processes: int) -> None:
        super().__init__(root)
        self._processes = processes

    def prepare(
        self, periods: Sequence[tuple[str, dt.date, dt.date]], *, tiles: Sequence[str] = (),
        as_of: dt.datetime | None = None,
    ) -> None:
        from sm_core.twin.archive import materialise

        sources = sorted({source for source, _, _ in periods})
        first, last = min(start for _, start, _ in periods), max(end for _, _, end in periods)
        if (last - first).days > BULK_DAYS:
            materialise(self.root, sources, first, last, processes=self._processes)
            return
        for source_id, start, end in periods:
            materialise(self.root, (source_id,), start, end)

    def coverage(self, source_ids: Sequence[str]) -> tuple[dt.date, dt.date]:
        from sm_core.twin.spec import load_spec

        spec = load_spec(self.root / "twin.yaml")
        return spec.start, spec.end

    def truth(self, day: dt.date) -> xr.Dataset | None:
        return truth_of(self.root, day)


def truth_of(root: Path, day: dt.date) -> xr.Dataset | None:
    """The known 1-km truth of a day, where a simulated world was made in ``root``."""
    from sm_core.twin.archive import truth

    return truth(root, day) if (root / "twin.yaml").is_file() else None


def open_archive(root: Path, processes: int = 1) -> Archive:
    """The archive at ``root``: a mirror, or a twin when it holds ``twin.yaml``.

    Raises
    ------
    ArchiveNotFoundError   SM105, there is no such folder.
    """
    return TwinMirror(root, processes) if (root / "twin.yaml").is_file() else Mirror(root)


class ChecksumIndex:
    """sha256 of files, remembered by path, size and modification time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._connect() as db:
            db.execute(
                "create table if not exists checksum"
                "(path text primary key, size integer, mtime_ns integer, sha256 text)"
            )

    def seal(self, granules: Sequence[Granule]) -> tuple[Granule, ...]:
        """The granules with their checksums.

        Raises
        ------
        GranuleCorruptError   SM205, a file vanished or cannot be read.
        """
        with self._connect() as db:
            return tuple(g.model_copy(update={"sha256": self._sha256(db, Path(g.uri))}) for g in granules)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=60)) as db, db:
            db.execute("pragma journal_mode=wal")
            yield db

    def _sha256(self, db: sqlite3.Connection, path: Path) -> str:
        try:
            stat = path.stat()
            key = (str(path), stat.st_size, stat.st_mtime_ns)
            row = db.execute("select sha256 from checksum where path=? and size=? and mtime_ns=?", key).fetchone()
            if row:
                return str(row[0])
            digest = sha256_of(path)
        except OSError as cause:
            raise GranuleCorruptError(f"cannot be read: {cause.strerror}", file=path.name) from cause
        db.execute("insert or replace into checksum values (?, ?, ?, ?)", (*key, digest))
        return digest


def sha256_of(path: Path) -> str:
    """sha256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
