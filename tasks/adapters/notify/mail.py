"""Messages as one mail for each run (SMTP).

SMTP has no key by which a server drops doubles. The mail is therefore named: its Message-ID follows from its messages
and is the same on every try. If the process dies, or the connection breaks, between the last byte and the server's
answer, nobody knows whether it was accepted; it is then sent again under the same Message-ID, by which mail stores
that suppress duplicates show it once, or, with ``resends=False``, held for the operator.
"""

from __future__ import annotations

import datetime as dt
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from sm_core.alerts.digest import digest
from sm_core.domain import Record
from sm_core.errors import DeliveryError, DeliveryRefusedError
from tasks.adapters.notify.outbox import Batch

Security = Literal["starttls", "tls", "none"]


class MailOptions(Record):
    """The server, who writes, and to whom; recipients do not see each other."""

    host: str
    port: int
    security: Security = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: str
    recipients: tuple[str, ...]
    timeout_s: float = 30
    ca_bundle: Path | None = None
    resends: bool = True


class Mail:
    """A digest of all messages that wait."""

    name, most = "mail", 1000

    def __init__(self, options: MailOptions) -> None:
        self._options = options

    @property
    def resends(self) -> bool:
        """Whether a mail that may have been accepted is sent again, under the same Message-ID."""
        return self._options.resends

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Send the digest; the receipt is the Message-ID, with the recipients that the server refused."""
        return self.send(self._message(batch), doubt)

    def send(self, message: EmailMessage, doubt: Callable[[], None]) -> str:
        """Send a mail that has a subject, a text and a Message-ID.

        Raises
        ------
        DeliveryError          SM705, not now.
        DeliveryRefusedError   SM706, the server does not take it.
        """
        with _smtp_errors(self._options) as step, self._connected() as server:
            _accepted(server.mail(self._options.sender))
            step.about_message = True
            refused = [one for one in self._options.recipients if not _taken(server.rcpt(one))]
            if len(refused) == len(self._options.recipients):
                raise DeliveryRefusedError("every recipient is refused")
            doubt()
            step.doubtful = True
            code, text = server.data(message.as_bytes(policy=SMTP))
            step.doubtful = False
            _accepted((code, text))
        told = f"; refused: {', '.join(refused)}" if refused else ""
        return f"{message['Message-ID']}{told}"

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        options = self._options
        context = None if options.security == "none" else ssl.create_default_context(cafile=options.ca_bundle)
        server = (
            smtplib.SMTP_SSL(options.host, options.port, timeout=options.timeout_s, context=context)
            if options.security == "tls" else smtplib.SMTP(options.host, options.port, timeout=options.timeout_s)
        )
        try:
            server.ehlo_or_helo_if_needed()
            if options.security == "starttls":
                server.starttls(context=context)
                server.ehlo()
            if options.user:
                server.login(options.user, options.password.get_secret_value())
            yield server
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()

    def _message(self, batch: Batch) -> EmailMessage:
        subject, text = digest(batch.events)
        sent = max(event.sent for event in batch.events)
        return self.written(subject, text, batch.events[0].issuer.name.en, sent, batch.name)

    def written(self, subject: str, text: str, author: str, sent: dt.datetime, key: str) -> EmailMessage:
        """A mail; its Message-ID follows from ``key``."""
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = Address(author, addr_spec=self._options.sender)
        message["To"] = "undisclosed-recipients:;"
        message["Date"] = sent
        message["Message-ID"] = f"<{key[:40]}@{self._options.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text, cte="base64")
        return message


class _Step:
    about_message = False
    doubtful = False


@contextmanager
def _smtp_errors(options: MailOptions) -> Iterator[_Step]:
    """The server's and the network's troubles as SM705 or SM706, without the password."""
    step = _Step()
    try:
        yield step
    except smtplib.SMTPResponseException as cause:
        text = f"the mail server says {cause.smtp_code} {_text(cause.smtp_error)}"
        if cause.smtp_code >= 500 and step.about_message:
            raise DeliveryRefusedError(text, host=options.host) from None
        raise DeliveryError(text, host=options.host) from None
    except (smtplib.SMTPException, OSError) as cause:
        problem = f"no answer from the mail server: {type(cause).__name__}"
        received = "unknown" if step.doubtful else "no"
        raise DeliveryError(problem, host=options.host, received=received) from None


def _accepted(answer: tuple[int, bytes]) -> None:
    if not 200 <= answer[0] < 300:
        raise smtplib.SMTPResponseException(*answer)


def _taken(answer: tuple[int, bytes]) -> bool:
    if 400 <= answer[0] < 500:
        raise smtplib.SMTPResponseException(*answer)
    return 200 <= answer[0] < 300


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
