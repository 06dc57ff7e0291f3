"""Pairwise scores of an estimate against a reference, with confidence that respects memory in the series.

All functions drop pairs in which either value is unknown (NaN) and return NaN where a score is undefined.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator
from scipy import stats

from sm_core.domain import Record

Pairs = tuple[NDArray[np.float64], NDArray[np.float64]]
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float of which NaN survives JSON, where it is null."""


class Status(IntEnum):
    """Why a score is missing; the codes of QA4SM."""

    OTHER = -1
    OK = 0
    NOT_ENOUGH_DATA = 1
    METRIC_FAILED = 2
    TEMPORAL_MATCHING_FAILED = 3
    NO_OVERLAP = 4
    SCALING_FAILED = 5
    UNEXPECTED = 6
    MISSING_POINT_DATA = 7
    READ_FAILED = 8


class PairMetrics(Record):
    """Scores of one pair of series; ``pearson_lower`` and ``pearson_upper`` bound r at the level asked for."""

    status: Status
    n_obs: int
    n_eff: Number
    pearson_r: Number
    pearson_lower: Number
    pearson_upper: Number
    rmsd: Number
    ubrmsd: Number
    bias: Number
    kge: Number


def bias(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Mean of the estimate less mean of the reference [unit of the values].

    >>> bias(estimate=[0.5, 1.0, float("nan")], reference=[0.25, 0.25, 9.0])
    0.5
    """
    e, o = _known(estimate, reference)
    return float(e.mean() - o.mean()) if e.size else math.nan


def rmsd(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Root mean square difference [unit of the values]; against stations it is called RMSE.

    >>> rmsd(estimate=[3.0, 4.0], reference=[0.0, 0.0]) == 12.5 ** 0.5
    True
    """
    e, o = _known(estimate, reference)
    return float(np.sqrt(np.mean((e - o) ** 2))) if e.size else math.nan


def ubrmsd(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Unbiased root mean square difference [unit of the values]: rmsd² = bias² + ubrmsd².

    >>> ubrmsd(estimate=[1.0, 2.0, 3.0], reference=[0.0, 1.0, 2.0])
    0.0
    """
    e, o = _known(estimate, reference)
    return float(np.std(e - o)) if e.size else math.nan


def pearson_r(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Correlation [1]; NaN for fewer than two pairs or a series without variation.

    >>> round(pearson_r(estimate=[1.0, 2.0, 3.0], reference=[1.0, 3.0, 2.0]), 12)
    0.5
    """
    e, o = _known(estimate, reference)
    return _correlation(e, o)


def kge(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Kling-Gupta efficiency [1]: 1 − √((r − 1)² + (σₑ/σₒ − 1)² + (μₑ/μₒ − 1)²).

    References
    ----------
    .. [1] Gupta et al. (2009), Decomposition of the mean squared error and NSE performance criteria,
       doi:10.1016/j.jhydrol.2009.08.003

    >>> kge(estimate=[2.0, 4.0, 6.0], reference=[1.0, 2.0, 3.0]) == 1 - 2 ** 0.5
    True
    """
    e, o = _known(estimate, reference)
    r = _correlation(e, o)
    if math.isnan(r) or o.mean() == 0:
        return math.nan
    return float(1 - math.sqrt((r - 1) ** 2 + (e.std() / o.std() - 1) ** 2 + (e.mean() / o.mean() - 1) ** 2))


def effective_sample_size(*, estimate: ArrayLike, reference: ArrayLike) -> float:
    """Number of independent pairs that carry as much as the autocorrelated ones: N (1 − ρₑρₒ) / (1 + ρₑρₒ).

    Parameters
    ----------
    estimate, reference
        Equally spaced series, NaN = unknown. ρ is the lag-1 autocorrelation over neighbours that are both known.

    Returns
    -------
    Between 0 and the number of pairs; a negative product of autocorrelations is taken as none.
    """
    n = _known(estimate, reference)[0].size
    memory = max(_lag1(estimate) * _lag1(reference), 0.0)
    return n * (1 - memory) / (1 + memory)


def pearson_interval(r: float, n_eff: float, *, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a correlation by Fisher's z; (NaN, NaN) for three or fewer independent pairs.

    >>> [round(limit, 3) for limit in pearson_interval(0.5, 28.0)]
    [0.156, 0.736]
    """
    if math.isnan(r) or n_eff <= 3:
        return math.nan, math.nan
    if abs(r) >= 1:
        return r, r
    z, half = math.atanh(r), stats.norm.ppf((1 + level) / 2) / math.sqrt(n_eff - 3)
    return math.tanh(z - half), math.tanh(z + half)


def pair_metrics(
    *, estimate: ArrayLike, reference: ArrayLike, min_obs: int = 10, level: float = 0.95
) -> PairMetrics:
    """All scores of one pair of equally spaced series.

    Parameters
    ----------
    estimate, reference
        Same length and unit, NaN = unknown.
    min_obs
        Fewest pairs; below it the status is NOT_ENOUGH_DATA (NO_OVERLAP for none) and all scores are NaN.
    level
        Confidence level of the interval of r.
    """
    pair = {"estimate": estimate, "reference": reference}
    n = _known(estimate, reference)[0].size
    if n < max(min_obs, 2):
        return _missing(Status.NO_OVERLAP if n == 0 else Status.NOT_ENOUGH_DATA, n)
    r, n_eff = pearson_r(**pair), effective_sample_size(**pair)
    lower, upper = pearson_interval(r, n_eff, level=level)
    return PairMetrics(
        status=Status.METRIC_FAILED if math.isnan(r) else Status.OK, n_obs=n, n_eff=n_eff, pearson_r=r,
        pearson_lower=lower, pearson_upper=upper, rmsd=rmsd(**pair), ubrmsd=ubrmsd(**pair), bias=bias(**pair),
        kge=kge(**pair),
    )


def _known(estimate: ArrayLike, reference: ArrayLike) -> Pairs:
    e, o = np.asarray(estimate, np.float64).ravel(), np.asarray(reference, np.float64).ravel()
    known = np.isfinite(e) & np.isfinite(o)
    return e[known], o[known]


def _correlation(e: NDArray[np.float64], o: NDArray[np.float64]) -> float:
    if e.size < 2 or np.ptp(e) == 0 or np.ptp(o) == 0:
        return math.nan
    de, do = (values / np.ptp(values) for values in (e - e.mean(), o - o.mean()))
    return float(np.clip((de @ do) / math.sqrt((de @ de) * (do @ do)), -1, 1))


def _lag1(series: ArrayLike) -> float:
    values = np.asarray(series, np.float64).ravel()
    r = pearson_r(estimate=values[:-1], reference=values[1:])
    return 0.0 if math.isnan(r) else r


def _missing(status: Status, n_obs: int) -> PairMetrics:
    return PairMetrics(
        status=status, n_obs=n_obs, n_eff=math.nan, pearson_r=math.nan, pearson_lower=math.nan,
        pearson_upper=math.nan, rmsd=math.nan, ubrmsd=math.nan, bias=math.nan, kge=math.nan,
    )
