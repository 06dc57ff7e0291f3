"""The outbox: every message goes through every channel once, whatever dies in between.

A delivery is claimed, handed over, marked. A claim fixes which messages go together (the batch) for all further tries,
so that what a receiver sees twice has the same name twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any, Literal

import sqlalchemy as sa

from sm_core.alerts import AlertEvent
from sm_core.domain import Record
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.tables import alert_delivery, alert_event

LONGEST_MESSAGE = 500
_d = alert_delivery.c


class Batch(Record):
    """Messages that are handed over together.

    Attributes
    ----------
    name
        The message's key, or a checksum of the keys of several: the same on every try.
    doubtful
        An earlier try may have reached the receiver: nobody saw its end.
    """

    name: str
    channel: str
    event_ids: tuple[int, ...]
    events: tuple[AlertEvent, ...]
    doubtful: bool
    failures: int
    refusals: int


class Overdue(Record):
    """Messages that have not gone through a channel in time, or that were given up; with the last trouble."""

    channel: str
    count: int
    given_up: bool
    error_code: str | None


class Delivery(Record):
    """A message that has not gone through a channel, and why."""

    channel: str
    event: AlertEvent
    state: Literal["waiting", "in doubt", "given up"]
    tries: int
    retry_at: dt.datetime | None
    error_code: str | None
    error: str | None


class Outbox:
    """Deliveries in the ledger's database.

    Raises
    ------
    LedgerError   SM704, in every method: the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, channel: str, region_id: str, owner: str, now: dt.datetime, lease: dt.timedelta, most: int
    ) -> Batch | None:
        """The next batch that ``owner`` alone may hand over until ``now + lease``; the oldest messages first.

        A batch that was tried before comes back as it was; a new one holds at most ``most`` messages.
        """
        with self._database.writing() as connection:
            ready = _ready(channel, region_id, owner, now).with_for_update(of=alert_delivery, skip_locked=True)
            rows = connection.execute(ready).all()
            if not rows:
                return None
            if rows[0].batch is not None:
                chosen = [row for row in rows if row.batch == rows[0].batch]
            else:
                chosen = [row for row in rows if row.batch is None][:most]
            events = tuple(AlertEvent.model_validate_json(row.content) for row in chosen)
            name = rows[0].batch or _name(events)
            batch = Batch(
                name=name, channel=channel, event_ids=tuple(row.event_id for row in chosen), events=events,
                doubtful=any(row.doubtful_since is not None for row in chosen), failures=chosen[0].failures,
                refusals=chosen[0].refusals,
            )
            connection.execute(_of(batch).values(batch=name, claimed_by=owner, claimed_until=now + lease))
        return batch

    def doubt(self, batch: Batch, when: dt.datetime) -> None:
        """Handing over begins: from here on, until it is marked, nobody knows whether it was received."""
        self._change(batch, {"doubtful_since": when})

    def sent(self, batch: Batch, when: dt.datetime, receipt: str) -> None:
        """It was received."""
        self._change(batch, {"sent_at": when, "receipt": receipt[:LONGEST_MESSAGE], "doubtful_since": None,
                             "error_code": None, "error": None, "retry_at": None, "claimed_by": None,
                             "claimed_until": None})

    def failed(self, batch: Batch, code: str, message: str, retry_at: dt.datetime, *, known: bool) -> None:
        """It could not be handed over; ``known`` says that it was certainly not received."""
        values: dict[str, Any] = {
            "failures": _d.failures + 1, "error_code": code, "error": message[:LONGEST_MESSAGE], "retry_at": retry_at,
            "claimed_by": None, "claimed_until": None,
        }
        self._change(batch, values | ({"doubtful_since": None} if known else {}))

    def refused(self, batch: Batch, code: str, message: str, retry_at: dt.datetime) -> None:
        """The receiver did not want it."""
        self._change(batch, {
            "refusals": _d.refusals + 1, "error_code": code, "error": message[:LONGEST_MESSAGE], "retry_at": retry_at,
            "claimed_by": None, "claimed_until": None, "doubtful_since": None,
        })

    def give_up(self, batch: Batch, code: str, message: str, when: dt.datetime) -> None:
        """It is not tried again."""
        self._change(batch, {"given_up_at": when, "error_code": code, "error": message[:LONGEST_MESSAGE],
                             "claimed_by": None, "claimed_until": None})

    def postpone(self, channel: str, region_id: str, retry_at: dt.datetime) -> None:
        """Nothing goes through this channel before ``retry_at``, so that no message overtakes another."""
        change = alert_delivery.update().where(*_open(channel, region_id)).values(retry_at=retry_at)
        with self._database.writing() as connection:
            connection.execute(change)

    def waiting(self, channel: str, region_id: str) -> int:
        """How many messages have not gone through this channel yet."""
        count = sa.select(sa.func.count()).select_from(alert_delivery).where(*_open(channel, region_id))
        with self._database.reading() as connection:
            return int(connection.scalar(count) or 0)

    def overdue(self, region_id: str, before: dt.datetime, given_up_since: dt.datetime) -> tuple[Overdue, ...]:
        """What was made before a time and still waits, and what was given up since another, by channel."""
        waiting = sa.and_(_d.given_up_at.is_(None), alert_event.c.sent < before)
        statement = (
            sa.select(_d.channel, _d.given_up_at.is_not(None), sa.func.count(), sa.func.max(_d.error_code))
            .select_from(alert_delivery.join(alert_event, _d.event_id == alert_event.c.id))
            .where(alert_event.c.region_id == region_id, _d.sent_at.is_(None))
            .where(sa.or_(waiting, _d.given_up_at >= given_up_since))
            .group_by(_d.channel, _d.given_up_at.is_not(None)).order_by(_d.channel)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(Overdue(channel=channel, count=count, given_up=bool(given_up), error_code=code)
                     for channel, given_up, count, code in rows)

    def pending(self, region_id: str) -> tuple[Delivery, ...]:
        """What has not gone through, the oldest message first; what was given up is not tried again."""
        joined = alert_delivery.join(alert_event, _d.event_id == alert_event.c.id)
        found = sa.select(*alert_delivery.c, alert_event.c.content).select_from(joined).where(
            alert_event.c.region_id == region_id, _d.sent_at.is_(None)).order_by(_d.event_id, _d.channel)
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        return tuple(
            Delivery(
                channel=row.channel, event=AlertEvent.model_validate_json(row.content), error_code=row.error_code,
                state="given up" if row.given_up_at else "in doubt" if row.doubtful_since else "waiting",
                tries=row.failures + row.refusals, retry_at=row.retry_at, error=row.error,
            )
            for row in rows
        )

    def _change(self, batch: Batch, values: dict[str, Any]) -> None:
        with self._database.writing() as connection:
            connection.execute(_of(batch).values(**values))


def _open(channel: str, region_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    here = sa.select(alert_event.c.id).where(alert_event.c.region_id == region_id)
    return _d.channel == channel, _d.sent_at.is_(None), _d.given_up_at.is_(None), _d.event_id.in_(here)


def _ready(channel: str, region_id: str, owner: str, now: dt.datetime) -> sa.Select[Any]:
    due = sa.or_(_d.retry_at.is_(None), _d.retry_at <= now)
    free = sa.or_(_d.claimed_until.is_(None), _d.claimed_until <= now, _d.claimed_by == owner)
    joined = alert_delivery.join(alert_event, _d.event_id == alert_event.c.id)
    columns = (_d.event_id, _d.batch, _d.doubtful_since, _d.failures, _d.refusals, alert_event.c.content)
    return sa.select(*columns).select_from(joined).where(*_open(channel, region_id), due, free).order_by(_d.event_id)


def _of(batch: Batch) -> sa.Update:
    return alert_delivery.update().where(_d.channel == batch.channel, _d.event_id.in_(batch.event_ids))


def _name(events: tuple[AlertEvent, ...]) -> str:
    if len(events) == 1:
        return events[0].key
    return hashlib.sha256("\n".join(event.key for event in events).encode()).hexdigest()
