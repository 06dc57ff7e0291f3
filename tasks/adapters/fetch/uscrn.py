"""U.S. Climate Reference Network: one text file per station and year, which grows, behind plain listings; no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote, urlsplit

from sm_core.errors import SchemaDriftError
from tasks.adapters.fetch.address import shown
from tasks.adapters.fetch.http import Http, HttpBody
from tasks.adapters.fetch.listing import directory
from tasks.adapters.fetch.protocol import Listed, Query
from tasks.adapters.fetch.window import edition, wanted


class Uscrn:
    """Fetcher of ``<product>/YYYY/CRN…-YYYY-<station>.txt``; products are ``hourly02`` and ``daily01``.

    Parameters
    ----------
    stations
        Names as in the files (``AZ_Tucson_11_W``); empty: all.
    """

    def __init__(self, http: Http, url: str, stations: tuple[str, ...] = ()) -> None:
        self.source_ids: tuple[str, ...] = ("USCRN.hourly02", "USCRN.daily01")
        self.host = urlsplit(url).netloc
        self.tells_changes = False
        self._http = http
        self._url = url.rstrip("/")
        self._stations = stations

    def listed(self, query: Query) -> Iterator[Listed]:
        product = query.source_id.partition(".")[2]
        years = directory(self._http, f"{self._url}/{product}/")
        if years is None:
            raise SchemaDriftError("the product's folder is gone", source=query.source_id, url=shown(self._url))
        for year in range(query.first.year, query.last.year + 1):
            folder = f"{self._url}/{product}/{year}/"
            inside = directory(self._http, folder) if str(year) in {entry.name for entry in years} else ()
            for entry in inside or ():
                if not wanted(entry.name, query) or not self._has(entry.name):
                    continue
                if entry.modified is None:
                    raise SchemaDriftError("the listing does not tell when a file changed", url=shown(folder))
                yield Listed(
                    source_id=query.source_id, name=entry.name, revision=edition(entry.modified, entry.size),
                    published=entry.modified, url=folder + quote(entry.name), size=entry.size,
                )

    def open(self, listed: Listed, offset: int = 0) -> AbstractContextManager[HttpBody]:
        return self._http.download(listed.url, offset)

    def _has(self, name: str) -> bool:
        return not self._stations or name.removesuffix(".txt").split("-", 2)[2] in self._stations
