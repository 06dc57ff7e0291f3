"""The clock. Nothing else in the project asks what time it is."""

from __future__ import annotations

import datetime as dt
import time


def utc_now() -> dt.datetime:
    """The time now, UTC, to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def seconds() -> float:
    """A monotonic reading for durations [s]."""
    return time.perf_counter()
