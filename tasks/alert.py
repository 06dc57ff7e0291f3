"""Who is told what of the day's drought."""

from __future__ import annotations

import datetime as dt

import shapely

from sm_core.alerts import Text, Unit, UnitDay
from sm_core.domain import ProductItem
from sm_core.drought import AdminUnits, DroughtSummary
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.adapters.notify.channel import ChannelReport
from tasks.adapters.notify.office import AlertReport
from tasks.drought import report_directory
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def issue_alerts(day: dt.date, region_id: str) -> AlertReport:
    """Decide on alerts from the newest publication of the day, and send what waits.

    May be called any number of times for any day, also a past one that was published anew. Trouble with a channel is
    in the report; its messages go out with a later call.
    """
    here = services()
    region = here.region(region_id)
    item = here.store.latest(SOIL_MOISTURE_1KM.product_id, region_id, day)
    if item is None:
        return AlertReport(region_id=region_id, day=day, headlines=(), channels=here.alerts.deliver(region_id))
    summary = _summary(region_id, item)
    title = Text(en=region.title, ko=region.korean_title)
    return here.alerts.issue(region_id, title, day, unit_days(summary), alert_units(here.units(region)))


def _summary(region_id: str, item: ProductItem) -> DroughtSummary:
    """The report of this very item, which also knows the days before; without one, what the item tells of itself."""
    reported = report_directory(region_id, item.day) / "drought.json"
    if reported.is_file():
        found = DroughtSummary.model_validate_json(reported.read_text(encoding="utf-8"))
        if found.based_on == item.item_id:
            return found
    text = (services().store.directory(item) / "drought.json").read_text(encoding="utf-8")
    return DroughtSummary.model_validate_json(text)


@sm_task
def deliver_alerts(region_id: str) -> tuple[ChannelReport, ...]:
    """Send what waits, and decide nothing."""
    return services().alerts.deliver(region_id)


def unit_days(summary: DroughtSummary) -> tuple[UnitDay, ...]:
    """A day's units as alerts are decided on."""
    return tuple(
        UnitDay(
            unit_id=unit.unit_id, day=summary.day, class_percent=unit.class_percent,
            mean_percentile=unit.mean_percentile, assessed_percent=unit.assessed_percent,
            gap_filled_percent=unit.gap_filled_percent, provisional=summary.maturity == "provisional",
            flash_percent=unit.flash_percent, stage_percent=unit.stage_percent, based_on=summary.based_on,
        )
        for unit in summary.units
    )


def alert_units(units: AdminUnits) -> dict[str, Unit]:
    """Names and outlines by id."""
    return {
        unit_id: Unit(unit_id=unit_id, name_en=name, name_ko=korean, geometry=shapely.to_geojson(shape))
        for unit_id, name, korean, shape in zip(units.ids, units.names, units.korean, units.shapes, strict=True)
    }
