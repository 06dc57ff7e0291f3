"""Is a source still alive? Judged from what was seen of it, not from what is believed."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain import Source
from sm_core.domain.record import Record

State = Literal["fresh", "late", "degraded", "ended", "unseen"]
DEGRADED_AFTER = dt.timedelta(days=5)
PRESUMED_ENDED_AFTER = dt.timedelta(days=15)


class Liveness(Record):
    """State of a source, the day on which data newer than the last seen are due, and what to do."""

    state: State
    due: dt.date | None = None
    remedy: str = ""


def liveness(source: Source, newest_day: dt.date | None, today: dt.date, *, ended: bool = False) -> Liveness:
    """How a source stands.

    Parameters
    ----------
    newest_day
        Last day of data that was seen; None if nothing was.
    today
        UTC.
    ended
        The operator's word that it has ended.

    Returns
    -------
    ``fresh`` until something newer is due; then ``late``; silent for more than 5 days beyond it ``degraded``.
    ``ended`` only by the operator's word, or when the declared last day was seen and nothing after it.
    ``unseen``: nothing was ever listed. Files that people bring are never due.
    """
    successor = f"; its successor is {source.successor}" if source.successor else ""
    if ended or _record_is_whole(source, newest_day, today):
        return Liveness(state="ended", remedy=f"Nothing to wait for{successor}.")
    if newest_day is None:
        asked = "Never listed: see the failures, or set what its client needs."
        return Liveness(state="unseen", remedy=asked if source.due_after_days else "Nobody has brought any.")
    if source.due_after_days is None:
        return Liveness(state="fresh")
    due = newest_day + dt.timedelta(days=source.due_after_days)
    if today <= due:
        return Liveness(state="fresh", due=due)
    if today <= due + DEGRADED_AFTER:
        return Liveness(state="late", due=due, remedy="Wait.")
    if today <= due + PRESUMED_ENDED_AFTER:
        return Liveness(state="degraded", due=due, remedy="Ask the provider; the region's next source serves.")
    remedy = f"If the provider says that it ended, name it in SM_ENDED_SOURCES{successor}."
    return Liveness(state="degraded", due=due, remedy=remedy)


def _record_is_whole(source: Source, newest_day: dt.date | None, today: dt.date) -> bool:
    if source.ends is None or newest_day is None:
        return False
    return source.ends <= newest_day < min(today, source.ends + dt.timedelta(days=source.period_days))
