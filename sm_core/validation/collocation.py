"""Triple collocation: errors of three products against a truth that nobody knows."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record
from sm_core.validation.metrics import Status, effective_sample_size
from sm_core.validation.moments import STANDARD, Bootstrap, Score

Floats = NDArray[np.float64]
Quantity = Literal["snr_db", "error_sd", "r", "beta"]
QUANTITIES: tuple[Quantity, ...] = ("snr_db", "error_sd", "r", "beta")


class Collocated(Record):
    """One of three products.

    ``snr_db``: signal-to-noise ratio [dB]; ``error_sd``: standard deviation of its random error, in its own unit;
    ``r``: correlation with the unknown truth; ``beta``: factor that brings its signal to that of the first product.
    """

    status: Status
    n_obs: int
    snr_db: Score
    error_sd: Score
    r: Score
    beta: Score


def triple_collocation(
    x: ArrayLike, y: ArrayLike, z: ArrayLike, *, min_obs: int = 100, bootstrap: Bootstrap = STANDARD
) -> tuple[Collocated, Collocated, Collocated]:
    """Errors of three matched series whose errors are independent of each other and of the truth.

    Parameters
    ----------
    x, y, z
        Same times in order, NaN = unknown; the unit may differ. Whether their errors are independent is for the caller
        to know: products that were trained on, or assimilate, one another are not.
    min_obs
        Fewest triplets; below it the status is NOT_ENOUGH_DATA and all is NaN.
    bootstrap
        Circular, of blocks, with as many triplets in a block as one independent pair of x and y takes.

    Returns
    -------
    One record for each. A negative error variance, or series that do not vary together, give NaN and METRIC_FAILED.

    References
    ----------
    .. [1] Gruber et al. (2016), Recent advances in (soil moisture) triple collocation analysis,
       doi:10.1016/j.jag.2015.09.002
    .. [2] McColl et al. (2014), Extended triple collocation, doi:10.1002/2014GL061322
    """
    data = np.stack([np.asarray(values, np.float64).ravel() for values in (x, y, z)])
    data = data[:, np.isfinite(data).all(axis=0)]
    n = data.shape[1]
    if n < max(min_obs, 4):
        status = Status.NOT_ENOUGH_DATA if n else Status.NO_OVERLAP
        missing = Collocated(status=status, n_obs=n, **dict.fromkeys(QUANTITIES, Score(value=math.nan)))
        return missing, missing, missing
    found = _solve(np.cov(data)[None])
    draws = _solve(_drawn_covariances(data, bootstrap))
    one, two, three = (
        Collocated(
            status=Status.METRIC_FAILED if math.isnan(found["error_sd"][0, k]) else Status.OK, n_obs=n,
            **{name: _score(found[name][0, k], draws[name][:, k], bootstrap.level) for name in QUANTITIES},
        )
        for k in range(3)
    )
    return one, two, three


def _solve(cov: Floats) -> dict[Quantity, Floats]:
    total = np.stack([cov[:, k, k] for k in range(3)], axis=1)
    xy, xz, yz = cov[:, 0, 1], cov[:, 0, 2], cov[:, 1, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = np.stack([xy * xz / yz, xy * yz / xz, xz * yz / xy], axis=1)
        error = total - signal
        good = (signal > 0) & (error > 0)
        signal, error = np.where(good, signal, np.nan), np.where(good, error, np.nan)
        beta = np.stack([np.ones_like(xy), xz / yz, xy / yz], axis=1)
        return {
            "snr_db": 10 * np.log10(signal / error), "error_sd": np.sqrt(error), "r": np.sqrt(signal / total),
            "beta": np.where(good, beta, np.nan),
        }


def _drawn_covariances(data: Floats, bootstrap: Bootstrap) -> Floats:
    n = data.shape[1]
    independent = max(effective_sample_size(estimate=data[0], reference=data[1]), 3.0)
    block = max(1, min(round(n / independent), n // 3))
    starts = np.random.default_rng(bootstrap.seed).integers(0, n, (bootstrap.resamples, -(-n // block)))
    rows = (starts[..., None] + np.arange(block)).reshape(bootstrap.resamples, -1)[:, :n] % n
    drawn = data[:, rows] - data.mean(axis=1)[:, None, None]
    drawn = drawn - drawn.mean(axis=2, keepdims=True)
    covariances: Floats = np.einsum("abn,cbn->bac", drawn, drawn) / (n - 1)
    return covariances


def _score(value: float, draws: Floats, level: float) -> Score:
    draws = draws[np.isfinite(draws)]
    if math.isnan(value) or not draws.size:
        return Score(value=value)
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Score(value=value, lower=float(lower), upper=float(upper))
