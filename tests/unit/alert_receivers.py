"""Real servers on the loopback that take alerts: one for HTTP, one for SMTP. Each may do harm when a message is in."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = "a secret of some length"


def nothing() -> None:
    """No harm."""


class Subscriber:
    """Checks signatures and keeps what comes: ``calls`` is every call, ``taken`` the body of each new key."""

    def __init__(self, harm: Callable[[], None] = nothing) -> None:
        self.calls: list[str] = []
        self.taken: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.replies: list[tuple[int, dict[str, str]]] = []
        self.harm = harm
        self._guard = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """The status that a careful subscriber answers."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{expected}":
            return 401, {}
        with self._guard:
            self.headers.append(headers)
            self.calls.append(headers["idempotency-key"])
            if self.replies:
                return self.replies.pop(0)
            self.taken.setdefault(headers["idempotency-key"], body)
        self.harm()
        return 204, {}


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a host that answers by the handler, in threads of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def listening(subscriber: Subscriber) -> Iterator[str]:
    """The subscriber's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = subscriber.take({key.lower(): value for key, value in self.headers.items()}, body)
            try:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with served(Handler) as address:
        yield f"{address}/hook?token=t0ken"


class Mailbox:
    """A mail store that keeps every mail that was accepted."""

    def __init__(self, harm: Callable[[], None] = nothing) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.unknown: set[str] = set()
        self.replies: list[str] = []
        self.breaks = False
        self.harm = harm

    @property
    def distinct(self) -> list[EmailMessage]:
        """What a store shows that suppresses doubles by Message-ID."""
        return list({mail["Message-ID"]: mail for mail in self.mails}.values())

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.replies:
            return self.replies.pop(0)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.harm()
        if self.breaks:
            server.transport.abort()
        return "250 OK"


class _AnyPort(Controller):
    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    """The port of an SMTP server for this mailbox."""
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def only_me(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Lets in who says ``me`` and ``pa55``."""
    return AuthResult(success=(data.login, data.password) == (b"me", b"pa55"))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that stands for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return paths
