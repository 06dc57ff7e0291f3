"""How the downscaler learns: coarse departures explained by coarse contrasts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Layer
from sm_core.downscaling.features import WETNESS, coarse_of_day, feature_hash, known_land
from sm_core.downscaling.linear import SIGNS, fit_linear
from sm_core.downscaling.model import LEVELS, TIERS, Downscaler, DownscalerSpec, LayerFit, Tier
from sm_core.downscaling.params import DownscalingParams
from sm_core.errors import FeatureMismatchError, TooFewSamplesError
from sm_core.grid import Nesting, check_on_grid


@dataclass(frozen=True)
class TrainingDay:
    """One day to learn from: features on the region grid (y, x), soil moisture on its native lattice (time=1, y, x)."""

    day: dt.date
    features: xr.Dataset
    coarse: xr.Dataset


@dataclass(frozen=True)
class Samples:
    """Coarse cells and days to learn from.

    Attributes
    ----------
    features
        By name, aggregated over known land. (samples,) each
    departures
        Coarse value less large-scale wetness [m3 m-3]. (samples, layers)
    cell, day
        Flat index in the coarse lattice, and ordinal day. (samples,)
    shape
        (rows, columns) of the coarse lattice.
    dates
        The days, as given.
    """

    features: dict[str, NDArray[np.float64]]
    departures: NDArray[np.float64]
    cell: NDArray[np.int64]
    day: NDArray[np.int64]
    shape: tuple[int, int]
    dates: tuple[dt.date, ...]

    def table(self, names: tuple[str, ...], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Some features of some samples. (rows, names)"""
        return np.stack([self.features[name][rows] for name in names], axis=1)

    def known(self, names: tuple[str, ...], layer: int) -> NDArray[np.bool_]:
        """Samples whose features and departure are all known. (samples,)"""
        known: NDArray[np.bool_] = np.isfinite(self.departures[:, layer])
        for name in names:
            known = known & np.isfinite(self.features[name])
        return known


@dataclass(frozen=True)
class _Learned:
    effects: NDArray[np.float64]
    booster: lgb.Booster


def train(days: Iterable[TrainingDay], grid: Grid, params: DownscalingParams) -> Downscaler:
    """Learn how coarse soil moisture departs from its surroundings, given how the cell differs from its own.

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
    left out. A linear part with signs known from physics is fitted within days; trees, monotone in the same signs,
    take what it leaves. The number of rounds is chosen by early stopping on samples whose block of cells *and*
    stretch of days were both set apart (samples that share only one of them are used by neither side); the same
    samples give the half-widths of the error. The final model then learns from all samples. Each tier learns from
    the samples whose features it knows; a tier with too few of them is left out, unless it is the last one.
    """
    samples = collect(days, grid, params)
    fits, boosters = [], {}
    for tier in TIERS:
        names = tier.of(params.features)
        count = min(int(samples.known(names, index).sum()) for index in range(len(LAYERS)))
        if count < params.min_samples and tier is not TIERS[-1]:
            continue
        for index, layer in enumerate(LAYERS):
            learned, fit = _fit(index, layer, tier, samples, samples.known(names, index), params)
            boosters[layer, tier.name] = learned.booster
            fits.append(fit)
    spec = DownscalerSpec(
        params=params, feature_hash=feature_hash(params.features), trained_from=min(samples.dates),
        trained_until=max(samples.dates), days=len(samples.dates), fits=tuple(fits),
    )
    return Downscaler(boosters, spec)


def cross_validate(samples: Samples, params: DownscalingParams, folds: int) -> float:
    """Skill at unseen coarse cells and days, mean over layers and folds [1]: to choose hyper-parameters by.

    Parameters
    ----------
    samples
        Of training days only.
    params
        On trial; ``seed`` decides the folds.
    folds
        How often other blocks of cells and stretches of days are set apart.

    Returns
    -------
    1 − mean square error over that of no departure. The number of rounds is chosen inside of each fold's own
    training samples, so nothing of what is scored has been used.
    """
    tier, skills = TIERS[0], []
    for fold in range(folds):
        drawn = params.model_copy(update={"seed": params.seed + fold})
        for index, layer in enumerate(LAYERS):
            inner, outer = _inner_split(samples, samples.known(tier.of(params.features), index), drawn)
            learned, _ = _fit(index, layer, tier, samples, inner, drawn)
            target = samples.departures[outer, index]
            error = target - _estimate(learned, tier, samples, outer, drawn)
            skills.append(1 - np.mean(error**2) / np.mean(target**2))
    return float(np.mean(skills))


def collect(days: Iterable[TrainingDay], grid: Grid, params: DownscalingParams) -> Samples:
    """Aggregate days to samples; same errors as :func:`train`."""
    used: list[dt.date] = []
    names = tuple(dict.fromkeys((*params.features, *WETNESS.values())))
    features, departures, cells, ordinals = [], [], [], []
    shape = (0, 0)
    for training_day in days:
        check_on_grid(grid, training_day.features)
        missing = [name for name in names if name not in training_day.features]
        if missing:
            raise FeatureMismatchError("features to train with are missing", day=training_day.day, missing=missing)
        coarse = coarse_of_day(training_day.coarse, training_day.day)
        nesting = Nesting.of(coarse, grid)
        shape = nesting.shape
        wanted = _enough_land(known_land(training_day.features), nesting, params.min_land_share)
        table = {name: nesting.aggregate(training_day.features[name].values)[wanted] for name in names}
        departure = [coarse[layer].values[0][wanted] - table[WETNESS[layer]] for layer in LAYERS]
        features.append(table)
        departures.append(np.stack(departure, axis=1))
        cells.append(np.flatnonzero(wanted))
        ordinals.append(np.full(len(departures[-1]), training_day.day.toordinal()))
        used.append(training_day.day)
    if not used:
        raise TooFewSamplesError("no day to train with", samples=0, minimum=params.min_samples)
    return Samples(
        {name: np.concatenate([table[name] for table in features]) for name in names}, np.concatenate(departures),
        np.concatenate(cells), np.concatenate(ordinals), shape, tuple(used),
    )


