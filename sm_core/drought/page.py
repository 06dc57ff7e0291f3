"""The summary as one printable page: HTML with map and charts as inline SVG, nothing loaded from elsewhere."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import shapely

from sm_core.domain import Language
from sm_core.drought import sentences
from sm_core.drought.classes import USDM
from sm_core.drought.summary import DroughtSummary, UnitDrought
from sm_core.drought.texts import simplified
from sm_core.drought.units import AdminUnits
from sm_core.drought.words import CLASS_NAMES, MATURITY, WORDS, class_text, stage_text, unit_name

CHART_DAYS = 90
LISTED_UNITS = 30
COLOURS = ("#FFFFFF", *(drought.colour for drought in USDM))
NOT_ASSESSED_COLOUR = "#D9D9D9"
MAP_WIDTH, CHART_WIDTH, CHART_HEIGHT = 420.0, 420.0, 150.0
SPARK_WIDTH, SPARK_HEIGHT = 90.0, 18.0

_STYLE = """
body{font:15px/1.45 system-ui,"Noto Sans KR","Malgun Gothic",sans-serif;color:#1a1a1a;max-width:60rem;
margin:1.5rem auto;padding:0 1rem}h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:1.2rem 0 .4rem}
.mark{display:inline-block;border:1px solid #555;border-radius:.2rem;padding:0 .4rem;font-size:.85rem}
.lead{font-size:1.1rem;font-weight:600}.side{display:flex;flex-wrap:wrap;gap:1.5rem}
.side>figure{flex:1 1 20rem;margin:0}
svg{width:100%;height:auto}table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{border-bottom:1px solid #ccc;padding:.2rem .4rem;text-align:right}
th:first-child,td:first-child,td:nth-child(2),th:nth-child(2){text-align:left}td svg{width:90px}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1rem;font-size:.85rem}
.legend i{display:inline-block;width:1rem;height:.8rem;border:1px solid #777;margin-right:.3rem;vertical-align:-1px}
.wide{overflow-x:auto}footer{font-size:.8rem;color:#444;margin-top:1.2rem}
@media print{body{margin:0;max-width:none;font-size:11px}.legend i,path,rect{print-color-adjust:exact;
-webkit-print-color-adjust:exact}h2{break-after:avoid}tr,figure{break-inside:avoid}}
"""


def to_html(
    summary: DroughtSummary, units: AdminUnits, history: Sequence[DroughtSummary] = (), language: Language = "en"
) -> str:
    """One page with headline, map, the last 90 days, changes, units in drought and data quality.

    Parameters
    ----------
    summary, units
        The day, and the units it was summarised by.
    history
        Earlier summaries of the same region, for the charts.
    language
        ``en`` or ``ko``.
    """
    words = WORDS[language]
    first = summary.day - dt.timedelta(days=CHART_DAYS - 1)
    past = sorted((other for other in history if first <= other.day < summary.day), key=lambda other: other.day)
    days = [*past, summary]
    title = escape(sentences.title(summary, language))
    changes = "".join(f"<li>{escape(sentences.change(summary, change, language))}</li>" for change in summary.changes)
    parts = [
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{title}</h1><p class="mark">{MATURITY[language][summary.maturity]}</p>',
        f'<p class="lead">{escape(sentences.headline(summary, language))}</p>',
        f'<div class="side"><figure><h2>{words["map"]}</h2>{_map(summary, units, language)}',
        f"{_legend(language)}</figure>",
        f'<figure><h2>{words["chart"].format(days=CHART_DAYS)}</h2>{_chart(days, first, language)}</figure></div>',
        f"<h2>{words['changes']}</h2><ul>{changes}</ul>" if changes else "",
        f'<h2>{words["table"]}</h2><div class="wide">{_table(summary, days, first, language)}</div>',
        f"<footer><p>{escape(sentences.quality(summary, language))}</p><p>{escape(words['basis'])}</p>",
        *(f"<p>{escape(line)}</p>" for line in summary.attribution),
        f"<p>{escape(words['item'].format(item=summary.based_on))}</p>" if summary.based_on else "",
        "</footer></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _map(summary: DroughtSummary, units: AdminUnits, language: Language) -> str:
    shapes = simplified(units)
    west, south, east, north = shapely.total_bounds(np.array(shapes))
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = MAP_WIDTH / max((east - west) * squeeze, 1e-6)
    height = max((north - south) * scale, 1.0)
    paths = []
    for unit_id, shape in zip(units.ids, shapes, strict=True):
        unit = summary.unit(unit_id)
        value = unit.drought_class if unit else None
        colour = NOT_ASSESSED_COLOUR if value is None else COLOURS[value]
        rings = " ".join(_ring(ring, west, north, scale * squeeze, scale) for ring in _rings(shape))
        name = escape(f"{unit_name(unit, language)}: {class_text(value, language)}" if unit else unit_id)
        paths.append(f'<path d="{rings}" fill="{colour}" fill-rule="evenodd"><title>{name}</title></path>')
    label = escape(WORDS[language]["map"])
    return (f'<svg viewBox="0 0 {MAP_WIDTH:.0f} {height:.0f}" role="img" aria-label="{label}">'
            f'<g stroke="#555" stroke-width=".6" stroke-linejoin="round">{"".join(paths)}</g></svg>')


def _rings(shape: Any) -> list[Any]:
    return [ring for polygon in shapely.get_parts(shape) for ring in (polygon.exterior, *polygon.interiors)]


def _ring(ring: Any, west: float, north: float, per_x: float, per_y: float) -> str:
    corners = [f"{(x - west) * per_x:.1f} {(north - y) * per_y:.1f}" for x, y in shapely.get_coordinates(ring)[:-1]]
    return f"M{'L'.join(corners)}Z"


def _legend(language: Language) -> str:
    names = [*zip(COLOURS, CLASS_NAMES[language], strict=True),
             (NOT_ASSESSED_COLOUR, WORDS[language]["not_assessed"])]
    entries = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for colour, name in names)
    return f'<ul class="legend">{entries}</ul>'


def _chart(days: Sequence[DroughtSummary], first: dt.date, language: Language) -> str:
    """Stacked bars: a bar a day, the severest class at the bottom; days without a value stay grey."""
    width = CHART_WIDTH / CHART_DAYS
    bars = [f'<rect width="{CHART_WIDTH:.0f}" height="{CHART_HEIGHT:.0f}" fill="{NOT_ASSESSED_COLOUR}"/>']
    for day in days:
        if day.total.mean_percentile is None:
            continue
        left, bottom = (day.day - first).days * width, CHART_HEIGHT
        for value in range(len(USDM), -1, -1):
            tall = CHART_HEIGHT * day.total.class_percent[value] / 100
            bottom -= tall
            if tall > 0.05:
                bars.append(f'<rect x="{left:.2f}" y="{bottom:.2f}" width="{width + 0.05:.2f}" height="{tall:.2f}" '
                            f'fill="{COLOURS[value]}"/>')
    lines = "".join(f'<path d="M0 {CHART_HEIGHT * part:.1f}H{CHART_WIDTH:.0f}" stroke="#999" stroke-width=".4"/>'
                    f'<text x="{CHART_WIDTH + 3:.0f}" y="{CHART_HEIGHT * part + 4:.1f}" font-size="10">'
                    f"{100 - 100 * part:.0f} %</text>" for part in (0, 0.5, 1))
    last = first + dt.timedelta(days=CHART_DAYS - 1)
    dates = (f'<text y="{CHART_HEIGHT + 14:.0f}" font-size="10">{first:%Y-%m-%d}</text><text x="{CHART_WIDTH:.0f}" '
             f'y="{CHART_HEIGHT + 14:.0f}" font-size="10" text-anchor="end">{last:%Y-%m-%d}</text>')
    label = escape(WORDS[language]["chart"].format(days=CHART_DAYS))
    return (f'<svg viewBox="0 -6 {CHART_WIDTH + 40:.0f} {CHART_HEIGHT + 26:.0f}" role="img" aria-label="{label}" '
            f'shape-rendering="crispEdges">'
            f'{"".join(bars)}{lines}{dates}</svg>')


def _spark(unit_id: str, days: Sequence[DroughtSummary], first: dt.date) -> str:
    """Course of a unit's mean percentile, with the limit of D1."""
    per_day = SPARK_WIDTH / (CHART_DAYS - 1)
    known = [((day.day - first).days * per_day, unit.mean_percentile) for day in days
             if (unit := day.unit(unit_id)) is not None and unit.mean_percentile is not None]
    points = " ".join(f"{x:.1f},{SPARK_HEIGHT * (1 - value / 100):.1f}" for x, value in known)
    end = "".join(f'<circle cx="{x:.1f}" cy="{SPARK_HEIGHT * (1 - value / 100):.1f}" r="1.6"/>'
                  for x, value in known[-1:])
    limit = SPARK_HEIGHT * (1 - USDM[1].up_to / 100)
    return (f'<svg viewBox="-2 -2 {SPARK_WIDTH + 4:.0f} {SPARK_HEIGHT + 4:.0f}" aria-hidden="true">'
            f'<path d="M0 {limit:.1f}H{SPARK_WIDTH:.0f}" stroke="#E60000" stroke-width=".5"/>'
            f'<polyline points="{points}" fill="none" stroke="#1a1a1a"/>{end}</svg>')


def _table(summary: DroughtSummary, days: Sequence[DroughtSummary], first: dt.date, language: Language) -> str:
    words, listed = WORDS[language], summary.worst[:LISTED_UNITS]
    others = f"<p>{escape(sentences.others(summary, len(listed), language))}</p>"
    if not listed:
        return others
    heads = [words[key] for key in ("unit", "class", "days", "change_day", "change_week", "change_month")]
    heads += ["D0+ %", "D1+ %", "D2+ %", "D3+ %", "D4 %", words["expected"], words["mean"], words["course"],
              words["stage"], words["assessed"]]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    rows = "".join(f"<tr>{_cells(unit, days, first, language)}</tr>" for unit in listed)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{others}"


def _cells(unit: UnitDrought, days: Sequence[DroughtSummary], first: dt.date, language: Language) -> str:
    colour = COLOURS[unit.drought_class or 0]
    name = (f'<i style="display:inline-block;width:.8rem;height:.8rem;background:{colour};border:1px solid #777">'
            f"</i> {escape(class_text(unit.drought_class, language))}")
    texts = [
        escape(unit_name(unit, language)), name, str(unit.days_in_class or ""),
        *(sentences.signed(value) for value in (unit.change_day, unit.change_week, unit.change_month)),
        *(f"{share:.0f}" for share in unit.cumulative_percent),
        "" if unit.expected_percent is None else f"{unit.expected_percent[1]:.0f}",
        "" if unit.mean_percentile is None else f"{unit.mean_percentile:.1f}",
        _spark(unit.unit_id, days, first), escape(stage_text(unit.upland_stage, language)),
        f"{unit.assessed_percent:.0f}",
    ]
    return "".join(f"<td>{text}</td>" for text in texts)
