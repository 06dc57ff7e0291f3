"""Connections: no more than can be served, and none that only takes a place."""

from __future__ import annotations

import asyncio
import json
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from sm_core.errors import BusyError
from tasks.web.limits import Limits


def bounded_protocol(limits: Limits) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 protocol with an end to the number of connections and to their silence."""
    error = BusyError("too many connections", most=limits.connections)
    body = json.dumps({"title": "Too Many Requests", "status": 429, "detail": str(error), "code": error.code,
                       "remedy": error.remedy}).encode()
    refusal = (b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
               b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    class BoundedProtocol(H11Protocol):
        _watch: asyncio.TimerHandle | None = None
        _served: object = None
        _looks = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(cast(asyncio.Transport, transport))
            if len(self.connections) > limits.connections:
                self.transport.write(refusal)
                self.transport.close()
                return
            self._watch = self.loop.call_later(limits.silent_seconds, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._watch is not None:
                self._watch.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self.transport.is_closing():
                super().data_received(data)

        def _look(self) -> None:
            """End a connection that brought no whole request since the last look, or takes its answer too slowly."""
            self._looks = self._looks + 1 if self.cycle is self._served else 0
            idle = self.cycle is None or self.cycle.response_complete
            if self._looks and (idle or self._looks * limits.silent_seconds > limits.answer_seconds):
                self.transport.abort()
                return
            self._served = self.cycle
            self._watch = self.loop.call_later(limits.silent_seconds, self._look)

    return BoundedProtocol