def _enough_land(land: NDArray[np.bool_], nesting: Nesting, least: float) -> NDArray[np.bool_]:
    inside = nesting.cell >= 0
    size = nesting.shape[0] * nesting.shape[1]
    count = np.bincount(nesting.cell[inside & land], minlength=size)
    largest = np.bincount(nesting.cell[inside], minlength=size).max(initial=1)
    enough: NDArray[np.bool_] = (count >= least * largest).reshape(nesting.shape)
    return enough


def _fit(
    index: int, layer: Layer, tier: Tier, samples: Samples, known: NDArray[np.bool_], params: DownscalingParams
) -> tuple[_Learned, LayerFit]:
    if known.sum() < params.min_samples:
        raise TooFewSamplesError(
            "too few coarse cells and days to learn from", layer=layer, samples=int(known.sum()),
            minimum=params.min_samples,
        )
    inner, outer = _inner_split(samples, known, params)
    trial = _learn(index, tier, samples, inner, params, stop_on=outer)
    rounds = max(1, trial.booster.best_iteration)
    target = samples.departures[outer, index]
    error = target - _estimate(trial, tier, samples, outer, params)
    final = _learn(index, tier, samples, known, params, rounds=rounds)
    return final, LayerFit(
        layer=layer, tier=tier.name, effects=tuple(final.effects.tolist()), rounds=rounds, samples=int(known.sum()),
        validation_samples=int(outer.sum()), validation_rmsd=float(np.sqrt(np.mean(error**2))),
        validation_skill=float(1 - np.mean(error**2) / max(np.mean(target**2), 1e-12)),
        half_widths=tuple(conformal_half_width(error, level) for level in LEVELS),
    )


def conformal_half_width(error: NDArray[np.float64], level: float) -> float:
    """The ⌈(n + 1) level⌉-th smallest of n absolute errors, the largest where n is too small for the level.

    References
    ----------
    .. [1] Lei et al. (2018), Distribution-free predictive inference for regression,
       doi:10.1080/01621459.2017.1307116

    Examples
    --------
    >>> conformal_half_width(np.array([0.1, -0.2, 0.3, -0.4]), 0.8)
    0.4
    """
    ordered = np.sort(np.abs(error))
    return float(ordered[min(math.ceil((len(ordered) + 1) * level), len(ordered)) - 1])


def _learn(
    index: int, tier: Tier, samples: Samples, rows: NDArray[np.bool_], params: DownscalingParams, *,
    rounds: int | None = None, stop_on: NDArray[np.bool_] | None = None,
) -> _Learned:
    linear, target = tier.of(params.linear), samples.departures[:, index]
    effects = fit_linear(samples.table(linear, rows), target[rows], samples.day[rows], linear, params.ridge)

    def left(where: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        explained = samples.table(linear, where) @ effects
        return samples.table(tier.of(params.trees), where), target[where] - explained

    table, rest = left(rows)
    data = lgb.Dataset(table, rest, feature_name=list(tier.of(params.trees)), free_raw_data=False)
    evaluated: list[lgb.Dataset] = []
    callbacks: list[Callable[..., Any]] = []
    if stop_on is not None:
        table, rest = left(stop_on)
        evaluated = [lgb.Dataset(table, rest, reference=data, free_raw_data=False)]
        callbacks = [lgb.early_stopping(params.patience, verbose=False)]
    booster = lgb.train(
        _lightgbm_params(params, tier), data, num_boost_round=rounds or params.max_rounds, valid_sets=evaluated,
        callbacks=callbacks,
    )
    return _Learned(effects, booster)


def _estimate(
    learned: _Learned, tier: Tier, samples: Samples, rows: NDArray[np.bool_], params: DownscalingParams
) -> NDArray[np.float64]:
    trees = learned.booster.predict(samples.table(tier.of(params.trees), rows), num_threads=params.num_threads)
    estimate: NDArray[np.float64] = samples.table(tier.of(params.linear), rows) @ learned.effects + np.asarray(trees)
    return estimate


def _inner_split(
    samples: Samples, known: NDArray[np.bool_], params: DownscalingParams
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


def _lightgbm_params(params: DownscalingParams, tier: Tier) -> dict[str, Any]:
    return {
        "objective": "regression", "metric": "l2", "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves, "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction, "bagging_fraction": params.bagging_fraction, "bagging_freq": 1,
        "lambda_l2": params.lambda_l2, "seed": params.seed, "deterministic": True, "force_row_wise": True,
        "monotone_constraints": [SIGNS.get(name, 0) for name in tier.of(params.trees)],
        "num_threads": params.num_threads, "verbosity": -1,
    }
