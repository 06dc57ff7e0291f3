"""A linear mixed model by empirical Bayes: what stations have in common, apart from what is each one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sm_core.grid.points import chord_to_km

F64 = NDArray[np.float64]
FREE = "constant"
"""The group of columns that no prior holds back."""
VARIANCE_BOUNDS = (1e-8, 0.1)
RATIO_BOUNDS = (1e-4, 1e4)
STATION_LIMIT_SD, DAY_LIMIT_SD = 3.0, 4.0
NORMAL_MAD = 1.4826


@dataclass(frozen=True)
class MixedFit:
    """Weights of the columns, and what they were estimated with [m3 m-3].

    Attributes
    ----------
    weights
        One per column.
    offsets
        Best linear unbiased prediction of each station's own offset. (stations,)
    residual_sd, offset_sd
        Standard deviation of day-to-day departures and of the stations' own offsets.
    prior_sd
        By group of columns.
    design_effect
        How many station-days of a day tell as much as one independent one.
    neighbour_r
        Correlation of the offsets of neighbouring stations.
    """

    weights: F64
    offsets: F64
    residual_sd: float
    offset_sd: float
    prior_sd: dict[str, float]
    design_effect: float
    neighbour_r: float


class _Sums:
    """All that the likelihood needs to know of the samples."""

    def __init__(self, columns: F64, target: F64, station: NDArray[np.int64], weight: F64) -> None:
        stations, row_weight = len(weight), weight[station]
        self.weight, self.count = weight, np.bincount(station, minlength=stations).astype(np.float64)
        self.size = float(row_weight.sum())
        self.xx = (columns * row_weight[:, None]).T @ columns
        self.xy = columns.T @ (row_weight * target)
        self.yy = float(row_weight @ target**2)
        self.x = np.stack([np.bincount(station, column, stations) for column in columns.T], axis=1)
        self.y = np.bincount(station, target, stations)

    def generalised(self, ratio: float) -> tuple[F64, F64, float]:
        """X'V⁻¹X, X'V⁻¹y, y'V⁻¹y for V = I + ratio · (ones within each station)."""
        share = self.weight * ratio / (1 + ratio * self.count)
        scaled = self.x * share[:, None]
        return self.xx - scaled.T @ self.x, self.xy - scaled.T @ self.y, self.yy - float(share @ self.y**2)


class _Model:
    """The marginal likelihood over the variances, and the weights given these."""

    def __init__(self, sums: _Sums, groups: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(name for name in groups if name != FREE))
        self._sums = sums
        self._group = np.array([self.names.index(name) if name != FREE else -1 for name in groups])

    def estimate(self, start: F64, fixed: tuple[float, float] | None = None) -> tuple[float, float, F64]:
        """Residual variance, ratio of offset to residual variance, prior variances; the first two may be known."""
        lower, upper = np.log(VARIANCE_BOUNDS)
        bounds = [(lower, upper)] * len(self.names)
        if fixed is not None:
            result = minimize(lambda t: self._loss(*fixed, np.exp(t)), np.log(start[2:]), bounds=bounds)
            return *fixed, np.exp(result.x)
        bounds = [(lower, upper), (float(np.log(RATIO_BOUNDS[0])), float(np.log(RATIO_BOUNDS[1]))), *bounds]
        result = minimize(
            lambda t: self._loss(float(np.exp(t[0])), float(np.exp(t[1])), np.exp(t[2:])), np.log(start), bounds=bounds)
        return float(np.exp(result.x[0])), float(np.exp(result.x[1])), np.exp(result.x[2:])

    def weights(self, variance: float, ratio: float, prior: F64) -> F64:
        """Mean of the weights given the data."""
        xx, xy, _ = self._sums.generalised(ratio)
        return np.asarray(np.linalg.solve(xx + np.diag(self._penalty(variance, prior)), xy), np.float64)

    def _penalty(self, variance: float, prior: F64) -> F64:
        return np.where(self._group >= 0, variance / np.append(prior, np.inf)[self._group], 1e-9)

    def _loss(self, variance: float, ratio: float, prior: F64) -> float:
        xx, xy, yy = self._sums.generalised(ratio)
        penalty, held = self._penalty(variance, prior), self._group >= 0
        lower = np.linalg.cholesky(xx + np.diag(penalty))
        explained = np.linalg.solve(lower, xy)
        determinant = 2 * np.log(np.diag(lower)).sum() - np.log(penalty[held]).sum()
        free = (~held).sum()
        offsets = float(self._sums.weight @ np.log1p(ratio * self._sums.count))
        rest = (yy - float(explained @ explained)) / variance
        return float(0.5 * ((self._sums.size - free) * np.log(variance) + offsets + determinant + rest))


