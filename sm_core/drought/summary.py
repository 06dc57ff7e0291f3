"""The day's drought in figures and words, by administrative unit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Maturity, QaFlag, Record, Region
from sm_core.drought.classes import UNKNOWN, USDM, classify
from sm_core.drought.units import AdminUnits
from sm_core.grid import cell_area, check_on_grid

AREA_SHARE = 30.0
"""A unit's class is the most severe one that this share of its assessed land is in, or worse [%]."""
ASSESSED_SHARE = 50.0
"""Below this share of assessed land a unit has no class [%]."""
NOT_ASSESSED = QaFlag.FROZEN | QaFlag.SNOW | QaFlag.WATER | QaFlag.URBAN
PADDY_MONTHS = range(5, 10)
"""Months in which paddies stand under water."""
LISTED_UNITS = 10


class UnitDrought(Record):
    """Drought in one unit; shares in per cent of its assessed land area, which is weighted by cell area."""

    name: str
    assessed_percent: float
    """Share of the unit's land that could be assessed."""
    class_percent: tuple[float, float, float, float, float, float]
    """No drought, D0, D1, D2, D3, D4; all 0 where nothing was assessed."""
    mean_percentile: float | None
    drought_class: int | None
    """0 none, 1 to 5 for D0 to D4, None when less than half of the land was assessed."""
    change: int | None = None
    """Classes worse (+) or better (-) than in the summary compared with."""

    @property
    def cumulative_percent(self) -> tuple[float, ...]:
        """D0 or worse, D1 or worse, … D4 [%]."""
        return tuple(round(sum(self.class_percent[first:]), 2) for first in range(1, len(self.class_percent)))

    @property
    def severity_index(self) -> float:
        """Drought severity and coverage index, 0 to 500: the sum of the cumulative shares."""
        return sum(self.cumulative_percent)


class DroughtSummary(Record):
    """What a day's root-zone percentiles mean for a region and its units."""

    region_id: str
    title: str
    day: dt.date
    maturity: Maturity
    based_on: str | None
    """Item id of the publication that the figures belong to."""
    total: UnitDrought
    units: tuple[UnitDrought, ...]
    compared_with: dt.date | None
    drought_area_change: float | None
    """Change of the region's share in D1 or worse [percentage points]."""
    gap_filled_percent: float | None
    """Share of assessed land whose temperature or vegetation was fused, not seen on the day."""
    extrapolated_percent: float | None
    """Share of assessed land drier or wetter than its whole record, or with a record under 20 years."""
    sources: tuple[str, ...]

    @property
    def worst(self) -> tuple[UnitDrought, ...]:
        """Units in D0 or worse, the worst first."""
        hit = [unit for unit in self.units if unit.drought_class]
        return tuple(sorted(hit, key=lambda u: (-(u.drought_class or 0), -u.severity_index, u.name)))


