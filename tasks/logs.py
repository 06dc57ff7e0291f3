"""Log lines for machines: one JSON object each, with run, region and day."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any


class JsonLines(logging.Formatter):
    """``{"time", "level", "logger", "message", "run", "flow_run_id", "region", "day", "error"}``, what is known of it.

    Region and day are those of the running flow's request.
    """

    def __init__(self, _fmt: str | None = None, _datefmt: str | None = None, _style: str = "%") -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname, "logger": record.name, "message": record.getMessage(),
            **_run(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=False)


def _run(record: logging.LogRecord) -> dict[str, str | None]:
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return {"run": getattr(record, "flow_run_name", None), "flow_run_id": getattr(record, "flow_run_id", None)}
    request = (context.parameters or {}).get("request")
    return {"run": context.flow_run.name, "flow_run_id": str(context.flow_run.id),
            "region": _text(request, "region_id"), "day": _text(request, "day")}


def _text(request: Any, name: str) -> str | None:
    value = getattr(request, name, None)
    return None if value is None else str(value)
