"""What alerts are decided on: a unit, and one day of it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import field_validator

from sm_core.domain import Record

Measure = Literal["drought_class", "upland_stage"]
"""What an alert is about: drought classes of all assessed land, or available-water stages of upland fields."""


class Unit(Record):
    """An administrative unit: names, and its outline as the text of a GeoJSON geometry (longitude, latitude)."""

    unit_id: str
    name_en: str
    name_ko: str
    geometry: str


class UnitDay(Record):
    """One day of one unit; shares in per cent.

    ``class_percent`` are the shares of the assessed land in no drought, then in each class, the mildest first;
    ``gap_filled_percent`` is the share of assessed land whose state was not seen on the day, and ``flash_percent`` that
    in a flash drought; None where unknown. ``stage_percent`` are the shares of upland fields without stage, then in
    each stage, the mildest first; None where there are no fields.
    """

    unit_id: str
    day: dt.date
    class_percent: tuple[float, ...]
    mean_percentile: float | None
    assessed_percent: float
    gap_filled_percent: float | None
    provisional: bool
    flash_percent: float | None = None
    stage_percent: tuple[float, ...] | None = None
    based_on: str | None = None

    @field_validator("class_percent")
    @classmethod
    def _has_classes(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) < 2:
            raise ValueError("no drought and at least one class")
        return value

    def shares(self, measure: Measure) -> tuple[float, ...]:
        """Shares by class or by stage; empty where nothing was assessed."""
        return self.class_percent if measure == "drought_class" else self.stage_percent or ()

    def or_worse(self, from_class: int, measure: Measure = "drought_class") -> float:
        """Share in this class or stage (1 is the mildest) or a worse one [%]."""
        return sum(self.shares(measure)[from_class:])
