"""Messages to a system that subscribes: a signed POST for each (the headers of Standard Webhooks).

``webhook-id`` and ``Idempotency-Key`` are the message's key, the same on every try: a receiver that keeps the keys it
has seen takes each message once. ``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256, with the shared
secret, over ``<webhook-id>.<webhook-timestamp>.<body>``.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import requests
from pydantic import SecretStr

from sm_core.alerts.geojson import notification
from sm_core.domain import Record
from sm_core.errors import DeliveryError, DeliveryRefusedError
from tasks.adapters.fetch.http import CLIENT
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.fetch.refusals import retry_after_s
from tasks.adapters.notify.outbox import Batch

_REFUSALS = (400, 410, 413, 415, 422)
"""What is wrong with the message, or final; everything else may pass."""


class WebhookOptions(Record):
    """Where to, signed with what, and how long to wait [s]."""

    name: str
    url: SecretStr
    secret: SecretStr
    timeout_s: float = 20
    proxy: SecretStr = SecretStr("")
    ca_bundle: Path | None = None


class Webhook:
    """One subscriber. Redirects are not followed; the address, which may hold a key, is in no message.

    Parameters
    ----------
    patience
        Tries again within a run; later runs try again too.
    """

    most, resends = 1, True

    def __init__(self, options: WebhookOptions, now: Callable[[], dt.datetime], patience: Patience) -> None:
        self.name = f"webhook:{options.name}"
        self._options, self._now, self._patiently = options, now, patience

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Post the message; any answer of 200 to 299 is a receipt, and so is 409: the key was seen before."""
        doubt()
        return self.post(batch.name, notification(batch.events[0]))

    def post(self, key: str, body: bytes) -> str:
        """Post a JSON body under its key.

        Raises
        ------
        DeliveryError          SM705, not now.
        DeliveryRefusedError   SM706, the receiver does not take it.
        """
        return self._patiently(lambda: self._post(key, body))

    def _post(self, key: str, body: bytes) -> str:
        options = self._options
        headers = {"Content-Type": "application/json", "User-Agent": f"{CLIENT}/1", "Idempotency-Key": key}
        headers |= signature_headers(key, self._now(), body, options.secret)
        problem = ""
        with requests.Session() as session:
            session.trust_env = False
            if proxy := options.proxy.get_secret_value():
                session.proxies = {"http": proxy, "https": proxy}
            try:
                with session.post(
                    options.url.get_secret_value(), data=body, headers=headers, timeout=options.timeout_s,
                    allow_redirects=False, stream=True, verify=str(options.ca_bundle) if options.ca_bundle else True,
                ) as answer:
                    return _receipt(answer)
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
                    requests.exceptions.MissingSchema):
                raise DeliveryRefusedError("not an address that can be called", webhook=options.name) from None
            except requests.RequestException as cause:
                problem = type(cause).__name__
        raise DeliveryError(f"no answer: {problem}", webhook=options.name, received="unknown")


def signature_headers(key: str, now: dt.datetime, body: bytes, secret: SecretStr) -> dict[str, str]:
    """The headers that prove who sent ``body``, and when."""
    stamp = str(int(now.timestamp()))
    signed = b".".join((key.encode(), stamp.encode(), body))
    digest = hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).digest()
    return {"webhook-id": key, "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _receipt(answer: requests.Response) -> str:
    status = answer.status_code
    if 200 <= status < 300 or status == 409:
        return f"{status}"
    pause = retry_after_s(answer.headers)
    asked = {} if pause is None else {"retry_after_s": pause}
    if status in _REFUSALS:
        raise DeliveryRefusedError("not taken", status=status)
    raise DeliveryError("not taken for now", status=status, **asked)
