"""What the corrector learns from: crops of the region for pre-training, surroundings of stations for the correction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Record
from sm_core.errors import FeatureMismatchError, TooFewSamplesError
from sm_core.grid import check_on_grid
from sm_core.grid.points import cell_of

F32 = NDArray[np.float32]
CLIP_SD = 4.0
SMALLEST_SD = 1e-6


@dataclass(frozen=True)
class CorrectionDay:
    """One day to learn from: features and the downscaled ``sm_surface``, ``sm_rootzone``. Each (y, x) on the grid."""

    day: dt.date
    features: xr.Dataset
    fine: xr.Dataset


@dataclass(frozen=True)
class Usual:
    """Means over the training days, NaN where never known: features (…, features, y, x), field (…, layers, y, x)."""

    features: F32
    fine: F32

    def around(self, row: NDArray[np.int64], column: NDArray[np.int64], radius: int) -> Usual:
        """Square windows about cells. (cells, …, 2 radius + 1, 2 radius + 1)"""
        return Usual(_windows(self.features, row, column, radius), _windows(self.fine, row, column, radius))


class Normalisation(Record):
    """What features and fields usually are like, over the region.

    ``mean`` and ``sd`` are of the mean over days, from cell to cell; ``departure_sd`` is of single days about it.
    """

    features: tuple[str, ...]
    static: tuple[str, ...]
    """Features that the correction weighs as they are."""
    dynamic: tuple[str, ...]
    """Features whose departure from the usual it weighs."""
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    departure_sd: tuple[float, ...]
    fine_mean: tuple[float, ...]
    fine_sd: tuple[float, ...]
    fine_departure_sd: tuple[float, ...]

    @property
    def static_index(self) -> list[int]:
        """Where the static features are among all."""
        return [self.features.index(name) for name in self.static]

    @property
    def dynamic_index(self) -> list[int]:
        """Where the dynamic features are among all."""
        return [self.features.index(name) for name in self.dynamic]

    def array(self, name: str, index: Sequence[int] | None = None) -> F32:
        """A field as an array, or some of it."""
        values = np.asarray(getattr(self, name), np.float32)
        return values if index is None else values[list(index)]

    def inputs(self, raw: F32) -> F32:
        """Features as the network takes them: normalised, unknown ones at the mean, and the known share last.

        (…, features, h, w) → (…, features + 1, h, w). Values beyond four standard deviations are cut there.
        """
        known = np.isfinite(raw)
        sd = np.hypot(self.array("sd"), self.array("departure_sd"))[:, None, None]
        scaled = np.clip((raw - self.array("mean")[:, None, None]) / sd, -CLIP_SD, CLIP_SD)
        share = known.mean(axis=-3, keepdims=True, dtype=np.float32)
        return np.concatenate([np.where(known, scaled, np.float32(0)).astype(np.float32), share], axis=-3)

    def fine(self, raw: F32) -> F32:
        """The downscaled field normalised, unknown at the mean. (…, layers, h, w)"""
        sd = np.hypot(self.array("fine_sd"), self.array("fine_departure_sd"))[:, None, None]
        scaled = (raw - self.array("fine_mean")[:, None, None]) / sd
        return np.where(np.isfinite(raw), scaled, np.float32(0)).astype(np.float32)


@dataclass(frozen=True)
class Samples:
    """Arrays of training data; all features and fields as they come, NaN = unknown.

    Attributes
    ----------
    crops, crop_fields
        (crops, features, h, w) with the network's margin, and the downscaled field they belong to
        (crops, layers, h − 2 radius, w − 2 radius).
    patches
        Dynamic features about stations. (samples, dynamic features, 2 radius + 1, 2 radius + 1)
    fine, observed
        The downscaled and the observed value [m3 m-3]. (samples, layers)
    station, day
        Index into ``stations`` and ``days``. (samples,)
    stations
        Columns station_id, lon, lat, row, column; one row per station with samples. A sample knows at least one layer.
    days
        The days used, in order.
    usual
        Of the whole region.
    norm
        Of the whole region.
    """

    crops: F32
    crop_fields: F32
    patches: F32
    fine: F32
    observed: F32
    station: NDArray[np.int64]
    day: NDArray[np.int64]
    stations: pd.DataFrame
    days: tuple[dt.date, ...]
    usual: Usual
    norm: Normalisation


class _Moments:
    """Mean over days of each cell, and the spread about it; one day is held at a time."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None

    def add(self, values: F32) -> None:
        known = np.isfinite(values)
        plain = np.where(known, values, 0).astype(np.float64)
        if self._sum is None:
            self._sum, self._count = np.zeros(values.shape), np.zeros(values.shape, np.int32)
            self._squares = np.zeros(len(values))
        self._sum += plain
        self._count += known
        self._squares += np.square(plain).sum(axis=(1, 2))

    def mean(self) -> F32:
        """(variables, y, x)"""
        assert self._sum is not None
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), np.nan).astype(np.float32)

    def departure_sd(self) -> tuple[float, ...]:
        """Of each variable."""
        assert self._sum is not None
        total = self._count.sum(axis=(1, 2))
        about = self._squares - (self._sum**2 / np.maximum(self._count, 1)).sum(axis=(1, 2))
        variance = np.maximum(about, 0) / np.maximum(total, 1)
        return tuple(_usable(float(np.sqrt(value))) for value in variance)


