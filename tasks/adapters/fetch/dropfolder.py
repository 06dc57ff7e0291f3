"""A folder into which people put files by hand: ISMN archives, station CSV, or any granule by its provider's name."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from sm_core.errors import NotYetDownloadableError, SourceUnavailableError
from sm_core.sources import identify
from tasks.adapters.fetch.protocol import Listed, Query
from tasks.adapters.fetch.window import wanted

SETTLED_AFTER = dt.timedelta(seconds=60)
"""A file that changed more recently may still be being written."""
_BLOCK = 1 << 20


class DropFolder:
    """Fetcher of a watched folder and its sub-folders. Links are not followed; nothing is moved or deleted.

    Parameters
    ----------
    settled_after
        How long a file must have been left alone before it is taken.
    """

    def __init__(self, root: Path, source_ids: tuple[str, ...], now: Callable[[], dt.datetime],
                 settled_after: dt.timedelta = SETTLED_AFTER) -> None:
        self.source_ids = source_ids
        self.host = "drop folder"
        self.tells_changes = False
        self._root = root.resolve()
        self._now = now
        self._settled_after = settled_after

    def listed(self, query: Query) -> Iterator[Listed]:
        """Raises SM201 when the folder cannot be read. Copying may keep an old date: all files are told each time."""
        for path, status in self._files():
            modified = _time(status)
            if wanted(path.name, query) and self._now() - modified >= self._settled_after:
                yield Listed(source_id=query.source_id, name=path.name, revision=_revision(status), published=modified,
                             url=path.as_uri(), size=status.st_size)

    def unknown(self) -> tuple[Path, ...]:
        """Files that no source has such names for: somebody expects them to be taken."""
        return tuple(path for path, _ in self._files() if identify(path) is None and not path.name.startswith("."))

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[FileBody]:
        """Raises SM204 when the file is gone, or is not the edition that was listed."""
        path = Path(unquote(urlsplit(listed.url).path))
        try:
            stream = path.open("rb")
        except OSError as cause:
            raise NotYetDownloadableError("cannot be opened any more", file=path.name) from cause
        with stream:
            status = os.fstat(stream.fileno())
            if _revision(status) != listed.revision:
                raise NotYetDownloadableError("changed since it was listed", file=path.name)
            yield FileBody(stream, offset if offset <= status.st_size else 0, status.st_size)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        if not self._root.is_dir():
            raise SourceUnavailableError("the drop folder is not there", folder=self._root)
        for path in sorted(self._root.rglob("*")):
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield path, status


class FileBody:
    """The content of a local file (a :class:`~tasks.adapters.fetch.protocol.Body`)."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        self.offset = offset
        self.size: int | None = size
        self._stream = stream

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces. Raises SM201 when it cannot be read."""
        try:
            self._stream.seek(self.offset)
            while block := self._stream.read(_BLOCK):
                yield block
        except OSError as cause:
            raise SourceUnavailableError(f"cannot be read: {cause.strerror}") from cause


def _time(status: os.stat_result) -> dt.datetime:
    return dt.datetime.fromtimestamp(status.st_mtime_ns // 10**9, dt.UTC)


def _revision(status: os.stat_result) -> str:
    return f"{_time(status):%Y%m%dT%H%M%S}.{status.st_mtime_ns % 10**9:09d}Z-{status.st_size:013d}"
