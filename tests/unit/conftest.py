"""A real HTTP server on the loopback, whose answers a test writes."""

import socket
import struct
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from tasks.adapters.fetch.http import Http, HttpOptions
from tasks.adapters.fetch.patience import Patience


@dataclass
class Reply:
    """``length``: what the header says; "none" leaves it out. ``reset`` breaks the connection after the body."""

    body: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    length: int | str | None = None
    reset: bool = False
    drip_s: float = 0.0


@dataclass
class Asked:
    method: str
    path: str
    query: dict
    headers: dict


class Loopback:
    def __init__(self, answer):
        self.requests = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                parts = urlsplit(self.path)
                headers = {key.lower(): value for key, value in self.headers.items()}
                request = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers)
                owner.requests.append(request)
                owner.send(self, answer(request))

            def do_POST(self):
                self.do_GET()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @staticmethod
    def send(handler, reply):
        handler.send_response(reply.status)
        for key, value in reply.headers.items():
            handler.send_header(key, value)
        if reply.length == "none":
            handler.close_connection = True
        else:
            handler.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        handler.end_headers()
        try:
            if reply.drip_s:
                for byte in reply.body:
                    handler.wfile.write(bytes([byte]))
                    time.sleep(reply.drip_s)
            else:
                handler.wfile.write(reply.body)
            if reply.reset:
                handler.wfile.flush()
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.connection.close()
                handler.close_connection = True
            elif reply.length not in (None, "none", len(reply.body)):
                handler.close_connection = True
        except ConnectionError:
            handler.close_connection = True

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def loopback():
    """Starts a server for a function from request to reply; all are stopped at the end."""
    with ExitStack() as running:
        def start(answer):
            server = Loopback(answer)
            running.callback(server.close)
            return server

        yield start


@pytest.fixture
def reply():
    return Reply


@pytest.fixture
def http(loopback):
    """A client that gives up soon; it closes before the servers do."""
    options = HttpOptions(connect_timeout_s=2, read_timeout_s=2, patience_s=0.3, contact="ops@example.org")
    with Http(options, Patience(attempts=1)) as client:
        yield client
