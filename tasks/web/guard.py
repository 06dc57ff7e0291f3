"""What stands before every answer: headers, hosts, length of the request, and errors in one form."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sm_core.errors import (
    BusyError,
    ConfigError,
    NotPublishedError,
    RequestError,
    SmError,
    StoreUnavailableError,
    UnknownRegionError,
)

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", CONTENT_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
)
_STATUS: tuple[tuple[type[SmError], HTTPStatus], ...] = (
    (UnknownRegionError, HTTPStatus.NOT_FOUND), (NotPublishedError, HTTPStatus.NOT_FOUND),
    (BusyError, HTTPStatus.TOO_MANY_REQUESTS), (ConfigError, HTTPStatus.BAD_REQUEST),
    (StoreUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE), (SmError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
_HIDDEN = "something went wrong here; the server's log tells what"
_log = logging.getLogger(__name__)


class Guard:
    """Adds the security headers, and turns away requests for other hosts and overlong ones (ASGI middleware)."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], url_bytes: int) -> None:
        self._app, self._hosts, self._url_bytes = app, frozenset(hosts), url_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(
                    (name.encode(), value.encode()) for name, value in HEADERS if name.encode() not in known)]
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._url_bytes:
            return problem(RequestError("the address is too long", most_bytes=self._url_bytes),
                           HTTPStatus.REQUEST_URI_TOO_LONG)
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if self._hosts and _without_port(host) not in self._hosts:
            return problem(RequestError("this host is not served here"), HTTPStatus.MISDIRECTED_REQUEST)
        return None


def problem(error: SmError, status: HTTPStatus | None = None) -> Response:
    """The answer that an error becomes (RFC 9457)."""
    status = status or next(status for kind, status in _STATUS if isinstance(error, kind))
    hidden = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    body = {"title": status.phrase, "status": int(status), "detail": _HIDDEN if hidden else str(error),
            "code": error.code, "remedy": error.remedy}
    headers = {"cache-control": "no-store"} | ({"retry-after": "1"} if error.transient else {})
    return Response(json.dumps(body, ensure_ascii=False), status, headers, "application/problem+json")


def handle_errors(app: FastAPI) -> None:
    """Let every error leave as a problem with a code."""

    @app.exception_handler(SmError)
    async def coded(_: Request, error: SmError) -> Response:
        answer = problem(error)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s %s", error.code, error)
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem(RequestError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        answer = problem(RequestError(str(error.detail)), HTTPStatus(error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> Response:
        return problem(SmError("not foreseen"), HTTPStatus.INTERNAL_SERVER_ERROR)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
