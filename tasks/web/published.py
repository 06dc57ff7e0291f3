"""What lies in the product store, as the page needs it: regions, days, revisions, files. Names from outside are only
ever compared with names found here; no path is built from them."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sm_core.domain import Grid, Maturity, Product, ProductItem
from sm_core.errors import (
    DayOutOfRangeError,
    NotPublishedError,
    RequestError,
    StoreUnavailableError,
    UnknownRegionError,
)
from sm_core.publishing import ProductStore, file_name, file_stem
from tasks.web.workers import BoundedCache

FRESH_SECONDS = 2.0
"""A day that is published becomes visible after so long at most."""
DAY_RECORDS = 512
CHECKSUMS = "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d{2}")


@dataclass(frozen=True)
class PublishedDay:
    """A day's newest revision, as its ``latest.json`` says."""

    day: dt.date
    revision: int
    maturity: Maturity


@dataclass
class _Index:
    days: dict[dt.date, PublishedDay] = field(default_factory=dict)
    seen: dict[Path, tuple[int, PublishedDay]] = field(default_factory=dict)
    looked: float = -1e9
    version: int = 0


class Published:
    """Reads a store that others write at the same time."""

    def __init__(self, store: ProductStore, product: Product) -> None:
        self.product = product
        self._store = store
        self._root = store.root / product.product_id
        self._indices: dict[str, _Index] = {}
        self._revisions: BoundedCache[tuple[str, PublishedDay], tuple[ProductItem, ...]] = BoundedCache(DAY_RECORDS)
        self._lock = Lock()

    def regions(self) -> tuple[str, ...]:
        """Ids of regions with a published day."""
        if not self._root.is_dir():
            return ()
        named = (path for path in self._root.iterdir() if _NAME.fullmatch(path.name))
        return tuple(sorted(path.name for path in named if (path / "latest.json").is_file()))

    def days(self, region_id: str) -> dict[dt.date, PublishedDay]:
        """Every published day of a region, in order.

        Raises
        ------
        UnknownRegionError   SM101, nothing of such a region is published.
        """
        return self._index(region_id).days

    def version(self, region_id: str) -> int:
        """A number that changes when anything is published."""
        return self._index(region_id).version

    def day(self, region_id: str, text: str) -> PublishedDay:
        """The day that a request names.

        Raises
        ------
        DayOutOfRangeError   SM104, the text is no day.
        NotPublishedError    SM707, nothing is published for the day.
        """
        day = to_day(text)
        found = self.days(region_id).get(day)
        if found is None:
            raise NotPublishedError("nothing is published for this day", region=region_id, day=day)
        return found

    def revisions(self, region_id: str, published: PublishedDay) -> tuple[ProductItem, ...]:
        """All visible revisions of a day, oldest first."""
        def read() -> tuple[ProductItem, ...]:
            return self._store.revisions(self.product.product_id, region_id, published.day)

        return self._revisions.get_or_make((region_id, published), read)

    def item(self, region_id: str, text: str, revision: int | None = None) -> ProductItem:
        """The record of a day's revision, the newest by default.

        Raises
        ------
        NotPublishedError   SM707, there is no such day or revision.
        """
        revisions = self.revisions(region_id, self.day(region_id, text))
        wanted = revisions[-1].revision if revision is None else revision
        found = next((item for item in revisions if item.revision == wanted), None)
        if found is None:
            raise NotPublishedError("there is no such revision", region=region_id, day=text, revision=revision)
        return found

    def raster(self, item: ProductItem, variable: str) -> Path | None:
        """The file of a variable; None where this revision has none."""
        name = file_name(item, variable)
        return self._store.directory(item) / name if any(file.uri == name for file in item.assets) else None

    def file(self, item: ProductItem, name: str) -> Path:
        """A file that a revision offers: its rasters and texts, its STAC item, its checksums; not its inner record.

        Raises
        ------
        NotPublishedError   SM707, the revision offers no such file.
        """
        offered = {file.uri for file in item.assets} | {f"{file_stem(item)}.json", CHECKSUMS}
        if name not in offered:
            raise NotPublishedError("the revision has no such file", file=name[:80])
        return self._store.directory(item) / name

    def stac(self, item: ProductItem) -> dict[str, Any]:
        """The item's STAC description as it is stored."""
        return _json(self._store.directory(item) / f"{file_stem(item)}.json")

    def summary(self, item: ProductItem) -> dict[str, Any] | None:
        """The day's drought by unit; None where this revision has none."""
        if not any(file.uri == "drought.json" for file in item.assets):
            return None
        return _json(self._store.directory(item) / "drought.json")

    def grid(self, region_id: str) -> Grid:
        """The grid of the newest day."""
        newest = next(reversed(self.days(region_id).values()))
        stac = self.stac(self.revisions(region_id, newest)[-1])
        about = stac["properties"]
        height, width = about["proj:shape"]
        crs = about.get("proj:code") or about["proj:wkt2"]
        transform = tuple(about["proj:transform"][:6])
        return Grid(grid_id=region_id, crs=crs, transform=transform, width=width, height=height)

    def _index(self, region_id: str) -> _Index:
        with self._lock:
            index = self._indices.get(region_id)
            if index is None or time.monotonic() - index.looked > FRESH_SECONDS:
                if region_id not in self.regions():
                    raise UnknownRegionError(f"nothing is published of a region {region_id[:80]!r}")
                index = self._indices[region_id] = self._look(self._root / region_id, index or _Index())
            return index

    def _look(self, region: Path, before: _Index) -> _Index:
        """The index as it is now; a day's pointer is read again only when it was written again."""
        seen: dict[Path, tuple[int, PublishedDay]] = {}
        for latest in _pointers(region):
            stamp = latest.stat().st_mtime_ns
            known = before.seen.get(latest)
            seen[latest] = known if known and known[0] == stamp else (stamp, _pointed(latest))
        days = {one.day: one for _, one in sorted(seen.values(), key=lambda entry: entry[1].day)}
        version = before.version if days == before.days else before.version + 1
        return _Index(days, seen, time.monotonic(), version)