def fit_mixed(
    columns: F64, groups: Sequence[str], target: F64, station: NDArray[np.int64], day: NDArray[np.int64], places: F64,
    *, neighbour_km: float, later_groups: Sequence[str] = (),
) -> MixedFit:
    """Fit target = columns · weights + offset of the station + departure.

    Parameters
    ----------
    columns
        (samples, columns), each of a spread of about 1.
    groups
        The group of each column; the columns of a group share a prior, those of :data:`FREE` have none.
    target
        [m3 m-3]. (samples,)
    station, day
        Index of each sample's station (0 … stations − 1, each present) and day. (samples,)
    places
        The stations on the unit sphere. (stations, 3)
    neighbour_km
        Stations nearer than this share weight as far as their offsets agree.
    later_groups
        Groups that are left out while the design effect is estimated, lest they explain away what days have in common.

    Notes
    -----
    Offsets and weights are random, each with its own variance; the variances have the largest marginal likelihood [1]_.
    Days hit many stations alike; the residual variance is inflated by the design effect, which compares the variance
    of the score summed by days with that of independent samples [2]_. Offsets beyond three, and departures beyond
    four robust standard deviations count as if they were there.

    References
    ----------
    .. [1] Searle, Casella and McCulloch (1992), Variance components, doi:10.1002/9780470316856
    .. [2] Liang and Zeger (1986), Longitudinal data analysis using generalized linear models,
       doi:10.1093/biomet/73.1.13
    """
    stations = len(places)
    early = np.array([name not in later_groups for name in groups])
    first = _Model(
        _Sums(columns[:, early], target, station, np.ones(stations)), [n for n in groups if n not in later_groups])
    variance, ratio, prior = first.estimate(_start(target, len(first.names)))
    residual = target - columns[:, early] @ first.weights(variance, ratio, prior)
    usual = _station_mean(residual, station, stations)
    departure = residual - usual[station]
    effect = _design_effect(columns[:, early], departure, station, day, stations)
    neighbour_r, weight = _station_weights(usual, places, neighbour_km)
    limit = DAY_LIMIT_SD * _robust_sd(departure)
    tamed = target - departure + np.clip(departure, -limit, limit)
    sums = _Sums(columns, tamed, station, weight)
    model = _Model(sums, groups)
    fixed = (variance * effect, ratio / effect)
    _, _, prior = model.estimate(_start(target, len(model.names)), fixed)
    weights = model.weights(*fixed, prior)
    total = np.bincount(station, tamed - columns @ weights, stations)
    return MixedFit(
        weights=weights, offsets=fixed[1] * total / (1 + fixed[1] * sums.count), residual_sd=float(np.sqrt(variance)),
        offset_sd=float(np.sqrt(variance * ratio)),
        prior_sd=dict(zip(model.names, np.sqrt(prior).tolist(), strict=True)),
        design_effect=effect, neighbour_r=neighbour_r,
    )


def _start(target: F64, groups: int) -> F64:
    variance = float(np.clip(0.5 * target.var(), 1e-5, VARIANCE_BOUNDS[1]))
    return np.array([variance, 1.0, *[1e-4] * groups])


def _station_mean(values: F64, station: NDArray[np.int64], stations: int) -> F64:
    mean: F64 = np.bincount(station, values, stations) / np.maximum(np.bincount(station, minlength=stations), 1)
    return mean


def _robust_sd(values: F64) -> float:
    return max(NORMAL_MAD * float(np.median(np.abs(values - np.median(values)))), 1e-6)


def _design_effect(
    columns: F64, departure: F64, station: NDArray[np.int64], day: NDArray[np.int64], stations: int
) -> float:
    mean = np.stack([_station_mean(column, station, stations) for column in columns.T], axis=1)
    within = columns - mean[station]
    within = within[:, within.std(axis=0) > 1e-3]
    if not within.shape[1]:
        return 1.0
    score = np.linalg.svd(within, full_matrices=False)[0] * departure[:, None]
    by_day = np.stack([np.bincount(day, column) for column in score.T], axis=1)
    return max(1.0, float((by_day**2).sum() / max((score**2).sum(), 1e-12)))


def _station_weights(usual: F64, places: F64, neighbour_km: float) -> tuple[float, F64]:
    """Correlation of neighbours, and weights that hold back outliers and let close stations share."""
    departure, sd = usual - np.median(usual), _robust_sd(usual)
    robust = np.minimum(1.0, STATION_LIMIT_SD * sd / np.maximum(np.abs(departure), 1e-9))
    distance = chord_to_km(np.linalg.norm(places[:, None] - places[None], axis=2))
    near = (distance < neighbour_km) & ~np.eye(len(places), dtype=bool)
    if not near.any():
        return 0.0, robust
    tamed = np.clip(departure, -STATION_LIMIT_SD * sd, STATION_LIMIT_SD * sd)
    together = float(np.outer(tamed, tamed)[near].mean()) / max(float((tamed**2).mean()), 1e-12)
    neighbour_r = float(np.clip(together, 0.0, 1.0))
    return neighbour_r, robust / (1 + neighbour_r * near.sum(axis=1))
