"""Scores of any mixture of groups from sums over each group, so that a bootstrap over groups costs next to nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sm_core.domain import Record
from sm_core.validation.metrics import Number

Floats = NDArray[np.float64]
Over = Literal["station-days", "stations"]
"""Whether a score is of all pairs pooled, or the average of the scores of stations."""
OVER: tuple[Over, ...] = ("station-days", "stations")

MIN_GROUPS = 3
"""Fewest groups that a bootstrap over groups can say something about."""


class Score(Record):
    """A score and, where it was estimated, its confidence interval."""

    value: Number
    lower: float | None = None
    upper: float | None = None

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "–"
        interval = "" if self.lower is None or self.upper is None else f" ({self.lower:.3f} to {self.upper:.3f})"
        return f"{self.value:.3f}{interval}"


class Bootstrap(Record):
    """Number of resamples, confidence level and seed of a bootstrap; the same ones give the same interval."""

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


STANDARD = Bootstrap()


@dataclass(frozen=True)
class Moments:
    """Sums over the known pairs of each group.

    Attributes
    ----------
    sums
        n, Σe, Σo, Σe², Σo², Σeo of the values less ``origin``. (groups, 6)
    origin
        Near the mean of all values, so that squares lose no digits.
    """

    sums: Floats
    origin: float

    @classmethod
    def of(cls, *, estimate: ArrayLike, reference: ArrayLike, group: NDArray[np.int64], groups: int) -> Moments:
        """Sums by group (0 … groups − 1); pairs with an unknown value are left out. All arrays (pairs,)."""
        e, o = np.asarray(estimate, np.float64), np.asarray(reference, np.float64)
        known = np.isfinite(e) & np.isfinite(o)
        e, o, group = e[known], o[known], group[known]
        origin = float(o.mean()) if o.size else 0.0
        e, o = e - origin, o - origin
        columns = (np.ones_like(e), e, o, e * e, o * o, e * o)
        return cls(np.stack([np.bincount(group, column, groups) for column in columns], axis=1), origin)

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Known pairs of each group. (groups,)"""
        return self.sums[:, 0].astype(np.int64)

    def each(self, *, min_pairs: int = 1) -> dict[str, Floats]:
        """Scores of each group, by name; NaN where it has fewer pairs. Each (groups,)"""
        enough = self.sums[:, 0] >= min_pairs
        return {name: np.where(enough, values, np.nan) for name, values in scores_of(self.sums, self.origin).items()}

    def pooled(self, weights: Floats) -> dict[str, Floats]:
        """Scores of all groups together, each counted as often as its weight says. (draws, groups) → (draws,)"""
        return scores_of(weights @ self.sums, self.origin)


def scores_of(sums: Floats, origin: float) -> dict[str, Floats]:
    """pearson_r, rmsd, ubrmsd, bias and kge from sums (…, 6) as in :class:`Moments`; NaN where undefined. Each (…)"""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(sums[..., 0] > 0, sums[..., 0], np.nan)
        e, o, ee, oo, eo = (sums[..., k] / n for k in range(1, 6))
        var_e, var_o = _variance(ee, e), _variance(oo, o)
        r = np.clip((eo - e * o) / np.sqrt(var_e * var_o), -1, 1)
        square = np.maximum(ee - 2 * eo + oo, 0)
        bias = e - o
        ratio = np.sqrt(var_e / var_o)
        kge = 1 - np.sqrt((r - 1) ** 2 + (ratio - 1) ** 2 + ((e + origin) / (o + origin) - 1) ** 2)
    kge = np.where(np.isfinite(kge), kge, np.nan)
    return {
        "pearson_r": r, "rmsd": np.sqrt(square), "ubrmsd": np.sqrt(np.maximum(square - bias**2, 0)), "bias": bias,
        "kge": kge,
    }


