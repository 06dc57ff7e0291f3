"""The clock. Nothing else in the project asks what time it is."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

from tasks.settings import load_settings


def utc_now() -> dt.datetime:
    """The time now, UTC, to the second; in a rehearsal that of the file ``SM_CLOCK``, since it was written."""
    told = load_settings().clock
    now = machine_now() if told is None else _told(told)
    return now.replace(microsecond=0)


def machine_now() -> dt.datetime:
    """The machine's time, UTC: what other programs on it go by, whatever is rehearsed."""
    return dt.datetime.now(dt.UTC)


def _told(path: Path) -> dt.datetime:
    begun = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return dt.datetime.fromisoformat(path.read_text(encoding="utf-8").strip()) + (machine_now() - begun)


def seconds() -> float:
    """A monotonic reading for durations [s]."""
    return time.perf_counter()
