"""The day's drought in figures, by administrative unit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from sm_core.domain import Maturity, QaFlag, Record, Region
from sm_core.drought.available_water import UPLAND_STAGES, in_farming_season
from sm_core.drought.classes import UNKNOWN, USDM, classify
from sm_core.drought.coverage import cell_area_km2
from sm_core.drought.masks import assessable, upland
from sm_core.drought.record import Kind
from sm_core.drought.spells import days_in_class
from sm_core.drought.units import AdminUnits
from sm_core.grid import check_on_grid

AREA_SHARE = 30.0
"""A unit's class is the most severe one that this share of its assessed land is in, or worse [%]."""
ASSESSED_SHARE = 50.0
"""Below this share of assessed land a unit has no class [%]."""
Period = Literal["day", "week", "month"]
PERIODS: Mapping[Period, tuple[int, int]] = {"day": (1, 0), "week": (7, 2), "month": (30, 5)}
"""Days back, and how many days off the summary compared with may be."""
DROUGHT = 2
"""D1: the first class that is called a drought."""


class UnitDrought(Record):
    """Drought in one unit; shares in per cent of its assessed land, cells weighted by area and by coverage."""

    unit_id: str
    name: str
    korean: str
    land_km2: float
    assessed_percent: float
    """Share of the unit's land that could be assessed."""
    class_percent: tuple[float, float, float, float, float, float]
    """No drought, D0, D1, D2, D3, D4; all 0 where nothing was assessed."""
    mean_percentile: float | None
    mean_anomaly: float | None = None
    """Mean standardised anomaly [1]."""
    drought_class: int | None
    """0 none, 1 to 5 for D0 to D4, None when less than half of the land was assessed."""
    expected_percent: tuple[float, float, float, float, float] | None = None
    """Share expected in D0 or worse, … D4, given how sure the values are: the mean of the cells' probabilities."""
    flash_percent: float | None = None
    """Share in a flash drought."""
    stage_percent: tuple[float, float, float, float, float] | None = None
    """Share of upland fields without stage, in attention, caution, alert, serious; None without fields."""
    upland_stage: int | None = None
    """By the same rule as the class, in the farming season; 0 none to 4 serious."""
    gap_filled_percent: float | None = None
    """Share whose temperature or vegetation was fused, not seen on the day."""
    days_in_class: int | None = None
    """Days up to this one in its class or worse, as far back as there are summaries."""
    change_day: int | None = None
    """Classes worse (+) or better (-) than a day before."""
    change_week: int | None = None
    change_month: int | None = None

    @property
    def cumulative_percent(self) -> tuple[float, ...]:
        """D0 or worse, D1 or worse, … D4 [%]."""
        return tuple(round(sum(self.class_percent[first:]), 2) for first in range(1, len(self.class_percent)))

    @property
    def severity_index(self) -> float:
        """Drought severity and coverage index, 0 to 500: the sum of the cumulative shares."""
        return sum(self.cumulative_percent)


class Change(Record):
    """What differs from an earlier summary; units by id."""

    period: Period
    compared_with: dt.date
    drought_area: float | None
    """Change of the region's share in D1 or worse [percentage points]."""
    new: tuple[str, ...]
    """None before, D0 or worse now."""
    worsened: tuple[str, ...]
    improved: tuple[str, ...]
    """Less severe, but not ended."""
    ended: tuple[str, ...]


