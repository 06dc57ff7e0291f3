"""What is published at a simulated time: editions, with revisions, second productions and withdrawals as scripted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from sm_core.domain import Granule
from sm_core.sources import identify, source
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Script, draw
from tasks.hosts.shelf import OnShelf, Shelf

DAY = dt.timedelta(days=1)
SMAP_LATENCY, SMAP_JITTER = dt.timedelta(days=2.5), dt.timedelta(hours=12)
RELEASE_MONTH, RELEASE_DAY = 4, 15
"""Yearly files of GLEAM come in the next April."""
OTHER_LATENCY = dt.timedelta(days=10)
LONGEST_LATENCY = dt.timedelta(days=40)
"""From a granule's first day to its publication, of sources that are searched by date of revision."""


@dataclass(frozen=True)
class Edition:
    """One edition of one file.

    Attributes
    ----------
    granule, name
        What it is, and its provider's file name.
    revision
        1 for the first content under this name.
    path, tail
        Content: a file, and bytes after it that readers of HDF pass over.
    first_published, published
        When the name, and when this content of it, came up.
    withdrawn
        When it goes; None if it stays.
    """

    granule: Granule
    name: str
    revision: int
    path: Path
    tail: bytes
    first_published: dt.datetime
    published: dt.datetime
    withdrawn: dt.datetime | None = None

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self.path.stat().st_size + len(self.tail)

    @property
    def stem(self) -> str:
        """File name without its extension."""
        return PurePosixPath(self.name).stem


class Catalogue:
    """Editions of an archive's granules at the clock's time.

    Parameters
    ----------
    latencies
        Time from the end of a granule's last day to its publication by source id, instead of the provider's usual one.
    """

    def __init__(self, shelf: Shelf, script: Script, clock: Clock, latencies: Mapping[str, dt.timedelta]) -> None:
        self.shelf, self.script, self.clock = shelf, script, clock
        self._latencies = latencies

    def current(self, source_ids: Sequence[str], first: dt.date, last: dt.date) -> list[Edition]:
        """Editions now listed of granules that overlap a period (both days inclusive)."""
        now = self.clock.now()
        for source_id in source_ids:
            self.shelf.prepare(source_id, first, min(last, now.date()))
        return [edition for edition in self._known(source_ids, now)
                if edition.granule.start <= last and edition.granule.end >= first and not _is_gone(edition, now)]

    def withdrawn(self, source_ids: Sequence[str]) -> list[Edition]:
        """Editions that were listed once and are not any more."""
        now = self.clock.now()
        return [edition for edition in self._known(source_ids, now) if _is_gone(edition, now)]

    def find(self, name: str) -> Edition | None:
        """The edition now listed under a file name."""
        named = identify(Path(PurePosixPath(name).name))
        if named is None:
            return None
        now = self.clock.now()
        self.shelf.prepare(named.source_id, named.start, min(named.end, now.date()))
        on_shelf = self.shelf.file(name)
        known = self._known((named.source_id,), now) if on_shelf is None else self._editions(on_shelf, now)
        return next((edition for edition in known
                     if edition.name == name and edition.published <= now and not _is_gone(edition, now)), None)

    def days_before(self, revised: dt.datetime) -> dt.date:
        """First day that granules published or changed since a time can have."""
        changes = max(self.script.longest("revised"), self.script.longest("duplicate"))
        latency = LONGEST_LATENCY + max(self._latencies.values(), default=dt.timedelta())
        return (revised - latency - changes).date() if revised.year > 1 else dt.date.min

    def _known(self, source_ids: Iterable[str], now: dt.datetime) -> Iterator[Edition]:
        for source_id in source_ids:
            for on_shelf in self.shelf.files(source_id):
                yield from (edition for edition in self._editions(on_shelf, now) if edition.published <= now)

    def _editions(self, on_shelf: OnShelf, now: dt.datetime) -> Iterator[Edition]:
        granule = on_shelf.granule
        published = self._published(granule)
        first = Edition(granule, on_shelf.path.name, 1, on_shelf.path, b"", published, published)
        yield self._as_of(first, now)
        duplicate = self.script.planned("duplicate", first.name)
        later = _produced_later(first, duplicate.days) if duplicate else None
        if later is not None:
            yield self._as_of(later, now)

    def _as_of(self, first: Edition, now: dt.datetime) -> Edition:
        gone, changed = self.script.planned("withdrawn", first.name), self.script.planned("revised", first.name)
        edition = first
        if changed and (when := first.published + changed.days * DAY) <= now:
            edition = replace(first, revision=2, tail=first.tail + b"\nedition 2\n", published=when)
        return replace(edition, withdrawn=first.published + gone.days * DAY) if gone else edition

    def _published(self, granule: Granule) -> dt.datetime:
        end = dt.datetime.combine(granule.end, dt.time(), dt.UTC) + DAY
        if granule.source_id in self._latencies:
            return end + self._latencies[granule.source_id]
        if granule.source_id.startswith("SPL4SMGP"):
            return end - DAY + _time_of_day(granule.uri) + SMAP_LATENCY + draw(granule.uri) * SMAP_JITTER
        if source(granule.source_id).period_days >= 365:
            return dt.datetime(granule.start.year + 1, RELEASE_MONTH, RELEASE_DAY, tzinfo=dt.UTC)
        return produced_at(granule.produced) or end + OTHER_LATENCY


def produced_at(stamp: str) -> dt.datetime | None:
    """Time of a production stamp, YYYYDDDHHMMSS or YYYYDDD; None for other texts.

    >>> str(produced_at("2019161090000"))
    '2019-06-10 09:00:00+00:00'
    """
    layout = {13: "%Y%j%H%M%S", 7: "%Y%j"}.get(len(stamp))
    return dt.datetime.strptime(stamp, layout).replace(tzinfo=dt.UTC) if layout and stamp.isdigit() else None


def _is_gone(edition: Edition, now: dt.datetime) -> bool:
    return edition.withdrawn is not None and edition.withdrawn <= now


def _time_of_day(name: str) -> dt.timedelta:
    match = re.search(r"T(\d\d)(\d\d)(\d\d)", name)
    return dt.timedelta(hours=int(match[1]), minutes=int(match[2]), seconds=int(match[3])) if match else dt.timedelta()


def _produced_later(first: Edition, days: float) -> Edition | None:
    stamp = first.granule.produced
    produced, published = produced_at(stamp), first.published + days * DAY
    if produced is not None:
        step = days * DAY if len(stamp) > len("YYYYDDD") else max(1.0, days) * DAY
        later = f"{produced + step:%Y%j%H%M%S}"[:len(stamp)]
    elif number := re.fullmatch(r"(v\d{4}_)(\d{3})", stamp):
        later = f"{number[1]}{int(number[2]) + 1:03d}"
    else:
        return None
    name = first.name.replace(stamp, later)
    granule = first.granule.model_copy(update={"produced": later, "uri": name})
    return Edition(granule, name, 1, first.path, b"\nproduced again\n", published, published)
