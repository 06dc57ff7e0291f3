"""Log lines for machines."""

from __future__ import annotations

import json
import logging
import sys

from tasks.logs import JsonLines


def line(message: str, *arguments: object, **more: object) -> dict[str, str]:
    record = logging.LogRecord("tasks.fuse", logging.WARNING, "", 1, message, arguments, None)
    record.__dict__.update(more)
    return dict(json.loads(JsonLines().format(record)))


def test_a_line_is_one_object() -> None:
    told = line("two\nlines of %s", "가뭄")
    assert told["message"] == "two\nlines of 가뭄"
    assert (told["level"], told["logger"]) == ("WARNING", "tasks.fuse")
    assert told["time"].endswith("+00:00")
    assert "run" not in told and "region" not in told


def test_what_prefect_knows_of_a_line_outside_a_flow_is_kept() -> None:
    assert line("x", flow_run_name="daily-korea-2020-01-01")["run"] == "daily-korea-2020-01-01"


def test_an_error_is_told_in_the_same_line() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    text = JsonLines().format(record)
    assert "\n" not in text
    assert "ValueError: why" in json.loads(text)["error"]
