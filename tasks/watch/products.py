"""What readers get: every day there, whole, and fresh."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from sm_core.domain import Region
from sm_core.errors import (
    DayDamagedError,
    DayMissingError,
    DayStaleError,
    DayWithheldError,
    OutsideError,
    PublishError,
)
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore
from tasks.adapters.runs import RunLog
from tasks.watch.records import Finding, WatchLimits

PRODUCT = SOIL_MOISTURE_1KM.product_id
DAY = dt.timedelta(days=1)


def check_days(
    store: ProductStore, runs: RunLog, region: Region, today: dt.date, limits: WatchLimits
) -> tuple[list[Finding], int]:
    """Fresh and continuous; days that were withheld or have failed. And how many days were looked at."""
    days = store.days(PRODUCT, region.region_id)
    if not days:
        return [Finding.of("day.none", DayMissingError("no day was ever published", region=region.region_id))], 0
    found = []
    if (age := (today - days[-1]).days) > limits.oldest_days:
        stale = DayStaleError("the newest published day is old", region=region.region_id, day=days[-1], age_days=age)
        found.append(Finding.of("day.stale", stale))
    known, first = set(days), max(days[0], today - limits.window_days * DAY)
    span = [first + n * DAY for n in range((today - first).days + 1)]
    for day in span:
        outcome = _last_outcome(runs, region.region_id, day)
        if outcome is not None:
            found.append(outcome)
        elif day not in known and day < days[-1]:
            error = DayMissingError("a day is missing", region=region.region_id, day=day)
            found.append(Finding.of(f"day.missing:{day}", error))
    return found, len(span)


def check_files(
    store: ProductStore, region: Region, today: dt.date, until: dt.date | None, limits: WatchLimits
) -> tuple[list[Finding], int, dt.date | None]:
    """Files of recent days, and of some older ones in turn, against their checksums; and how far the turn has come."""
    days = store.days(PRODUCT, region.region_id)
    recent = [day for day in days if day > today - limits.reread_days * DAY]
    older = turn([day for day in days if day <= today - limits.reread_days * DAY], until, limits.reread_sample)
    found = list(_pointer(store, region, days))
    for day in (*older, *recent):
        try:
            item = store.latest(PRODUCT, region.region_id, day)
            broken = store.damaged(item) if item is not None else ("latest.json",)
        except PublishError as cause:
            broken = (str(cause),)
        if broken:
            error = DayDamagedError("published files differ from their checksums", region=region.region_id, day=day,
                                    files=", ".join(broken))
            found.append(Finding.of(f"day.damaged:{day}", error))
    return found, len(older) + len(recent), older[-1] if older else until


def turn(days: Sequence[dt.date], until: dt.date | None, count: int) -> list[dt.date]:
    """The next so many days after the last one of the turn before, from the beginning again after the end."""
    later = [day for day in days if until is None or day > until]
    return (later + [day for day in days if day not in set(later)])[:count]


def check_address(
    store: ProductStore, region: Region, address: str, get: Callable[[str], bytes]
) -> tuple[list[Finding], int]:
    """The newest day as it is had from outside, every file of it read and compared with its checksum."""
    item = store.latest(PRODUCT, region.region_id)
    if item is None:
        return [], 0
    root = address.rstrip("/")
    pointer = json.loads(get(f"{root}/{PRODUCT}/{region.region_id}/latest.json"))
    if pointer.get("item_id") != item.item_id:
        error = OutsideError("readers do not get the newest day", region=region.region_id, day=item.day,
                             outside=pointer.get("day"))
        return [Finding.of("outside.latest", error)], 1
    broken = [
        file.uri for file in item.assets
        if hashlib.sha256(get(f"{root}/{item.directory}/{file.uri}")).hexdigest() != file.sha256
    ]
    if not broken:
        return [], len(item.assets)
    error = OutsideError("readers get other files than were published", region=region.region_id, day=item.day,
                         files=", ".join(broken))
    return [Finding.of("outside.files", error)], len(item.assets)


def _pointer(store: ProductStore, region: Region, days: Sequence[dt.date]) -> Iterator[Finding]:
    path = store.root / PRODUCT / region.region_id / "latest.json"
    try:
        pointed = json.loads(path.read_text(encoding="utf-8"))["day"]
    except (OSError, ValueError, KeyError):
        pointed = None
    if days and pointed != days[-1].isoformat():
        error = DayDamagedError("latest.json does not point to the newest day", region=region.region_id, day=days[-1],
                                pointed=pointed)
        yield Finding.of("day.latest", error)


def _last_outcome(runs: RunLog, region_id: str, day: dt.date) -> Finding | None:
    """Withheld, or failed: by the last run of the day."""
    records = runs.of_day(region_id, day)
    if not records:
        return None
    last = records[-1]
    if last.outcome == "withheld":
        failed = [r.check for r in last.gate.results if not r.passed and r.severity == "withhold"] if last.gate else []
        error = DayWithheldError("a day is withheld", region=region_id, day=day, checks=", ".join(failed))
        return Finding.of(f"day.withheld:{day}", error)
    if last.outcome == "failed" and last.error_code:
        return Finding(key=f"day.failed:{day}", code=last.error_code, remedy=last.remedy or "",
                       message=f"the last run of {region_id} {day} failed: {last.error}")
    return None