def to_day(text: str) -> dt.date:
    """A day written YYYY-MM-DD.

    Raises
    ------
    DayOutOfRangeError   SM104, anything else.
    """
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError as cause:
        raise DayOutOfRangeError(f"{text[:40]!r} is no day") from cause


def period(days: dict[dt.date, PublishedDay], start: str | None, end: str | None, most: int) -> list[PublishedDay]:
    """The published days from start to end, both inclusive; without them, the last ``most``.

    Raises
    ------
    RequestError   SM107, the period is longer than ``most`` days or ends before it starts.
    """
    last = to_day(end) if end else max(days)
    first = to_day(start) if start else max(min(days), last - dt.timedelta(days=most - 1))
    if last < first:
        raise RequestError("the period ends before it starts", start=first, end=last)
    if (last - first).days >= most:
        raise RequestError("the period is too long", start=first, end=last, most_days=most)
    return [published for day, published in days.items() if first <= day <= last]


def _pointers(region: Path) -> list[Path]:
    found = []
    for year in region.iterdir():
        if _YEAR.fullmatch(year.name):
            months = [month for month in year.iterdir() if _MONTH.fullmatch(month.name)]
            found += [day / "latest.json" for month in months for day in month.iterdir() if _MONTH.fullmatch(day.name)]
    return [latest for latest in found if latest.is_file()]


def _pointed(latest: Path) -> PublishedDay:
    told = _json(latest)
    return PublishedDay(dt.date.fromisoformat(told["day"]), int(told["revision"]), told["maturity"])


def _json(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise StoreUnavailableError(f"a published file cannot be read: {cause}", file=path.name) from cause
    return told
