"""Alerts of one installation: decides, keeps, sends. Running it again changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sm_core.alerts import AlertEvent, AlertRules, Issuer, Scheme, Text, Unit, UnitDay, decide
from sm_core.alerts.geojson import in_force
from sm_core.alerts.texts import headline
from sm_core.domain import Record
from tasks.adapters.ledger.alerts import AlertBook, Decided, standing_id
from tasks.adapters.ledger.database import Database
from tasks.adapters.notify.channel import Channel, ChannelReport, deliver
from tasks.adapters.notify.outbox import Delivery, Outbox

_TRIES = 3


class AlertReport(Record):
    """What a day brought: headlines of its messages, and how the channels fared."""

    region_id: str
    day: dt.date
    headlines: tuple[str, ...]
    channels: tuple[ChannelReport, ...]


class AlertOffice:
    """Rules, issuer, outbox and channels.

    Parameters
    ----------
    database
        The ledger's; closed with the office.
    rules
        One for each measure.
    issuer
        ``web`` is the address under which the regions' folders lie.
    owner
        Names this installation in the outbox.
    lock
        Held while messages are sent.
    now
        The clock.

    Raises
    ------
    LedgerError   SM704, in every method: the database cannot be used.
    """

    def __init__(
        self, database: Database, channels: Sequence[Channel], rules: Sequence[AlertRules], issuer: Issuer, owner: str,
        lock: Path, now: Callable[[], dt.datetime],
    ) -> None:
        self._database, self._book, self._outbox = database, AlertBook(database), Outbox(database)
        self._channels = channels
        self._rules, self._issuer = rules, issuer
        self._owner, self._lock, self._now = owner, lock, now

    def issue(
        self, region_id: str, region: Text, day: dt.date, days: Sequence[UnitDay], units: Mapping[str, Unit]
    ) -> AlertReport:
        """Take in one day of a region's units, decide, and send all that waits.

        Raises
        ------
        StaticLayerError   SM304, a unit's outline is no polygon.
        """
        self._book.record(region_id, days, self._now())
        events = self._decided(region_id, region, day, {one.unit_id: units[one.unit_id] for one in days})
        return AlertReport(region_id=region_id, day=day, headlines=tuple(headline(event, "en") for event in events),
                           channels=self.deliver(region_id))

    def deliver(self, region_id: str) -> tuple[ChannelReport, ...]:
        """Send all that waits."""
        return deliver(self._outbox, self._channels, region_id, self._owner, self._now, self._lock)

    def in_force(self, region_id: str) -> tuple[AlertEvent, ...]:
        """The last message of each unit whose alert stands."""
        return in_force(self._book.events(region_id), self._now())

    def pending(self, region_id: str) -> tuple[Delivery, ...]:
        """Messages that have not gone through a channel: waiting, in doubt or given up."""
        return self._outbox.pending(region_id)

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def _decided(
        self, region_id: str, region: Text, day: dt.date, units: Mapping[str, Unit]
    ) -> tuple[AlertEvent, ...]:
        web = f"{self._issuer.web.rstrip('/')}/{region_id}" if self._issuer.web else ""
        issuer = self._issuer.model_copy(update={"web": web})
        asked = {
            standing_id(unit_id, rules.measure): (
                units[unit_id], Scheme(rules=rules, region_id=region_id, region=region, issuer=issuer))
            for rules in self._rules for unit_id in units
        }
        channels = [channel.name for channel in self._channels]
        told: tuple[AlertEvent, ...] = ()
        left = tuple(asked)
        for _ in range(_TRIES):
            series, standings, now = self._book.days(region_id), self._book.standings(region_id), self._now()
            decided = [
                Decided(standing_id=one, before=standings.get(one), decision=decide(
                    standings.get(one), series.get(unit.unit_id, ()), day, unit, scheme, now))
                for one in left for unit, scheme in [asked[one]]
            ]
            events, left = self._book.commit(region_id, decided, channels)
            told += events
            if not left:
                break
        return told
