"""Which base pairs to use, and a gap-free field for one day from all that is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations
from typing import Protocol, TypeVar

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
Mask = NDArray[np.bool_]


class Candidate(Protocol):
    """What is known of a fine image before it is read: its day and the share of its pixels that are clear [1]."""

    @property
    def day(self) -> date: ...

    @property
    def clear_fraction(self) -> float: ...


AnyCandidate = TypeVar("AnyCandidate", bound=Candidate)


def rank_pairs(candidates: Sequence[AnyCandidate], day: date) -> tuple[tuple[AnyCandidate, AnyCandidate], ...]:
    """Couples of base images for one day, best first.

    A candidate scores its clear fraction times exp(-age / 16 days), age being its distance from ``day`` in days; a
    couple scores the product, halved when both lie on the same side of the day (Eq. 13).

    Parameters
    ----------
    candidates
        Fine images, or what is known of them, in any order. Those without a clear pixel are left out.
    day
        Day to predict. A candidate of the day itself brackets with any other.

    Returns
    -------
    (earlier, later) couples by falling score, equal ones in order of their days; empty with fewer than two candidates.

    Examples
    --------
    >>> from collections import namedtuple
    >>> Summary = namedtuple("Summary", "day clear_fraction")
    >>> images = [Summary(date(2025, 4, k), clear) for k, clear in ((1, 0.9), (8, 0.0), (9, 0.4), (20, 0.8))]
    >>> [(first.day.day, second.day.day) for first, second in rank_pairs(images, date(2025, 4, 10))]
    [(1, 20), (9, 20), (1, 9)]
    """
    usable = sorted((c for c in candidates if c.clear_fraction > 0), key=lambda candidate: candidate.day)

    def score(couple: tuple[AnyCandidate, AnyCandidate]) -> float:
        first, second = couple
        return first.clear_fraction * second.clear_fraction * _nearness(day, first.day, second.day)

    return tuple(sorted(combinations(usable, 2), key=score, reverse=True))


def fuse_day(
    observed: xr.DataArray | None, candidates: Sequence[Pair], coarse: xr.DataArray, day: date, params: EstarfmParams,
    *, max_choices: int = 3, threads: int = 2,
) -> xr.Dataset:
    """Gap-free fine field of one day.

    In turn, until no pixel is missing: ESTARFM with the couple of base pairs that gives most (the share of the
    missing pixels that both know times their ages' score; ``max_choices`` couples at most), ESTARFM with the single
    pair that gives most (as many), the coarse value plus the mean difference of fine from coarse. Where the day
    itself was observed, the observation stands.

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
    max_choices
        Largest number of couples, and of single pairs, that are used.
    threads
        Rows are shared among this many threads; the result does not depend on it.

    Returns
    -------
    Dataset (y, x) like that of ``fuse``, ``value`` within ``params.valid_range``. Unknown (NaN, flag 0) only where
    neither the day's coarse image nor an observation is known.

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
    couples = list(combinations(bases, 2))
    _predict_missing(result, missing, couples, coarse, day, params, max_choices, threads)
    _predict_missing(result, missing, [(base, None) for base in bases], coarse, day, params, max_choices, threads)
    _fill_missing(result, missing, pairs, coarse, day, params)
    if observed is not None:
        _put(result, known, observed.values, params.uncertainty, FusionFlag.OBSERVED)
    result["value"] = result.value.clip(*params.valid_range, keep_attrs=True)
    return result


def _best(pairs: Sequence[Pair], day: date) -> list[Pair]:
    scored = [(pair.clear_fraction * _nearness(day, pair.day), pair) for pair in pairs]
    usable = sorted((item for item in scored if item[0] > 0), key=lambda item: -item[0])[:MAX_CANDIDATES]
    return sorted((pair for _, pair in usable), key=lambda pair: pair.day)


def _nearness(day: date, *bases: date) -> float:
    age = sum(abs((base - day).days) for base in bases)
    one_sided = len(bases) > 1 and not min(bases) <= day <= max(bases)
    return float(np.exp(-age / AGE_SCALE_DAYS)) * (SAME_SIDE_FACTOR if one_sided else 1.0)


def _predict_missing(
    result: xr.Dataset, missing: Mask, choices: Sequence[tuple[Pair, Pair | None]], coarse: xr.DataArray, day: date,
    params: EstarfmParams, max_choices: int, threads: int,
) -> None:
    for _ in range(max_choices):
        gains = [_gain(before, after, missing, day) for before, after in choices]
        if max(gains, default=0.0) == 0:
            return
        before, after = choices[int(np.argmax(gains))]
        fused = fuse(before, after, coarse, params, where=missing, threads=threads)
        found = fused.flag.values != FusionFlag.UNKNOWN
        _put(result, found, fused.value.values, fused.spread.values, fused.flag.values)
        missing &= ~found


def _gain(before: Pair, after: Pair | None, missing: Mask, day: date) -> float:
    if after is None:
        return np.count_nonzero(missing & before.clear) * _nearness(day, before.day)
    return np.count_nonzero(missing & before.clear & after.clear) * _nearness(day, before.day, after.day)


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
