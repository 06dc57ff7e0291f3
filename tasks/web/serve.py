"""The server process."""

from __future__ import annotations

import uvicorn

from tasks.web.app import create_app, open_site
from tasks.web.connections import bounded_protocol
from tasks.web.limits import Limits
from tasks.wiring import Services

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def server(
    here: Services, host: str, port: int, names: tuple[str, ...] = (), limits: Limits | None = None
) -> uvicorn.Server:
    """A server for the data folder of these services; ``run()`` starts it.

    Parameters
    ----------
    names
        Host names that requests may be for. Without any: on loopback only loopback's, elsewhere all.
    """
    limits = limits or Limits()
    known = names or (LOOPBACK if host in ("localhost", "127.0.0.1", "::1") else ())
    app = create_app(open_site(here, limits), hosts=known)
    return uvicorn.Server(uvicorn.Config(
        app, host=host, port=port, http=bounded_protocol(limits), ws="none", lifespan="on", access_log=False,
        log_level="warning", server_header=False, timeout_keep_alive=5, backlog=1024,
        timeout_graceful_shutdown=5, h11_max_incomplete_event_size=16384,
    ))