class DroughtSummary(Record):
    """What a day's root-zone percentiles mean for a region and its units."""

    region_id: str
    title: str
    title_ko: str = ""
    day: dt.date
    maturity: Maturity
    based_on: str | None
    """Item id of the publication that the figures belong to."""
    total: UnitDrought
    units: tuple[UnitDrought, ...]
    changes: tuple[Change, ...]
    extrapolated_percent: float | None
    """Share of assessed land beyond what the record can tell: see ``Climatology.percentile``."""
    climatology_kind: Kind
    newest_clear_days: float | None
    """Median age of the newest clear observation on assessed land [days]."""
    sources: tuple[str, ...]
    attribution: tuple[str, ...] = ()

    @property
    def worst(self) -> tuple[UnitDrought, ...]:
        """Units in D0 or worse, the worst first."""
        hit = [unit for unit in self.units if unit.drought_class]
        return tuple(sorted(hit, key=lambda u: (-(u.drought_class or 0), -u.severity_index, u.name)))

    @property
    def climatology_fits(self) -> bool:
        """Whether the values were compared with a climatology of their own kind."""
        return self.climatology_kind == self.maturity

    def unit(self, unit_id: str) -> UnitDrought | None:
        """The unit of an id."""
        return self._by_id.get(unit_id)

    @cached_property
    def _by_id(self) -> dict[str, UnitDrought]:
        return {unit.unit_id: unit for unit in self.units}


def summarise(
    fields: xr.Dataset, units: AdminUnits, land: NDArray[np.bool_], *, region: Region, day: dt.date,
    maturity: Maturity, sources: Sequence[str] = (), based_on: str | None = None,
    history: Sequence[DroughtSummary] = (), land_cover: NDArray[np.floating] | None = None,
    attribution: Sequence[str] = (),
) -> DroughtSummary:
    """Summarise one day by unit.

    Parameters
    ----------
    fields
        (y, x) on the region grid: ``percentile_sm_rootzone`` [%], ``qa_flags`` (bits of QaFlag), and, if known,
        ``extrapolated_sm_rootzone``, ``anomaly_sm_rootzone``, ``drought_probability``, ``upland_stage``,
        ``flash_drought``, ``observation_age`` [days]; attribute ``climatology_kind``.
    units
        Administrative units on the same grid.
    land
        True on land. (y, x)
    region, day, maturity, sources, based_on, attribution
        What the summary is about, and what it was made from; the units' own attribution is added.
    history
        Earlier summaries of the same region, in any order.
    land_cover
        IGBP classes (y, x): upland stages are about cropland. Without it, about all assessed land.

    Raises
    ------
    GridMismatchError   SM302, fields and units lie on different grids.

    Notes
    -----
    Assessed is land with a percentile that :func:`masks.assessable` leaves. A cell's weight in a unit is its area on
    the sphere times the fraction of it inside the unit.
    """
    check_on_grid(units.grid, fields)
    cells = _Cells.of(fields, units, land, day, land_cover)
    everywhere = sparse.csr_array(np.ones((1, land.size)))
    total = cells.rows(everywhere, ((region.region_id, region.title, region.korean_title),))[0]
    rows = cells.rows(units.coverage, tuple(zip(units.ids, units.names, units.korean, strict=True)))
    earlier = sorted((past for past in history if past.day < day), key=lambda past: past.day)
    changes = tuple(filter(None, (_change(period, day, total, rows, earlier) for period in PERIODS)))
    return DroughtSummary(
        region_id=region.region_id, title=region.title, title_ko=region.title_ko, day=day, maturity=maturity,
        based_on=based_on,
        total=_with_past(total, day, earlier), units=tuple(_with_past(row, day, earlier) for row in rows),
        changes=changes, extrapolated_percent=cells.share_of_all("extrapolated_sm_rootzone"),
        climatology_kind="provisional" if fields.attrs.get("climatology_kind") == "provisional" else "final",
        newest_clear_days=cells.median("observation_age"), sources=tuple(sources),
        attribution=(*attribution, *filter(None, [units.attribution])),
    )


