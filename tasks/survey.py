"""What is known of every date of a region, gathered for the decision which are due."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from sm_core.domain import Held, ModelVersion, Region
from tasks.due import DAY, Known, PastRun, Shown, Standing, decide, holdings
from tasks.wiring import services

PRODUCT_ID = "soil_moisture_1km"


def survey(
    region_id: str, as_of: dt.datetime, serving: str | None = None, running: Collection[dt.date] = ()
) -> tuple[Standing, ...]:
    """How every date of the window, and every date that was ever run, stands; the oldest first.

    Parameters
    ----------
    serving
        Checksum over the models in service (``in_service``); None where they are not looked up: then a change of
        models is not seen.
    running
        Dates with a run on its way.
    """
    here = services()
    region = here.region(region_id)
    newest = here.run_book.newest(region_id)
    window = _window(region, as_of.date())
    days = sorted({*newest, *window})
    held = held_for(region_id, days, as_of)
    histories = here.run_book.of_days(region_id, [day for day, run in newest.items() if _needs_history(run)])
    found = []
    for day in days:
        last = newest.get(day)
        known = Known(
            day=day, runs=histories.get(day) or ((last,) if last else ()), held=held[day], serving=serving,
            shown=_shown(region_id, day) if day in window or last is None else _told(last),
            code_version=here.code_version, running=day in running,
        )
        found.append(decide(known, region.upkeep, as_of))
    return tuple(found)


def held_for(region_id: str, days: Collection[dt.date], as_of: dt.datetime) -> dict[dt.date, tuple[Held, ...]]:
    """What the archive holds for these dates, without what is in quarantine."""
    here = services()
    refused = {rejection.granule.sha256 for rejection in here.quarantine.rejections()}
    usable = (granule for granule in here.archive.granules(as_of) if granule.sha256 not in refused)
    return holdings(here.region(region_id), usable, days, as_of)


def in_service(models: Sequence[ModelVersion], algorithm_version: str) -> str:
    """Checksum over models and the algorithm that uses them."""
    told = sorted(f"{model.name} {model.sha256}" for model in models)
    return hashlib.sha256("\n".join([algorithm_version, *told]).encode()).hexdigest()


def _window(region: Region, today: dt.date) -> set[dt.date]:
    return {today - back * DAY for back in range(region.upkeep.window_days + 1)}


def _needs_history(run: PastRun) -> bool:
    return run.outcome not in ("published", "unchanged")


def _shown(region_id: str, day: dt.date) -> Shown | None:
    from sm_core.publishing import ProductStore

    store: ProductStore = services().store
    item = store.latest(PRODUCT_ID, region_id, day)
    if item is None:
        return None
    wrong = [file.uri for file in item.assets if _size(store.directory(item) / file.uri) != file.size]
    return Shown(item_id=item.item_id, revision=item.revision, maturity=item.maturity,
                 damaged=f"{len(wrong)} files damaged or gone, {wrong[0]} first" if wrong else "")


def _told(last: PastRun) -> Shown | None:
    """Of dates beyond the window, what their last run says: readers' copies of these are the watch's business."""
    if last.item_id is None or last.maturity is None:
        return None
    return Shown(item_id=last.item_id, revision=0, maturity=last.maturity)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
