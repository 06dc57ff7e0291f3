"""What the JSON endpoints answer; these records are also what OpenAPI says of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sm_core.domain import Layer, Maturity, Record
from tasks.web.layers import LegendClass, Stop


class Problem(Record):
    """An error by RFC 9457, with the project's code and what to do."""

    title: str
    status: int
    detail: str
    code: str
    remedy: str


class RegionAnswer(Record):
    """A region of which something is published."""

    region_id: str
    title: str
    korean: str
    bounds: tuple[float, float, float, float]
    """West, south, east, north [degrees]."""
    first: dt.date
    last: dt.date
    days: int


class DaysAnswer(Record):
    """The published days of a region, in order; lists of equal length."""

    region_id: str
    days: list[dt.date]
    revision: list[int]
    """The newest of each day."""
    provisional: list[bool]


class FileAnswer(Record):
    """A file to download."""

    name: str
    href: str
    size: int
    sha256: str


class InputAnswer(Record):
    """The granules of one source that a day was made from."""

    source_id: str
    title: str
    provider: str
    files: int
    first: dt.date
    last: dt.date
    tiles: list[str]


class ModelAnswer(Record):
    """A model that a day was made with."""

    name: str
    kind: str
    version: int
    sha256: str
    trained_until: dt.date
    training_stations: int
    held_out_stations: int


class CheckAnswer(Record):
    """A check that was made before publication."""

    check: str
    severity: str
    passed: bool
    message: str


class RevisionAnswer(Record):
    """A revision of a day."""

    revision: int
    maturity: Maturity
    created: dt.datetime


class DayAnswer(Record):
    """One revision of one day: what it is, what it was made from, what it offers."""

    region_id: str
    day: dt.date
    revision: int
    maturity: Maturity
    created: dt.datetime
    item_id: str
    algorithm_version: str
    licence: str
    citation: str
    stac: str
    revisions: list[RevisionAnswer]
    layers: list[str]
    inputs: list[InputAnswer]
    models: list[ModelAnswer]
    checks: list[CheckAnswer]
    checks_not_applicable: list[str]
    files: list[FileAnswer]


class LayerAnswer(Record):
    """A layer and its legend."""

    name: str
    kind: str
    title: str
    korean: str
    long_name: str
    depth: str
    units: str
    decimals: int
    stops: tuple[Stop, ...]
    classes: tuple[LegendClass, ...]


class PointAnswer(Record):
    """Every layer's value in the cell that holds a place; null where unknown."""

    region_id: str
    day: dt.date
    revision: int
    lon: float
    lat: float
    """Of the cell's centre [degrees]."""
    values: dict[str, float | None]
    flags: list[str]


class NearStation(Record):
    """The station near a place, and its daily means on the days of the series."""

    station_id: str
    distance_km: float
    values: list[float | None]
    common_days: int
    pearson_r: float | None
    ubrmsd: float | None
    bias: float | None
    """Series less station; scores from ten common days on."""


class SeriesAnswer(Record):
    """A layer in one cell over a period; lists of equal length, null where unknown."""

    region_id: str
    layer: str
    units: str
    lon: float
    lat: float
    days: list[dt.date]
    revision: list[int]
    provisional: list[bool]
    values: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    """Bounds of the interval that holds the true value with a probability of 90 %; empty where none is known."""
    station: NearStation | None


class UnitHistory(Record):
    """Drought of one unit by day; shares in per cent of its assessed land."""

    region_id: str
    unit_id: str
    name: str
    korean: str
    days: list[dt.date]
    drought_class: list[int | None]
    """0 none, 1 to 5 for D0 to D4."""
    class_percent: list[list[float]]
    """No drought, D0, … D4."""
    mean_percentile: list[float | None]
    assessed_percent: list[float | None]


class StationSkill(Record):
    """Scores at one station that the training in service never saw, on days it never saw; null where undefined."""

    layer: Layer
    days: int
    pearson_r: float | None
    ubrmsd: float | None
    bias: float | None


class StationAnswer(Record):
    """A station in the region and its part in the models of the newest day."""

    station_id: str
    lon: float
    lat: float
    role: str
    """``training``, ``unseen`` (held out, the models never saw it), or ``other``."""
    skill: list[StationSkill]


class SkillAnswer(Record):
    """Mean scores over unseen stations, as measured by the training in service; null where undefined."""

    stage: str
    layer: Layer
    stations: int
    pearson_r: float | None
    ubrmsd: float | None
    bias: float | None


class StationsAnswer(Record):
    """Stations of a region, and how well the product did at those that no model saw."""

    region_id: str
    stations: list[StationAnswer]
    skill: list[SkillAnswer]
    judged: tuple[dt.date, dt.date] | None


class StationSeries(Record):
    """Daily means of a station's good readings [m3 m-3]."""

    station_id: str
    days: list[dt.date]
    sm_surface: list[float | None]
    sm_rootzone: list[float | None]


GeoJson = dict[str, Any]
