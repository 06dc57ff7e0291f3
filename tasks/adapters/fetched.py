"""An archive that is filled from the providers when it is asked for something."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sm_core.domain import Granule
from sm_core.errors import InsufficientInputsError
from sm_core.sources import source
from tasks.adapters.fetch.configured import DROPPED
from tasks.adapters.fetch.store import granule_of
from tasks.adapters.fetch.synchronise import Synchroniser
from tasks.adapters.fetch.wanted import SourceReport, Wanted
from tasks.adapters.ledger import Ledger
from tasks.adapters.mirror import STATION_SOURCES, truth_of
from tasks.adapters.quarantine import Quarantine

if TYPE_CHECKING:
    import xarray as xr

STATIONS_FETCHED = ("RDA", "USCRN.hourly02")
FAR = dt.date(2999, 12, 31)
LIVE = dt.timedelta(days=1)
"""A request that is older is a replay: nothing that came in now was known then."""
_log = logging.getLogger(__name__)


class Fetched:
    """Granules and station files as the ledger knows them.

    Parameters
    ----------
    root
        Folder that a region's relative static paths start from; those are not fetched.
    tiles
        Tiles that are fetched where a caller names none.
    """

    def __init__(
        self, root: Path, ledger: Ledger, synchroniser: Synchroniser, quarantine: Quarantine, tiles: Sequence[str],
        now: Callable[[], dt.datetime],
    ) -> None:
        self.root = root
        self._ledger, self._synchroniser, self._quarantine = ledger, synchroniser, quarantine
        self._tiles, self._now = tuple(tiles), now
        self._stations_wanted: tuple[Wanted, ...] = ()

    def prepare(
        self, periods: Sequence[tuple[str, dt.date, dt.date]], *, tiles: Sequence[str] = (),
        as_of: dt.datetime | None = None,
    ) -> None:
        """Fetch what there is of these. A source that cannot be had now is told of, and its days remain gaps."""
        if not periods or self._replayed(as_of):
            return
        for rejection in self._quarantine.rejections():
            self._ledger.distrust(rejection.granule.sha256, rejection.error_code, rejection.message, self._now())
        chosen = tuple(tiles) or self._tiles
        first, last = min(begin for _, begin, _ in periods), max(end for _, _, end in periods)
        self._stations_wanted = stations_wanted(first, last)
        self._tell(self._synchroniser.fetch(
            Wanted(source_id=name, first=begin, last=end, tiles=chosen if is_tiled(name) else ())
            for name, begin, end in dict.fromkeys(periods)
        ))
        if as_of is not None:
            self._ledger.serve(as_of, self._now())

    def granules(self, as_of: dt.datetime | None = None) -> tuple[Granule, ...]:
        known = self._ledger.granules(self._now() if as_of is None else self._ledger.known_until(as_of))
        return tuple(granule for granule in known if granule.source_id not in STATION_SOURCES)

    def station_files(self, as_of: dt.datetime | None = None) -> tuple[Path, ...]:
        """Those of the period that was prepared last, fetched now, and all that were fetched before.

        Of a replay, those that were known then.
        """
        if self._stations_wanted and not self._replayed(as_of):
            self._tell(self._synchroniser.fetch(self._stations_wanted))
            if as_of is not None:
                self._ledger.serve(as_of, self._now())
        known = self._now() if as_of is None else self._ledger.known_until(as_of)
        held = self._ledger.granules(known, STATION_SOURCES)
        return tuple(sorted(Path(granule.uri) for granule in held))

    def coverage(self, source_ids: Sequence[str]) -> tuple[dt.date, dt.date]:
        """First and last day of the first of these sources that its provider lists."""
        for source_id in source_ids:
            self._synchroniser.list_all(source_id, self._tiles if is_tiled(source_id) else ())
            editions = self._ledger.editions(self._now(), (source_id,))
            days = [granule_of(one.listed) for one in editions if one.status in ("listed", "fetched")]
            if days:
                return min(one.start for one in days), max(one.end for one in days)
        raise InsufficientInputsError(f"no provider lists any of {', '.join(source_ids)}")

    def truth(self, day: dt.date) -> xr.Dataset | None:
        return truth_of(self.root, day)

    def _replayed(self, as_of: dt.datetime | None) -> bool:
        return as_of is not None and as_of < self._now() - LIVE

    def _tell(self, reports: Sequence[SourceReport]) -> None:
        for report in reports:
            if report.error_code:
                _log.warning("not all could be fetched: source=%s %s %s", report.source_id, report.error_code,
                             report.error)


def is_tiled(source_id: str) -> bool:
    """Whether a source comes in tiles of a grid.

    >>> is_tiled("MOD11A1.061"), is_tiled("SPL4SMGP.008")
    (True, False)
    """
    return "<tile>" in source(source_id).filename


def stations_wanted(first: dt.date, last: dt.date) -> tuple[Wanted, ...]:
    """Station sources for a period; of what people drop, everything."""
    asked = (Wanted(source_id=name, first=first, last=last) for name in STATIONS_FETCHED)
    dropped = (Wanted(source_id=name, first=source(name).starts, last=FAR) for name in DROPPED)
    return (*asked, *dropped)
