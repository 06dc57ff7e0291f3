"""Parameters of a granule search, as the metadata repository understands them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tasks.hosts.catalogue import Edition
from tasks.hosts.collections import COLLECTIONS, TILED_GRID, Collection
from tasks.hosts.faults import Script
from tasks.hosts.umm import granule_ur, temporal_extent

PAGE_SIZE, MAX_PAGE_SIZE = 10, 2000
Interval = tuple[dt.datetime, dt.datetime]
BEGINNING, END = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)
_ALIASES = {"grid": "two_d_coordinate_system", "entry_title": "short_name", "concept_id": "collection_concept_id",
            "echo_collection_id": "collection_concept_id", "provider_id": "provider"}
_KNOWN = {"short_name", "version", "provider", "collection_concept_id", "temporal", "revision_date", "updated_since",
          "two_d_coordinate_system", "readable_granule_name", "producer_granule_id", "granule_ur", "page_size",
          "page_num", "sort_key", "downloadable", "online_only", "pretty", "token"}


class RefusedQueryError(Exception):
    """What the repository answers with 400; the message is its own."""


@dataclass(frozen=True)
class GranuleQuery:
    """A granule search."""

    collections: tuple[Collection, ...]
    temporal: Interval
    revised: tuple[Interval, ...]
    tiles: tuple[tuple[range, range], ...]
    names: dict[str, tuple[str, ...]]
    patterns: frozenset[str]
    page_size: int

    def wants(self, collection: Collection, edition: Edition, script: Script) -> bool:
        """Whether a granule of one of the collections is what is searched for."""
        begin, end = temporal_extent(edition)
        if begin > self.temporal[1] or end < self.temporal[0]:
            return False
        if self.revised and not any(first <= edition.published <= last for first, last in self.revised):
            return False
        if self.tiles and not self._on_tile(edition, script):
            return False
        reference = granule_ur(collection, edition)
        fields = {"readable_granule_name": (reference, edition.name), "producer_granule_id": (edition.name,),
                  "granule_ur": (reference,)}
        return all(self._named(field, wanted, fields[field]) for field, wanted in self.names.items())

    def _on_tile(self, edition: Edition, script: Script) -> bool:
        tile = edition.granule.tile
        if not tile or script.planned("no_tiling", edition.name):
            return False
        h, v = int(tile[1:3]), int(tile[4:6])
        return any(h in columns and v in lines for columns, lines in self.tiles)

    def _named(self, field: str, wanted: Sequence[str], values: Sequence[str]) -> bool:
        if field in self.patterns:
            return any(fnmatchcase(value.lower(), text.lower()) for text in wanted for value in values)
        return any(value.lower() == text.lower() for text in wanted for value in values)


def granule_query(parameters: Sequence[tuple[str, str]]) -> GranuleQuery:
    """Understand the parameters of a search.

    Raises
    ------
    RefusedQueryError   an unknown parameter, a bad value, or a search of all collections.
    """
    values, patterns = _sorted_out(parameters)
    if values.get("page_num") and values["page_num"] != ["1"]:
        raise RefusedQueryError("page_num is not supported by this host, use CMR-Search-After")
    tiles = tuple(tile for text in values.get("two_d_coordinate_system", []) for tile in _tiles(text))
    revised = [_interval(text) for text in values.get("revision_date", [])]
    revised += [(_instant(text, BEGINNING), END) for text in values.get("updated_since", [])]
    names: dict[str, tuple[str, ...]] = {
        field: tuple(values[field]) for field in ("readable_granule_name", "producer_granule_id", "granule_ur")
        if field in values
    }
    temporal = _interval(values["temporal"][-1]) if "temporal" in values else (BEGINNING, END)
    return GranuleQuery(_collections(values), temporal, tuple(revised), tiles, names, patterns,
                        page_size(values.get("page_size", [str(PAGE_SIZE)])[-1]))


def page_size(text: str) -> int:
    """Number of items of a page.

    Raises
    ------
    RefusedQueryError   not a number from 0 to 2000.
    """
    if not text.isdigit() or int(text) > MAX_PAGE_SIZE:
        raise RefusedQueryError(f"page_size must be a number between 0 and {MAX_PAGE_SIZE}")
    return int(text)


def collections_like(values: dict[str, list[str]]) -> tuple[Collection, ...]:
    """Collections of these short names, versions, providers and concept ids; all of them where nothing is said."""
    fields = {"short_name": "short_name", "version": "version", "provider": "provider",
              "collection_concept_id": "concept_id"}
    return tuple(
        collection for collection in COLLECTIONS
        if all(getattr(collection, field).lower() in [text.lower() for text in values[name]]
               for name, field in fields.items() if name in values)
    )


def instant_of(text: str) -> dt.datetime:
    """A time of the query.

    Raises
    ------
    RefusedQueryError   not an ISO time.
    """
    return _instant(text, BEGINNING)


def plain_names(parameters: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by parameter, brackets and aliases resolved, options left out."""
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        if not name.startswith("options["):
            bare = name.removesuffix("[]")
            values.setdefault(_ALIASES.get(bare, bare), []).append(value)
    return values


def _sorted_out(parameters: Sequence[tuple[str, str]]) -> tuple[dict[str, list[str]], frozenset[str]]:
    values = plain_names(parameters)
    for name in values:
        if name not in _KNOWN:
            raise RefusedQueryError(f"Parameter [{name}] was not recognized.")
    options = [re.fullmatch(r"options\[(\w+)\]\[pattern\]", name) for name, value in parameters if value == "true"]
    return values, frozenset(match[1] for match in options if match)


def _collections(values: dict[str, list[str]]) -> tuple[Collection, ...]:
    if "short_name" not in values and "collection_concept_id" not in values:
        raise RefusedQueryError(
            "The CMR does not allow querying across granules in all collections. You should limit your query using "
            "conditions that identify one or more collections, such as provider, concept_id, short_name, or "
            "entry_title."
        )
    return collections_like(values)


def _interval(text: str) -> Interval:
    first, _, last = text.partition(",")
    return _instant(first, BEGINNING), _instant(last, END)


def _instant(text: str, default: dt.datetime) -> dt.datetime:
    if not text.strip():
        return default
    try:
        time = dt.datetime.fromisoformat(text.strip())
    except ValueError as cause:
        raise RefusedQueryError(f"[{text}] is not a valid datetime") from cause
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _tiles(text: str) -> list[tuple[range, range]]:
    system, _, pairs = text.partition(":")
    if system != TILED_GRID:
        return [(range(0), range(0))]
    try:
        return [(_range(pair.split(",")[0]), _range(pair.split(",")[1])) for pair in pairs.split(":") if pair] \
            or [(range(36), range(18))]
    except (ValueError, IndexError) as cause:
        raise RefusedQueryError(f"[{text}] is not a valid two_d_coordinate_system") from cause


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
