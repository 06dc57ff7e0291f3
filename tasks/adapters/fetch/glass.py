"""GLASS: files behind plain directory listings; the processing date in a name cannot be foretold."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote, urlsplit

from sm_core.errors import SchemaDriftError
from tasks.adapters.fetch.address import shown
from tasks.adapters.fetch.http import Http, HttpBody
from tasks.adapters.fetch.listing import Entry, directory
from tasks.adapters.fetch.protocol import Listed, Query
from tasks.adapters.fetch.window import edition, known, wanted

FOLDERS: dict[str, tuple[str, ...]] = {
    "GLASS13B01.V10": ("NDVI/MODIS/0.05D", "NDVI/MODIS/0.05"),
    "GLASS08B31.V40": ("LST/AVHRR/0.05D",),
    "GLASS06A01.V01": ("LST/MODIS/Daily/1KM",),
}
"""Where each product lies; of several, the first that is there."""
LONGEST_COMPOSITE = dt.timedelta(days=16)


class Glass:
    """Fetcher of the GLASS archive: ``<folder>/YYYY/[DDD/]<file>``."""

    def __init__(self, http: Http, url: str) -> None:
        self.source_ids = tuple(FOLDERS)
        self.host = urlsplit(url).netloc
        self.tells_changes = False
        self._http = http
        self._url = url.rstrip("/")

    def listed(self, query: Query) -> Iterator[Listed]:
        """One request for each year, and for each day of a product kept by day.

        Dates may be those of the processing, long before a file's arrival: ``changed_since`` is not looked at.
        """
        root, entries = self._product(query.source_id)
        for year in _numbered(entries, r"\d{4}", (query.first - LONGEST_COMPOSITE).year, query.last.year):
            inside = self._directory(f"{root}{year.name}/")
            yield from _files(f"{root}{year.name}/", inside, query)
            for day in _numbered(inside, r"\d{3}", 1, 366):
                if _within(int(year.name), int(day.name), query):
                    folder = f"{root}{year.name}/{day.name}/"
                    yield from _files(folder, self._directory(folder), query)

    def open(self, listed: Listed, offset: int = 0) -> AbstractContextManager[HttpBody]:
        return self._http.download(listed.url, offset)

    def _product(self, source_id: str) -> tuple[str, tuple[Entry, ...]]:
        for folder in FOLDERS[source_id]:
            root = f"{self._url}/{folder}/"
            entries = directory(self._http, root)
            if entries is not None:
                return root, entries
        raise SchemaDriftError("the product's folder is gone", source=source_id, url=shown(self._url))

    def _directory(self, url: str) -> tuple[Entry, ...]:
        return directory(self._http, url) or ()


def _numbered(entries: tuple[Entry, ...], pattern: str, first: int, last: int) -> list[Entry]:
    folders = [entry for entry in entries if entry.directory and re.fullmatch(pattern, entry.name, re.ASCII)]
    return [entry for entry in folders if first <= int(entry.name) <= last]


def _within(year: int, day: int, query: Query) -> bool:
    start = dt.date(year, 1, 1) + dt.timedelta(days=day - 1)
    return query.first - LONGEST_COMPOSITE <= start <= query.last


def _files(folder: str, entries: tuple[Entry, ...], query: Query) -> Iterator[Listed]:
    for entry in entries:
        if not entry.directory and wanted(entry.name, query):
            published = entry.modified or _produced(entry.name, query.source_id)
            yield Listed(
                source_id=query.source_id, name=entry.name, revision=edition(published, entry.size),
                published=published, url=folder + quote(entry.name), size=entry.size,
            )


def _produced(name: str, source_id: str) -> dt.datetime:
    granule = known(name, source_id)
    try:
        return dt.datetime.strptime(granule.produced if granule else "", "%Y%j").replace(tzinfo=dt.UTC)
    except ValueError as cause:
        raise SchemaDriftError("neither listing nor name tells when the file was made", file=name) from cause
