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
from sm_core.validation.intervals import UNKNOWN, bias_interval, pearson_interval, rmsd_interval, ubrmsd_interval

SIDES = ("lower", "upper")
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
    """Scores of one pair of series, each between its ``…_lower`` and ``…_upper`` at the level asked for.

    ``n_eff`` is the number of independent pairs, as for a correlation.
    """

    status: Status
    n_obs: int
    n_eff: Number
    pearson_r: Number
    pearson_lower: Number
    pearson_upper: Number
    rmsd: Number
    rmsd_lower: Number
    rmsd_upper: Number
    ubrmsd: Number
    ubrmsd_lower: Number
    ubrmsd_upper: Number
    bias: Number
    bias_lower: Number
    bias_upper: Number
    kge: Number
    kge_lower: Number
    kge_upper: Number


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

    This is the first form (Gupta 2009), with the ratio of standard deviations, not that of coefficients of variation
    (Kling 2012).

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


def effective_sample_size(*, estimate: ArrayLike, reference: ArrayLike, lag: int = 1) -> float:
    """Number of independent pairs that carry as much as the autocorrelated ones: N (1 − ρₑρₒ) / (1 + ρₑρₒ).

    Parameters
    ----------
    estimate, reference
        Equally spaced series, NaN = unknown. ρ is the autocorrelation over neighbours that are both known.
    lag
        Steps between neighbours: more than 1 where only every second, tenth … step is observed.

    Returns
    -------
    Between 0 and the number of pairs; a negative product of autocorrelations is taken as none.

    References
    ----------
    .. [1] Bretherton et al. (1999), The effective number of spatial degrees of freedom of a time-varying field,
       doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2
    .. [2] Pyper & Peterman (1998), Comparison of methods to account for autocorrelation in correlation analyses of
       fish data, doi:10.1139/f98-104
    """
    n = _known(estimate, reference)[0].size
    memory = max(_autocorrelation(estimate, lag) * _autocorrelation(reference, lag), 0.0)
    return n * (1 - memory) / (1 + memory)


def pair_metrics(
    *, estimate: ArrayLike, reference: ArrayLike, min_obs: int = 10, level: float = 0.95, lag: int = 1,
    resamples: int = 500, seed: int = 0,
) -> PairMetrics:
    """All scores of one pair of equally spaced series.

    Parameters
    ----------
    estimate, reference
        Same length and unit, NaN = unknown.
    min_obs
        Fewest pairs; below it the status is NOT_ENOUGH_DATA (NO_OVERLAP for none) and all scores are NaN.
    level
        Confidence level of the intervals.
    lag
        Steps between neighbouring observations, for the autocorrelation.
    resamples, seed
        Of the block bootstrap that gives the interval of the KGE.

    Notes
    -----
    A correlation is a mean of products of both series, a bias a mean of differences d, an rmsd or ubrmsd a mean of
    d²: the number of independent values is that of ρₑρₒ, of ρ_d and of ρ_d² respectively.
    """
    e, o = (np.asarray(values, np.float64).ravel() for values in (estimate, reference))
    pair = {"estimate": e, "reference": o}
    n = _known(e, o)[0].size
    if n < max(min_obs, 2):
        return _missing(Status.NO_OVERLAP if n == 0 else Status.NOT_ENOUGH_DATA, n)
    r, mean, spread, n_eff = pearson_r(**pair), bias(**pair), ubrmsd(**pair), effective_sample_size(**pair, lag=lag)
    memory = max(_autocorrelation(e - o, lag), 0.0)
    n_mean, n_square = (n * (1 - rho) / (1 + rho) for rho in (memory, memory**2))
    intervals = {
        "pearson": pearson_interval(r, n_eff, level=level),
        "rmsd": rmsd_interval(mean, spread, n_mean, n_square, level=level),
        "ubrmsd": ubrmsd_interval(spread, n_square, level=level),
        "bias": bias_interval(mean, spread, n_mean, level=level),
        "kge": kge_interval(**pair, n_eff=min(n_mean, n_eff), level=level, resamples=resamples, seed=seed),
    }
    return PairMetrics(
        status=Status.METRIC_FAILED if math.isnan(r) else Status.OK, n_obs=n, n_eff=n_eff, pearson_r=r,
        rmsd=rmsd(**pair), ubrmsd=spread, bias=mean, kge=kge(**pair),
        **{f"{name}_{side}": limits[k] for name, limits in intervals.items() for k, side in enumerate(SIDES)},
    )


