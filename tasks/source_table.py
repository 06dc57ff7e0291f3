"""How every source of a region stands: declarations and ledger side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from sm_core import errors
from sm_core.domain import Record, Region, Source
from sm_core.sources import SOURCES, source
from sm_core.sources.liveness import State, liveness
from tasks.adapters.fetch.configured import DROPPED
from tasks.adapters.fetched import STATIONS_FETCHED
from tasks.adapters.ledger import Ledger, SourceHealth


class SourceRow(Record):
    """One source as an operator sees it."""

    source_id: str
    role: str
    cadence_days: int
    newest_day: dt.date | None
    newest_published: dt.datetime | None
    latency_days: float | None
    declared_latency_days: float | None
    last_contact: dt.datetime | None
    state: State
    due: dt.date | None
    failures: int
    error_code: str | None
    remedy: str


def source_rows(
    region: Region, ledger: Ledger, ended: Collection[str], now: dt.datetime
) -> tuple[SourceRow, ...]:
    """A row for each source of the region's roles, in their order, then one for each station source."""
    roles: dict[str, list[str]] = {}
    for entry in region.roles:
        for place, source_id in enumerate(entry.sources, start=1):
            roles.setdefault(source_id, []).append(f"{entry.role} {place}")
    roles |= {name: ["stations"] for name in (*STATIONS_FETCHED, *DROPPED)}
    known = {entry.source_id for entry in SOURCES}  # a role may also name what is computed
    declared = {name: used for name, used in roles.items() if name in known}
    return tuple(_row(source(name), ", ".join(used), ledger, name in ended, now) for name, used in declared.items())


def _row(declared: Source, role: str, ledger: Ledger, ended: bool, now: dt.datetime) -> SourceRow:
    health = ledger.health(declared.source_id, now)
    newest = _newest_day(declared, ledger, health, now)
    alive = liveness(declared, newest, now.date(), ended=ended)
    contacts = [when for when in (health.last_success, health.last_failure) if when is not None]
    return SourceRow(
        source_id=declared.source_id, role=role, cadence_days=declared.cadence_days, newest_day=newest,
        newest_published=health.newest_published, latency_days=health.latency_days,
        declared_latency_days=declared.latency_days, last_contact=max(contacts, default=None), state=alive.state,
        due=alive.due, failures=health.failures, error_code=health.error_code,
        remedy=_remedy_of(health.error_code) or alive.remedy,
    )


def _newest_day(declared: Source, ledger: Ledger, health: SourceHealth, now: dt.datetime) -> dt.date | None:
    """Of files that are filled up as time goes by, the last day with a reading in them."""
    network = declared.source_id.partition(".")[0]
    sensors = [one.station_id for one in ledger.stations(now) if one.network == network]
    if not sensors:
        return health.newest_day
    days = ledger.daily(now, sensors, first=now.date() - dt.timedelta(days=366))
    known = days.loc[days["readings"] > 0, "day"]
    return known.max().date() if len(known) else health.newest_day


def _remedy_of(code: str | None) -> str:
    return next((one.remedy for one in vars(errors).values() if getattr(one, "code", None) == code), "") if code else ""
