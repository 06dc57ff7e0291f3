"""A real HTTP/1.1 server on the loopback that can also break off, lie and dawdle as scripted."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import socket
import struct
import sys
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

from tasks.hosts.answers import LOGIN_PAGE, Answer, App, FilePart, Request, as_json, missing, text
from tasks.hosts.clock import Clock
from tasks.hosts.faults import BodyFault, Fault, HostName, Script

LOOPBACK = "127.0.0.1"
CLOCK_PATH = "/_clock"
SLOW_PIECES = 20
_BODY_FAULTS = frozenset(get_args(BodyFault))
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it; ``status`` 0 when no answer was begun."""

    host: HostName
    method: str
    path: str
    query: str
    authorised: bool
    client: str
    status: int
    fault: str


class HttpHost:
    """One host: a port, and an application behind scripted faults.

    Parameters
    ----------
    name
        Which provider's host it plays.
    exchanges
        Where every request is noted.
    port
        0 takes a free one.
    """

    def __init__(self, name: HostName, script: Script, clock: Clock, exchanges: deque[Exchange], port: int = 0) -> None:
        self.name, self.script, self.clock, self.exchanges = name, script, clock, exchanges
        self.stopping = threading.Event()
        self._server = _Server((LOOPBACK, port), self)
        self._thread: threading.Thread | None = None
        self.app: App = _nothing

    @property
    def url(self) -> str:
        """Base URL without a slash at its end."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    @property
    def busiest(self) -> int:
        """Most requests that were being answered at once."""
        return self._server.busiest

    def start(self, app: App) -> None:
        """Answer with ``app`` from now on, in threads."""
        self.app = app
        self._thread = threading.Thread(target=self._listen, name=f"host {self.name}")
        self._thread.start()

    def stop(self) -> None:
        """Break all connections, join all threads, free the port."""
        self.stopping.set()
        if self._thread is not None:
            socket.create_connection((LOOPBACK, self._server.server_port)).close()
            self._thread.join()
        self._server.break_connections()
        self._server.server_close()

    def _listen(self) -> None:
        while not self.stopping.is_set():
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], host: HttpHost) -> None:
        super().__init__(address, _Handler)
        self.host = host
        self.busy = self.busiest = 0
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def opened(self, connection: socket.socket) -> None:
        with self.lock:
            self._open.add(connection)
        if self.host.stopping.is_set():
            self.break_connections()

    def closed(self, connection: socket.socket) -> None:
        with self.lock:
            self._open.discard(connection)

    def break_connections(self) -> None:
        with self.lock:
            for connection in self._open:
                if connection.fileno() >= 0:
                    _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error; everything else is told with its traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def version_string(self) -> str:
        return "Apache"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return f"{self.server.host.clock.now():%a, %d %b %Y %H:%M:%S} GMT"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Requests are noted as exchanges."""

    def _answer(self) -> None:
        server = self.server
        with server.lock:
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        try:
            self._serve(self._request())
        except ConnectionError:
            self.close_connection = True
        finally:
            with server.lock:
                server.busy -= 1

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return Request(self.command, path, query, {name.lower(): value for name, value in self.headers.items()}, body)

    def _serve(self, request: Request) -> None:
        host = self.server.host
        if request.path == CLOCK_PATH:
            self._send(_clock_answer(host.clock, request), None)
            return
        fault = host.script.strike(host.name, request.path, request.query)
        if fault and fault.kind == "down":
            self._note(request, 0, fault)
            self._reset()
            return
        answer = _instead(fault, request) if fault else None
        if answer is None:
            cut, timed_out = bool(fault and fault.kind == "page_cut"), bool(fault and fault.kind == "timed_out")
            answer = host.app(Request(request.method, request.path, request.query, request.headers, request.body,
                                      cut or timed_out, timed_out))
        self._note(request, answer.status, fault)
        self._send(answer, fault if fault and fault.kind in _BODY_FAULTS else None)

    def _note(self, request: Request, status: int, fault: Fault | None) -> None:
        host = self.server.host
        host.exchanges.append(Exchange(
            host.name, request.method, request.path, request.query, "authorization" in request.headers,
            request.headers.get("client-id", ""), status, fault.kind if fault else "",
        ))

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        truncated = fault is not None and fault.kind == "truncated"
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header(*("Connection", "close") if truncated else ("Content-Length", str(answer.size)))
        self.end_headers()
        if self.command == "HEAD":
            return
        match fault.kind if fault else "":
            case "reset" | "truncated" as kind:
                self._send_body(_half(answer.body))
                self._reset() if kind == "reset" else self._end()
            case "corrupted":
                self._send_body(_one_byte_wrong(answer.body))
            case "slow" if fault:
                self._dawdle(answer.body, fault.seconds)
            case _:
                self._send_body(answer.body)

    def _send_body(self, body: bytes | FilePart) -> None:
        if isinstance(body, bytes):
            self.wfile.write(body)
            return
        with body.path.open("rb") as file:
            on_disk = max(0, min(body.end, os.fstat(file.fileno()).st_size) - body.begin)
            if on_disk:
                self.connection.sendfile(file, body.begin, on_disk)
        if on_disk < body.size:
            self.wfile.write(body.part(on_disk, body.size).read())

    def _dawdle(self, body: bytes | FilePart, seconds: float) -> None:
        content = body if isinstance(body, bytes) else body.read()
        step = max(1, math.ceil(len(content) / SLOW_PIECES))
        for begin in range(0, len(content), step):
            if self.server.host.stopping.wait(seconds / SLOW_PIECES):
                return
            self.wfile.write(content[begin:begin + step])

    def _end(self) -> None:
        self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.server.closed(self.connection)
        os.close(self.connection.detach())


