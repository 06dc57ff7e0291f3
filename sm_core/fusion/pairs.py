"""A gap-free field for one day from all that is there: the mean of what several base images say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.errors import NoUsablePairError
from sm_core.fusion.estarfm import Pair, as_dataset, check_images, fuse
from sm_core.fusion.flags import FusionFlag
from sm_core.fusion.params import EstarfmParams
from sm_core.fusion.residual import Field, window_mean

AGE_SCALE_DAYS = 16.0
"""Days after which a base image counts e times less."""
SAME_SIDE_FACTOR = 0.5
"""How much less two pairs on one side of the day count than two that bracket it [1]."""
MAX_CANDIDATES = 12
"""The best candidates that are looked at together."""
VARIANCE_SHARE = 0.3
"""How much of the predictions' own variances and of the variance between them is error (Eq. 15), from one simulated
year; docs/accuracy.md has the coverage in others."""
REGISTRATION_WINDOW = 3
Mask = NDArray[np.bool_]
Choice = tuple[Pair, Pair | None]


def fuse_day(
    observed: xr.DataArray | None, candidates: Sequence[Pair], coarse: xr.DataArray, day: date, params: EstarfmParams,
    *, couples: int = 3, singles: int = 6, threads: int = 2,
) -> xr.Dataset:
    """Gap-free fine field of one day.

    Where the day itself was observed, the observation stands. Elsewhere the mean of two means: of ESTARFM's
    predictions from several couples of base pairs, and of those from several single pairs; where only one kind is
    known, that. Where there is none, the coarse value plus the mean difference of fine from coarse.

    Parameters
    ----------
    observed
        Fine image of the day. (y, x), NaN = unknown.
    candidates
        Base pairs near the day, on either side, in any order; their fine images may have gaps.
    coarse
        Coarse image of the day on the fine grid. (y, x), same unit.
    day
        Day to predict.
    params
        Settings of the variable, such as ``NDVI_PARAMS`` or ``LST_PARAMS``.
    couples, singles
        Largest number of couples, and of single pairs, that are used.
    threads
        Rows are shared among this many threads; the result does not depend on it.

    Returns
    -------
    Dataset (y, x) like that of ``fuse``, ``value`` within ``params.valid_range``. Unknown (NaN, flag 0) only where
    neither the day's coarse image nor an observation is known. ``spread`` is one standard error; 90 % of the errors
    lie within 1.645 of it.

    Raises
    ------
    NoUsablePairError   SM401, neither a candidate nor the observation has a clear pixel.
    GridMismatchError   SM302, the images differ in shape or grid.
    NonFiniteError      SM403, an image holds infinite values.

    Notes
    -----
    Eqs. 13-15 of docs/methods.md, "Fusion (ESTARFM)".
    """
    pairs = [*candidates] if observed is None else [*candidates, Pair(day, observed, coarse)]
    for pair in pairs:
        check_images({"fine_of_pair": pair.fine, "coarse_of_pair": pair.coarse, "coarse": coarse})
    pairs = _best(pairs, day)
    known = np.zeros(coarse.shape, np.bool_) if observed is None else np.isfinite(observed.values)
    if not pairs and not known.any():
        raise NoUsablePairError("no base image has a clear pixel", day=day, candidates=len(candidates))
    result = _nothing(coarse)
    missing = np.isfinite(coarse.values) & ~known
    bases = [pair for pair in pairs if pair.fine is not observed]
    both = [
        _predictions(choices, most, missing, coarse, day, params, threads)
        for choices, most in ((list(combinations(bases, 2)), couples), ([(base, None) for base in bases], singles))
    ]
    _put_mean(result, both, np.where(_bracketed(bases, day, coarse.shape), 1.0, params.trend), params)
    missing &= result.flag.values == FusionFlag.UNKNOWN
    _fill_missing(result, missing, pairs, coarse, day, params)
    if observed is not None:
        _put(result, known, observed.values, params.uncertainty, FusionFlag.OBSERVED)
    result["value"] = result.value.clip(*params.valid_range, keep_attrs=True)
    _widen(result, params)
    return result


class _Sums:
    """Weighted sums over predictions of one kind. (y, x)"""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.members = np.zeros(shape, np.uint8)
        self.weight, self.value, self.square, self.variance = np.zeros((4, *shape))
        self.flag = np.zeros(shape, np.uint8)

    def add(self, fused: xr.Dataset, weight: float) -> None:
        """Take one more prediction; the flag is that of the first."""
        known = fused.flag.values != FusionFlag.UNKNOWN
        value, spread = (fused[name].values[known].astype(np.float64) for name in ("value", "spread"))
        first = known & (self.members == 0)
        self.flag[first] = fused.flag.values[first]
        self.members[known] += 1
        self.weight[known] += weight
        self.value[known] += weight * value
        self.square[known] += weight * value**2
        self.variance[known] += weight * spread**2


def _predictions(
    choices: Sequence[Choice], most: int, missing: Mask, coarse: xr.DataArray, day: date, params: EstarfmParams,
    threads: int,
) -> _Sums:
    sums, left = _Sums(coarse.shape), list(choices)
    for _ in range(min(most, len(left))):
        need = missing / (1.0 + sums.members)
        gains = [float(need[_known(choice)].sum()) * _weight(choice, day) for choice in left]
        if max(gains) == 0:
            break
        choice = left.pop(int(np.argmax(gains)))
        sums.add(fuse(*choice, coarse, params, where=missing, threads=threads), _weight(choice, day))
    return sums


def _known(choice: Choice) -> Mask:
    known: Mask = np.logical_and.reduce([pair.clear for pair in choice if pair is not None])
    return known


def _weight(choice: Choice, day: date) -> float:
    return _nearness(day, *(pair.day for pair in choice if pair is not None))


def _bracketed(bases: Sequence[Pair], day: date, shape: tuple[int, ...]) -> Mask:
    """Where base images are known on both sides of the day."""
    before, after = np.zeros((2, *shape), np.bool_)
    for pair in bases:
        before |= pair.clear & (pair.day <= day)
        after |= pair.clear & (pair.day >= day)
    return np.asarray(before & after, np.bool_)


def _put_mean(result: xr.Dataset, both: Sequence[_Sums], trend: Field, params: EstarfmParams) -> None:
    """Eqs. 14, 15 without the registration's part."""
    kinds = np.maximum(sum((sums.members > 0).astype(np.float64) for sums in both), 1.0)
    value, square, variance = (
        sum(_divided(getattr(sums, name), sums.weight) for sums in both) / kinds
        for name in ("value", "square", "variance")
    )
    between = np.maximum(square - value**2, 0.0)
    own = np.maximum(variance - params.uncertainty**2, 0.0)
    spread = np.sqrt(params.uncertainty**2 + VARIANCE_SHARE * trend * (own + between))
    flag = np.where(both[0].members > 0, both[0].flag, both[1].flag)
    _put(result, flag != FusionFlag.UNKNOWN, value, spread, flag)