def summarise(
    fields: xr.Dataset, units: AdminUnits, land: NDArray[np.bool_], *, region: Region, day: dt.date,
    maturity: Maturity, sources: Sequence[str] = (), based_on: str | None = None,
    previous: DroughtSummary | None = None,
) -> DroughtSummary:
    """Summarise one day by unit.

    Parameters
    ----------
    fields
        (y, x) on the region grid: ``percentile_sm_rootzone`` [%], ``qa_flags`` (bits of QaFlag), and, if known,
        ``extrapolated_sm_rootzone`` (bool).
    units
        Administrative units on the same grid.
    land
        True on land. (y, x)
    region, day, maturity, sources, based_on
        What the summary is about, and what it was made from.
    previous
        An earlier summary of the same region to compare with.

    Raises
    ------
    GridMismatchError   SM302, fields and units lie on different grids.

    Notes
    -----
    Assessed is land with a percentile that is neither frozen, under snow, mostly water nor urban, nor (May to
    September) paddy. Area is the cell's true share: cos(latitude) on geographic grids.
    """
    check_on_grid(units.grid, fields)
    percentile = fields["percentile_sm_rootzone"].values
    flags = fields["qa_flags"].values.astype(np.uint16)
    classes = classify(percentile)
    masking = NOT_ASSESSED | (QaFlag.PADDY if day.month in PADDY_MONTHS else QaFlag(0))
    assessed = land & (classes != UNKNOWN) & (flags & int(masking) == 0)
    area = cell_area(units.grid)
    region_wide = np.where(land, 0, -1).astype(np.int32)
    total = _by_unit((region.title,), region_wide, area, land, assessed, classes, percentile)[0]
    rows = _by_unit(units.names, units.index, area, land, assessed, classes, percentile)
    filled = flags & int(QaFlag.LST_GAP_FILLED | QaFlag.NDVI_GAP_FILLED) != 0
    beyond = fields["extrapolated_sm_rootzone"].values if "extrapolated_sm_rootzone" in fields else None
    return DroughtSummary(
        region_id=region.region_id, title=region.title, day=day, maturity=maturity, based_on=based_on,
        total=_compared(total, previous.total if previous else None),
        units=tuple(_compared(row, _find(row.name, previous)) for row in rows),
        compared_with=previous.day if previous else None, drought_area_change=_area_change(total, previous),
        gap_filled_percent=_share(filled, assessed, area),
        extrapolated_percent=None if beyond is None else _share(beyond, assessed, area), sources=tuple(sources),
    )


def to_markdown(summary: DroughtSummary) -> str:
    """The summary as an analyst would write it: headline, change, the units hit hardest, and how good the data are."""
    parts = [f"# Soil-moisture drought, {summary.title}, {_date(summary.day)}", f"**{_headline(summary)}**"]
    if summary.compared_with is not None:
        parts.append(_change(summary))
    if len(summary.units) > 1:
        parts.append(_table(summary))
    parts += [_quality(summary), (
        "Classes follow the percentile limits of the U.S. Drought Monitor, applied to root-zone (0 to 100 cm) soil "
        "moisture against the same time of year. Experimental information, not an official drought warning."
    )]
    return "\n\n".join(parts) + "\n"