def _instead(fault: Fault, request: Request) -> Answer | None:
    match fault.kind:
        case "throttled":
            return text(429, "Too Many Requests", headers={"Retry-After": str(math.ceil(fault.seconds))})
        case "quota":
            return text(429, "API token quota exceeded", "text/plain; charset=utf-8")
        case "error_500" | "error_503":
            status = int(fault.kind[-3:])
            return text(status, f"<html><head><title>{status}</title></head><body>Server Error</body></html>")
        case "html":
            return Answer(200, {"Content-Type": "text/html; charset=UTF-8"}, LOGIN_PAGE)
        case "not_found":
            return missing(request.path)
        case "expired_token":
            return as_json(401, {"error": "invalid_token", "error_description": "The token has expired"},
                           {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        case "eula":
            return as_json(403, {"status_code": 403, "error_description": "EULA Acceptance Failure",
                                 "resolution_url": "https://urs.example/accept_eulas?eula_id=lpdaac"})
        case _:
            return None


def _clock_answer(clock: Clock, request: Request) -> Answer:
    try:
        told = json.loads(request.body) if request.method == "POST" else {}
        if "now" in told:
            now = dt.datetime.fromisoformat(told["now"])
            clock.move_to(now if now.tzinfo else now.replace(tzinfo=dt.UTC))
        clock.advance(dt.timedelta(seconds=float(told.get("advance_s", 0.0))))
    except (ValueError, TypeError, AttributeError) as cause:
        return as_json(400, {"error": str(cause)})
    return as_json(200, {"now": clock.now().isoformat()})


def _half(body: bytes | FilePart) -> bytes | FilePart:
    return body[:len(body) // 2] if isinstance(body, bytes) else body.part(0, body.size // 2)


def _one_byte_wrong(body: bytes | FilePart) -> bytes:
    content = bytearray(body if isinstance(body, bytes) else body.read())
    if content:
        content[len(content) // 2] ^= 0xFF
    return bytes(content)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _nothing(request: Request) -> Answer:
    return missing(request.path)
