"""What an HTTP status and its few words mean, as coded errors."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from email.utils import parsedate_to_datetime

import requests
import urllib3

from sm_core.errors import (
    AuthenticationError,
    LicenceNotAcceptedError,
    QuotaExhaustedError,
    SchemaDriftError,
    SmError,
    SourceUnavailableError,
)
from tasks.adapters.fetch.address import origin, shown

_OK = (200, 206)
_LONGEST = 64 << 10
_LICENCE = re.compile("eula|활용신청", re.IGNORECASE)


def check(response: requests.Response, sent_to: Container[str] | None, missing: type[SmError]) -> None:
    """Raise what a refusal means.

    Parameters
    ----------
    sent_to
        Origins that credentials are for, None where none are needed.
    missing
        What "no such address" means here.

    Raises
    ------
    As :class:`~tasks.adapters.fetch.http.Http`.
    """
    status = response.status_code
    if status in _OK:
        return
    text, where = _text(response), shown(response.url)
    pause = retry_after_s(response.headers)
    asked = {} if pause is None else {"retry_after_s": pause}
    if status in (401, 403) and _LICENCE.search(text):
        raise LicenceNotAcceptedError(f"licence not accepted: {_resolution(text)}", url=where, status=status)
    if status == 403 and sent_to is not None and origin(response.url) not in sent_to:
        raise SourceUnavailableError("a signed address is refused", url=where, status=status)
    if status in (401, 403):
        raise AuthenticationError("access refused", url=where, status=status)
    if status in (404, 410):
        raise missing("no such address", url=where, status=status)
    if status == 429 and "quota" in text.lower():
        raise QuotaExhaustedError("quota used up", url=where, status=status, **asked)
    if status in (408, 425, 429) or status >= 500:
        raise SourceUnavailableError("refused for now", url=where, status=status, **asked)
    raise SchemaDriftError("the request is not understood any more", url=where, status=status)


def _text(response: requests.Response) -> str:
    try:
        return response.raw.read(_LONGEST, decode_content=True).decode("utf-8", "replace")
    except (urllib3.exceptions.HTTPError, OSError):
        return ""


def _resolution(text: str) -> str:
    found = re.search(r'"resolution_url"\s*:\s*"(https?://[^"\s]{1,300})"', text)
    return found[1] if found else "log in to the provider's site once and accept it"



def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that a host asks for [s]; a date is taken relative to the answer's own ``Date``."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        pause = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return max(pause.total_seconds(), 0.0)
