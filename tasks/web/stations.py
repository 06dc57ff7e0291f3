"""Stations as the page shows them: where they are, what they measured, what they were used for, and the skill there."""

from __future__ import annotations

import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd

from sm_core.domain import ModelVersion
from sm_core.errors import NotPublishedError, StationFileError
from sm_core.qc import check_series, daily_layers
from sm_core.sources import read_stations
from tasks.training.each_station import SCORES
from tasks.web.answers import SkillAnswer, StationSkill
from tasks.web.rasters import distance_km
from tasks.web.workers import BoundedCache

LOOK_AGAIN_SECONDS = 3600.0
REMEMBERED = 32
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Place:
    """A station and the files with its readings."""

    station_id: str
    lon: float
    lat: float
    files: tuple[Path, ...]


@dataclass
class _Found:
    places: dict[str, Place] = field(default_factory=dict)
    looked: float = -1e9


class Stations:
    """Station files, looked through once in a while; readings are read when somebody asks for them."""

    def __init__(self, files: Callable[[], Sequence[Path]]) -> None:
        self._files = files
        self._found = _Found()
        self._known: dict[Path, tuple[int, list[tuple[str, float, float]]]] = {}
        self._daily: BoundedCache[tuple[str, tuple[int, ...]], pd.DataFrame] = BoundedCache(REMEMBERED)
        self._lock = Lock()

    def inside(self, bounds: Bounds) -> list[Place]:
        """Stations between west, south, east and north, by id."""
        west, south, east, north = bounds
        return [one for one in self._places().values() if west <= one.lon <= east and south <= one.lat <= north]

    def place(self, station_id: str) -> Place:
        """The station of this id.

        Raises
        ------
        NotPublishedError   SM707, there is none.
        """
        found = self._places().get(station_id)
        if found is None:
            raise NotPublishedError("there is no such station", station=station_id[:80])
        return found

    def near(self, lon: float, lat: float, most_km: float) -> tuple[Place, float] | None:
        """The nearest station and its distance [km]; None when it is farther than ``most_km``."""
        measured = [(distance_km(lon, lat, one.lon, one.lat), one.station_id, one) for one in self._places().values()]
        nearest = min(measured, default=None)
        return (nearest[2], nearest[0]) if nearest and nearest[0] <= most_km else None

    def daily(self, place: Place) -> pd.DataFrame:
        """Daily means of both layers [m3 m-3] from the readings that pass quality control, indexed by day (UTC)."""
        def read() -> pd.DataFrame:
            sensors = [one for path in place.files for one in read_stations(path)
                       if station_id_of(one.station.network, one.station.name) == place.station_id]
            table = daily_layers([check_series(one) for one in sensors])
            return table.set_index("day")[["sm_surface", "sm_rootzone"]]

        return self._daily.get_or_make((place.station_id, tuple(_stamp(path) for path in place.files)), read)

    def _places(self) -> dict[str, Place]:
        with self._lock:
            if time.monotonic() - self._found.looked > LOOK_AGAIN_SECONDS:
                self._found = _Found(self._look(), time.monotonic())
            return self._found.places

    def _look(self) -> dict[str, Place]:
        files: dict[str, list[Path]] = defaultdict(list)
        where: dict[str, tuple[float, float]] = {}
        for path in self._files():
            for station_id, lon, lat in self._who(path):
                files[station_id].append(path)
                where[station_id] = (lon, lat)
        return {name: Place(name, *where[name], tuple(files[name])) for name in sorted(files)}

    def _who(self, path: Path) -> list[tuple[str, float, float]]:
        stamp = _stamp(path)
        if self._known.get(path, (None,))[0] != stamp:
            try:
                found = {(station_id_of(one.station.network, one.station.name), one.station.lon, one.station.lat)
                         for one in read_stations(path)}
            except StationFileError:
                found = set()
            self._known[path] = (stamp, sorted(found))
        return self._known[path][1]


def station_id_of(network: str, name: str) -> str:
    """The id that models and reports know a station by."""
    return f"{network}_{name}"


def role_of(station_id: str, models: Iterable[ModelVersion]) -> str:
    """``training``, ``unseen`` or ``other``, of these models."""
    for model in models:
        if station_id in model.training_stations:
            return "training"
        if station_id in model.held_out_stations:
            return "unseen"
    return "other"


def training_in_service(reports: Path, region_id: str) -> tuple[dict[str, Any], Path] | None:
    """The record of the newest training that was put in service, and its folder; None before the first."""
    newest: tuple[dict[str, Any], Path] | None = None
    folder = reports / region_id
    for path in sorted(folder.glob("*/record.json")) if folder.is_dir() else ():
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("promoted") and (newest is None or record["plan"]["as_of"] > newest[0]["plan"]["as_of"]):
            newest = record, path.parent
    return newest


def skill_at_each(folder: Path) -> dict[str, list[StationSkill]]:
    """By station, the scores of the training in a folder; empty where it has left none."""
    found: dict[str, list[StationSkill]] = defaultdict(list)
    if not (folder / SCORES).is_file():
        return found
    with (folder / SCORES).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row.pop("station_id")].append(StationSkill.model_validate(
                {name: text or None for name, text in row.items()}))
    return found


def skill_of(record: dict[str, Any]) -> list[SkillAnswer]:
    """Scores at unseen stations, of each stage and layer."""
    return [
        SkillAnswer(stage=row["stage"], layer=row["layer"], stations=row["places"], pearson_r=_score(row, "pearson_r"),
                    ubrmsd=_score(row, "ubrmsd"), bias=_score(row, "bias"))
        for row in record["at_stations"]["rows"]
    ]


def _score(row: dict[str, Any], name: str) -> float | None:
    value = row[name]["value"]
    return None if value is None else round(float(value), 4)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
