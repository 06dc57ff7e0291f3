"""What a provider's client does for the rest: tell what is listed, and open it for download."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from sm_core.domain import Record

Algorithm = Literal["md5", "sha1", "sha256", "sha384", "sha512", "cksum"]


class Checksum(Record):
    """A checksum as a provider states it: hexadecimal, or decimal for POSIX ``cksum``."""

    algorithm: Algorithm
    value: str


class Listed(Record):
    """One edition of one file, as its provider lists it.

    ``name`` is the provider's file name (untrusted text until the store has checked it). ``revision`` tells editions
    of one name apart and sorts as text in the order of their publication; ``published`` [UTC] is when the provider
    put this edition there. A ``withdrawn`` one exists no more.
    """

    source_id: str
    name: str
    revision: str
    published: dt.datetime
    url: str
    size: int | None = None
    checksum: Checksum | None = None
    withdrawn: bool = False


class Query(Record):
    """Which files of a source are wanted: observation days (inclusive), tiles, and only what changed since."""

    source_id: str
    first: dt.date
    last: dt.date
    tiles: tuple[str, ...] = ()
    changed_since: dt.datetime | None = None


class Body(Protocol):
    """The content of a file on its way."""

    offset: int
    """Byte at which it begins: the one that was asked for, or 0 where the host cannot resume."""
    size: int | None
    """Size of the whole file [bytes], where the host tells."""

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces. Raises SM201 when the connection breaks."""
        ...


class Fetcher(Protocol):
    """One provider of files.

    Raises
    ------
    SourceUnavailableError   SM201, transient; ``context["retry_after_s"]`` where the host asked for a pause.
    AuthenticationError      SM202, bad or expired credentials.
    LicenceNotAcceptedError  SM203.
    NotYetDownloadableError  SM204, listed but not there.
    QuotaExhaustedError      SM209.
    HostKeyError             SM211.
    SchemaDriftError         SM206, an answer that cannot be understood.
    """

    source_ids: tuple[str, ...]
    host: str
    """What is asked in parallel only so often."""
    tells_changes: bool
    """Whether ``changed_since`` is looked at, so that revisions of any age can be asked for."""

    def listed(self, query: Query) -> Iterator[Listed]:
        """Everything that matches, each edition once, withdrawn ones too where the provider tells."""
        ...

    def open(self, listed: Listed, offset: int = 0) -> AbstractContextManager[Body]:
        """Begin to download, from byte ``offset`` where the host can."""
        ...