def _by_unit(
    names: Sequence[str], index: NDArray[np.int32], area: NDArray[np.float64], land: NDArray[np.bool_],
    assessed: NDArray[np.bool_], classes: NDArray[np.uint8], percentile: NDArray[np.floating],
) -> list[UnitDrought]:
    inside = index >= 0
    count = len(names)

    def total(where: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
        chosen = where & inside
        return np.bincount(index[chosen], values[chosen], count).astype(np.float64)

    land_area, assessed_area = total(land, area), total(assessed, area)
    class_area = np.stack([total(assessed & (classes == value), area) for value in range(len(USDM) + 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        covered = 100 * np.nan_to_num(assessed_area / land_area)
        shares = 100 * np.nan_to_num(class_area / assessed_area)
        mean = total(assessed, area * np.where(assessed, percentile, 0)) / assessed_area
    return [
        UnitDrought(
            name=name, assessed_percent=round(float(covered[i]), 2),
            class_percent=tuple(round(float(share), 2) for share in shares[:, i]),
            mean_percentile=round(float(mean[i]), 1) if np.isfinite(mean[i]) else None,
            drought_class=_unit_class(shares[:, i]) if round(float(covered[i]), 2) >= ASSESSED_SHARE else None,
        )
        for i, name in enumerate(names)
    ]


def _unit_class(shares: NDArray[np.float64]) -> int:
    or_worse = np.round(np.cumsum(shares[::-1])[::-1], 2)
    return max(value for value in range(len(shares)) if value == 0 or or_worse[value] >= AREA_SHARE)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_], area: NDArray[np.float64]) -> float | None:
    if not whole.any():
        return None
    return round(100 * float(area[part & whole].sum() / area[whole].sum()), 1)


def _find(name: str, summary: DroughtSummary | None) -> UnitDrought | None:
    return next((unit for unit in summary.units if unit.name == name), None) if summary else None


def _compared(unit: UnitDrought, before: UnitDrought | None) -> UnitDrought:
    if before is None or before.drought_class is None or unit.drought_class is None:
        return unit
    return unit.model_copy(update={"change": unit.drought_class - before.drought_class})


def _area_change(total: UnitDrought, previous: DroughtSummary | None) -> float | None:
    if previous is None or total.mean_percentile is None or previous.total.mean_percentile is None:
        return None
    return round(total.cumulative_percent[1] - previous.total.cumulative_percent[1], 2)


def _date(day: dt.date) -> str:
    return f"{day.day} {day:%B %Y}"


def _class_name(value: int | None) -> str:
    if value is None:
        return "not assessed"
    return "none" if value == 0 else f"{USDM[value - 1].name} {USDM[value - 1].meaning}"


def _headline(summary: DroughtSummary) -> str:
    total = summary.total
    if total.mean_percentile is None:
        return "Drought could not be assessed: no land with usable values (frozen, under snow, or no data)."
    dry, drought, severe, *_ = total.cumulative_percent
    if dry < 0.5:
        text = "No drought: less than 1 % of the assessed land is abnormally dry."
    else:
        text = (f"{dry:.0f} % of the assessed land is abnormally dry or worse (D0+), {drought:.0f} % is in drought "
                f"(D1+), {severe:.0f} % in severe drought or worse (D2+).")
    worst = [unit for unit in summary.worst if unit.drought_class == summary.worst[0].drought_class]
    if worst and len(summary.units) > 1:
        text += f" Hit hardest: {_names(worst)} ({_class_name(worst[0].drought_class)})."
    if total.assessed_percent < ASSESSED_SHARE:
        text += f" Only {total.assessed_percent:.0f} % of the land could be assessed."
    return text


def _change(summary: DroughtSummary) -> str:
    text = f"Compared with {_date(summary.compared_with or summary.day)}: "
    if summary.drought_area_change is not None:
        text += f"area in drought (D1+) {summary.drought_area_change:+.1f} percentage points"
    else:
        text += "no comparison of areas"
    worse = [unit for unit in summary.units if (unit.change or 0) > 0]
    better = [unit for unit in summary.units if (unit.change or 0) < 0]
    text += f"; worse in {_names(worse)}" if worse else "; no unit worse"
    return text + (f"; better in {_names(better)}." if better else "; no unit better.")


def _names(units: Sequence[UnitDrought], most: int = 5) -> str:
    names = [unit.name for unit in units[:most]]
    if len(units) > most:
        return f"{', '.join(names)} and {len(units) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _table(summary: DroughtSummary) -> str:
    listed = summary.worst[:LISTED_UNITS]
    lines = [
        "| Unit | Class | Change | D0+ % | D1+ % | D2+ % | D3+ % | D4 % | Mean percentile | Assessed % |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for unit in listed:
        change = "" if unit.change is None else f"{unit.change:+d}" if unit.change else "0"
        shares = " | ".join(f"{share:.0f}" for share in unit.cumulative_percent)
        name = unit.name.replace("|", "\\|")
        lines.append(f"| {name} | {_class_name(unit.drought_class)} | {change} | {shares} | "
                     f"{unit.mean_percentile:.1f} | {unit.assessed_percent:.0f} |")
    more = len(summary.worst) - len(listed)
    none = sum(unit.drought_class == 0 for unit in summary.units)
    unknown = sum(unit.drought_class is None for unit in summary.units)
    rest = f"{none} without drought, {unknown} not assessed."
    if not listed:
        return f"No unit is in D0 or worse: {rest}"
    return "\n".join(lines) + f"\n\nOther units: {more} in D0 or worse, {rest}"


def _quality(summary: DroughtSummary) -> str:
    facts = [summary.maturity, f"{summary.total.assessed_percent:.0f} % of the land assessed"]
    if summary.gap_filled_percent is not None:
        facts.append(f"{summary.gap_filled_percent:.0f} % of it gap-filled")
    if summary.extrapolated_percent is not None:
        facts.append(f"{summary.extrapolated_percent:.0f} % of it beyond the climatological record")
    if summary.sources:
        facts.append(f"made from {', '.join(summary.sources)}")
    return f"Data quality: {'; '.join(facts)}."
