"""What a training's fields look like on the judged days, beside those of the models that serve."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, CheckResult, Layer, ModelVersion, Record, Region
from sm_core.downscaling import edge_contrast
from sm_core.errors import FeatureMismatchError, ModelIntegrityError, ModelNotFoundError
from sm_core.grid import Nesting
from sm_core.grid.points import cell_of
from tasks.adapters.registry import TRAINED
from tasks.adapters.scratch import load
from tasks.downscale import coarse_sm
from tasks.policy import sm_task
from tasks.training.days import correct_days, downscale_days
from tasks.training.judge import coarse_on_grid
from tasks.training.plan import GAP_DAYS
from tasks.training.promotion import (
    LARGEST_CHANGE,
    LARGEST_DEVIATION,
    LARGEST_EDGE,
    LARGEST_SHIFT,
    PHYSICAL,
    check,
    yardstick,
)
from tasks.training.records import (
    DaysRef,
    PreparedDay,
    StationTable,
    TrainingPlan,
    load_days,
    made,
    store_days,
)
from tasks.wiring import services

_log = logging.getLogger(__name__)
OFFSETS = "offsets.json"
"""Document of a training: its offset from each unseen station, by layer, for the trainings after it."""


class Champion(Record):
    """What serves: its models, its training, and its fields on the judged days."""

    run_id: str
    models: tuple[ModelVersion, ...]
    days: DaysRef | None
    """None when this version of the code cannot run it."""

    @property
    def trained_until(self) -> dt.date:
        return max(model.trained_until for model in self.models)

    @property
    def training_stations(self) -> frozenset[str]:
        return frozenset(name for model in self.models for name in model.training_stations)

    @property
    def held_out_stations(self) -> frozenset[str]:
        return frozenset(name for model in self.models for name in model.held_out_stations)


class Examination(Record):
    """Values at unseen stations (Parquet), mean maps (npz), invariants, and offsets from stations (JSON)."""

    points: str
    maps: str
    offsets: str
    checks: tuple[CheckResult, ...]
    compared_from: dt.date | None
    """From this day on neither challenger nor champion has learned anything; None without a champion."""


@sm_task
def run_champion(plan: TrainingPlan, days: DaysRef) -> Champion | None:
    """The models in service on the judged days, as the daily run has them; None before the first training."""
    registry = services().registry
    try:
        models = tuple(registry.champion(plan.region_id, kind) for kind in TRAINED)
        run_id = registry.run_of(models[1])
    except ModelNotFoundError:
        return None
    judged = store_days(plan.region_id, [d for d in load_days(days) if d.day in plan.judged_days])
    try:
        downscaled = downscale_days.fn(plan, judged, models[0])
        return Champion(run_id=run_id, models=models, days=correct_days.fn(plan, downscaled, models[1]))
    except (FeatureMismatchError, ModelIntegrityError) as error:
        _log.warning("the models in service cannot be run any more: %s %s", error.code, error)
        return Champion(run_id=run_id, models=models, days=None)


@sm_task
def examine(
    plan: TrainingPlan, days: DaysRef, stations: StationTable, champion: Champion | None,
    learned_until: dt.date | None = None,
) -> Examination:
    """Walk through the judged days once: values at unseen stations, mean maps, invariants."""
    region = services().region(plan.region_id)
    observed = pd.read_parquet(stations.uri)
    observed = observed[observed["station_id"].isin(stations.split.held_out)]
    theirs = {} if champion is None or champion.days is None else {d.day: d for d in load_days(champion.days)}
    walk = _Walk(region, observed)
    for day in load_days(days):
        if day.day in plan.judged_days:
            walk.visit(day, theirs.get(day.day))
    points = walk.points()
    compared_from = None
    if champion is not None:
        last = max(champion.trained_until, learned_until or plan.training_days[-1])
        compared_from = last + dt.timedelta(days=GAP_DAYS)
    offsets: dict[str, dict[str, float]] = {layer: _offsets(points, "corrected", layer) for layer in LAYERS}
    checks = [*walk.checks(), *(_yardsticks(champion, points) if theirs and champion else ())]
    return _store(region, points, walk.maps(), offsets, tuple(checks), compared_from)


@dataclass
class _Walk:
    region: Region
    observed: pd.DataFrame
    rows: list[pd.DataFrame] = field(default_factory=list)
    total: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    known: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    lowest: dict[Layer, float] = field(default_factory=dict)
    highest: dict[Layer, float] = field(default_factory=dict)
    deviation: list[float] = field(default_factory=list)
    edges: dict[Layer, list[float]] = field(default_factory=dict)
    change: dict[Layer, list[tuple[float, float, int]]] = field(default_factory=dict)

    def visit(self, day: PreparedDay, served: PreparedDay | None) -> None:
        stages = {"coarse": coarse_on_grid(day, "nearest"), "downscaled": load(made(day.downscaled)),
                  "corrected": load(made(day.corrected))}
        if served is not None:
            stages["champion"] = load(made(served.corrected))
        self.rows.append(_at(stages, self.observed[self.observed["day"] == pd.Timestamp(day.day)], self.region))
        if (error := stages["downscaled"].attrs.get("conservation_error")) is not None:
            self.deviation.append(float(error))
        nesting = Nesting.of(coarse_sm(day.gridded), self.region.grid)
        for layer in LAYERS:
            for stage, fields in stages.items():
                self._add(f"{stage}.{layer}", fields[layer].values)
            self._measure(layer, stages, nesting)

    def _add(self, name: str, values: NDArray[np.float32]) -> None:
        known = np.isfinite(values)
        self.total[name] = self.total.get(name, 0.0) + np.where(known, values, 0.0).astype(np.float64)
        self.known[name] = self.known.get(name, 0) + known.astype(np.int64)

    def _measure(self, layer: Layer, stages: Mapping[str, xr.Dataset], nesting: Nesting) -> None:
        values = stages["corrected"][layer].values
        finite = values[~np.isnan(values)]
        if finite.size:
            self.lowest[layer] = min(self.lowest.get(layer, np.inf), float(finite.min()))
            self.highest[layer] = max(self.highest.get(layer, -np.inf), float(finite.max()))
        self.edges.setdefault(layer, []).append(edge_contrast(values, nesting))
        if "champion" in stages:
            difference = values - stages["champion"][layer].values
            both = difference[np.isfinite(difference)].astype(np.float64)
            if both.size:
                self.change.setdefault(layer, []).append((float(both.sum()), float(np.abs(both).sum()), both.size))

    def points(self) -> pd.DataFrame:
        return pd.concat(self.rows, ignore_index=True) if self.rows else _at({}, self.observed.iloc[:0], self.region)

    def maps(self) -> dict[str, NDArray[np.float32]]:
        return {name: np.where(self.known[name] > 0, self.total[name] / np.maximum(self.known[name], 1), np.nan)
                .astype(np.float32) for name in self.total}

    def checks(self) -> Iterable[CheckResult]:
        for layer in LAYERS:
            cells = int(np.sum(self.known.get(f"corrected.{layer}", 0)))
            yield check(f"{layer}_lowest", "smallest value", self.lowest.get(layer, np.nan), PHYSICAL, cells)
            yield check(f"{layer}_highest", "largest value", self.highest.get(layer, np.nan), PHYSICAL, cells)
            edges = [value for value in self.edges.get(layer, []) if np.isfinite(value)]
            yield check(f"{layer}_seams", "jump across edges of coarse cells over that inside",
                        float(np.mean(edges)) if edges else np.nan, (0.0, LARGEST_EDGE), len(edges))
        yield check("conservation", "largest deviation of a coarse cell's mean", max(self.deviation, default=np.nan),
                    (0.0, LARGEST_DEVIATION), len(self.deviation))
        for layer, parts in self.change.items():
            compared = sum(part[2] for part in parts)
            yield check(f"{layer}_shift", "mean difference from the champion's map",
                        sum(part[0] for part in parts) / compared, (-LARGEST_SHIFT, LARGEST_SHIFT), compared)
            yield check(f"{layer}_change", "mean absolute difference from the champion's map",
                        sum(part[1] for part in parts) / compared, (0.0, LARGEST_CHANGE), compared)


def offsets_of(run_id: str) -> dict[str, dict[str, float]]:
    """Of a training: mean of its field less the station, by layer and unseen station; empty when it kept none."""
    try:
        text = services().registry.document(run_id, OFFSETS).read_text(encoding="utf-8")
    except ModelNotFoundError:
        return {}
    return {layer: dict(values) for layer, values in json.loads(text).items()}


def _at(stages: Mapping[str, xr.Dataset], observed: pd.DataFrame, region: Region) -> pd.DataFrame:
    table = observed[["station_id", "lon", "lat", "day", *LAYERS]].reset_index(drop=True)
    row, column = cell_of(table["lon"].to_numpy(), table["lat"].to_numpy(), region.grid)
    table, row, column = table[row >= 0].reset_index(drop=True), row[row >= 0], column[row >= 0]
    for stage, fields in stages.items():
        for layer in LAYERS:
            table[f"{stage}.{layer}"] = fields[layer].values[row, column]
    for name in (str(n) for n in stages.get("corrected", ()) if str(n) not in LAYERS):
        if name.startswith(LAYERS):
            table[name] = stages["corrected"][name].values[row, column]
    return table


def _offsets(points: pd.DataFrame, stage: str, layer: Layer) -> dict[str, float]:
    column = f"{stage}.{layer}"
    if column not in points:
        return {}
    means = (points[column] - points[layer]).groupby(points["station_id"]).mean().dropna()
    return {str(name): float(value) for name, value in means.items()}


def _yardsticks(champion: Champion, points: pd.DataFrame) -> list[CheckResult]:
    then = offsets_of(champion.run_id)
    return [yardstick(then.get(layer, {}), _offsets(points, "champion", layer), layer) for layer in LAYERS]


def _store(
    region: Region, points: pd.DataFrame, maps: Mapping[str, NDArray[np.float32]],
    offsets: Mapping[str, Mapping[str, float]], checks: tuple[CheckResult, ...], compared_from: dt.date | None,
) -> Examination:
    folder = services().settings.data / "scratch" / region.region_id / "examination"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: str(folder / name) for name in ("points.parquet", "maps.npz", OFFSETS)}
    points.to_parquet(paths["points.parquet"])
    np.savez(paths["maps.npz"], allow_pickle=False, **maps)
    Path(paths[OFFSETS]).write_text(json.dumps(offsets), encoding="utf-8")
    return Examination(points=paths["points.parquet"], maps=paths["maps.npz"], offsets=paths[OFFSETS], checks=checks,
                       compared_from=compared_from)
