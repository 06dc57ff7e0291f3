"""The ledger: what providers list, what of it is here, what stations measured, and since when we know.

Start with ``tables.py``; :func:`~tasks.adapters.ledger.editions.standing` is the one query behind all questions about
files, and ``observations.py`` does the same for measurements.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from sm_core.domain import FileRef, Granule, Station
from sm_core.errors import LedgerError
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.editions import (
    EDITION_KEY,
    LONGEST_MESSAGE,
    RELISTED,
    Edition,
    Status,
    edition_from,
    granule_from,
    listed_of,
    pending,
    relist,
    row_of,
    standing,
    stations,
    withdraw_earlier,
)
from tasks.adapters.ledger.health import SourceHealth, health
from tasks.adapters.ledger.observations import Observations
from tasks.adapters.ledger.tables import contact, edition, serving, station

__all__ = ["Edition", "Ledger", "SourceHealth", "Status"]


class Ledger:
    """The ledger in a database, with raw observations as Parquet files beside it.

    Times are given, never asked for; each must have its zone. Several processes may use one ledger.

    Parameters
    ----------
    url
        SQLAlchemy URL: ``sqlite:////path/ledger.db`` or ``postgresql+psycopg://user:password@host/name``.
    raw
        Folder of the Parquet files.

    Raises
    ------
    LedgerError   SM704, here and in every method: the database or a Parquet file cannot be used.
    """

    def __init__(self, url: str, raw: Path) -> None:
        self._database = Database(url)
        self._observations = Observations(self._database, raw)
        self.upgrade()

    def upgrade(self) -> None:
        """Bring the tables to the newest version; done at opening."""
        self._database.upgrade()

    @property
    def version(self) -> str:
        """Revision of the tables."""
        return self._database.version()

    @property
    def database(self) -> Database:
        """For questions of one's own about the tables."""
        return self._database

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def record(self, listings: Iterable[Listed], seen: dt.datetime) -> int:
        """Note what a provider lists. Returns how many editions are new or newly withdrawn.

        The same again changes nothing, except that an edition not fetched yet takes over a changed address, size or
        checksum. A withdrawn one takes the file's earlier editions with it, whenever those are listed; it comes back
        only as a later revision.
        """
        # Always in one order, lest two processes wait for each other's rows
        rows = sorted((row_of(listed, seen) for listed in listings), key=lambda row: [str(row[k]) for k in EDITION_KEY])
        if not rows:
            return 0
        insert = self._database.insert(edition).on_conflict_do_nothing(index_elements=list(EDITION_KEY))
        with self._database.writing() as connection:
            changed = len(connection.execute(insert.returning(edition.c.id), rows).all())
            told = [{f"its_{name}": row[name] for name in (*EDITION_KEY, *RELISTED)} for row in rows]
            connection.execute(relist(), told)
            for row in rows:
                if row["withdrawn_at"]:
                    gone = edition.update().where(*(edition.c[name] == row[name] for name in EDITION_KEY))
                    gone = gone.where(edition.c.withdrawn_at.is_(None)).values(withdrawn_at=seen)
                    changed += connection.execute(gone).rowcount
            changed += connection.execute(withdraw_earlier({str(row["source_id"]) for row in rows}, seen)).rowcount
        return changed

    def pending(
        self, source_ids: Collection[str], first: dt.date, last: dt.date, now: dt.datetime
    ) -> tuple[Listed, ...]:
        """The newest edition of each granule with data from ``first`` to ``last``, if it is to be fetched now.

        Not withdrawn, not in quarantine, and not waiting for its retry time.
        """
        return tuple(map(listed_of, self._read(pending(source_ids, first, last, now))))

    def claim(
        self, listings: Iterable[Listed], owner: str, now: dt.datetime, lease: dt.timedelta
    ) -> tuple[Listed, ...]:
        """Those of ``listings`` that ``owner`` alone may fetch, until ``now + lease``."""
        e = edition.c
        free = sa.or_(e.claimed_until.is_(None), e.claimed_until <= now, e.claimed_by == owner)
        claim = edition.update().where(e.fetched_at.is_(None), free).values(claimed_by=owner, claimed_until=now + lease)
        with self._database.writing() as connection:
            return tuple(listed for listed in listings if connection.execute(claim.where(_is(listed))).rowcount)

    def fetched(self, listed: Listed, file: FileRef, when: dt.datetime) -> None:
        """Its file is in the store. What was fetched once keeps its time."""
        self._update(listed, {
            "fetched_at": _first("fetched_at", when), "uri": file.uri, "sha256": file.sha256,
            "stored_size": file.size, "error_code": None, "error": None, "retry_at": None,
        })

    def quarantined(self, listed: Listed, code: str, message: str, when: dt.datetime) -> None:
        """Its content cannot be used: not fetched again, and out of use from now on."""
        self._update(listed, {"quarantined_at": _first("quarantined_at", when), "error_code": code,
                              "error": message[:LONGEST_MESSAGE]})

    def failed(self, listed: Listed, code: str, message: str, when: dt.datetime, retry_at: dt.datetime) -> None:
        """It could not be fetched; to be tried again from ``retry_at`` on."""
        self._update(listed, {"failures": edition.c.failures + 1, "error_code": code, "retry_at": max(when, retry_at),
                              "error": message[:LONGEST_MESSAGE]})

    def refused(
        self, listed: Listed, code: str, message: str, when: dt.datetime, retry_at: dt.datetime, most: int
    ) -> bool:
        """Its content was wrong: to be tried again from ``retry_at`` on, but after ``most`` times it is in quarantine.

        Returns
        -------
        Whether it is in quarantine now.
        """
        times = edition.c.refusals + 1
        at = sa.case((times >= most, sa.literal(when, edition.c.quarantined_at.type)))
        self._update(listed, {"refusals": times, "failures": edition.c.failures + 1, "error_code": code,
                              "error": message[:LONGEST_MESSAGE], "retry_at": max(when, retry_at),
                              "quarantined_at": sa.func.coalesce(edition.c.quarantined_at, at)})
        with self._database.reading() as connection:
            return connection.scalar(sa.select(edition.c.quarantined_at).where(_is(listed))) is not None

    def distrust(self, sha256: str, code: str, message: str, when: dt.datetime) -> int:
        """Put what was fetched with this content into quarantine: it cannot be read. Returns how many editions."""
        chosen = edition.update().where(edition.c.sha256 == sha256, edition.c.quarantined_at.is_(None))
        values = {"quarantined_at": when, "error_code": code, "error": message[:LONGEST_MESSAGE]}
        with self._database.writing() as connection:
            return connection.execute(chosen.values(**values)).rowcount

    def serve(self, as_of: dt.datetime, done: dt.datetime) -> None:
        """A fetch for the request of ``as_of`` has ended: that request knows what it brought."""
        insert = self._database.insert(serving).values(as_of=as_of, done=done)
        with self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["as_of", "done"]))

    def known_until(self, as_of: dt.datetime) -> dt.datetime:
        """The time up to which a request of ``as_of`` knows: ``as_of``, or the end of the fetch made for it."""
        with self._database.reading() as connection:
            done = connection.scalar(sa.select(sa.func.max(serving.c.done)).where(serving.c.as_of == as_of))
        return max(as_of, done) if done is not None else as_of

    def release(self, source_id: str, name: str) -> int:
        """Forget that a file was fetched or put into quarantine, so that it is fetched anew. Returns how many."""
        again = dict.fromkeys(("fetched_at", "quarantined_at", "error_code", "error", "retry_at"))
        chosen = edition.update().where(edition.c.source_id == source_id, edition.c.name == name)
        with self._database.writing() as connection:
            return connection.execute(chosen.values(failures=0, refusals=0, **again)).rowcount

    def granules(self, as_of: dt.datetime, source_ids: Collection[str] | None = None) -> tuple[Granule, ...]:
        """The granules that were in use at ``as_of``: of each the newest edition that had been fetched by then.

        What was superseded, withdrawn or put into quarantine later still counts.
        """
        s = standing(as_of, source_ids)
        used = sa.select(s).where(s.c.status == "fetched").order_by(s.c.source_id, s.c.start, s.c.tile, s.c.part)
        return tuple(map(granule_from, self._read(used)))

    def editions(self, as_of: dt.datetime, source_ids: Collection[str] | None = None) -> tuple[Edition, ...]:
        """Every edition that had been listed by ``as_of``, and where it stood."""
        s = standing(as_of, source_ids)
        return tuple(map(edition_from, self._read(sa.select(s).order_by(*(s.c[name] for name in EDITION_KEY)))))

    def note_contact(self, source_id: str, when: dt.datetime, error: str | None = None) -> None:
        """A provider was asked: it answered, or failed with an error code."""
        insert = self._database.insert(contact)
        if error is None:
            told: dict[str, Any] = {"last_success": when, "failures": 0, "error_code": None}
            again: dict[str, Any] = told
        else:
            told = {"last_failure": when, "failures": 1, "error_code": error}
            again = told | {"failures": contact.c.failures + 1}
        upsert = insert.values(source_id=source_id, **told).on_conflict_do_update(
            index_elements=["source_id"], set_=again
        )
        with self._database.writing() as connection:
            connection.execute(upsert)

    def health(self, source_id: str, as_of: dt.datetime) -> SourceHealth:
        """What was seen of a source until ``as_of``; the last contacts are those of the present."""
        with self._database.reading() as connection:
            return health(connection, source_id, as_of)

    def add_observations(self, frame: pd.DataFrame, ingested: dt.datetime) -> int:
        """Keep station observations that are new, or say something else than what is known.

        Parameters
        ----------
        frame
            ``station_id``, ``layer`` (``sm_surface``, ``sm_rootzone``, or a depth as text), ``time`` (UTC),
            ``value`` [m3 m-3; NaN takes a value back], ``flag``, ``provider_flag``. The last row of a moment counts.
        ingested
            When they came in.

        Returns
        -------
        How many rows were kept.
        """
        return self._observations.add(frame, ingested)

    def observations(
        self, as_of: dt.datetime, station_ids: Collection[str] | None = None, first: dt.datetime | None = None,
        last: dt.datetime | None = None,
    ) -> pd.DataFrame:
        """What was known at ``as_of`` of the observations from ``first`` to ``last`` (both inclusive).

        Returns
        -------
        The columns of :meth:`add_observations`, texts as categories, ordered by station, layer and time, one row for
        each moment.
        """
        return self._observations.known(as_of, station_ids, first, last)

    def daily(
        self, as_of: dt.datetime, station_ids: Collection[str] | None = None, first: dt.date | None = None,
        last: dt.date | None = None,
    ) -> pd.DataFrame:
        """Means of UTC days as they were known at ``as_of``, of the readings that the network itself accepts.

        Returns
        -------
        ``station_id``, ``layer``, ``day`` (datetime64), ``value`` [m3 m-3, NaN where no reading is accepted],
        ``readings`` (how many were), ordered by these.
        """
        return self._observations.daily(as_of, station_ids, first, last)

    def add_station(self, placed: Station, valid_from: dt.date, recorded: dt.datetime) -> bool:
        """Note where a sensor stands from a day on. Returns False when that is what was known already."""
        row = placed.model_dump()
        insert = self._database.insert(station).values(valid_from=valid_from, recorded=recorded, **row)
        with self._database.writing() as connection:
            known = connection.execute(stations(recorded, valid_from, placed.station_id)).mappings().first()
            if known is not None and all(known[name] == row[name] for name in row):
                return False
            connection.execute(insert.on_conflict_do_update(index_elements=list(station.primary_key.columns), set_=row))
        return True

    def stations(self, as_of: dt.datetime, day: dt.date | None = None) -> tuple[Station, ...]:
        """Where every sensor stood on ``day`` (that of ``as_of``, if none is given), as it was known at ``as_of``."""
        found = self._read(stations(as_of, day or as_of.astimezone(dt.UTC).date()))
        return tuple(Station(**{name: row._mapping[name] for name in Station.model_fields}) for row in found)

    def _read(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        with self._database.reading() as connection:
            return list(connection.execute(statement).all())

    def _update(self, listed: Listed, values: dict[str, Any]) -> None:
        change = edition.update().where(_is(listed)).values(claimed_by=None, claimed_until=None, **values)
        with self._database.writing() as connection:
            if not connection.execute(change).rowcount:
                raise LedgerError("no such edition was listed", source=listed.source_id, name=listed.name)


def _is(listed: Listed) -> sa.ColumnElement[bool]:
    return sa.and_(*(edition.c[name] == getattr(listed, name) for name in EDITION_KEY))


def _first(column: str, when: dt.datetime) -> sa.ColumnElement[dt.datetime]:
    kept = edition.c[column]
    return sa.func.coalesce(kept, sa.literal(when, kept.type))
