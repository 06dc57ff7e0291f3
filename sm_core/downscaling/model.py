"""LightGBM downscaling: relations learned between coarse cells, applied within them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import ValidationError

from sm_core.domain import LAYERS, Grid, Layer, Record
from sm_core.downscaling.conservation import VALID_RANGE
from sm_core.downscaling.features import FEATURE_NAMES, WETNESS, coarse_of_day, feature_hash, known_land
from sm_core.errors import FeatureMismatchError, ModelIntegrityError, ModelNotFoundError, TooFewSamplesError
from sm_core.grid import Nesting, check_on_grid

SPEC_FILE = "spec.json"


class DownscalingParams(Record):
    """All that decides the outcome of training, besides the data.

    ``lst_day`` is left out by default: the anomaly carries its relation to soil moisture with less of its noise, to
    which relations learned from the means of many cells are not prepared.
    """

    features: tuple[str, ...] = tuple(name for name in FEATURE_NAMES if name != "lst_day")
    learning_rate: float = 0.05
    num_leaves: int = 8
    min_data_in_leaf: int = 40
    feature_fraction: float = 0.7
    bagging_fraction: float = 0.8
    lambda_l2: float = 1.0
    max_rounds: int = 400
    patience: int = 30
    validation_share: float = 0.3
    """Of blocks and of stretches of days that are set apart to choose the number of rounds."""
    block_cells: int = 3
    block_days: int = 10
    min_land_share: float = 0.5
    min_samples: int = 200
    valid_range: tuple[float, float] = VALID_RANGE
    seed: int = 0
    num_threads: int = 1


class LayerFit(Record):
    """How one layer's booster came about; scores are of cells and days that were both set apart."""

    layer: Layer
    rounds: int
    samples: int
    validation_samples: int
    validation_rmsd: float
    """Of the departure from the large-scale wetness [m3 m-3]."""
    validation_skill: float
    """1 − mean square error over that of no departure [1]; 0: nothing learned."""


class DownscalerSpec(Record):
    """What a downscaler is; ``sha256`` of its boosters' texts, in the order of ``fits``, is set when it is stored."""

    params: DownscalingParams
    feature_hash: str
    trained_from: dt.date
    trained_until: dt.date
    days: int
    fits: tuple[LayerFit, ...]
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingDay:
    """One day to learn from: features on the region grid (y, x), soil moisture on its native lattice (time=1, y, x)."""

    day: dt.date
    features: xr.Dataset
    coarse: xr.Dataset


