"""``sm-daily serve``: the map page and the endpoints behind it."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.entry import ArchiveOption, DataOption, out
from tasks.settings import load_settings


def serve(
    data: DataOption = None,
    archive: ArchiveOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at; only this machine by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8050,
    name: Annotated[list[str] | None, typer.Option(help="Host name that requests may be for; may be repeated.")] = None,
) -> None:
    """Show what is published as a map in the browser. Reads only; stop it with Ctrl-C."""
    from tasks.web.serve import server
    from tasks.wiring import Services

    here = Services(load_settings(data=data, archive=archive))
    shown = f"[{host}]" if ":" in host else host
    out.print(f"Serving http://{shown}:{port}/  (API: /openapi.json, /stac)", highlight=False)
    server(here, host, port, tuple(name or ())).run()
