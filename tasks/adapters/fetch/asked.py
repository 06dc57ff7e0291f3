"""Providers that are asked instead of listed: answers of the months that are missing or may still change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from sm_core.errors import LedgerError, SmError
from sm_core.sources.station_files import RDA_SITES
from tasks.adapters.fetch.answers import Answers
from tasks.adapters.fetch.download import Downloader, Fetched
from tasks.adapters.fetch.rda import Rda
from tasks.adapters.fetch.readings import Readings
from tasks.adapters.fetch.stations import StationFile
from tasks.adapters.fetch.store import disk_errors
from tasks.adapters.fetch.wanted import DAY, SourceReport, Wanted
from tasks.adapters.files import replaced
from tasks.adapters.ledger import Edition, Ledger

REVISED_FOR = dt.timedelta(days=30)
"""Values may change for so long after their day: those months are asked again."""


class Asked:
    """Brings a station service's answers into store and ledger; an answer that says nothing new is no new edition."""

    def __init__(self, ledger: Ledger, downloader: Downloader, readings: Readings,
                 now: Callable[[], dt.datetime]) -> None:
        self._ledger, self._downloader, self._readings, self._now = ledger, downloader, readings, now

    def fetch(self, rda: Rda, want: Wanted) -> SourceReport:
        """Sites, then months; what came before a trouble is kept."""
        report = SourceReport(source_id=want.source_id)
        try:
            self._keep_sites(rda, want.source_id)
            for first, last in self._missing(want):
                report = self._keep(rda, list(rda.fetch(first, last)), report)
        except LedgerError:
            raise
        except SmError as error:
            report = report.after(error)
        self._ledger.note_contact(want.source_id, self._now(), report.error_code)
        return report

    def _keep_sites(self, rda: Rda, source_id: str) -> None:
        path = self._downloader.store.root / source_id / RDA_SITES
        content = rda.site_list()
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as partial:
                partial.write_bytes(content)

    def _missing(self, want: Wanted) -> Iterator[tuple[dt.date, dt.date]]:
        today = self._now().date()
        held = {granule.start for granule in self._ledger.granules(self._now(), (want.source_id,))}
        for month in months(want.first, min(want.last, today)):
            end = (month + 31 * DAY).replace(day=1) - DAY
            # Days are not UTC: the last one of a month reaches into the next
            if month not in held or end >= today - REVISED_FOR:
                yield month, min(end - DAY, today)

    def _keep(self, rda: Rda, files: list[StationFile], report: SourceReport) -> SourceReport:
        newest = self._newest(report.source_id)
        changed = [file for file in files if not _same(file, newest.get(file.name))]
        listings = [file.listed() for file in changed]
        report = report.plus(listed=self._ledger.record(listings, self._now()))
        answers = Answers(report.source_id, rda.host, {file.name: file.content for file in changed})
        outcomes: Iterator[Fetched] = self._downloader.fetch_all(answers, listings)
        return self._readings.settle(outcomes, report)

    def _newest(self, source_id: str) -> dict[str, Edition]:
        """The newest edition under each name that is here, or was refused."""
        editions = self._ledger.editions(self._now(), (source_id,))
        done = [one for one in editions if one.status in ("fetched", "quarantined")]
        return {one.listed.name: one for one in sorted(done, key=lambda one: one.listed.revision)}


def months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """First days of the months that a period touches.

    >>> [str(day) for day in months(dt.date(2019, 12, 31), dt.date(2020, 1, 1))]
    ['2019-12-01', '2020-01-01']
    """
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + dt.timedelta(days=31)).replace(day=1)


def _same(file: StationFile, held: Edition | None) -> bool:
    return held is not None and held.listed.checksum == file.listed().checksum