def kge_interval(
    *, estimate: ArrayLike, reference: ArrayLike, n_eff: float, level: float = 0.95, resamples: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval of the KGE by a circular block bootstrap, with blocks of twice n / n_eff pairs.

    Parameters
    ----------
    estimate, reference
        As for :func:`kge`, in the order of time.
    n_eff
        Number of independent pairs; (NaN, NaN) for three or fewer.
    resamples, level, seed
        Of the bootstrap.

    References
    ----------
    .. [1] Politis & Romano (1992), A circular block-resampling procedure for stationary data.
    """
    e, o = _known(estimate, reference)
    if not n_eff > 3 or math.isnan(kge(estimate=e, reference=o)):
        return UNKNOWN
    block = max(1, min(round(2 * e.size / n_eff), e.size // 3))
    draws = -(-e.size // block)
    starts = np.random.default_rng(seed).integers(0, e.size, (resamples, draws))
    middle_e, middle_o = e.mean(), o.mean()
    de, do = e - middle_e, o - middle_o
    circle = np.tile(np.stack([de, do, de * de, do * do, de * do]), 2)
    total = np.concatenate([np.zeros((5, 1)), np.cumsum(circle, axis=1)], axis=1)
    me, mo, ee, oo, eo = (total[:, starts + block] - total[:, starts]).sum(axis=2) / (draws * block)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd_e, sd_o = np.sqrt(ee - me**2), np.sqrt(oo - mo**2)
        r, ratio = (eo - me * mo) / (sd_e * sd_o), (me + middle_e) / (mo + middle_o)
        values = 1 - np.sqrt((r - 1) ** 2 + (sd_e / sd_o - 1) ** 2 + (ratio - 1) ** 2)
    values = values[np.isfinite(values)]
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) if values.size else UNKNOWN
    return float(lower), float(upper)


def qa4sm_metrics(*, estimate: ArrayLike, reference: ArrayLike, min_obs: int = 10) -> dict[str, float]:
    """The pairwise metrics of QA4SM by their names there.

    Returns
    -------
    n_obs, R, p_R, rho, p_rho, tau, p_tau, RMSD, BIAS, urmsd, mse, mse_corr, mse_bias, mse_var, RSS, status. BIAS is
    estimate − reference. The p-values take all pairs as independent, as QA4SM does. KGE is not among them.

    >>> round(qa4sm_metrics(estimate=[1, 3, 2], reference=[1, 2, 3], min_obs=2)["rho"], 12)
    0.5
    """
    e, o = _known(estimate, reference)
    names = ("R", "p_R", "rho", "p_rho", "tau", "p_tau", "RMSD", "BIAS", "urmsd", "mse", "mse_corr", "mse_bias",
             "mse_var", "RSS")
    if e.size < max(min_obs, 2):
        status = Status.NOT_ENOUGH_DATA if e.size else Status.NO_OVERLAP
        return {"n_obs": e.size, **dict.fromkeys(names, math.nan), "status": int(status)}
    r = _correlation(e, o)
    failed = math.isnan(r)
    ranks = [float(value) for test in (stats.pearsonr, stats.spearmanr, stats.kendalltau)
             for value in ((math.nan, math.nan) if failed else test(e, o))]
    mean, spread = float(np.mean(e - o)), float(np.std(e - o))
    corr, var = 2 * float(e.std() * o.std()) * (1 - r), float(e.std() - o.std()) ** 2
    square = mean**2 + spread**2
    errors = (math.sqrt(square), mean, spread, square, corr, mean**2, var, square * e.size)
    status = Status.METRIC_FAILED if failed else Status.OK
    return {"n_obs": e.size, **dict(zip(names, (*ranks, *errors), strict=True)), "status": int(status)}


def _known(estimate: ArrayLike, reference: ArrayLike) -> Pairs:
    e, o = np.asarray(estimate, np.float64).ravel(), np.asarray(reference, np.float64).ravel()
    known = np.isfinite(e) & np.isfinite(o)
    return e[known], o[known]


def _correlation(e: NDArray[np.float64], o: NDArray[np.float64]) -> float:
    if e.size < 2 or np.ptp(e) == 0 or np.ptp(o) == 0:
        return math.nan
    de, do = (values / np.ptp(values) for values in (e - e.mean(), o - o.mean()))
    return float(np.clip((de @ do) / math.sqrt((de @ de) * (do @ do)), -1, 1))


def _autocorrelation(series: ArrayLike, lag: int) -> float:
    values = np.asarray(series, np.float64).ravel()
    r = pearson_r(estimate=values[:-lag], reference=values[lag:])
    return 0.0 if math.isnan(r) else r


def _missing(status: Status, n_obs: int) -> PairMetrics:
    unknown = dict.fromkeys(set(PairMetrics.model_fields) - {"status", "n_obs"}, math.nan)
    return PairMetrics(status=status, n_obs=n_obs, **unknown)
