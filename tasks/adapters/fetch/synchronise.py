"""One fetch: every wanted source asked, what is new brought into the store, and all of it told to the ledger."""

from __future__ import annotations

import datetime as dt
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from itertools import chain

from sm_core.errors import LedgerError, SmError, SourceUnavailableError
from sm_core.sources import SOURCES, source
from tasks.adapters.fetch.asked import Asked
from tasks.adapters.fetch.configured import Clients
from tasks.adapters.fetch.download import Downloader, Fetched
from tasks.adapters.fetch.protocol import Fetcher, Listed, Query
from tasks.adapters.fetch.readings import Readings
from tasks.adapters.fetch.settle import Settler, is_of_the_host
from tasks.adapters.fetch.store import granule_of
from tasks.adapters.fetch.wanted import SourceReport, Wanted, merged
from tasks.adapters.ledger import Ledger
from tasks.adapters.mirror import STATION_SOURCES

LEASE = dt.timedelta(hours=1)
EVER = dt.timedelta(days=36500)
_log = logging.getLogger(__name__)

Job = Callable[[], list[SourceReport]]


class Synchroniser:
    """Fetches wanted sources, those of different providers side by side; none stops another.

    Parameters
    ----------
    clients
        Opens the providers' clients for one fetch.
    now
        The clock, UTC.
    """

    def __init__(
        self, ledger: Ledger, downloader: Downloader, clients: Callable[[], AbstractContextManager[Clients]],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._ledger, self._downloader, self._clients, self._now = ledger, downloader, clients, now
        self._settler = Settler(ledger, downloader.store, now)
        self._readings = Readings(ledger, self._settler, now)
        self._asked = Asked(ledger, downloader, self._readings, now)
        # The same for every process on this store: what a killed one had claimed, the next may take at once
        self._owner = f"{socket.gethostname()}:{downloader.store.root}"

    def fetch(self, wants: Iterable[Wanted]) -> tuple[SourceReport, ...]:
        """Bring in everything that can be had, and what came of each source, in the order of their ids.

        Raises
        ------
        LedgerError     SM704; no other trouble is raised: the reports and the ledger tell it.
        SettingsError   SM103, credentials that are set in part.
        """
        periods = merged(wants)
        sources = sorted({want.source_id for want in periods})
        self._sweep()
        with self._clients() as clients:
            jobs = self._jobs(clients, periods)
            with ThreadPoolExecutor(max(1, len(jobs)), thread_name_prefix="provider") as pool:
                # In the caller's context, so that what is logged belongs to its flow run
                running = [pool.submit(copy_context().run, job) for job in jobs]
                reports = list(chain.from_iterable(future.result() for future in running))
            if clients.drop is not None:
                for path in clients.drop.unknown():
                    _log.warning("dropped file of no known source: file=%s", path.name)
        self._sweep()
        asked = {report.source_id for report in reports}
        reports += [SourceReport(source_id=name, asked=False) for name in sources if name not in asked]
        return tuple(sorted(reports, key=lambda report: report.source_id))

    def list_all(self, source_id: str, tiles: Sequence[str]) -> None:
        """Ask only what there is of a source, of all times; a trouble is noted in the ledger."""
        want = Wanted(source_id=source_id, first=source(source_id).starts, last=self._now().date(), tiles=tuple(tiles))
        with self._clients() as clients:
            fetcher = clients.fetcher(source_id)
            if fetcher is not None:
                report = self._list(fetcher, Query(**want.model_dump()), SourceReport(source_id=source_id))
                self._ledger.note_contact(source_id, self._now(), report.error_code)

    def _jobs(self, clients: Clients, wants: Sequence[Wanted]) -> list[Job]:
        jobs: list[Job] = []
        for fetcher in clients.fetchers:
            mine = [want for want in wants if want.source_id in fetcher.source_ids]
            if mine:
                jobs.append(partial(self._provider, fetcher, mine))
        if clients.rda is not None:
            for want in wants:
                if want.source_id in clients.rda.source_ids:
                    jobs.append(partial(self._service, clients, want))
        return jobs

    def _provider(self, fetcher: Fetcher, wants: Sequence[Wanted]) -> list[SourceReport]:
        sources = dict.fromkeys(want.source_id for want in wants)
        return [self._source(fetcher, name, [want for want in wants if want.source_id == name]) for name in sources]

    def _service(self, clients: Clients, want: Wanted) -> list[SourceReport]:
        return [self._asked.fetch(clients.rda, want)] if clients.rda is not None else []

    def _source(self, fetcher: Fetcher, source_id: str, wants: Sequence[Wanted]) -> SourceReport:
        report = SourceReport(source_id=source_id)
        for query in self._queries(fetcher, source_id, wants):
            report = self._list(fetcher, query, report)
        trouble = _Trouble(report.error_code)
        for want in wants:
            outcomes = trouble.watching(self._downloader.fetch_all(fetcher, self._claimed(want)))
            if source_id in STATION_SOURCES:
                report = self._readings.settle(outcomes, report)
            else:
                for outcome in outcomes:
                    report = self._settler.settle(outcome, report)
        self._ledger.note_contact(source_id, self._now(), trouble.code)
        if report.fetched or report.failed or report.quarantined:
            _log.info("fetched: source=%s new=%d files=%d failed=%d refused=%d", source_id, report.listed,
                      report.fetched, report.failed, report.quarantined)
        return report

    def _queries(self, fetcher: Fetcher, source_id: str, wants: Sequence[Wanted]) -> Iterator[Query]:
        yield from (Query(**want.model_dump()) for want in wants)
        last_success = self._ledger.health(source_id, self._now()).last_success
        if fetcher.tells_changes and last_success is not None:
            whole = {"first": source(source_id).starts, "last": self._now().date()}
            for tiles in dict.fromkeys(want.tiles for want in wants):
                yield Query(source_id=source_id, tiles=tiles, changed_since=last_success, **whole)

    def _list(self, fetcher: Fetcher, query: Query, report: SourceReport) -> SourceReport:
        try:
            listings = list(fetcher.listed(query))
        except LedgerError:
            raise
        except SmError as error:
            _log.warning("not listed: source=%s %s %s", query.source_id, error.code, error)
            return report.after(error)
        return report.plus(listed=self._ledger.record(listings, self._now()))

    def _claimed(self, want: Wanted) -> tuple[Listed, ...]:
        now = self._now()
        pending = self._ledger.pending((want.source_id,), want.first, want.last, now)
        mine = [listed for listed in pending if _of_tiles(listed, want.tiles)]
        return self._ledger.claim(mine, self._owner, now, LEASE)

    def _sweep(self) -> None:
        """Unfinished downloads of editions that are superseded, withdrawn or given up are of no use any more."""
        declared = [entry.source_id for entry in SOURCES]
        wanted = self._ledger.pending(declared, dt.date.min, dt.date.max, self._now() + EVER)
        self._downloader.store.sweep(wanted)


class _Trouble:
    """Whether a provider is to be called in trouble: not listed, or nothing to be had for its own sake."""

    def __init__(self, not_listed: str | None) -> None:
        self._not_listed, self._refused, self._down = not_listed, "", ""
        self._came = False

    @property
    def code(self) -> str | None:
        return self._not_listed or self._refused or (None if self._came else self._down or None)

    def watching(self, outcomes: Iterable[Fetched]) -> Iterator[Fetched]:
        for outcome in outcomes:
            self._came |= outcome.file is not None
            if outcome.error is not None and is_of_the_host(outcome.error):
                if isinstance(outcome.error, SourceUnavailableError):
                    self._down = outcome.error.code
                else:
                    self._refused = outcome.error.code
            yield outcome


def _of_tiles(listed: Listed, tiles: Sequence[str]) -> bool:
    tile = granule_of(listed).tile
    return not tile or not tiles or tile in tiles
