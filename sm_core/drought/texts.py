"""The summary for readers and for tables: Markdown, CSV, GeoJSON."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import shapely

from sm_core.domain import Language
from sm_core.drought import sentences
from sm_core.drought.available_water import UPLAND_STAGES
from sm_core.drought.classes import USDM
from sm_core.drought.summary import DroughtSummary, UnitDrought
from sm_core.drought.units import AdminUnits
from sm_core.drought.words import WORDS, class_text, stage_text, unit_name

LISTED_UNITS = 10
MAP_TOLERANCE_DEGREES = 0.005
DECIMALS = 4


def to_markdown(summary: DroughtSummary, language: Language = "en") -> str:
    """The summary as an analyst would write it: headline, change, the units hit hardest, and how good the data are."""
    parts = [f"# {sentences.title(summary, language)}", f"**{sentences.headline(summary, language)}**"]
    if summary.changes:
        parts.append("\n".join(f"- {sentences.change(summary, change, language)}" for change in summary.changes))
    if len(summary.units) > 1:
        parts.append(_table(summary, language))
    parts += [sentences.quality(summary, language), WORDS[language]["basis"], *summary.attribution]
    return "\n\n".join(parts) + "\n"


def to_csv(summary: DroughtSummary) -> str:
    """One line for the region and for each unit; RFC 4180, empty where unknown."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(_record(summary, summary.total)))
    writer.writeheader()
    writer.writerows(_record(summary, unit) for unit in (summary.total, *summary.units))
    return stream.getvalue()


def to_geojson(summary: DroughtSummary, units: AdminUnits) -> str:
    """Units as features (RFC 7946) with the columns of the CSV; borders simplified to 0.005 degrees."""
    simple = simplified(units)
    features = [
        {"type": "Feature", "id": unit_id, "properties": _record(summary, unit),
         "geometry": json.loads(shapely.to_geojson(shape))}
        for unit_id, shape in zip(units.ids, simple, strict=True) if (unit := summary.unit(unit_id)) is not None
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False) + "\n"


def simplified(units: AdminUnits) -> list[shapely.Geometry]:
    """Units' polygons with fewer corners; neighbours keep a common border. Exterior rings counterclockwise."""
    simple = shapely.coverage_simplify(np.array(units.shapes), MAP_TOLERANCE_DEGREES)
    return [_rounded(shape) for shape in simple]


def _rounded(shape: shapely.Geometry) -> shapely.Geometry:
    rounded = shapely.transform(shape, lambda xy: np.round(xy, DECIMALS))
    valid = rounded if rounded.is_valid else shapely.make_valid(rounded)
    flat = shapely.get_parts(shapely.get_parts([valid]))
    polygons = [part for part in flat if part.geom_type == "Polygon"]
    return shapely.orient_polygons(polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons))


def _record(summary: DroughtSummary, unit: UnitDrought) -> dict[str, object]:
    def share(values: tuple[float, ...] | None, position: int) -> float | None:
        return None if values is None else values[position]

    return {
        "day": summary.day.isoformat(), "maturity": summary.maturity, "unit_id": unit.unit_id, "name": unit.name,
        "name_ko": unit.korean, "land_km2": unit.land_km2, "assessed_percent": unit.assessed_percent,
        "drought_class": unit.drought_class, "class_name": class_text(unit.drought_class, "en"),
        "none_percent": unit.class_percent[0],
        **{f"{d.name.lower()}_percent": unit.class_percent[d.value] for d in USDM},
        **{f"{d.name.lower()}_or_worse_expected_percent": share(unit.expected_percent, d.value - 1) for d in USDM},
        "mean_percentile": unit.mean_percentile, "mean_anomaly": unit.mean_anomaly, "flash_percent": unit.flash_percent,
        "upland_stage": unit.upland_stage,
        **{f"upland_{s.name}_percent": share(unit.stage_percent, s.value) for s in UPLAND_STAGES},
        "gap_filled_percent": unit.gap_filled_percent, "days_in_class": unit.days_in_class,
        "change_1_day": unit.change_day, "change_1_week": unit.change_week, "change_1_month": unit.change_month,
    }


def _table(summary: DroughtSummary, language: Language) -> str:
    listed = summary.worst[:LISTED_UNITS]
    if not listed:
        return sentences.others(summary, 0, language)
    words = WORDS[language]
    heads = [words[key] for key in ("unit", "class", "days", "change_day", "change_week", "change_month")]
    heads += ["D0+ %", "D1+ %", "D2+ %", "D3+ %", "D4 %", words["expected"], words["mean"], words["stage"],
              words["assessed"]]
    lines = [f"| {' | '.join(heads)} |", f"|---|---|{'---:|' * 11}---|---:|"]
    for unit in listed:
        cells = [unit_name(unit, language).replace("|", "\\|"), class_text(unit.drought_class, language),
                 str(unit.days_in_class or ""),
                 *(sentences.signed(value) for value in (unit.change_day, unit.change_week, unit.change_month)),
                 *(f"{share:.0f}" for share in unit.cumulative_percent),
                 "" if unit.expected_percent is None else f"{unit.expected_percent[1]:.0f}",
                 "" if unit.mean_percentile is None else f"{unit.mean_percentile:.1f}",
                 stage_text(unit.upland_stage, language), f"{unit.assessed_percent:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + sentences.others(summary, len(listed), language)
