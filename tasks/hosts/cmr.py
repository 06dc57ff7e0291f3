"""The Common Metadata Repository: searches of granules, deleted granules and collections."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence

from tasks.hosts.answers import Answer, Request, as_json, missing, text
from tasks.hosts.catalogue import Catalogue, Edition
from tasks.hosts.collections import COLLECTIONS, Collection
from tasks.hosts.queries import (
    BEGINNING,
    END,
    GranuleQuery,
    RefusedQueryError,
    collections_like,
    granule_query,
    instant_of,
    page_size,
    plain_names,
)
from tasks.hosts.umm import concept_number, granule_ur, instant, item, temporal_extent

ROOT = "/search"
UMM_JSON = "application/vnd.nasa.cmr.umm_results+json;version=1.6.6; charset=utf-8"
OLDEST_DELETION = dt.timedelta(days=366)
_Found = tuple[Collection, Edition]
_SortKey = tuple[str, int, int]


class Cmr:
    """``/search/granules.umm_json``, ``/search/deleted-granules.json``, ``/search/collections.umm_json``.

    Parameters
    ----------
    data_url
        Base URL of the host that the granules' links lead to.
    """

    def __init__(self, catalogue: Catalogue, data_url: str) -> None:
        self._catalogue, self._data_url = catalogue, data_url

    def __call__(self, request: Request) -> Answer:
        searches = {f"{ROOT}/granules.umm_json": self._granules, f"{ROOT}/deleted-granules.json": self._deleted,
                    f"{ROOT}/collections.umm_json": self._collections}
        search = searches.get(request.path)
        try:
            return search(request) if search else missing(request.path)
        except RefusedQueryError as refusal:
            return as_json(400, {"errors": [str(refusal)]})

    def _granules(self, request: Request) -> Answer:
        query = granule_query(request.parameters)
        after = _search_after(request)
        found = self._found(query)
        page = [entry for entry in found if after is None or _sort_key(entry) > after][:query.page_size]
        if request.cut:
            page = page[:len(page) // 2]
        items = [item(*entry, self._catalogue.script, self._data_url) for entry in page]
        headers = {**_headers(request, len(found)), "Content-Type": UMM_JSON}
        if page:
            headers["CMR-Search-After"] = json.dumps(_sort_key(page[-1]), separators=(",", ":"))
        if request.timed_out:
            headers["CMR-Time-Out"] = "true"
        return text(200, _results(len(found), items), UMM_JSON, headers)

    def _found(self, query: GranuleQuery) -> list[_Found]:
        by_source = {collection.source.source_id: collection for collection in query.collections}
        first, last = self._observed(query)
        editions = self._catalogue.current(tuple(by_source), first, last)
        found = [(by_source[edition.granule.source_id], edition) for edition in editions]
        return sorted((entry for entry in found if query.wants(*entry, self._catalogue.script)), key=_sort_key)

    def _observed(self, query: GranuleQuery) -> tuple[dt.date, dt.date]:
        """Days that granules of the answer can be of, so that no others are made."""
        since = min((first for first, _ in query.revised), default=BEGINNING)
        until = min(max((last for _, last in query.revised), default=END), self._catalogue.clock.now())
        first, last = query.temporal
        return max(first.date(), self._catalogue.days_before(since)), min(last, until).date()

    def _deleted(self, request: Request) -> Answer:
        values = plain_names(request.parameters)
        now = self._catalogue.clock.now()
        if len(values.get("revision_date", [])) != 1 or "," in values["revision_date"][0]:
            raise RefusedQueryError("Only one revision date is allowed, and it is required.")
        since = instant_of(values["revision_date"][0])
        if since < now - OLDEST_DELETION:
            raise RefusedQueryError(f"Revision date must be within one year of today: [{since.isoformat()}]")
        parents = values.get("parent_collection_id", [entry.concept_id for entry in COLLECTIONS])
        wanted = {entry.source.source_id: entry for entry in COLLECTIONS if entry.concept_id in parents
                  and entry.provider in values.get("provider", [entry.provider])}
        gone = [(wanted[edition.granule.source_id], edition) for edition in self._catalogue.withdrawn(tuple(wanted))
                if edition.withdrawn and edition.withdrawn >= since]
        return as_json(200, [_deletion(*entry) for entry in gone], _headers(request, len(gone)))

    def _collections(self, request: Request) -> Answer:
        values = plain_names(request.parameters)
        found = collections_like(values)
        shown = found[:page_size(values.get("page_size", ["10"])[-1])]
        body = _results(len(found), [collection.entry for collection in shown])
        return text(200, body, UMM_JSON.replace("1.6.6", "1.18.0"), _headers(request, len(found)))


def _results(hits: int, items: Sequence[dict[str, object]]) -> str:
    return json.dumps({"hits": hits, "took": 20 + hits % 100, "items": items}, separators=(",", ":"))


def _headers(request: Request, hits: int) -> dict[str, str]:
    digest = hashlib.md5(f"{request.path}?{request.query}".encode()).hexdigest()
    return {"CMR-Hits": str(hits), "CMR-Took": str(20 + hits % 100), "CMR-Request-Id": digest,
            "Access-Control-Allow-Origin": "*"}


def _sort_key(entry: _Found) -> _SortKey:
    collection, edition = entry
    begin, _ = temporal_extent(edition)
    return collection.provider.lower(), round(begin.timestamp() * 1000), concept_number(collection, edition)


def _search_after(request: Request) -> _SortKey | None:
    header = request.headers.get("cmr-search-after")
    if header is None:
        return None
    if any(name == "page_num" for name, _ in request.parameters):
        raise RefusedQueryError("page_num is not allowed with search-after")
    try:
        provider, time, number = json.loads(header)
        return str(provider), int(time), int(number)
    except (ValueError, TypeError) as cause:
        raise RefusedQueryError("The search is invalid: search-after") from cause


def _deletion(collection: Collection, edition: Edition) -> dict[str, str]:
    return {"granule-ur": granule_ur(collection, edition),
            "revision-date": instant(edition.withdrawn or edition.published),
            "parent-collection-id": collection.concept_id, "provider-id": collection.provider,
            "concept-id": f"G{concept_number(collection, edition)}-{collection.provider}"}