def _divided(total: Field, weight: Field) -> Field:
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), 0.0)


def _widen(result: xr.Dataset, params: EstarfmParams) -> None:
    """The registration's part of Eq. 15: what a shift of part of a pixel changes."""
    if params.registration == 0:
        return
    value = result.value.values.astype(np.float64)
    mean = window_mean(value, REGISTRATION_WINDOW)
    local = np.maximum(window_mean(value**2, REGISTRATION_WINDOW) - mean**2, 0.0)
    spread = np.sqrt(result.spread.values**2 + params.registration**2 * local)
    result["spread"] = result.spread.copy(data=spread.astype(np.float32))


def _best(pairs: Sequence[Pair], day: date) -> list[Pair]:
    scored = [(pair.clear_fraction * _nearness(day, pair.day), pair) for pair in pairs]
    usable = sorted((item for item in scored if item[0] > 0), key=lambda item: -item[0])[:MAX_CANDIDATES]
    return sorted((pair for _, pair in usable), key=lambda pair: pair.day)


def _nearness(day: date, *bases: date) -> float:
    """Eq. 13."""
    age = sum(abs((base - day).days) for base in bases)
    one_sided = len(bases) > 1 and not min(bases) <= day <= max(bases)
    return float(np.exp(-age / AGE_SCALE_DAYS)) * (SAME_SIDE_FACTOR if one_sided else 1.0)


def _fill_missing(
    result: xr.Dataset, missing: Mask, pairs: Sequence[Pair], coarse: xr.DataArray, day: date, params: EstarfmParams
) -> None:
    if not missing.any() or not pairs:
        return
    total, mean, square = (np.zeros(coarse.shape) for _ in range(3))
    for pair in pairs:
        weight = _nearness(day, pair.day) * pair.clear
        offset = np.where(pair.clear, pair.fine.values - pair.coarse.values, 0.0)
        total += weight
        mean += weight * offset
        square += weight * offset**2
    known = total > 0
    mean, square = (np.where(known, moment / np.where(known, total, 1.0), np.nan) for moment in (mean, square))
    window = 2 * params.half_window + 1
    near_mean, near_square = (
        np.where(np.isfinite(local), local, np.nanmean(field))
        for field, local in ((mean, window_mean(mean, window)), (square, window_mean(square, window)))
    )
    spread = np.sqrt(np.maximum(near_square - near_mean**2, 0.0) + params.uncertainty**2)
    value = coarse.values + np.where(known, mean, near_mean)
    _put(result, missing, value, spread, FusionFlag.FILLED)


def _nothing(like: xr.DataArray) -> xr.Dataset:
    unknown = np.full(like.shape, np.nan, np.float32)
    return as_dataset(like, unknown, unknown.copy(), np.zeros(like.shape, np.uint8))


def _put(
    result: xr.Dataset, where: Mask, value: Field, spread: Field | float, flag: NDArray[np.uint8] | FusionFlag
) -> None:
    for name, field in (("value", value), ("spread", spread), ("flag", flag)):
        target = result[name].values
        target[where] = np.broadcast_to(field, target.shape)[where]
