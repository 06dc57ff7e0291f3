"""What a download's outcome means for the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sm_core.errors import (
    ForeignFileError,
    GranuleCorruptError,
    NotYetDownloadableError,
    SmError,
    SourceUnavailableError,
    StationFileError,
    UnsafeContentError,
)
from tasks.adapters.fetch.download import Fetched
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.fetch.store import Store
from tasks.adapters.fetch.wanted import SourceReport
from tasks.adapters.ledger import Ledger

REFUSED_RUNS = 3
"""Runs that may find wrong content before the edition is given up: a login page is no reason for a hole for ever."""
LATER = dt.timedelta(hours=6)
SOON = dt.timedelta(minutes=10)
LONGEST_RETRY = dt.timedelta(days=1)
_FOR_GOOD = (UnsafeContentError, ForeignFileError, StationFileError)
OF_ONE_FILE = (*_FOR_GOOD, GranuleCorruptError, NotYetDownloadableError)
"""Errors that say nothing about the provider's other files."""


class Settler:
    """Writes outcomes into the ledger: fetched, failed until a time, or in quarantine."""

    def __init__(self, ledger: Ledger, store: Store, now: Callable[[], dt.datetime]) -> None:
        self._ledger, self._store, self._now = ledger, store, now

    def settle(self, outcome: Fetched, report: SourceReport) -> SourceReport:
        """The report with this outcome in it."""
        if outcome.file is not None:
            self._ledger.fetched(outcome.listed, outcome.file, self._now())
            self._store.discharge(outcome.listed)
            return report.plus(fetched=1)
        error = outcome.error or SmError("nothing came")
        given_up = self._refuse(outcome.listed, error)
        return report.after(error).plus(**{"quarantined" if given_up else "failed": 1})

    def _refuse(self, listed: Listed, error: SmError) -> bool:
        when, told = self._now(), str(error)
        if isinstance(error, _FOR_GOOD):
            self._ledger.quarantined(listed, error.code, told, when)
            return True
        if isinstance(error, GranuleCorruptError):
            return self._ledger.refused(listed, error.code, told, when, when + LATER, REFUSED_RUNS)
        self._ledger.failed(listed, error.code, told, when, when + _pause(error))
        return False


def is_of_the_host(error: SmError) -> bool:
    """Whether a trouble with a file is one with its provider (or with this machine's disk)."""
    return not isinstance(error, OF_ONE_FILE)


def _pause(error: SmError) -> dt.timedelta:
    if isinstance(error, NotYetDownloadableError):
        return LATER
    if not isinstance(error, SourceUnavailableError):
        return dt.timedelta()  # credentials, licences, keys, quotas: whoever has put them right need not wait
    asked = error.context.get("retry_after_s")
    told = dt.timedelta(seconds=float(asked)) if isinstance(asked, int | float) else SOON
    return min(max(told, SOON), LONGEST_RETRY)
