"""HTTP as every provider's client speaks it: bounded waits, redirects followed by hand, refusals told apart by code."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
import urllib3
from pydantic import SecretStr

from sm_core.domain import Record
from sm_core.errors import (
    AuthenticationError,
    NotYetDownloadableError,
    SchemaDriftError,
    SmError,
    SourceUnavailableError,
    UnsafeContentError,
)
from tasks.adapters.fetch.address import following_address, origin, shown
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.fetch.refusals import check
from tasks.clock import seconds

CLIENT = "sm-daily"
MAX_REDIRECTS = 10
MAX_ANSWER = 256 << 20
"""Longest answer that is taken into memory, unpacked [bytes]."""
_BLOCK = 256 << 10
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Parameters = Mapping[str, str | list[str]]


class HttpOptions(Record):
    """How long to wait [s], how slow is too slow [bytes/s over ``patience_s``], and how to get out."""

    connect_timeout_s: float = 30
    read_timeout_s: float = 300
    minimum_rate: float = 1000
    patience_s: float = 60
    contact: str = ""
    proxy: SecretStr = SecretStr("")
    ca_bundle: Path | None = None


class Authorisation(Record):
    """An ``Authorization`` header and the only origins (``scheme://host:port``) that may see it."""

    header: SecretStr
    origins: frozenset[str]


class Answer(Record):
    """A whole answer in memory; header names are in lower case."""

    content: bytes
    headers: dict[str, str]


class Http:
    """Sessions for one provider; may be used from several threads, each exchange has a session for itself.

    The environment is not trusted: no ``.netrc``, no proxy variables. An ``Authorization`` goes to its own origins
    and nowhere else, whatever the redirects say. Error messages hold no query of any URL.

    Raises
    ------
    SourceUnavailableError    SM201, no connection, 429, 5xx, or the answer breaks off or drips.
    AuthenticationError       SM202, 401 or 403.
    LicenceNotAcceptedError   SM203, 401 or 403 that speaks of a licence.
    QuotaExhaustedError       SM209, 429 that speaks of a quota.
    SchemaDriftError          SM206, any other refusal.
    """

    def __init__(self, options: HttpOptions, patience: Patience | None = None) -> None:
        self.patiently = patience or Patience()
        """For questions that may be asked again; :meth:`ask`, :meth:`look` and :meth:`download` try once."""
        self._options = options
        self._idle: deque[_Session] = deque()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def ask(self, url: str, params: Parameters | None = None, headers: Mapping[str, str] | None = None,
            authorisation: Authorisation | None = None, method: str = "GET") -> Answer:
        """The whole answer.

        Raises
        ------
        SchemaDriftError     SM206, there is no such address (404): the service has moved.
        UnsafeContentError   SM210, the answer is longer than ``MAX_ANSWER``.
        """
        with self._exchange(method, url, params or {}, headers or {}, authorisation) as response:
            check(response, _origins(authorisation), SchemaDriftError)
            return self._whole(response)

    def look(self, url: str) -> Answer | None:
        """The whole answer, None when there is no such address (404)."""
        with self._exchange("GET", url, {}, {}, None) as response:
            if response.status_code == 404:
                return None
            check(response, None, SchemaDriftError)
            return self._whole(response)

    @contextmanager
    def download(self, url: str, offset: int = 0, authorisation: Authorisation | None = None) -> Iterator[HttpBody]:
        """A file's content, from ``offset`` where the host resumes, else from its beginning.

        Raises
        ------
        NotYetDownloadableError   SM204, 404 or 410.
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._exchange("GET", url, {}, headers, authorisation) as response:
            if not offset or _resumes(response, offset):
                check(response, _origins(authorisation), NotYetDownloadableError)
                yield HttpBody(response, self._options)
                return
        with self.download(url, 0, authorisation) as body:
            yield body

    def _whole(self, response: requests.Response) -> Answer:
        content = bytearray()
        for block in HttpBody(response, self._options).blocks():
            content += block
            if len(content) > MAX_ANSWER:
                raise UnsafeContentError(f"an answer of more than {MAX_ANSWER} bytes", url=shown(response.url))
        return Answer(content=bytes(content), headers={key.lower(): text for key, text in response.headers.items()})

    @contextmanager
    def _exchange(self, method: str, url: str, params: Parameters, headers: Mapping[str, str],
                  authorisation: Authorisation | None) -> Iterator[requests.Response]:
        session = self._borrowed()
        try:
            with closing(self._follow(session, method, url, params, headers, authorisation)) as response:
                yield response
        finally:
            if self._closed:
                session.close()
            else:
                self._idle.append(session)

    def _borrowed(self) -> _Session:
        try:
            return self._idle.pop()
        except IndexError:
            return self._session()

    def _session(self) -> _Session:
        session = _Session()
        session.trust_env = False
        contact = f" ({self._options.contact})" if self._options.contact else ""
        session.headers.update({"User-Agent": f"{CLIENT}/1{contact}", "Client-Id": CLIENT})
        if proxy := self._options.proxy.get_secret_value():
            session.proxies = {"http": proxy, "https": proxy}
        if self._options.ca_bundle is not None:
            session.verify = str(self._options.ca_bundle)
        return session

    def _follow(self, session: _Session, method: str, url: str, params: Parameters,
                headers: Mapping[str, str], authorisation: Authorisation | None) -> requests.Response:
        for _ in range(MAX_REDIRECTS):
            here = origin(url)
            response = self._send(session, method, url, params, _for_host(here, headers, authorisation))
            target = session.target(response)
            if target is None:
                return response
            response.close()
            following, params = following_address(url, target), {}
            if here.startswith("https:") and not origin(following).startswith("https:"):
                raise SchemaDriftError("redirected from https to an open connection", url=shown(url))
            url = following
        if authorisation is not None:
            raise AuthenticationError("redirected in a circle: the credentials are not taken", url=shown(url))
        raise SourceUnavailableError("redirected in a circle", url=shown(url))

    def _send(self, session: _Session, method: str, url: str, params: Parameters,
              headers: Mapping[str, str]) -> requests.Response:
        timeout = (self._options.connect_timeout_s, self._options.read_timeout_s)
        failure: SmError
        try:
            return session.request(method, url, params=params, headers=headers, timeout=timeout,
                                   allow_redirects=False, stream=True)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            failure = SchemaDriftError("not an address that can be asked", url=shown(url))
        except requests.RequestException as cause:
            failure = SourceUnavailableError(f"no answer: {_kind(cause)}", url=shown(url))
        raise failure  # outside the handler: the cause's text holds the query, which may hold a key


class HttpBody:
    """The content of an answer on its way (a :class:`~tasks.adapters.fetch.protocol.Body`)."""

    def __init__(self, response: requests.Response, options: HttpOptions) -> None:
        self.url = response.url
        """Where the content comes from, after all redirects."""
        self._response = response
        self._options = options
        found = _RANGE.match(response.headers.get("Content-Range", "")) if response.status_code == 206 else None
        self.offset = int(found[1]) if found else 0
        self.size = _size(response, found)

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces.

        Raises
        ------
        SourceUnavailableError   SM201, the connection breaks, ends before the announced length, or drips.
        """
        began, got = seconds(), 0
        while block := self._block():
            yield block
            got += len(block)
            elapsed = seconds() - began
            if elapsed > self._options.patience_s:
                if got < self._options.minimum_rate * elapsed:
                    raise SourceUnavailableError(f"only {got} bytes in {elapsed:.0f} s", url=shown(self.url))
                began, got = seconds(), 0

    def _block(self) -> bytes:
        try:
            return bytes(self._response.raw.read1(_BLOCK, decode_content=True))
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            kind = _kind(cause)
        raise SourceUnavailableError(f"broken off: {kind}", url=shown(self.url))


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None  # else requests prepares the next hop by itself, and reads this one whole

    def target(self, response: requests.Response) -> str | None:
        return super().get_redirect_target(response)


def _origins(authorisation: Authorisation | None) -> frozenset[str] | None:
    return None if authorisation is None else authorisation.origins


def _for_host(here: str, headers: Mapping[str, str], authorisation: Authorisation | None) -> dict[str, str]:
    if authorisation is None or here not in authorisation.origins:
        return dict(headers)
    return {**headers, "Authorization": authorisation.header.get_secret_value()}


def _resumes(response: requests.Response, offset: int) -> bool:
    """Whether the answer to a Range is of use: the rest, the whole, or a refusal that is not about the Range."""
    if response.status_code == 206:
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        return found is not None and int(found[1]) == offset
    return response.status_code != 416


def _size(response: requests.Response, found: re.Match[str] | None) -> int | None:
    if found is not None:
        return int(found[2]) if found[2] != "*" else None
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(length) if re.fullmatch(r"[0-9]+", length) and not encoded else None


def _kind(cause: BaseException) -> str:
    """The innermost cause by its type alone: texts hold addresses."""
    inner: object = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
    inner = getattr(inner, "reason", None) or inner
    return type(inner).__name__ if isinstance(inner, BaseException) else type(cause).__name__


class _WithoutQuery(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQuery())
