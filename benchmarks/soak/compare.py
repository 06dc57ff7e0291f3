"""What two lives left behind, side by side, and whether each is in order by itself."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.soak.world import DAY, FIRST, REGION_ID, SoakWorld
from sm_core.domain import ProductItem, Region, load_region
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, read_cogs
from sm_core.publishing.revisions import COMPARED
from tasks.adapters.ledger import Ledger
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.runs import RunBook
from tasks.adapters.mirror import sha256_of

PRODUCT = SOIL_MOISTURE_1KM


class Left:
    """The data folder of a life."""

    def __init__(self, data: Path, region: Region) -> None:
        self.data, self.region = data, region
        self.store = ProductStore(data / "products")
        url = f"sqlite:///{data}/ledger/ledger.db"
        self.ledger, self.book = Ledger(url, data / "observations"), RunBook(Database(url))

    def days(self) -> tuple[dt.date, ...]:
        return self.store.days(PRODUCT.product_id, REGION_ID)

    def revisions(self, day: dt.date) -> tuple[ProductItem, ...]:
        return self.store.revisions(PRODUCT.product_id, REGION_ID, day)

    def fields(self, item: ProductItem) -> xr.Dataset:
        return read_cogs(self.store.directory(item), PRODUCT, item, self.region.grid, COMPARED)

    def troubles(self) -> Iterator[str]:
        """What is not as it should be in this folder."""
        changes = Counter((one.day, one.revision) for one in self.store.changes(PRODUCT.product_id, REGION_ID))
        newest = self.book.newest(REGION_ID)
        for day in self.days():
            items = self.revisions(day)
            if [item.revision for item in items] != list(range(1, len(items) + 1)):
                yield f"{day}: revisions {[item.revision for item in items]}"
            if len({item.item_id for item in items}) < len(items):
                yield f"{day}: published twice"
            for before, item in itertools.pairwise(items):
                if changes[day, item.revision] != 1:
                    yield f"{day} r{item.revision:02d}: listed {changes[day, item.revision]} times as a change"
                if before.maturity == item.maturity and _equal(self.fields(before), self.fields(item)):
                    yield f"{day} r{item.revision:02d}: the same as the revision before"
            yield from (f"{day} r{item.revision:02d}: damaged {name}" for item in items
                        for name in self.store.damaged(item))
            if day not in newest or newest[day].item_id != items[-1].item_id:
                yield f"{day}: the ledger does not know what is shown"
        yield from self._leftovers()

    def _leftovers(self) -> Iterator[str]:
        for pattern in ("products/**/.tmp-*", "fetched/.partial/*", "fetched/**/*.part"):
            yield from (f"left over: {path.relative_to(self.data)}" for path in self.data.glob(pattern))
        for granule in self.ledger.granules(dt.datetime(2999, 1, 1, tzinfo=dt.UTC)):
            path = Path(granule.uri)
            if not path.is_file() or sha256_of(path) != granule.sha256:
                yield f"the ledger's file is not as it was fetched: {path.name}"


def compare(made: SoakWorld, plain: Path, hard: Path, days: int) -> dict[str, Any]:
    """Counts, and every trouble in words."""
    region = load_region(made.region)
    reference, lived = Left(plain, region), Left(hard, region)
    troubles = [*(f"plain: {one}" for one in reference.troubles()), *(f"hard: {one}" for one in lived.troubles())]
    period = [FIRST + n * DAY for n in range(days)]
    equal = 0
    for day in period:
        found = [one.revisions(day)[-1:] for one in (reference, lived)]
        if not all(found):
            troubles += [f"{day}: not published in the {name} life"
                         for name, items in zip(("plain", "hard"), found, strict=True) if not items]
            continue
        first, second = found[0][0], found[1][0]
        if first.maturity != second.maturity or first.fingerprint != second.fingerprint:
            troubles.append(f"{day}: {first.maturity} and {second.maturity}, inputs "
                            f"{'equal' if first.fingerprint == second.fingerprint else 'differ'}")
        if _equal(reference.fields(first), lived.fields(second)):
            equal += 1
        else:
            troubles.append(f"{day}: contents differ")
    outcomes = {name: dict(Counter(run.outcome for day in one.days() for run in
                                   one.book.of_days(REGION_ID, [day])[day]))
                for name, one in (("plain", reference), ("hard", lived))}
    return {
        "dates": len(period), "equal": equal, "outcomes": outcomes,
        "revisions": {name: sum(len(one.revisions(day)) for day in one.days())
                      for name, one in (("plain", reference), ("hard", lived))},
        "final": sum(one.maturity == "final" for day in period for one in lived.revisions(day)[-1:]),
        "troubles": troubles,
    }


def _equal(first: xr.Dataset, second: xr.Dataset) -> bool:
    return all(np.array_equal(first[name].values, second[name].values, equal_nan=name != "drought_class")
               for name in COMPARED)
