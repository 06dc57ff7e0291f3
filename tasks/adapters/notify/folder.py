"""Messages as files that a web server can give away: CAP, an Atom feed, GeoJSON of what is in force.

Written whole or not at all. The same messages give the same bytes, so that writing again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

from sm_core.alerts import AlertEvent
from sm_core.alerts.atom import atom_feed
from sm_core.alerts.cap import cap_xml
from sm_core.alerts.geojson import active_alerts
from sm_core.errors import DeliveryError
from tasks.adapters.files import replaced
from tasks.adapters.ledger.alerts import AlertBook
from tasks.adapters.notify.outbox import Batch

LONGEST_FEED = 500
"""Messages in a feed; older ones are found in ``cap/`` alone."""
MOST_IN_FORCE = 5000
"""Newest messages among which those in force are sought."""


class CapFiles:
    """One CAP file for each message in ``<folder>/<region>/cap``."""

    name, most, resends = "cap", 1, True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Write the message; its name is its identifier."""
        doubt()
        for event in batch.events:
            _write(self._folder / event.region_id / "cap" / f"{event.identifier}.xml", cap_xml(event))
        return batch.events[-1].identifier


class AtomFile:
    """The newest messages in ``<folder>/<region>/alerts.atom``."""

    name, most, resends = "atom", 1000, True

    def __init__(self, folder: Path, book: AlertBook) -> None:
        self._folder, self._book = folder, book

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Make the feed anew from all messages of the region."""
        doubt()
        last = batch.events[-1]
        feed = atom_feed(self._book.events(last.region_id, LONGEST_FEED), region_id=last.region_id, region=last.region,
                         issuer=last.issuer)
        _write(self._folder / last.region_id / "alerts.atom", feed)
        return last.identifier


class GeoJsonFile:
    """What is in force, in ``<folder>/<region>/alerts.geojson``."""

    name, most, resends = "geojson", 1000, True

    def __init__(self, folder: Path, book: AlertBook, now: Callable[[], dt.datetime]) -> None:
        self._folder, self._book, self._now = folder, book, now

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Make the file anew from the last message of each unit."""
        doubt()
        last: AlertEvent = batch.events[-1]
        content = active_alerts(self._book.events(last.region_id, MOST_IN_FORCE), self._now())
        _write(self._folder / last.region_id / "alerts.geojson", content)
        return last.identifier


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as partial, partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as cause:
        raise DeliveryError(f"{path.name} cannot be written: {cause.strerror}") from cause
