"""What a simulated world is made from: a region, a period, a seed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from sm_core.domain import Record, Region
from sm_core.errors import RegionFileError

MARGIN_DAYS = 16
"""Fine truth reaches this far beyond the period, so that composites that overlap its ends can be made."""
FLASH_DROUGHT, SPRING_DROUGHT = "flash drought", "spring drought"


class WeatherEvent(Record):
    """A drought or a wet spell: rain is ``rain_factor`` times its climate, the air warmer by ``warming_k``."""

    name: str
    start: dt.date
    end: dt.date
    rain_factor: float = Field(ge=0.0)
    warming_k: float = 0.0


class TwinSpec(Record):
    """A simulated world: the same spec gives the same world.

    ``start`` to ``end`` is the truth period, with fine observations; the coarse record begins at ``record_start``.
    ``stations`` and ``events`` have defaults that depend on area and period (:attr:`station_count`,
    :attr:`weather_events`).
    """

    region: Region
    start: dt.date
    end: dt.date
    record_start: dt.date
    seed: int = Field(default=1, ge=0)
    stations: int | None = Field(default=None, ge=1)
    events: tuple[WeatherEvent, ...] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> TwinSpec:
        if not self.record_start <= self.start <= self.end:
            raise ValueError("the days must be in the order record_start, start, end")
        return self

    @property
    def station_count(self) -> int:
        """``stations``, or 12 per square degree of the region's box, at least 8 and at most 200."""
        west, south, east, north = self.region.lonlat_bounds
        return self.stations or max(8, min(200, round(12 * (east - west) * (north - south))))

    @property
    def weather_events(self) -> tuple[WeatherEvent, ...]:
        """``events``, or a flash drought after the first year's monsoon and a spring drought in the last year."""
        if self.events is not None:
            return self.events
        first, last = self.start.year, self.end.year
        return (
            WeatherEvent(name="wet July", start=dt.date(first, 7, 12), end=dt.date(first, 7, 31), rain_factor=1.8),
            WeatherEvent(name=FLASH_DROUGHT, start=dt.date(first, 8, 1), end=dt.date(first, 9, 5), rain_factor=0.02,
                         warming_k=3.5),
            WeatherEvent(name=SPRING_DROUGHT, start=dt.date(last, 3, 10), end=dt.date(last, 7, 5), rain_factor=0.25,
                         warming_k=1.0),
        )

    @property
    def truth_start(self) -> dt.date:
        """First day of fine truth."""
        return self.start - dt.timedelta(days=MARGIN_DAYS)

    @property
    def truth_end(self) -> dt.date:
        """Last day of fine truth."""
        return self.end + dt.timedelta(days=MARGIN_DAYS)


def save_spec(spec: TwinSpec, path: Path) -> None:
    """Write a spec as YAML."""
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def load_spec(path: Path) -> TwinSpec:
    """Read a spec that :func:`save_spec` wrote, or that was written by hand with the same keys.

    Raises
    ------
    RegionFileError   SM102, not YAML, a missing or unknown key, or a wrong value (the message names it).
    """
    try:
        return TwinSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as cause:
        raise RegionFileError(f"{path.name} is not YAML: {cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise RegionFileError(f"{path.name}: {key}: {first['msg']}") from cause