def average(scores: Floats, weights: Floats) -> Floats:
    """Weighted mean over the groups whose score is known; NaN for none. (groups,), (draws, groups) → (draws,)"""
    known = np.isfinite(scores)
    total = weights[:, known] @ scores[known]
    weight = weights[:, known].sum(axis=1)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)


def resample(groups: int, bootstrap: Bootstrap) -> Floats:
    """How often each group is drawn when as many groups as there are are drawn with replacement. (resamples, groups)"""
    if not groups:
        return np.zeros((bootstrap.resamples, 0))
    rng = np.random.default_rng(bootstrap.seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), bootstrap.resamples).astype(np.float64)


def bootstrap_interval(draws: Floats, groups: int, level: float) -> tuple[float, float] | None:
    """Expanded percentile interval of a score from its bootstrap draws; None for fewer than three groups.

    A plain percentile interval is too narrow for few groups; its tails are taken further out, as Student's t is wider
    than the normal distribution.

    References
    ----------
    .. [1] Hesterberg (2015), What teachers should know about the bootstrap, doi:10.1080/00031305.2015.1089789
    """
    draws = draws[np.isfinite(draws)]
    if groups < MIN_GROUPS or not draws.size:
        return None
    reach = math.sqrt(groups / (groups - 1)) * stats.t.ppf((1 + level) / 2, groups - 1)
    lower, upper = np.quantile(draws, [stats.norm.cdf(-reach), stats.norm.cdf(reach)])
    return float(lower), float(upper)


def score(value: float, draws: Floats, groups: int, level: float) -> Score:
    """A score with the interval of its bootstrap draws."""
    interval = None if math.isnan(value) else bootstrap_interval(draws, groups, level)
    return Score(value=value) if interval is None else Score(value=value, lower=interval[0], upper=interval[1])


def grouped_scores(
    moments: Moments, over: Over, *, min_pairs: int, bootstrap: Bootstrap
) -> dict[str, Score]:
    """Scores over all pairs or averaged over groups, with intervals from the bootstrap over groups.

    Parameters
    ----------
    moments
        Of the pairs, by group.
    over
        ``station-days`` pools all pairs; ``stations`` averages the scores of groups with ``min_pairs`` pairs.
    bootstrap
        Its interval says how the score would differ with other groups.
    """
    used = moments.pairs >= (min_pairs if over == "stations" else 1)
    moments = Moments(moments.sums[used], moments.origin)
    groups = int(used.sum())
    return {
        name: score(float(values[0]), values[1:], groups, bootstrap.level)
        for name, values in _with_draws(moments, over, _weights(groups, bootstrap)).items()
    }


def differences(
    better: Moments, worse: Moments, over: Over, *, min_pairs: int, bootstrap: Bootstrap
) -> dict[str, Score]:
    """Scores of one minus scores of the other on the same pairs, with intervals from the same resampled groups.

    ``rmsd_share`` is the share by which the second's rmsd falls: 1 − rmsd / rmsd.
    """
    used = better.pairs >= (min_pairs if over == "stations" else 1)
    groups = int(used.sum())
    weights = _weights(groups, bootstrap)
    first, second = (_with_draws(Moments(m.sums[used], m.origin), over, weights) for m in (better, worse))
    found: dict[str, Floats] = {name: first[name] - second[name] for name in first}
    with np.errstate(divide="ignore", invalid="ignore"):
        found["rmsd_share"] = 1 - first["rmsd"] / second["rmsd"]
    return {name: score(float(values[0]), values[1:], groups, bootstrap.level) for name, values in found.items()}


def _weights(groups: int, bootstrap: Bootstrap) -> Floats:
    return np.concatenate([np.ones((1, groups)), resample(groups, bootstrap)])


def _with_draws(moments: Moments, over: Over, weights: Floats) -> Mapping[str, Floats]:
    if over == "station-days":
        return moments.pooled(weights)
    return {name: average(values, weights) for name, values in moments.each().items()}


def _variance(square: Floats, mean: Floats) -> Floats:
    variance = square - mean**2
    return np.where(variance > 1e-12 * square, variance, np.nan)
