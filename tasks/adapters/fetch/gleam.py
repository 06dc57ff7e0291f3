"""GLEAM: yearly files on an SFTP server; a year grows, and a new version replaces the older one."""

from __future__ import annotations

import datetime as dt
import posixpath
import stat
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

import paramiko
from pydantic import SecretStr

from sm_core.domain import Granule, Record
from sm_core.errors import (
    AuthenticationError,
    HostKeyError,
    NotYetDownloadableError,
    SchemaDriftError,
    SettingsError,
    SourceUnavailableError,
)
from sm_core.sources import SOURCES
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.fetch.protocol import Listed, Query
from tasks.adapters.fetch.window import edition, known, wanted

_T = TypeVar("_T", paramiko.SSHClient, paramiko.SFTPClient, paramiko.SFTPFile)
_CHUNK = 32 << 10
_BATCH = 256
"""Requests on their way at once: 8 MB, which bounds the memory that a slow disk can pile up."""


class SftpAccess(Record):
    """Where the server is, who asks, and which key it must show (``ssh-ed25519 AAAA…``, as in known_hosts)."""

    host: str
    port: int = 2225
    user: str
    password: SecretStr
    host_key: str
    root: str = "/data"
    connect_timeout_s: float = 30
    read_timeout_s: float = 300


class Gleam:
    """Fetcher of ``<root>/<version>/daily/YYYY/<variable>_YYYY_GLEAM_<version>.nc``.

    Of each variable and year only the newest version is listed. Dates may be older than the files' arrival:
    ``changed_since`` is not looked at.
    """

    def __init__(self, access: SftpAccess, patience: Patience | None = None) -> None:
        self.source_ids = tuple(entry.source_id for entry in SOURCES if entry.provider == "GLEAM")
        self.host = f"{access.host}:{access.port}"
        self.tells_changes = False
        self._access = access
        self._patiently = patience or Patience()

    def listed(self, query: Query) -> Iterator[Listed]:
        yield from self._patiently(lambda: self._newest(query))

    def _newest(self, query: Query) -> list[Listed]:
        newest: dict[dt.date, tuple[Granule, Listed]] = {}
        with self._session() as sftp:
            for version in self._versions(sftp):
                for year in range(query.first.year, query.last.year + 1):
                    for granule, listed in self._year(sftp, version, year, query):
                        if granule.start not in newest or granule.produced > newest[granule.start][0].produced:
                            newest[granule.start] = granule, listed
        return [listed for _, listed in newest.values()]

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[SftpBody]:
        """Raises SM204 when the file is gone or is not the edition that was listed."""
        path = unquote(urlsplit(listed.url).path)
        with self._session() as sftp:
            with _told(path):
                file = sftp.open(path, "rb", bufsize=0)
            with _closing(file):
                with _told(path):
                    now = file.stat()
                if edition(_time(now.st_mtime), now.st_size) != listed.revision:
                    raise NotYetDownloadableError("changed since it was listed", path=path)
                yield SftpBody(file, path, offset, now.st_size)

    def _versions(self, sftp: paramiko.SFTPClient) -> list[str]:
        found = [entry.filename for entry in self._patiently(lambda: _entries(sftp, self._access.root))]
        versions = sorted(name for name in found if name.startswith("v"))
        if not versions:
            raise SchemaDriftError("no version folder on the server", host=self.host, folder=self._access.root)
        return versions

    def _year(self, sftp: paramiko.SFTPClient, version: str, year: int,
              query: Query) -> Iterator[tuple[Granule, Listed]]:
        folder = posixpath.join(self._access.root, version, "daily", str(year))
        for entry in self._patiently(lambda: _entries(sftp, folder)):
            granule = known(entry.filename, query.source_id)
            if granule is not None and wanted(entry.filename, query) and stat.S_ISREG(entry.st_mode):
                published = _time(entry.st_mtime)
                yield granule, Listed(
                    source_id=query.source_id, name=entry.filename, revision=edition(published, entry.st_size),
                    published=published, url=f"sftp://{self.host}{quote(posixpath.join(folder, entry.filename))}",
                    size=entry.st_size,
                )

    @contextmanager
    def _session(self) -> Iterator[paramiko.SFTPClient]:
        with _closing(paramiko.SSHClient()) as client:
            self._connect(client)
            with _told(self.host):
                sftp = client.open_sftp()
            with _closing(sftp):
                sftp.get_channel().settimeout(self._access.read_timeout_s)
                yield sftp

    def _connect(self, client: paramiko.SSHClient) -> None:
        access = self._access
        key = _key(access.host_key)
        client.get_host_keys().add(f"[{access.host}]:{access.port}" if access.port != 22 else access.host,
                                   key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        wait = access.connect_timeout_s
        try:
            client.connect(
                access.host, access.port, username=access.user, password=access.password.get_secret_value(),
                timeout=wait, banner_timeout=wait, auth_timeout=wait, allow_agent=False, look_for_keys=False,
            )
        except paramiko.BadHostKeyException as cause:
            raise HostKeyError(f"shows {cause.key.fingerprint}, not {key.fingerprint}", host=self.host) from cause
        except paramiko.AuthenticationException as cause:
            raise AuthenticationError("user or password refused", host=self.host) from cause
        except (paramiko.SSHException, OSError, EOFError) as cause:
            raise SourceUnavailableError(f"no connection: {type(cause).__name__}", host=self.host) from cause


class SftpBody:
    """The content of a file on an SFTP server (a :class:`~tasks.adapters.fetch.protocol.Body`)."""

    def __init__(self, file: paramiko.SFTPFile, path: str, offset: int, size: int) -> None:
        self.offset = offset if offset <= size else 0
        self.size: int | None = size
        self._end = size
        self._file = file
        self._path = path

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces. Raises SM201 when the connection breaks or the file ends early."""
        for start in range(self.offset, self._end, _CHUNK * _BATCH):
            end = min(start + _CHUNK * _BATCH, self._end)
            chunks = [(at, min(_CHUNK, end - at)) for at in range(start, end, _CHUNK)]
            with _told(self._path):
                content = b"".join(self._file.readv(chunks))
            if len(content) != end - start:
                raise SourceUnavailableError(f"ends before byte {end} of {self._end}", path=self._path)
            yield content


def _entries(sftp: paramiko.SFTPClient, folder: str) -> list[paramiko.SFTPAttributes]:
    try:
        with _told(folder):
            return list(sftp.listdir_attr(folder))
    except NotYetDownloadableError:
        return []


@contextmanager
def _closing(resource: _T) -> Iterator[_T]:
    try:
        yield resource
    finally:
        with suppress(paramiko.SSHException, OSError, EOFError):  # broken connections complain about their end
            resource.close()


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as cause:
        raise NotYetDownloadableError("no such file", path=what) from cause
    except PermissionError as cause:
        raise AuthenticationError("this account may not read it", path=what) from cause
    except (paramiko.SSHException, OSError, EOFError) as cause:
        raise SourceUnavailableError(f"broken off: {type(cause).__name__}", path=what) from cause


def _key(text: str) -> paramiko.PKey:
    kind, _, rest = text.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, b64decode(rest.split(" ")[0], validate=True))
    except (paramiko.SSHException, paramiko.UnknownKeyType, Base64Error, ValueError) as cause:
        raise SettingsError("SM_GLEAM_HOST_KEY: not a key in the form `ssh-ed25519 AAAA...`") from cause


def _time(seconds: float | None) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds or 0, dt.UTC)