class _Cells:
    """The day's cells as vectors, with what is known of each."""

    def __init__(
        self, fields: xr.Dataset, area: NDArray[np.float64], land: NDArray[np.bool_], assessed: NDArray[np.bool_],
        cropland: NDArray[np.bool_] | None, farming: bool,
    ) -> None:
        self.fields, self.area, self.land, self.assessed = fields, area, land, assessed
        self.cropland, self.farming = cropland, farming

    @classmethod
    def of(
        cls, fields: xr.Dataset, units: AdminUnits, land: NDArray[np.bool_], day: dt.date,
        land_cover: NDArray[np.floating] | None,
    ) -> _Cells:
        flags = fields["qa_flags"].values
        known = classify(fields["percentile_sm_rootzone"].values) != UNKNOWN
        assessed = land & known & assessable(flags, day)
        cropland = None if land_cover is None else (upland(land_cover, flags) & assessed).ravel()
        return cls(fields, cell_area_km2(units.grid).ravel(), land.ravel(), assessed.ravel(), cropland,
                   in_farming_season(day))

    def rows(self, coverage: sparse.csr_array, names: Sequence[tuple[str, str, str]]) -> list[UnitDrought]:
        """One row for each unit, from the fractions of cells in it."""
        land, assessed = coverage @ (self.area * self.land), coverage @ (self.area * self.assessed)
        classes = classify(self.fields["percentile_sm_rootzone"].values).ravel()
        shares = self._shares(coverage, classes, len(USDM) + 1, self.assessed)
        percentile = self._mean(coverage, "percentile_sm_rootzone")
        anomaly = self._mean(coverage, "anomaly_sm_rootzone")
        expected = self._expected(coverage)
        flash = self._part(coverage, self._values("flash_drought") == 1) if "flash_drought" in self.fields else None
        filled = self._values("qa_flags").astype(np.uint16) & int(QaFlag.LST_GAP_FILLED | QaFlag.NDVI_GAP_FILLED) != 0
        gaps, stages = self._part(coverage, filled), self._stages(coverage)
        rows = []
        for n, (unit_id, name, korean) in enumerate(names):
            covered = round(100 * float(assessed[n] / land[n]), 2) if land[n] > 0 else 0.0
            stage = None if stages is None or np.isnan(stages[0, n]) else stages[:, n]
            rows.append(UnitDrought(
                unit_id=unit_id, name=name, korean=korean, land_km2=round(float(land[n]), 1), assessed_percent=covered,
                class_percent=_rounded(np.nan_to_num(shares[:, n])), mean_percentile=_or_none(percentile, n, 1),
                mean_anomaly=_or_none(anomaly, n, 2),
                drought_class=_unit_class(shares[:, n]) if covered >= ASSESSED_SHARE else None,
                expected_percent=None if expected is None or np.isnan(expected[0, n]) else _rounded(expected[:, n]),
                flash_percent=_or_none(flash, n, 1), gap_filled_percent=_or_none(gaps, n, 1),
                stage_percent=None if stage is None else _rounded(stage),
                upland_stage=_unit_class(stage) if stage is not None and self.farming else None,
            ))
        return rows

    def share_of_all(self, name: str) -> float | None:
        """Share of the region's assessed land that a bool field marks [%]."""
        if name not in self.fields or not self.assessed.any():
            return None
        marked = self._values(name).astype(bool) & self.assessed
        return round(100 * float(self.area[marked].sum() / self.area[self.assessed].sum()), 1)

    def median(self, name: str) -> float | None:
        """Median over assessed land."""
        values = self._values(name)[self.assessed] if name in self.fields else np.empty(0)
        values = values[np.isfinite(values)]
        return round(float(np.median(values)), 1) if len(values) else None

    def _values(self, name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = self.fields[name].values.ravel()
        return values

    def _weighted(self, coverage: sparse.csr_array, weight: NDArray[Any]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = coverage @ (self.area * weight)
        return total

    def _over(
        self, coverage: sparse.csr_array, part: NDArray[Any], whole: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        below = self._weighted(coverage, whole)
        quotient: NDArray[np.float64] = self._weighted(coverage, part) / np.where(below > 0, below, np.nan)
        return quotient

    def _part(self, coverage: sparse.csr_array, marked: NDArray[np.bool_]) -> NDArray[np.float64]:
        return 100 * self._over(coverage, marked & self.assessed, self.assessed)

    def _shares(
        self, coverage: sparse.csr_array, classes: NDArray[np.uint8], count: int, whole: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        parts = [self._over(coverage, whole & (classes == value), whole) for value in range(count)]
        return 100 * np.stack(parts)

    def _mean(self, coverage: sparse.csr_array, name: str) -> NDArray[np.float64] | None:
        if name not in self.fields:
            return None
        known = self.assessed & np.isfinite(self._values(name))
        return self._over(coverage, np.where(known, self._values(name), 0), known)

    def _expected(self, coverage: sparse.csr_array) -> NDArray[np.float64] | None:
        if "drought_probability" not in self.fields:
            return None
        planes = self.fields["drought_probability"].values.reshape(len(USDM), -1)
        known = self.assessed & np.isfinite(planes[0])
        return 100 * np.stack([self._over(coverage, np.where(known, plane, 0), known) for plane in planes])

    def _stages(self, coverage: sparse.csr_array) -> NDArray[np.float64] | None:
        if "upland_stage" not in self.fields:
            return None
        stages = self._values("upland_stage").astype(np.uint8)
        fields = (self.assessed if self.cropland is None else self.cropland) & (stages != UNKNOWN)
        return self._shares(coverage, stages, len(UPLAND_STAGES) + 1, fields)


def _unit_class(shares: NDArray[np.float64]) -> int:
    or_worse = np.round(np.cumsum(shares[::-1])[::-1], 2)
    return max(value for value in range(len(shares)) if value == 0 or or_worse[value] >= AREA_SHARE)


def _rounded(shares: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(share), 2) for share in shares)


def _or_none(values: NDArray[np.float64] | None, position: int, digits: int) -> float | None:
    if values is None or not np.isfinite(values[position]):
        return None
    return round(float(values[position]), digits)


def _before(period: Period, day: dt.date, earlier: Sequence[DroughtSummary]) -> DroughtSummary | None:
    back, slack = PERIODS[period]
    wanted = day - dt.timedelta(days=back)
    near = [past for past in earlier if abs((past.day - wanted).days) <= slack]
    return min(near, key=lambda past: abs((past.day - wanted).days), default=None)


def _change(
    period: Period, day: dt.date, total: UnitDrought, rows: Sequence[UnitDrought], earlier: Sequence[DroughtSummary]
) -> Change | None:
    before = _before(period, day, earlier)
    if before is None:
        return None
    lists: dict[str, list[str]] = {"new": [], "worsened": [], "improved": [], "ended": []}
    for row in rows:
        past = before.unit(row.unit_id)
        if past is None or past.drought_class is None or row.drought_class in (None, past.drought_class):
            continue
        if (row.drought_class or 0) > past.drought_class:
            lists["worsened" if past.drought_class else "new"].append(row.unit_id)
        else:
            lists["improved" if row.drought_class else "ended"].append(row.unit_id)
    area = None
    if total.mean_percentile is not None and before.total.mean_percentile is not None:
        area = round(total.cumulative_percent[DROUGHT - 1] - before.total.cumulative_percent[DROUGHT - 1], 2)
    return Change(period=period, compared_with=before.day, drought_area=area,
                  **{kind: tuple(ids) for kind, ids in lists.items()})


def _with_past(row: UnitDrought, day: dt.date, earlier: Sequence[DroughtSummary]) -> UnitDrought:
    def then(past: DroughtSummary) -> UnitDrought | None:
        return past.total if past.total.unit_id == row.unit_id else past.unit(row.unit_id)

    known = [(past.day, unit.drought_class) for past in earlier if (unit := then(past)) is not None]
    dates, classes = [*(date for date, _ in known), day], [*(value for _, value in known), row.drought_class]
    update: dict[str, int | None] = {"days_in_class": days_in_class(dates, classes) if row.drought_class else None}
    for period in PERIODS:
        before = _before(period, day, earlier)
        past = then(before) if before else None
        if past is not None and past.drought_class is not None and row.drought_class is not None:
            update[f"change_{period}"] = row.drought_class - past.drought_class
    return row.model_copy(update=update)
