"""NASA's Common Metadata Repository: which granules there are, which were revised, which were withdrawn.

References
----------
CMR search API documentation, https://cmr.earthdata.nasa.gov/search/site/docs/search/api.html
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sm_core.errors import SchemaDriftError, SourceUnavailableError
from sm_core.sources import source
from tasks.adapters.fetch.http import Http, Parameters
from tasks.adapters.fetch.protocol import Listed, Query
from tasks.adapters.fetch.umm import UmmGranule, instant, parse_granule
from tasks.adapters.fetch.window import known, wanted

PROVIDERS = {"LP DAAC": "LPCLOUD", "NSIDC": "NSIDC_CPRD"}
"""The catalogue's name of the archive in which a declared provider keeps its collections."""
MAX_PAGE = 2000
OVERLAP = dt.timedelta(hours=48)
"""What was revised so long before ``changed_since`` is told again: the catalogue's index lags."""
DELETIONS_KEPT = dt.timedelta(days=364)
"""The catalogue refuses to look further back than a year."""
_EXTENSIONS = ("", ".hdf", ".h5", ".nc")
_log = logging.getLogger(__name__)


class _Page(NamedTuple):
    items: list[object]
    after: str
    hits: int


class Catalogue:
    """The granules of declared sources, as the catalogue knows them. Safe for several threads.

    Parameters
    ----------
    url
        Base of the search API, as ``https://cmr.earthdata.nasa.gov/search``.
    now
        The clock, for how far back deletions can be asked.
    """

    def __init__(self, http: Http, url: str, now: Callable[[], dt.datetime], page_size: int = MAX_PAGE) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._now = now
        self._page_size = page_size
        self._collections: dict[str, str] = {}

    def collection_id(self, source_id: str) -> str:
        """The catalogue's id of a source's collection, by short name, version and archive.

        Raises
        ------
        SchemaDriftError   SM206, there is none or more than one.
        """
        if source_id not in self._collections:
            short_name, _, version = source_id.rpartition(".")
            provider = PROVIDERS[source(source_id).provider]
            content, _ = self._get("collections.umm_json", {
                "short_name": short_name, "version": version, "provider": provider,
            })
            found = {str(meta["concept-id"]) for item in _items(content)
                     if isinstance(item, dict) and isinstance(meta := item.get("meta"), dict) and "concept-id" in meta}
            if len(found) != 1:
                raise SchemaDriftError(f"{len(found)} collections instead of one", source=source_id, archive=provider)
            self._collections[source_id] = found.pop()
        return self._collections[source_id]

    def listed(self, query: Query) -> Iterator[Listed]:
        """What matches, newest revision of each granule; then what was withdrawn.

        With ``changed_since`` only what was revised since then, 48 h of overlap included.
        """
        for granule in self.granules(self._granule_query(query)):
            name = next((name for name in granule.names if known(name, query.source_id)), None)
            if name is None:
                _log.warning("granule without a known file name skipped: source=%s granule=%r", query.source_id,
                             granule.ur[:120])
            elif (url := granule.url(name)) is not None and wanted(name, query):
                file = granule.file(name)
                yield Listed(source_id=query.source_id, name=name, revision=_revision(granule.revised),
                             published=granule.revised, url=url, size=file.size, checksum=file.checksum)
        yield from self._withdrawn(query)

    def granules(self, params: Parameters) -> tuple[UmmGranule, ...]:
        """Every granule of a search, the newest revision of each UR.

        Raises
        ------
        SourceUnavailableError   SM201, also when the catalogue ran out of time and answered in part.
        SchemaDriftError         SM206.
        """
        newest: dict[str, UmmGranule] = {}
        for item in self._pages(params):
            granule = parse_granule(item)
            if granule.ur not in newest or granule.revised > newest[granule.ur].revised:
                newest[granule.ur] = granule
        return tuple(newest.values())

    def _pages(self, params: Parameters) -> Iterator[object]:
        """A short page is the last one, unless ``CMR-Hits`` says that more is to come; an empty one always is."""
        after, seen = "", 0
        while True:
            page = self._page(params, after)
            if self._promises_more(page, seen):
                page = max(page, self._page(params, after), key=lambda one: len(one.items))
            yield from page.items
            seen += len(page.items)
            if not page.items or not page.after or (len(page.items) < self._page_size and seen >= page.hits):
                break
            if page.after == after:
                raise SchemaDriftError("the catalogue's pages do not go on", url=self._url)
            after = page.after
        if seen < page.hits:
            _log.warning("fewer granules than the catalogue counts: %d of %d, %s", seen, page.hits, dict(params))

    def _promises_more(self, page: _Page, seen: int) -> bool:
        return len(page.items) < self._page_size and seen + len(page.items) < page.hits

    def _page(self, params: Parameters, after: str) -> _Page:
        content, headers = self._get("granules.umm_json", {**params, "page_size": str(self._page_size)}, after)
        hits = headers.get("cmr-hits", "")
        return _Page(_items(content), headers.get("cmr-search-after", ""), int(hits) if hits.isdecimal() else 0)

    def _withdrawn(self, query: Query) -> Iterator[Listed]:
        oldest = self._now() - DELETIONS_KEPT
        since = max(query.changed_since - OVERLAP, oldest) if query.changed_since else oldest
        content, _ = self._get("deleted-granules.json", {
            "revision_date": _instant(since), "parent_collection_id": self.collection_id(query.source_id),
        })
        for entry in _list(content):
            ur, when = _deletion(entry)
            name = next((ur + end for end in _EXTENSIONS if known(ur + end, query.source_id)), None)
            if name is None:
                _log.warning("deleted granule of unknown name skipped: source=%s granule=%r", query.source_id, ur[:120])
            elif wanted(name, query):
                yield Listed(source_id=query.source_id, name=name, revision=_revision(when), published=when,
                             url=self._url, withdrawn=True)

    def _granule_query(self, query: Query) -> Parameters:
        params: dict[str, str | list[str]] = {
            "collection_concept_id": self.collection_id(query.source_id),
            "temporal": f"{query.first}T00:00:00Z,{query.last}T23:59:59Z",
        }
        if query.changed_since is not None:
            params["revision_date"] = f"{_instant(query.changed_since - OVERLAP)},"
        if query.tiles and "<tile>" in source(query.source_id).filename:
            # the tiling element of UMM-G is optional: tiles are asked for by name
            product = query.source_id.rpartition(".")[0]
            params["readable_granule_name[]"] = [f"{product}.A*.{tile}.*" for tile in query.tiles]
            params["options[readable_granule_name][pattern]"] = "true"
        return params

    def _get(self, operation: str, params: Parameters, after: str = "") -> tuple[object, dict[str, str]]:
        return self._http.patiently(lambda: self._get_once(operation, params, after))

    def _get_once(self, operation: str, params: Parameters, after: str) -> tuple[object, dict[str, str]]:
        answer = self._http.ask(f"{self._url}/{operation}", params, {"CMR-Search-After": after} if after else {})
        if answer.headers.get("cmr-time-out", "").lower() == "true":
            raise SourceUnavailableError("the catalogue ran out of time: the answer is not whole", url=self._url)
        try:
            return json.loads(answer.content), answer.headers
        except ValueError as cause:
            raise SourceUnavailableError("the catalogue's answer is no JSON", url=self._url) from cause


def _items(content: object) -> list[object]:
    return _list(content.get("items") if isinstance(content, dict) else None)


def _list(content: object) -> list[object]:
    if not isinstance(content, list):
        raise SchemaDriftError("the catalogue's answer holds no list of items")
    return content


def _deletion(entry: object) -> tuple[str, dt.datetime]:
    ur, revised = (entry.get("granule-ur"), entry.get("revision-date")) if isinstance(entry, dict) else (None, None)
    if not isinstance(ur, str) or not isinstance(revised, str):
        raise SchemaDriftError("a deleted granule without granule-ur or revision-date")
    return ur, instant(revised)


def _instant(when: dt.datetime) -> str:
    return f"{when.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _revision(when: dt.datetime) -> str:
    return f"{when:%Y%m%dT%H%M%S}.{when.microsecond:06d}Z"
