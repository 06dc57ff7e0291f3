"""Confidence intervals of single scores from the number of independent pairs that they rest on."""

from __future__ import annotations

import math

from scipy import stats

Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)


def pearson_interval(r: float, n_eff: float, *, level: float = 0.95) -> Interval:
    """Confidence interval of a correlation by Fisher's z; (NaN, NaN) for three or fewer independent pairs.

    >>> [round(limit, 3) for limit in pearson_interval(0.5, 28.0)]
    [0.156, 0.736]
    """
    if math.isnan(r) or n_eff <= 3:
        return UNKNOWN
    if abs(r) >= 1:
        return r, r
    z, half = math.atanh(r), stats.norm.ppf((1 + level) / 2) / math.sqrt(n_eff - 3)
    return math.tanh(z - half), math.tanh(z + half)


def bias_interval(bias: float, ubrmsd: float, n_eff: float, *, level: float = 0.95) -> Interval:
    """Confidence interval of a mean difference by Student's t; (NaN, NaN) for one independent pair or none.

    Parameters
    ----------
    bias, ubrmsd
        Mean and standard deviation (divisor n) of the differences.
    n_eff
        Number of independent differences, as for a mean.

    >>> [round(limit, 3) for limit in bias_interval(0.0, 1.0, 10.0)]
    [-0.754, 0.754]
    """
    if math.isnan(bias) or not n_eff > 1:
        return UNKNOWN
    half = float(stats.t.ppf((1 + level) / 2, n_eff - 1)) * ubrmsd / math.sqrt(n_eff - 1)
    return bias - half, bias + half


def ubrmsd_interval(ubrmsd: float, n_eff: float, *, level: float = 0.95) -> Interval:
    """Confidence interval of a standard deviation by χ²; (NaN, NaN) for one independent pair or none.

    Parameters
    ----------
    ubrmsd
        Standard deviation (divisor n) of the differences.
    n_eff
        Number of independent differences, as for a variance.

    >>> [round(limit, 3) for limit in ubrmsd_interval(1.0, 10.0)]
    [0.725, 1.924]
    """
    if math.isnan(ubrmsd) or not n_eff > 1:
        return UNKNOWN
    lower, upper = (stats.chi2.ppf((1 + side * level) / 2, n_eff - 1) for side in (1, -1))
    return ubrmsd * math.sqrt(n_eff / lower), ubrmsd * math.sqrt(n_eff / upper)


def rmsd_interval(bias: float, ubrmsd: float, n_mean: float, n_square: float, *, level: float = 0.95) -> Interval:
    """Confidence interval of a root mean square difference by a χ² of the same mean and variance.

    Parameters
    ----------
    bias, ubrmsd
        Mean and standard deviation (divisor n) of the differences: rmsd² = bias² + ubrmsd².
    n_mean, n_square
        Number of independent differences, as for a mean and for a variance.

    Notes
    -----
    The variance of the mean square is 4 bias² s² / (n_mean − 1) + 2 s⁴ / (n_square − 1) for normal differences, with
    s² = ubrmsd² n_mean / (n_mean − 1).

    References
    ----------
    .. [1] Satterthwaite (1946), An approximate distribution of estimates of variance components, doi:10.2307/3002019
    """
    if math.isnan(bias) or not min(n_mean, n_square) > 1:
        return UNKNOWN
    square = bias**2 + ubrmsd**2
    spread = ubrmsd**2 * n_mean / (n_mean - 1)
    variance = 4 * bias**2 * spread / (n_mean - 1) + 2 * spread**2 / (n_square - 1)
    if variance <= 1e-12 * square**2:
        return math.sqrt(square), math.sqrt(square)
    freedom = 2 * square**2 / variance
    lower, upper = (stats.chi2.ppf((1 + side * level) / 2, freedom) for side in (1, -1))
    return math.sqrt(square * freedom / lower), math.sqrt(square * freedom / upper) if upper > 0 else math.inf
