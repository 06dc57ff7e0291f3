"""What the corrector learns from: crops of the region for pre-training, surroundings of stations for fine-tuning."""

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


@dataclass(frozen=True)
class CorrectionDay:
    """One day to learn from: features and the downscaled ``sm_surface``, ``sm_rootzone``. Each (y, x) on the grid."""

    day: dt.date
    features: xr.Dataset
    fine: xr.Dataset


class Normalisation(Record):
    """Mean and standard deviation of each feature and of each layer of the downscaled field."""

    features: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    fine_mean: tuple[float, ...]
    fine_sd: tuple[float, ...]

    def inputs(self, raw: F32) -> F32:
        """Features as the network takes them: normalised, unknown ones at the mean, and the known share last.

        (…, features, h, w) → (…, features + 1, h, w). Values beyond four standard deviations are cut there.
        """
        known = np.isfinite(raw)
        mean, sd = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.sd))
        scaled = np.where(known, np.clip((raw - mean) / sd, -CLIP_SD, CLIP_SD), np.float32(0))
        share = known.mean(axis=-3, keepdims=True, dtype=np.float32)
        return np.concatenate([scaled.astype(np.float32), share], axis=-3)

    def fine(self, raw: F32) -> F32:
        """The downscaled field normalised, unknown at the mean. (…, layers, h, w)"""
        mean, sd = (np.array(values, np.float32)[:, None, None] for values in (self.fine_mean, self.fine_sd))
        return np.where(np.isfinite(raw), (raw - mean) / sd, np.float32(0)).astype(np.float32)


@dataclass(frozen=True)
class Samples:
    """Arrays of training data; all features and fields as they come, NaN = unknown.

    Attributes
    ----------
    crops, crop_fields
        (crops, features, h, w) with the network's margin, and the downscaled field they belong to
        (crops, layers, h − 2 radius, w − 2 radius).
    patches
        Surroundings of stations. (samples, features, 2 radius + 1, 2 radius + 1)
    fine, observed
        The downscaled and the observed value [m3 m-3]. (samples, layers)
    station
        Index into ``stations``. (samples,)
    stations
        Columns station_id, lon, lat; one row per station with samples. A sample knows at least one layer.
    days
        The days used.
    """

    crops: F32
    crop_fields: F32
    patches: F32
    fine: F32
    observed: F32
    station: NDArray[np.int64]
    stations: pd.DataFrame
    days: tuple[dt.date, ...]

    @property
    def centre(self) -> F32:
        """The features of the stations' own cells. (samples, features)"""
        middle = self.patches.shape[-1] // 2
        values: F32 = self.patches[:, :, middle, middle]
        return values


def collect(
    days: Iterable[CorrectionDay], stations: pd.DataFrame, grid: Grid, features: Sequence[str], *, radius: int,
    crop_cells: int, crops_per_day: int, seed: int,
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
    crops, crop_fields, patches, fine, observed, station, used = [], [], [], [], [], [], []
    for day in days:
        check_on_grid(grid, day.features, day.fine)
        raw = _margin(_stack(day.features, features, day.day), radius + crop_cells // 2)
        field = _margin(_stack(day.fine, LAYERS, day.day), crop_cells // 2)
        for row, column in _crop_centres(field, crop_cells, crops_per_day, rng):
            size = crop_cells + 2 * radius
            crops.append(raw[:, row:row + size, column:column + size].copy())
            crop_fields.append(field[:, row:row + crop_cells, column:column + crop_cells].copy())
        today = table[table["day"] == pd.Timestamp(day.day)]
        rows, columns = today["row"].to_numpy(), today["column"].to_numpy()
        for row, column in zip(rows + crop_cells // 2, columns + crop_cells // 2, strict=True):
            patches.append(raw[:, row:row + 2 * radius + 1, column:column + 2 * radius + 1].copy())
        fine.append(np.stack([day.fine[layer].values[rows, columns] for layer in LAYERS], axis=1))
        observed.append(today[list(LAYERS)].to_numpy(np.float32))
        station.append(today["station"].to_numpy(np.int64))
        used.append(day.day)
    if not crops or not patches:
        raise TooFewSamplesError(
            "nothing to learn the correction from", days=len(used), crops=len(crops), station_days=len(patches)
        )
    return _known_only(Samples(
        crops=np.stack(crops), crop_fields=np.stack(crop_fields), patches=np.stack(patches),
        fine=np.concatenate(fine).astype(np.float32), observed=np.concatenate(observed),
        station=np.concatenate(station), stations=places, days=tuple(sorted(used)),
    ))


def normalisation(samples: Samples, features: Sequence[str]) -> Normalisation:
    """Means and standard deviations over the crops; a feature that never varies has a standard deviation of 1."""
    mean, sd = _moments(samples.crops)
    fine_mean, fine_sd = _moments(samples.crop_fields)
    return Normalisation(features=tuple(features), mean=mean, sd=sd, fine_mean=fine_mean, fine_sd=fine_sd)


def _on_grid(stations: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
    row, column = cell_of(stations["lon"], stations["lat"], grid)
    days = pd.DatetimeIndex(pd.to_datetime(stations["day"])).normalize()
    table = stations.assign(row=row, column=column, day=days, station_id=stations["station_id"].astype(str))
    table = table[(row >= 0) & stations[list(LAYERS)].notna().any(axis=1).to_numpy()]
    places = table.drop_duplicates("station_id")[["station_id", "lon", "lat"]].sort_values("station_id")
    places = places.reset_index(drop=True)
    index = pd.Index(places["station_id"]).get_indexer(table["station_id"])
    return table.assign(station=index).sort_values(["station", "day"]), places


def _known_only(samples: Samples) -> Samples:
    known = np.isfinite(samples.observed - samples.fine).any(axis=1)
    present, station = np.unique(samples.station[known], return_inverse=True)
    return replace(
        samples, patches=samples.patches[known], fine=samples.fine[known], observed=samples.observed[known],
        station=station.astype(np.int64), stations=samples.stations.iloc[present].reset_index(drop=True),
    )


def _stack(ds: xr.Dataset, names: Sequence[str], day: dt.date) -> F32:
    missing = [name for name in names if name not in ds]
    if missing:
        raise FeatureMismatchError("variables to train the correction with are missing", day=day, missing=missing)
    return np.stack([ds[name].values for name in names]).astype(np.float32)


def _margin(values: F32, cells: int) -> F32:
    return np.pad(values, ((0, 0), (cells, cells), (cells, cells)), constant_values=np.nan)


def _crop_centres(
    field: F32, crop_cells: int, count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    known = np.argwhere(np.isfinite(field).any(axis=0))
    if not len(known):
        return []
    chosen = known[rng.integers(0, len(known), count)]
    return [(int(row) - crop_cells // 2, int(column) - crop_cells // 2) for row, column in chosen]


def _moments(values: F32) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, sd = [], []
    for channel in range(values.shape[1]):
        known = values[:, channel][np.isfinite(values[:, channel])].astype(np.float64)
        spread = float(known.std()) if known.size else 0.0
        mean.append(float(known.mean()) if known.size else 0.0)
        sd.append(spread if spread > 1e-6 else 1.0)
    return tuple(mean), tuple(sd)