@dataclass(frozen=True)
class Downscaler:
    """A trained model: one booster per layer and its spec."""

    boosters: Mapping[Layer, lgb.Booster]
    spec: DownscalerSpec

    def predict(self, features: xr.Dataset) -> xr.Dataset:
        """Soil moisture of every land cell before the coarse means are restored.

        Parameters
        ----------
        features
            As ``build_features`` makes them. (y, x)

        Returns
        -------
        Dataset (y, x): ``sm_surface``, ``sm_rootzone`` [m3 m-3], float32, inside the valid range; NaN outside land
        and where the large-scale wetness is unknown.

        Raises
        ------
        FeatureMismatchError   SM402, a feature of the model is missing.
        """
        missing = [name for name in self.spec.params.features if name not in features]
        if missing:
            raise FeatureMismatchError("features of the model are missing", missing=missing)
        land = known_land(features)
        table = np.stack([features[name].values[land] for name in self.spec.params.features], axis=1)
        variables = {}
        for layer in LAYERS:
            field = np.full(land.shape, np.nan, np.float32)
            if len(table):
                departure = self.boosters[layer].predict(table, num_threads=self.spec.params.num_threads)
                field[land] = np.clip(features[WETNESS[layer]].values[land] + departure, *self.spec.params.valid_range)
            variables[layer] = (("y", "x"), field, {"units": "1"})
        return xr.Dataset(variables, {"y": features.y, "x": features.x}, dict(features.attrs))

    def save(self, directory: Path) -> None:
        """Write ``<layer>.txt`` (LightGBM text) and ``spec.json`` into an existing directory."""
        texts = [self.boosters[fit.layer].model_to_string() for fit in self.spec.fits]
        for fit, text in zip(self.spec.fits, texts, strict=True):
            (directory / f"{fit.layer}.txt").write_text(text, encoding="utf-8")
        spec = self.spec.model_copy(update={"sha256": tuple(_sha256(text) for text in texts)})
        (directory / SPEC_FILE).write_text(spec.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Downscaler:
        """Read a stored downscaler.

        Raises
        ------
        ModelNotFoundError     SM501, a file is missing.
        ModelIntegrityError    SM502, a file is not what was saved.
        FeatureMismatchError   SM402, its features have since changed in name or unit.
        """
        spec = _load_spec(directory / SPEC_FILE)
        _check_features(spec)
        boosters = {}
        for fit, sha256 in zip(spec.fits, spec.sha256, strict=True):
            path = directory / f"{fit.layer}.txt"
            if not path.is_file():
                raise ModelNotFoundError("booster file is missing", file=path.name, directory=directory.name)
            text = path.read_text(encoding="utf-8")
            if _sha256(text) != sha256:
                raise ModelIntegrityError("booster file has changed since it was saved", file=path.name)
            boosters[fit.layer] = lgb.Booster(model_str=text)
        return cls(boosters, spec)


@dataclass(frozen=True)
class _Samples:
    """Rows of coarse cells: features (n, features), values by layer (n, layers), and where and when."""

    features: NDArray[np.float64]
    values: NDArray[np.float64]
    cell: NDArray[np.int64]
    day: NDArray[np.int64]
    shape: tuple[int, int]


def train(days: Iterable[TrainingDay], grid: Grid, params: DownscalingParams) -> Downscaler:
    """Learn how coarse soil moisture departs from its surroundings, given what the cell looks like.

    Parameters
    ----------
    days
        Taken one at a time, in any order; all on one coarse lattice.
    grid
        The region grid of the features.
    params
        The same parameters, days and number of threads give the same model.

    Raises
    ------
    TooFewSamplesError     SM504, fewer than ``min_samples`` cells and days, or one block or day only.
    GridMismatchError      SM302, features on another grid.
    FeatureMismatchError   SM402, a feature of ``params`` is missing.

    Notes
    -----
    Features are aggregated to coarse cells by area over known land; cells of less than ``min_land_share`` land are
    left out. The target is the coarse value less the cell's large-scale wetness. The number of rounds is chosen by
    early stopping on samples whose block of cells *and* stretch of days were both set apart (samples that share
    only one of them are used by neither side); the final model then learns from all samples.
    """
    used, samples = _collect(days, grid, params)
    fits, boosters = [], {}
    for index, layer in enumerate(LAYERS):
        wetness = samples.features[:, params.features.index(WETNESS[layer])]
        target = samples.values[:, index] - wetness
        boosters[layer], fit = _fit(layer, samples, target, params)
        fits.append(fit)
    spec = DownscalerSpec(
        params=params, feature_hash=feature_hash(params.features), trained_from=min(used), trained_until=max(used),
        days=len(used), fits=tuple(fits),
    )
    return Downscaler(boosters, spec)


def _collect(days: Iterable[TrainingDay], grid: Grid, params: DownscalingParams) -> tuple[list[dt.date], _Samples]:
    used: list[dt.date] = []
    features, values, cells, ordinals = [], [], [], []
    shape = (0, 0)
    for training_day in days:
        check_on_grid(grid, training_day.features)
        missing = [name for name in params.features if name not in training_day.features]
        if missing:
            raise FeatureMismatchError("features to train with are missing", day=training_day.day, missing=missing)
        coarse = coarse_of_day(training_day.coarse, training_day.day)
        nesting = Nesting.of(coarse, grid)
        shape = nesting.shape
        wanted = _enough_land(known_land(training_day.features), nesting, params.min_land_share)
        layers = np.stack([coarse[layer].values[0][wanted] for layer in LAYERS], axis=1)
        table = [nesting.aggregate(training_day.features[name].values)[wanted] for name in params.features]
        features.append(np.stack(table, axis=1))
        values.append(layers)
        cells.append(np.flatnonzero(wanted))
        ordinals.append(np.full(len(layers), training_day.day.toordinal()))
        used.append(training_day.day)
    if not used:
        raise TooFewSamplesError("no day to train with", samples=0, minimum=params.min_samples)
    samples = _Samples(
        np.concatenate(features), np.concatenate(values), np.concatenate(cells), np.concatenate(ordinals), shape
    )
    return used, samples


def _enough_land(land: NDArray[np.bool_], nesting: Nesting, least: float) -> NDArray[np.bool_]:
    inside = nesting.cell >= 0
    size = nesting.shape[0] * nesting.shape[1]
    count = np.bincount(nesting.cell[inside & land], minlength=size)
    largest = np.bincount(nesting.cell[inside], minlength=size).max(initial=1)
    enough: NDArray[np.bool_] = (count >= least * largest).reshape(nesting.shape)
    return enough


def _fit(
    layer: Layer, samples: _Samples, target: NDArray[np.float64], params: DownscalingParams
) -> tuple[lgb.Booster, LayerFit]:
    known = np.isfinite(target)
    if known.sum() < params.min_samples:
        raise TooFewSamplesError(
            "too few coarse cells and days to learn from", layer=layer, samples=int(known.sum()),
            minimum=params.min_samples,
        )
    inner, outer = _inner_split(samples, known, params)
    trial = _boost(samples.features, target, inner, params, stop_on=outer)
    rounds = max(1, trial.best_iteration)
    estimate = trial.predict(samples.features[outer], num_iteration=rounds, num_threads=params.num_threads)
    error = target[outer] - np.asarray(estimate)
    booster = _boost(samples.features, target, known, params, rounds=rounds)
    return booster, LayerFit(
        layer=layer, rounds=rounds, samples=int(known.sum()), validation_samples=int(outer.sum()),
        validation_rmsd=float(np.sqrt(np.mean(error**2))),
        validation_skill=float(1 - np.mean(error**2) / max(np.mean(target[outer] ** 2), 1e-12)),
    )


def _inner_split(
    samples: _Samples, known: NDArray[np.bool_], params: DownscalingParams
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    rng = np.random.default_rng(params.seed)
    side = min(params.block_cells, max(1, min(samples.shape) // 2))
    row, column = np.divmod(samples.cell, samples.shape[1])
    blocks = (row // side) * samples.shape[1] + column // side
    different = np.unique(samples.day[known])
    length = min(params.block_days, max(1, len(different) // 2))
    stretches = np.searchsorted(different, samples.day) // length
    set_apart = [_draw(groups, known, params.validation_share, rng) for groups in (blocks, stretches)]
    inner, outer = known & ~set_apart[0] & ~set_apart[1], known & set_apart[0] & set_apart[1]
    if not inner.any() or not outer.any():
        raise TooFewSamplesError(
            "blocks of cells and days cannot be set apart", samples=int(known.sum()), days=len(different),
            cells=len(np.unique(samples.cell[known])),
        )
    return inner, outer


def _draw(
    groups: NDArray[np.int64], known: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    different = np.unique(groups[known])
    count = min(max(1, math.ceil(share * len(different))), len(different) - 1)
    return np.isin(groups, rng.permutation(different)[:count])


def _boost(
    features: NDArray[np.float64], target: NDArray[np.float64], rows: NDArray[np.bool_], params: DownscalingParams, *,
    rounds: int | None = None, stop_on: NDArray[np.bool_] | None = None,
) -> lgb.Booster:
    data = lgb.Dataset(features[rows], target[rows], feature_name=list(params.features), free_raw_data=False)
    evaluated: list[lgb.Dataset] = []
    callbacks: list[Callable[..., Any]] = []
    if stop_on is not None:
        evaluated = [lgb.Dataset(features[stop_on], target[stop_on], reference=data, free_raw_data=False)]
        callbacks = [lgb.early_stopping(params.patience, verbose=False)]
    return lgb.train(
        _lightgbm_params(params), data, num_boost_round=rounds or params.max_rounds, valid_sets=evaluated,
        callbacks=callbacks,
    )


def _lightgbm_params(params: DownscalingParams) -> dict[str, Any]:
    return {
        "objective": "regression", "metric": "l2", "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves, "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction, "bagging_fraction": params.bagging_fraction, "bagging_freq": 1,
        "lambda_l2": params.lambda_l2, "seed": params.seed, "deterministic": True, "force_row_wise": True,
        "num_threads": params.num_threads, "verbosity": -1,
    }


def _load_spec(path: Path) -> DownscalerSpec:
    if not path.is_file():
        raise ModelNotFoundError("there is no downscaler here", file=path.name, directory=path.parent.name)
    try:
        return DownscalerSpec.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise ModelIntegrityError("the downscaler's spec cannot be read", file=path.name) from cause


def _check_features(spec: DownscalerSpec) -> None:
    unknown = [name for name in spec.params.features if name not in FEATURE_NAMES]
    if unknown or feature_hash(spec.params.features) != spec.feature_hash:
        raise FeatureMismatchError("the model's features are not those of today", unknown=unknown)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