def collect(
    days: Iterable[CorrectionDay], stations: pd.DataFrame, grid: Grid, *, features: Sequence[str],
    static: Sequence[str], dynamic: Sequence[str], radius: int, crop_cells: int, crops_per_day: int, seed: int,
) -> Samples:
    """Cut crops and station surroundings out of each day in turn, so that only one day is held at a time.

    Raises
    ------
    GridMismatchError      SM302, a day on another grid.
    FeatureMismatchError   SM402, a day lacks a feature.
    TooFewSamplesError     SM504, no crop or no observation falls on known soil moisture.
    """
    rng = np.random.default_rng(seed)
    table, places = _on_grid(stations, grid)
    index = [list(features).index(name) for name in dynamic]
    usual_features, usual_fine = _Moments(), _Moments()
    crops, crop_fields, patches, fine, observed, station, day_of, used = [], [], [], [], [], [], [], []
    for day in days:
        check_on_grid(grid, day.features, day.fine)
        raw, field = _stack(day.features, features, day.day), _stack(day.fine, LAYERS, day.day)
        usual_features.add(raw)
        usual_fine.add(field)
        for row, column in _crop_centres(field, crops_per_day, rng):
            middle = np.array([row]), np.array([column])
            crops.append(_windows(raw, *middle, radius + crop_cells // 2)[0])
            crop_fields.append(_windows(field, *middle, crop_cells // 2)[0])
        today = table[table["day"] == pd.Timestamp(day.day)]
        rows, columns = today["row"].to_numpy(), today["column"].to_numpy()
        patches.append(_windows(raw[index], rows, columns, radius))
        fine.append(field[:, rows, columns].T)
        observed.append(today[list(LAYERS)].to_numpy(np.float32))
        station.append(today["station"].to_numpy(np.int64))
        day_of.append(np.full(len(today), day.day.toordinal()))
        used.append(day.day)
    if not crops or not sum(len(part) for part in patches):
        raise TooFewSamplesError(
            "nothing to learn the correction from", days=len(used), crops=len(crops),
            station_days=sum(len(part) for part in patches),
        )
    usual = Usual(usual_features.mean(), usual_fine.mean())
    mean, sd = _spatial(usual.features)
    fine_mean, fine_sd = _spatial(usual.fine)
    norm = Normalisation(
        features=tuple(features), static=tuple(static), dynamic=tuple(dynamic), mean=mean, sd=sd,
        departure_sd=usual_features.departure_sd(), fine_mean=fine_mean, fine_sd=fine_sd,
        fine_departure_sd=usual_fine.departure_sd(),
    )
    ordinals = sorted(day.toordinal() for day in used)
    return _known_only(Samples(
        crops=np.stack(crops), crop_fields=np.stack(crop_fields), patches=np.concatenate(patches),
        fine=np.concatenate(fine), observed=np.concatenate(observed), station=np.concatenate(station),
        day=np.searchsorted(ordinals, np.concatenate(day_of)).astype(np.int64), stations=places,
        days=tuple(dt.date.fromordinal(n) for n in ordinals), usual=usual, norm=norm,
    ))


def _on_grid(stations: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
    row, column = cell_of(stations["lon"], stations["lat"], grid)
    days = pd.DatetimeIndex(pd.to_datetime(stations["day"])).normalize()
    table = stations.assign(row=row, column=column, day=days, station_id=stations["station_id"].astype(str))
    table = table[(row >= 0) & stations[list(LAYERS)].notna().any(axis=1).to_numpy()]
    places = table.drop_duplicates("station_id")[["station_id", "lon", "lat", "row", "column"]]
    places = places.sort_values("station_id").reset_index(drop=True)
    index = pd.Index(places["station_id"]).get_indexer(table["station_id"])
    return table.assign(station=index).sort_values(["station", "day"]), places


def _known_only(samples: Samples) -> Samples:
    known = np.isfinite(samples.observed - samples.fine).any(axis=1)
    present, station = np.unique(samples.station[known], return_inverse=True)
    return replace(
        samples, patches=samples.patches[known], fine=samples.fine[known], observed=samples.observed[known],
        station=station.astype(np.int64), day=samples.day[known],
        stations=samples.stations.iloc[present].reset_index(drop=True),
    )


def _stack(ds: xr.Dataset, names: Sequence[str], day: dt.date) -> F32:
    missing = [name for name in names if name not in ds]
    if missing:
        raise FeatureMismatchError("variables to train the correction with are missing", day=day, missing=missing)
    return np.stack([ds[name].values for name in names]).astype(np.float32)


def _windows(values: F32, row: NDArray[np.int64], column: NDArray[np.int64], radius: int) -> F32:
    """Squares about cells, NaN outside. (variables, y, x) → (cells, variables, 2 radius + 1, 2 radius + 1)"""
    reach = np.arange(-radius, radius + 1)
    rows, columns = row[:, None] + reach, column[:, None] + reach
    height, width = values.shape[-2:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    cut = values[:, np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None, :]]
    return np.where(inside[:, None], np.moveaxis(cut, 0, 1), np.float32(np.nan))


def _crop_centres(field: F32, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    known = np.argwhere(np.isfinite(field).any(axis=0))
    if not len(known):
        return []
    return [(int(row), int(column)) for row, column in known[rng.integers(0, len(known), count)]]


def _spatial(usual: F32) -> tuple[tuple[float, ...], tuple[float, ...]]:
    known = [part[np.isfinite(part)].astype(np.float64) for part in usual]
    mean = tuple(float(part.mean()) if part.size else 0.0 for part in known)
    return mean, tuple(_usable(float(part.std()) if part.size else 0.0) for part in known)


def _usable(sd: float) -> float:
    return sd if sd > SMALLEST_SD else 1.0
