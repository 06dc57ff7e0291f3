"""How fresh a source is and how its provider answers."""

from __future__ import annotations

import datetime as dt
from statistics import median

import sqlalchemy as sa

from sm_core.domain import Record
from tasks.adapters.ledger.editions import standing
from tasks.adapters.ledger.tables import contact

LATENCY_GRANULES = 60
"""Newest granules that tell a source's latency."""


class SourceHealth(Record):
    """How fresh a source is and how its provider answers."""

    source_id: str
    newest_day: dt.date | None = None
    """Last day that a listed file covers, not after its publication."""
    newest_published: dt.datetime | None = None
    latency_days: float | None = None
    """Median over the newest granules, from the end of their last day to the publication of their first edition."""
    listed: int = 0
    fetched: int = 0
    quarantined: int = 0
    last_success: dt.datetime | None = None
    last_failure: dt.datetime | None = None
    failures: int = 0
    """In a row, since the last success."""
    error_code: str | None = None


def health(connection: sa.Connection, source_id: str, as_of: dt.datetime) -> SourceHealth:
    """What was seen of a source until ``as_of``; the last contacts are those of the present."""
    s = standing(as_of, (source_id,)).c
    counts = dict.fromkeys(("listed", "fetched", "quarantined"), 0)
    alive = sa.select(s.end, s.published).where(s.status.in_(("listed", "fetched", "superseded")))
    for status, count in connection.execute(sa.select(s.status, sa.func.count()).group_by(s.status)):
        if status in counts:
            counts[status] = count
    last_data = connection.execute(alive.order_by(s.end.desc(), s.published.desc()).limit(1)).first()
    last_published = connection.execute(alive.order_by(s.published.desc()).limit(1)).first()
    first_published = sa.func.min(s.published).label("published")
    granules = (
        sa.select(s.end, first_published).group_by(s.start, s.end, s.tile, s.part)
        .order_by(s.end.desc()).limit(LATENCY_GRANULES)
    )
    found = connection.execute(granules)
    waited = [(one.published - _midnight_after(one.end)).total_seconds() / 86400 for one in found]
    last = connection.execute(sa.select(contact).where(contact.c.source_id == source_id)).mappings().first()
    return SourceHealth(
        source_id=source_id, **counts,
        newest_day=min(last_data.end, last_data.published.date()) if last_data else None,
        newest_published=last_published.published if last_published else None,
        latency_days=median(over) if (over := [days for days in waited if days >= 0]) else None,
        **{name: value for name, value in (last or {}).items() if name != "source_id"},
    )


def _midnight_after(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
