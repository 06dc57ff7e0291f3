"""Alerts in the ledger: what they are decided on, what was told, and messages in the order in which they were made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

import sqlalchemy as sa

from sm_core.alerts import AlertEvent, Decision, Measure, Standing, UnitDay
from sm_core.domain import Record
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.tables import alert_day, alert_delivery, alert_event, alert_standing


class Decided(Record):
    """A decision, and the standing that it was made on."""

    standing_id: str
    before: Standing | None
    decision: Decision


def standing_id(unit_id: str, measure: Measure) -> str:
    """Names what is known of one unit by one measure.

    >>> standing_id("seoul", "drought_class"), standing_id("seoul", "upland_stage")
    ('seoul', 'seoul upland_stage')
    """
    return unit_id if measure == "drought_class" else f"{unit_id} {measure}"


class AlertBook:
    """Days of units, what their recipients know, and messages.

    Raises
    ------
    LedgerError   SM704, in every method: the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, region_id: str, days: Iterable[UnitDay], recorded: dt.datetime) -> int:
        """Keep the days that are new, or say something else than what is known. Returns how many."""
        told = {(one.unit_id, one.day): one.model_dump_json() for one in days}
        insert = self._database.insert(alert_day)
        insert = insert.on_conflict_do_update(index_elements=list(alert_day.primary_key.columns),
                                              set_={"content": insert.excluded.content})
        with self._database.writing() as connection:
            known = _newest(connection, region_id, sorted({day for _, day in told}))
            rows = [
                {"region_id": region_id, "unit_id": unit_id, "day": day, "recorded": recorded, "content": content}
                for (unit_id, day), content in told.items() if known.get((unit_id, day)) != content
            ]
            if rows:
                connection.execute(insert, rows)
        return len(rows)

    def days(self, region_id: str, as_of: dt.datetime | None = None) -> dict[str, tuple[UnitDay, ...]]:
        """All days of each unit as they are known, or were known at ``as_of``; the oldest first."""
        with self._database.reading() as connection:
            newest = _newest(connection, region_id, as_of=as_of)
        found: dict[str, list[UnitDay]] = {}
        for (unit_id, _), content in newest.items():
            found.setdefault(unit_id, []).append(UnitDay.model_validate_json(content))
        return {unit_id: tuple(days) for unit_id, days in found.items()}

    def standings(self, region_id: str) -> dict[str, Standing]:
        """What those who were told know, by :func:`standing_id`."""
        statement = sa.select(alert_standing).where(alert_standing.c.region_id == region_id)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return {row.unit_id: Standing.model_validate_json(row.content) for row in rows}

    def commit(
        self, region_id: str, decided: Iterable[Decided], channels: Collection[str]
    ) -> tuple[tuple[AlertEvent, ...], tuple[str, ...]]:
        """Let decisions stand and put their messages into the outbox of these channels: all at once or nothing.

        Returns
        -------
        The messages that are new, and the standings that had been changed by somebody else meanwhile: nothing was
        done about those.
        """
        events: list[AlertEvent] = []
        overtaken: list[str] = []
        with self._database.writing() as connection:
            for one in decided:
                if not self._replace(connection, region_id, one):
                    overtaken.append(one.standing_id)
                elif one.decision.event is not None and self._post(connection, one.decision.event, channels):
                    events.append(one.decision.event)
        return tuple(events), tuple(overtaken)

    def events(self, region_id: str, most: int | None = None) -> tuple[AlertEvent, ...]:
        """The newest messages of a region, at most so many; in the order in which they were made."""
        statement = sa.select(alert_event.c.content).where(alert_event.c.region_id == region_id)
        with self._database.reading() as connection:
            rows = connection.scalars(statement.order_by(alert_event.c.id.desc()).limit(most)).all()
        return tuple(AlertEvent.model_validate_json(content) for content in reversed(rows))

    def _replace(self, connection: sa.Connection, region_id: str, one: Decided) -> bool:
        after = one.decision.standing
        if after is None or after == one.before:
            return True
        content = after.model_dump_json()
        if one.before is None:
            insert = self._database.insert(alert_standing).values(
                region_id=region_id, unit_id=one.standing_id, content=content)
            keys = list(alert_standing.primary_key.columns)
            return connection.execute(insert.on_conflict_do_nothing(index_elements=keys)).rowcount == 1
        change = alert_standing.update().where(
            alert_standing.c.region_id == region_id, alert_standing.c.unit_id == one.standing_id,
            alert_standing.c.content == one.before.model_dump_json())
        return connection.execute(change.values(content=content)).rowcount == 1

    def _post(self, connection: sa.Connection, event: AlertEvent, channels: Collection[str]) -> bool:
        insert = self._database.insert(alert_event).values(
            key=event.key, region_id=event.region_id, sent=event.sent, content=event.model_dump_json())
        new = insert.on_conflict_do_nothing(index_elements=["key"]).returning(alert_event.c.id)
        event_id = connection.scalar(new)
        if event_id is None:
            return False
        for channel in channels:
            connection.execute(alert_delivery.insert().values(event_id=event_id, channel=channel))
        return True


def _newest(
    connection: sa.Connection, region_id: str, days: Collection[dt.date] | None = None, as_of: dt.datetime | None = None
) -> dict[tuple[str, dt.date], str]:
    statement = sa.select(alert_day).where(alert_day.c.region_id == region_id)
    if days is not None:
        statement = statement.where(alert_day.c.day.in_(days))
    if as_of is not None:
        statement = statement.where(alert_day.c.recorded <= as_of)
    rows = connection.execute(statement.order_by(alert_day.c.day, alert_day.c.recorded))
    return {(row.unit_id, row.day): row.content for row in rows}
