"""Where every edition stood at a time, and what follows from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, Literal

import sqlalchemy as sa

from sm_core.domain import Granule, Record
from sm_core.errors import ForeignFileError, UnsafeContentError
from sm_core.sources.names import part
from tasks.adapters.fetch.protocol import Checksum, Listed
from tasks.adapters.fetch.store import granule_of
from tasks.adapters.ledger.tables import edition, station

Status = Literal["listed", "fetched", "quarantined", "superseded", "withdrawn"]
EDITION_KEY = ("source_id", "name", "revision")
RELISTED = ("url", "size", "checksum_algorithm", "checksum")
LONGEST_MESSAGE = 1000


class Edition(Record):
    """One edition and where it stands."""

    listed: Listed
    status: Status
    first_seen: dt.datetime
    sha256: str | None
    failures: int
    error_code: str | None
    error: str | None


def standing(as_of: dt.datetime, source_ids: Collection[str] | None = None) -> sa.Subquery:
    """Every edition seen until ``as_of``, with its ``status`` then.

    ``withdrawn`` and ``quarantined`` by their times. Of the other editions of a granule the newest that was fetched
    is ``fetched``, the newest of all is ``listed`` while it is not fetched, and the rest are ``superseded``. So an
    older edition serves until the newer one is really there.
    """
    e = edition.c
    withdrawn, quarantined, fetched = (_by(time, as_of) for time in (e.withdrawn_at, e.quarantined_at, e.fetched_at))
    alive = sa.not_(sa.or_(withdrawn, quarantined))
    granule = (e.source_id, e.start, e.tile, e.part)
    newest_first = (e.produced.desc(), e.revision.desc(), e.id.desc())
    rank = sa.func.row_number().over(partition_by=(*granule, alive), order_by=newest_first)
    rank_fetched = sa.func.row_number().over(partition_by=(*granule, alive, fetched), order_by=newest_first)
    status = sa.case(
        (withdrawn, "withdrawn"),
        (quarantined, "quarantined"),
        (sa.and_(fetched, rank_fetched == 1), "fetched"),
        (sa.and_(sa.not_(fetched), rank == 1), "listed"),
        else_="superseded",
    )
    seen = sa.select(edition, status.label("status")).where(e.first_seen <= as_of)
    return (seen if source_ids is None else seen.where(e.source_id.in_(source_ids))).subquery("standing")


def pending(source_ids: Collection[str], first: dt.date, last: dt.date, now: dt.datetime) -> sa.Select[Any]:
    """Editions to fetch now, oldest data first."""
    s = standing(now, source_ids)
    return (
        sa.select(s)
        .where(s.c.status == "listed", s.c.start <= last, s.c.end >= first)
        .where(sa.or_(s.c.retry_at.is_(None), s.c.retry_at <= now))
        .order_by(s.c.start, s.c.source_id, s.c.tile, s.c.part)
    )


def relist() -> sa.Update:
    """Takes over what a provider corrects without a revision, while the edition is not fetched; ``its_*`` are bound."""
    e, its = edition.c, {name: sa.bindparam(f"its_{name}", type_=edition.c[name].type) for name in RELISTED}
    key = (e[name] == sa.bindparam(f"its_{name}", type_=e[name].type) for name in EDITION_KEY)
    differs = sa.or_(*(e[name].is_distinct_from(its[name]) for name in RELISTED))
    return edition.update().where(*key, e.fetched_at.is_(None), differs).values(its)


def withdraw_earlier(source_ids: Collection[str], seen: dt.datetime) -> sa.Update:
    """Withdraws editions of which a later revision of the same file is withdrawn."""
    e, gone = edition.c, edition.alias("gone")
    same_file = sa.and_(gone.c.source_id == e.source_id, gone.c.name == e.name)
    later = sa.select(gone.c.id).where(same_file, gone.c.withdrawn_at.is_not(None), gone.c.revision > e.revision)
    return (
        edition.update()
        .where(e.source_id.in_(source_ids), e.withdrawn_at.is_(None), later.exists())
        .values(withdrawn_at=seen)
    )


def stations(as_of: dt.datetime, day: dt.date, station_id: str | None = None) -> sa.Select[Any]:
    """Where sensors stood on ``day``, as it was known at ``as_of``."""
    c = station.c
    rank = sa.func.row_number().over(partition_by=c.station_id, order_by=(c.valid_from.desc(), c.recorded.desc()))
    ranked = sa.select(station, rank.label("rank")).where(c.recorded <= as_of, c.valid_from <= day)
    if station_id is not None:
        ranked = ranked.where(c.station_id == station_id)
    r = ranked.subquery()
    return sa.select(r).where(r.c.rank == 1).order_by(r.c.station_id)


def row_of(listed: Listed, seen: dt.datetime) -> dict[str, object]:
    """A new row; a name that no file of the source can have is in quarantine from the beginning."""
    row: dict[str, object] = {
        "source_id": listed.source_id, "name": listed.name, "revision": listed.revision,
        "published": listed.published, "url": listed.url, "size": listed.size,
        "checksum_algorithm": listed.checksum.algorithm if listed.checksum else None,
        "checksum": listed.checksum.value if listed.checksum else None,
        "first_seen": seen, "withdrawn_at": seen if listed.withdrawn else None,
        "quarantined_at": None, "error_code": None, "error": None,
    }
    try:
        granule = granule_of(listed)
    except (UnsafeContentError, ForeignFileError) as error:
        day = listed.published.date()
        refused = {"name": ascii(listed.name)[:LONGEST_MESSAGE], "quarantined_at": seen, "error_code": error.code,
                   "error": str(error)[:LONGEST_MESSAGE]}
        return row | refused | {"start": day, "end": day, "tile": "", "part": "", "produced": ""}
    return row | {"start": granule.start, "end": granule.end, "tile": granule.tile, "part": part(granule),
                  "produced": granule.produced}


def listed_of(row: sa.Row[Any]) -> Listed:
    """What the provider listed."""
    stated = Checksum(algorithm=row.checksum_algorithm, value=row.checksum) if row.checksum_algorithm else None
    return Listed(
        source_id=row.source_id, name=row.name, revision=row.revision, published=row.published, url=row.url,
        size=row.size, checksum=stated, withdrawn=row.withdrawn_at is not None,
    )


def granule_from(row: sa.Row[Any]) -> Granule:
    """The granule of a fetched edition."""
    return Granule(
        source_id=row.source_id, start=row.start, end=row.end, tile=row.tile, produced=row.produced, uri=row.uri,
        size=row.stored_size, sha256=row.sha256,
    )


def edition_from(row: sa.Row[Any]) -> Edition:
    """An edition with its status."""
    return Edition(
        listed=listed_of(row), status=row.status, first_seen=row.first_seen, sha256=row.sha256, failures=row.failures,
        error_code=row.error_code, error=row.error,
    )


def _by(column: sa.ColumnElement[dt.datetime], as_of: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(column.is_not(None), column <= as_of)
