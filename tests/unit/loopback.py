"""A small file host on this machine that misbehaves as told, and a plain client for it."""

from __future__ import annotations

import datetime as dt
import http.client
import random
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from sm_core.errors import NotYetDownloadableError, SourceUnavailableError
from tasks.adapters.fetch.protocol import Body, Listed, Query

PUBLISHED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>" + b" " * 2000


def granule(size: int, seed: int) -> bytes:
    """An HDF4 file of that size: magic, one block with one data descriptor, and what it points to."""
    head = b"\x0e\x03\x13\x01" + struct.pack(">HI", 1, 0) + struct.pack(">HHII", 702, 1, 22, size - 22)
    return head + random.Random(seed).randbytes(size - 22)


def name(day: int) -> str:
    return f"MOD11A1.A2019{day:03d}.h28v05.061.2019366090000.hdf"


class Host:
    """Serves ``files``; takes one misbehaviour from ``faults[path]`` for each request until there is none left.

    Misbehaviours: a status such as ``503``, or ``(429, seconds)``; ``("reset", n)`` and ``("close", n)`` break after
    n bytes, the first with the right length in the header, the second without any; ``"page"``, a web page with status
    200, ``"bare page"`` without its length; ``"other"``, other content of the same size; ``"whole"``, the request for
    a range is ignored.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, deque[object]] = defaultdict(deque)
        self.requests: list[tuple[str, int]] = []
        self.pause_s = 0.0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = int(self.server.server_address[1])

    def listed(self, day: int, content: bytes, revision: str = "1", **changes: object) -> Listed:
        """Serve ``content`` as the granule of that day of 2019."""
        path = f"/{revision}/{name(day)}"
        self.files[path] = content
        whole = Listed(source_id="MOD11A1.061", name=name(day), revision=revision, published=PUBLISHED,
                       url=f"http://127.0.0.1:{self.port}{path}", size=len(content))
        return whole.model_copy(update=changes)

    def fail(self, listed: Listed, *faults: object) -> None:
        self.faults[urlsplit(listed.url).path].extend(faults)

    def _handler(host) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                begin = int((self.headers["Range"] or "bytes=0-").split("=")[1].rstrip("-"))
                with host.lock:
                    host.requests.append((self.path, begin))
                    fault = host.faults[self.path].popleft() if host.faults[self.path] else None
                self.answer(begin, fault)

            def answer(self, begin: int, fault: object) -> None:
                content = host.files.get(self.path)
                if isinstance(fault, tuple) and fault[0] == 429:
                    self.head(429, {"Content-Length": "0", "Retry-After": str(fault[1])})
                elif isinstance(fault, int) or content is None:
                    self.head(fault if isinstance(fault, int) else 404, {"Content-Length": "0"})
                else:
                    self.body(content, begin, fault)

            def body(self, content: bytes, begin: int, fault: object) -> None:
                if fault in ("page", "bare page"):
                    content, begin = PAGE, 0
                if fault == "other":
                    content = granule(len(content), seed=999)
                if fault == "whole":
                    begin = 0
                headers = {"Content-Length": str(len(content) - begin)}
                if begin:
                    headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                breaks = fault if isinstance(fault, tuple) else None
                if fault == "bare page" or (breaks and breaks[0] == "close"):
                    headers = {"Connection": "close"}
                self.head(206 if begin else 200, headers)
                self.send(content[begin:], breaks)
                self.close_connection |= "Connection" in headers

            def head(self, status: int, headers: dict[str, str]) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()

            def send(self, content: bytes, breaks: tuple[str, int] | None) -> None:
                for at in range(0, len(content), 1 << 14):
                    threading.Event().wait(host.pause_s)
                    self.wfile.write(content[at : min(at + (1 << 14), breaks[1] if breaks else len(content))])
                    if breaks and at + (1 << 14) >= breaks[1]:
                        self.close_connection = True
                        if breaks[0] == "reset":
                            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            self.connection.close()
                        return

        return Handler

    def __enter__(self) -> Host:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Plain:
    """A fetcher with nothing but the standard library."""

    source_ids = ("MOD11A1.061",)
    host = "127.0.0.1"
    tells_changes = False

    def listed(self, query: Query) -> Iterator[Listed]:
        return iter(())

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[Body]:
        url = urlsplit(listed.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
        try:
            connection.request("GET", url.path, headers={"Range": f"bytes={offset}-"} if offset else {})
            answer = connection.getresponse()
            if answer.status == 404:
                raise NotYetDownloadableError("not there")
            if answer.status >= 400:
                asked = answer.getheader("Retry-After")
                raise SourceUnavailableError(f"HTTP {answer.status}", retry_after_s=float(asked) if asked else None)
            yield _Answer(answer, offset if answer.status == 206 else 0)
        except OSError as cause:
            raise SourceUnavailableError(f"no connection: {cause}") from cause
        finally:
            connection.close()


class _Answer:
    def __init__(self, answer: http.client.HTTPResponse, offset: int) -> None:
        self.offset = offset
        self.size = None if answer.length is None else answer.length + offset
        self._answer = answer

    def blocks(self) -> Iterator[bytes]:
        try:
            while block := self._answer.read1(1 << 16):
                yield block
        except (OSError, http.client.HTTPException) as cause:
            raise SourceUnavailableError(f"the connection broke: {cause}") from cause
