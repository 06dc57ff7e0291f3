"""Administrative units as the page draws them, and how their drought went."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import shapely

from sm_core.domain import ProductItem
from sm_core.drought.units import AdminUnits
from sm_core.errors import NotPublishedError
from tasks.web.answers import GeoJson, UnitHistory
from tasks.web.published import Published, PublishedDay
from tasks.web.workers import BoundedCache

OUTLINE_DEGREES = 0.002
"""Outlines are drawn to this tolerance: a fifth of a cell."""
REMEMBERED_ROWS = 60_000
WHOLE = "region"
"""The id that stands for the whole region."""


class UnitDay(NamedTuple):
    """One unit on one day."""

    name: str
    korean: str
    drought_class: int | None
    class_percent: list[float]
    mean_percentile: float | None
    assessed_percent: float | None


class UnitHistories:
    """Reads the summaries of published days, and remembers what it needs of them."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._days: BoundedCache[str, dict[str, UnitDay]] = BoundedCache(REMEMBERED_ROWS, len)

    def history(self, region_id: str, unit_id: str, days: Sequence[PublishedDay]) -> UnitHistory:
        """A unit's drought on these days, those without a summary left out.

        Raises
        ------
        NotPublishedError   SM707, no summary knows the unit.
        """
        rows: list[tuple[dt.date, UnitDay]] = []
        for published in days:
            unit = self._of_day(self._published.revisions(region_id, published)[-1]).get(unit_id)
            if unit is not None:
                rows.append((published.day, unit))
        if not rows:
            raise NotPublishedError("no summary of these days knows this unit", region=region_id, unit=unit_id[:80])
        newest = rows[-1][1]
        return UnitHistory(
            region_id=region_id, unit_id=unit_id, name=newest.name, korean=newest.korean,
            days=[day for day, _ in rows], drought_class=[row.drought_class for _, row in rows],
            class_percent=[row.class_percent for _, row in rows],
            mean_percentile=[row.mean_percentile for _, row in rows],
            assessed_percent=[row.assessed_percent for _, row in rows],
        )

    def _of_day(self, item: ProductItem) -> dict[str, UnitDay]:
        def read() -> dict[str, UnitDay]:
            summary = self._published.summary(item)
            if summary is None:
                return {}
            rows = {str(row.get("unit_id") or _id_of(row["name"])): _unit_day(row) for row in summary["units"]}
            return {WHOLE: _unit_day(summary["total"])} | rows

        return self._days.get_or_make(item.item_id, read)


def outlines(units: AdminUnits) -> GeoJson:
    """Units as GeoJSON with ``unit_id``, ``name``, ``name_ko`` and a point inside, ``label``."""
    features = []
    for unit_id, name, korean, shape in zip(units.ids, units.names, units.korean, units.shapes, strict=True):
        largest = max(getattr(shape, "geoms", [shape]), key=lambda part: part.area)
        label = shapely.maximum_inscribed_circle(largest, tolerance=0.02).coords[0]
        drawn = shapely.set_precision(shapely.simplify(shape, OUTLINE_DEGREES), 0.0001)
        features.append({
            "type": "Feature", "geometry": shapely.geometry.mapping(drawn),
            "properties": {"unit_id": unit_id, "name": name, "name_ko": korean,
                           "label": [round(label[0], 4), round(label[1], 4)]},
        })
    return {"type": "FeatureCollection", "features": features}


def _id_of(name: str) -> str:
    """What ``AdminUnits`` makes of a name, for summaries that were published without ids."""
    return re.sub(r"\W+", "-", name).strip("-").lower()


def _unit_day(row: dict[str, Any]) -> UnitDay:
    return UnitDay(row["name"], row.get("korean") or row["name"], row["drought_class"], row["class_percent"],
                   row["mean_percentile"], row["assessed_percent"])
