"""Where fetched files lie: ``<root>/<source>/<year of the data>/<revision>/<provider's name>``.

A file that has been placed there is complete and verified, and never changes. Next to the sources lie ``.partial``
(downloads under way) and ``.quarantine`` (content that was refused, each with a JSON file that says why).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sm_core.domain import FileRef, Granule, Record
from sm_core.errors import DiskQuotaError, ForeignFileError, SmError, StoreUnavailableError, UnsafeContentError
from sm_core.sources import identify
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.files import write_text
from tasks.adapters.locks import locked
from tasks.adapters.mirror import sha256_of

LONGEST_NAME = 200
_PLAIN_REVISION = re.compile(r"[A-Za-z0-9][\w.:+-]{0,63}", re.ASCII)


def granule_of(listed: Listed) -> Granule:
    """What a listed file is, once its name has been found harmless.

    Raises
    ------
    UnsafeContentError   SM210, the name could lead out of its folder or garble a terminal.
    ForeignFileError     SM207, no file of this source has such a name.
    """
    name = listed.name
    plain = name.isprintable() and not name.startswith(".") and not set(name) & set("/\\:")
    if not plain or not 0 < len(name.encode()) <= LONGEST_NAME:
        raise UnsafeContentError("not a plain file name", source=listed.source_id, name=ascii(name[:80]))
    granule = identify(Path(name))
    if granule is None or granule.source_id != listed.source_id:
        raise ForeignFileError("no file of this source has such a name", source=listed.source_id, name=name)
    return granule


class Refusal(Record):
    """What lies beside refused content."""

    listed: Listed
    code: str
    message: str


class Store:
    """Files by source, year, revision and name."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._partial = self.root / ".partial"
        self._quarantine = self.root / ".quarantine"
        with disk_errors():
            self._partial.mkdir(parents=True, exist_ok=True)

    def path(self, listed: Listed) -> Path:
        """Where an edition belongs, whether it is there or not. Raises as :func:`granule_of`."""
        granule = granule_of(listed)
        revision = listed.revision
        folder = revision if _PLAIN_REVISION.fullmatch(revision) else hashlib.sha256(revision.encode()).hexdigest()[:16]
        return self.root / granule.source_id / f"{granule.start.year}" / folder / listed.name

    def ref(self, listed: Listed) -> FileRef | None:
        """The placed file of an edition, None when it is not there."""
        path = self.path(listed)
        with disk_errors():
            if not path.is_file():
                return None
            return FileRef(uri=str(path), sha256=sha256_of(path), size=path.stat().st_size)

    @contextmanager
    def partial(self, listed: Listed) -> Iterator[Path]:
        """The unfinished download of an edition, for one thread of one process at a time; kept unless empty."""
        path = self._partial / _digest(listed)
        with ExitStack() as held:
            with disk_errors():
                held.enter_context(locked(path))
            try:
                yield path
            finally:
                with disk_errors():
                    if _size(path) == 0:
                        path.unlink(missing_ok=True)

    def place(self, partial: Path, listed: Listed, sha256: str) -> FileRef:
        """Make a finished download a file of the store, at once and for good."""
        path = self.path(listed)
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sync(partial)
            partial.replace(path)
            _sync(path.parent)
            return FileRef(uri=str(path), sha256=sha256, size=path.stat().st_size)

    def quarantine(self, partial: Path, listed: Listed, error: SmError) -> Path:
        """Keep refused content under a name that nobody reads as data, and why it was refused; empties ``partial``."""
        path = self._quarantine / _digest(listed)
        with disk_errors():
            self._quarantine.mkdir(exist_ok=True)
            shutil.copyfile(partial, path)
            os.truncate(partial, 0)
            why = Refusal(listed=listed, code=error.code, message=str(error))
            write_text(path.with_suffix(".json"), why.model_dump_json(indent=1))
        return path

    def discharge(self, listed: Listed) -> None:
        """Forget refused content of an edition that came right at last."""
        path = self._quarantine / _digest(listed)
        with disk_errors():
            for refused in (path, path.with_suffix(".json")):
                refused.unlink(missing_ok=True)

    def sweep(self, wanted: Iterable[Listed]) -> int:
        """Remove unfinished downloads that nobody wants or works on. Returns how many."""
        keep = {_digest(listed) for listed in wanted}
        removed = 0
        with disk_errors():
            for path in self._partial.iterdir():
                if path.name not in keep:
                    with locked(path, wait=False) as free:
                        if free:
                            path.unlink()
                            removed += 1
        return removed

    def used(self) -> int:
        """Bytes that all files take, refused and unfinished ones too."""
        with disk_errors():
            return sum(_size(Path(folder, name)) for folder, _, names in os.walk(self.root) for name in names)

    def free(self) -> int:
        """Bytes that the disk still has for this user."""
        with disk_errors():
            stat = os.statvfs(self.root)
            return stat.f_bavail * stat.f_frsize


@contextmanager
def disk_errors() -> Iterator[None]:
    """The disk's troubles under their codes: SM703 when it is full, else SM702."""
    try:
        yield
    except OSError as cause:
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskQuotaError(f"no space is left: {cause.strerror}") from cause
        raise StoreUnavailableError(f"the store of fetched files: {cause}") from cause


def _digest(listed: Listed) -> str:
    stated = f"{listed.checksum.algorithm}:{listed.checksum.value}" if listed.checksum else ""
    parts = (listed.source_id, listed.name, listed.revision, str(listed.size), stated)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
