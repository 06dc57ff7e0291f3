"""A message about one unit, with everything that any of its forms needs."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Literal

from pydantic import field_validator

from sm_core.alerts.machine import Change
from sm_core.alerts.records import Measure, Unit, UnitDay
from sm_core.alerts.rules import AlertLevel, Text
from sm_core.domain import Record

Kind = Literal["issue", "update", "renewal", "cancel", "correction"]
MessageType = Literal["Alert", "Update", "Cancel"]
Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
_FORBIDDEN = " \t\r\n,<&"


class Issuer(Record):
    """Who speaks. ``sender`` is an address or domain that is nobody else's; ``web`` is where the messages lie."""

    sender: str
    name: Text
    status: Status = "Test"
    web: str = ""
    contact: str = ""

    @field_validator("sender")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not value or any(letter in value for letter in _FORBIDDEN):
            raise ValueError("empty, or with a space, comma, < or &")
        return value


class Reference(Record):
    """An earlier message."""

    sender: str
    identifier: str
    sent: dt.datetime


class AlertEvent(Record):
    """One message.

    Attributes
    ----------
    key
        Checksum of the content, without the time of sending: the same event is the same key on every run.
    number, previous_number
        Level now, and level told before (0: none), counted in ``levels``.
    day
        The day whose state is told; ``evidence`` is its newest usable day.
    onset
        First day of the alert in force, or of the one that ended.
    episode
        Names all messages from a first issue to its cancellation.
    told, known
        The level changes as they had been told before and as they are known now; only in corrections.
    """

    key: str = ""
    identifier: str = ""
    region_id: str
    region: Text
    rules_id: str
    event: Text
    measure: Measure = "drought_class"
    unit: Unit
    kind: Kind
    message_type: MessageType
    number: int
    previous_number: int
    levels: tuple[AlertLevel, ...]
    day: dt.date
    onset: dt.date | None
    evidence: UnitDay
    episode: str
    references: tuple[Reference, ...] = ()
    told: tuple[Change, ...] = ()
    known: tuple[Change, ...] = ()
    issuer: Issuer
    sent: dt.datetime
    expires: dt.datetime

    @property
    def level(self) -> AlertLevel | None:
        """The level now, None for none."""
        return self._level(self.number)

    @property
    def previous(self) -> AlertLevel | None:
        """The level told before, None for none."""
        return self._level(self.previous_number)

    @property
    def level_names(self) -> dict[int, str]:
        """Short names by number."""
        return {number: level.name for number, level in enumerate(self.levels, 1)}

    def _level(self, number: int) -> AlertLevel | None:
        return self.levels[number - 1] if 0 < number <= len(self.levels) else None

    @property
    def reference(self) -> Reference:
        """How later messages refer to this one."""
        return Reference(sender=self.issuer.sender, identifier=self.identifier, sent=self.sent)


def sealed(event: AlertEvent) -> AlertEvent:
    """The event with its key and identifier."""
    content = event.model_dump(mode="json", exclude={"key", "identifier", "sent", "expires", "references"})
    content["references"] = [reference.identifier for reference in event.references]
    key = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
    return event.model_copy(update={"key": key, "identifier": f"sm-{event.day:%Y%m%d}-{key[:32]}"})


def spells(history: tuple[Change, ...]) -> tuple[tuple[dt.date, dt.date | None, int], ...]:
    """(first day, last day or None while in force, level) of each stretch at a level above none.

    >>> spells((Change(day=dt.date(2026, 7, 3), level=1), Change(day=dt.date(2026, 7, 9), level=0)))
    ((datetime.date(2026, 7, 3), datetime.date(2026, 7, 8), 1),)
    """
    ends = [change.day - dt.timedelta(days=1) for change in history[1:]]
    found = zip(history, (*ends, None), strict=True) if history else ()
    return tuple((change.day, end, change.level) for change, end in found if change.level)
