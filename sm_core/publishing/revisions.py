"""What was revised, when and why: one line for each day that was published again."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from sm_core.domain import Granule, Maturity, ProductItem, Record
from sm_core.errors import PublishError

_Key = tuple[str, str, dt.date]


class Revision(Record):
    """A publication that took the place of an earlier one of the same day; see ``CHANGES.csv`` of a collection."""

    published: dt.datetime
    day: dt.date
    revision: int
    maturity_before: Maturity
    maturity: Maturity
    reasons: str
    """What differs in the making, parted by semicolons."""
    sm_surface_change: float | None = None
    """Mean absolute change over cells known in both [m3 m-3]."""
    sm_rootzone_change: float | None = None
    drought_class_changed: float | None = None
    """Share of the cells known in both whose drought class is another [%]."""
    item_id: str


COLUMNS = tuple(Revision.model_fields)
COMPARED = ("sm_surface", "sm_rootzone", "drought_class")


def revision_of(before: ProductItem, item: ProductItem, fields: tuple[xr.Dataset, xr.Dataset] | None) -> Revision:
    """Compare a publication with the one that it takes the place of.

    Parameters
    ----------
    before, item
        Of the same day.
    fields
        ``COMPARED`` of both, as published; None where they cannot be read.
    """
    return Revision(
        published=item.created, day=item.day, revision=item.revision, maturity_before=before.maturity,
        maturity=item.maturity, reasons="; ".join(reasons(before, item)), item_id=item.item_id,
        **(_rounded(differences(*fields)) if fields else {}),
    )


def reasons(before: ProductItem, item: ProductItem) -> tuple[str, ...]:
    """What differs in the making of two publications of a day, in words."""
    found = []
    if before.maturity != item.maturity:
        found.append(f"{before.maturity} to {item.maturity}")
    if before.algorithm_version != item.algorithm_version:
        found.append(f"algorithm {before.algorithm_version} to {item.algorithm_version}")
    return (*found, *_models(before, item), *_granules(before.inputs, item.inputs))


def differences(before: xr.Dataset, now: xr.Dataset) -> dict[str, float | None]:
    """How much the values differ over cells known in both; None where no cell is.

    ``<layer>_change`` [m3 m-3] is a mean, ``drought_class_changed`` and ``known_changed`` are shares [%]: of the cells
    known in both whose class is another, and of those known in either whose surface layer is known in one alone.
    """
    found: dict[str, float | None] = {}
    for layer in ("sm_surface", "sm_rootzone"):
        change = np.abs(now[layer].values.astype(np.float64) - before[layer].values)
        found[f"{layer}_change"] = float(np.nanmean(change)) if np.isfinite(change).any() else None
    first, second = before["drought_class"].values, now["drought_class"].values
    both = (first != 255) & (second != 255)
    found["drought_class_changed"] = 100 * float((first != second)[both].mean()) if both.any() else None
    known = np.isfinite(before["sm_surface"].values), np.isfinite(now["sm_surface"].values)
    either = known[0] | known[1]
    found["known_changed"] = 100 * float((known[0] != known[1])[either].mean()) if either.any() else None
    return found


def to_csv(revisions: Iterable[Revision]) -> str:
    """A table with a header, in the given order."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for revision in revisions:
        row = revision.model_dump(mode="json")
        table.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
    return text.getvalue()


def from_csv(text: str) -> tuple[Revision, ...]:
    """The table back.

    Raises
    ------
    PublishError   SM700, it is damaged.
    """
    try:
        rows = csv.DictReader(io.StringIO(text))
        known = ({name: value for name, value in row.items() if value or name == "reasons"} for row in rows)
        return tuple(Revision.model_validate(row) for row in known)
    except (ValueError, csv.Error) as cause:
        raise PublishError(f"the list of changes is damaged: {cause}") from cause


def _rounded(changes: Mapping[str, float | None]) -> dict[str, float | None]:
    digits = {"sm_surface_change": 5, "sm_rootzone_change": 5, "drought_class_changed": 2}
    return {name: None if (value := changes[name]) is None else round(value, n) for name, n in digits.items()}


def _models(before: ProductItem, item: ProductItem) -> list[str]:
    old = {model.name: model for model in before.models}
    new = {model.name: model for model in item.models}
    changed = [f"model {name} {old[name].version} to {new[name].version}" for name in sorted(old.keys() & new.keys())
               if old[name].sha256 != new[name].sha256]
    return [*changed, *(f"model {name} {new[name].version} added" for name in sorted(new.keys() - old.keys())),
            *(f"model {name} no longer used" for name in sorted(old.keys() - new.keys()))]


def _granules(before: Sequence[Granule], now: Sequence[Granule]) -> list[str]:
    old, new = ({_key(granule): granule.sha256 for granule in granules} for granules in (before, now))
    groups = {
        "added": new.keys() - old.keys(), "no longer used": old.keys() - new.keys(),
        "reprocessed": {key for key in old.keys() & new.keys() if old[key] != new[key]},
    }
    return [f"{count} {'file' if count == 1 else 'files'} of {source} {what}"
            for what, keys in groups.items()
            for source, count in sorted(Counter(source for source, _, _ in keys).items())]


def _key(granule: Granule) -> _Key:
    return granule.source_id, granule.tile, granule.start
