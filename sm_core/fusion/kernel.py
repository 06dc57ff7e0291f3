"""The compiled window sums of ESTARFM. Imported on first use only, because numba takes half a second to import.

For a block of targets along a row the kernel walks the rows of the window. From each it derives, once for the whole
block, every quantity that is summed over similar pixels (*terms*, one line of ``near`` each); then, for three window
columns at a time, the innermost loop runs along the targets, so that neighbours of adjacent targets are contiguous
and targets fill the vector lanes. No list of similar pixels and no second pass is needed, and no sum depends on how
the rows are shared among threads. Equation numbers are those of docs/methods.md, "Fusion (ESTARFM)".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.fusion.estarfm import ASSUMED_DOUBT, MAX_HALF_WINDOW
from sm_core.fusion.flags import FusionFlag

FINE1, COARSE1, FINE2, COARSE2, COARSE0, WEIGHT = range(6)
"""Layers of ``images``; fine and coarse ones relative to a mean, so that float32 sums hold."""
UNKNOWN = np.float32(1e30)
"""The fine value of unknown pixels: no difference to it passes the similarity test."""
STEP = 3
"""Window columns that the innermost loop takes at once."""
BLOCK = 128
LANES = 16
"""Most targets of a block, and what their number is rounded up to (one vector of float32). A block ends early at a
gap of more than ``LANES`` unwanted pixels."""
WIDTH = BLOCK + 2 * MAX_HALF_WINDOW + 1 + STEP
PLAIN = 7
"""Terms summed as they are; those behind them are multiplied by the spatial factor."""
COUNT, X, Y, XX, XY, YY, CHANGE, W, W_CHANGE1, W_CHANGE2, W_SQUARE1, W_SQUARE2 = range(12)
TERMS = 12
NEGLIGIBLE = 1e-10
"""Added to window-mean changes before they are inverted [unit]."""
TWO_PAIRS = int(FusionFlag.TWO_PAIRS)
FEW_SIMILAR = int(FusionFlag.FEW_SIMILAR)
OUT_OF_RANGE = int(FusionFlag.OUT_OF_RANGE)
_ZERO = np.float32(0)
_ONE = np.float32(1)
_TWO = np.uint64(2)


def spatial_factors(half_window: int) -> NDArray[np.float32]:
    """1 / D of Eq. 3 for every window position; 0 in the columns that pad the window to whole steps."""
    offset = np.arange(-half_window, half_window + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    return np.pad(1 / (1 + distance / half_window), ((0, 0), (0, -len(offset) % STEP))).astype(np.float32)


@njit(forceinline=True)
def _derive_terms(images, y, start, stop, near, column):  # type: ignore[no-untyped-def]
    first, last = max(start, 0), min(stop, images.shape[2])
    fine1, coarse1 = images[FINE1, y, first:last], images[COARSE1, y, first:last]
    fine2, coarse2 = images[FINE2, y, first:last], images[COARSE2, y, first:last]
    coarse0, weight = images[COARSE0, y, first:last], images[WEIGHT, y, first:last]
    near[0, :] = UNKNOWN
    shift = np.uint64(first - start)
    for x in range(np.uint64(last - first)):
        p = x + shift
        known = _ONE if fine1[x] < UNKNOWN else _ZERO
        change1, change2 = coarse0[x] - coarse1[x], coarse0[x] - coarse2[x]
        near[0, p], near[1, p] = fine1[x], fine2[x]
        near[2 + COUNT, p] = known
        near[2 + X, p] = coarse1[x] + coarse2[x]
        near[2 + Y, p] = fine1[x] + fine2[x]
        near[2 + XX, p] = coarse1[x] * coarse1[x] + coarse2[x] * coarse2[x]
        near[2 + XY, p] = coarse1[x] * fine1[x] + coarse2[x] * fine2[x]
        near[2 + YY, p] = fine1[x] * fine1[x] + fine2[x] * fine2[x]
        near[2 + CHANGE, p] = coarse2[x] - coarse1[x]
        near[2 + W, p] = weight[x]
        near[2 + W_CHANGE1, p] = weight[x] * change1
        near[2 + W_CHANGE2, p] = weight[x] * change2
        near[2 + W_SQUARE1, p] = weight[x] * change1 * change1
        near[2 + W_SQUARE2, p] = weight[x] * change2 * change2
        column[0, p] += known
        column[1, p] += known * change1
        column[2, p] += known * change2


@njit(forceinline=True, fastmath={"contract"})
def _add_similar(near, column, factor, limit1, limit2, target1, target2, sums):  # type: ignore[no-untyped-def]
    factor0, factor1, factor2 = factor
    limit10, limit11, limit12 = limit1
    for j in range(np.uint64(len(target1))):
        p0 = j + column
        p1, p2 = p0 + np.uint64(1), p0 + np.uint64(2)
        fine1, fine2 = target1[j], target2[j]
        similar0 = (abs(near[0, p0] - fine1) < limit10) & (abs(near[1, p0] - fine2) < limit2)
        similar1 = (abs(near[0, p1] - fine1) < limit11) & (abs(near[1, p1] - fine2) < limit2)
        similar2 = (abs(near[0, p2] - fine1) < limit12) & (abs(near[1, p2] - fine2) < limit2)
        for term in range(np.uint64(PLAIN)):
            total = sums[term, j]
            total += near[term + _TWO, p0] if similar0 else _ZERO
            total += near[term + _TWO, p1] if similar1 else _ZERO
            total += near[term + _TWO, p2] if similar2 else _ZERO
            sums[term, j] = total
        for term in range(np.uint64(PLAIN), np.uint64(TERMS)):
            total = sums[term, j]
            total += factor0 * near[term + _TWO, p0] if similar0 else _ZERO
            total += factor1 * near[term + _TWO, p1] if similar1 else _ZERO
            total += factor2 * near[term + _TWO, p2] if similar2 else _ZERO
            sums[term, j] = total


@njit
def _window_means(column, size, targets, means):  # type: ignore[no-untyped-def]
    means[:] = 0.0
    for k in range(3):
        for d in range(np.uint64(size)):
            for j in range(np.uint64(targets)):
                means[k, j] += column[k, j + d]
    for j in range(targets):
        if means[0, j] > 0:
            means[1, j] /= means[0, j]
            means[2, j] /= means[0, j]


@njit
def _conversion_coefficient(sums, k, f_critical, min_change, max_coefficient):  # type: ignore[no-untyped-def]
    n, x, y = np.float64(sums[COUNT, k]), np.float64(sums[X, k]), np.float64(sums[Y, k])
    if abs(sums[CHANGE, k]) / n < min_change:
        return 1.0
    xx = sums[XX, k] - x * x / (2 * n)
    xy = sums[XY, k] - x * y / (2 * n)
    yy = sums[YY, k] - y * y / (2 * n)
    if xx <= 0:
        return 1.0
    slope = xy / xx
    significant = slope * xy * (2 * n - 2) >= f_critical[int(n)] * (yy - slope * xy)
    return slope if significant and 0 < slope <= max_coefficient else 1.0


@njit
def _similar_mean(images, i, j, limits, factors, share1, share2):  # type: ignore[no-untyped-def]
    half = len(factors) // 2
    fine1, fine2 = images[FINE1, i, j], images[FINE2, i, j]
    total, mean1, mean2, square = 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, i - half), min(images.shape[1], i + half + 1)):
        for x in range(max(0, j - half), min(images.shape[2], j + half + 1)):
            near1, near2 = images[FINE1, y, x], images[FINE2, y, x]
            if abs(near1 - fine1) < limits[0] and abs(near2 - fine2) < limits[1]:
                weight = np.float64(factors[y - i + half, x - j + half]) * images[WEIGHT, y, x]
                total += weight
                mean1 += weight * near1
                mean2 += weight * near2
                square += weight * (share1 * near1 * near1 + share2 * near2 * near2)
    mean = (share1 * mean1 + share2 * mean2) / total
    return mean, max(0.0, square / total - mean * mean)


@njit
def _predict(images, i, j, sums, k, change1, change2, limits, factors, f_critical, bounds, tests):  # type: ignore[no-untyped-def]
    min_change, min_similar, max_coefficient, evenness = tests
    fine1, fine2 = np.float64(images[FINE1, i, j]), np.float64(images[FINE2, i, j])
    floor = evenness * (abs(change1) + abs(change2)) / 2 + NEGLIGIBLE
    inverse1, inverse2 = 1 / (abs(change1) + floor), 1 / (abs(change2) + floor)
    share1, share2 = inverse1 / (inverse1 + inverse2), inverse2 / (inverse1 + inverse2)
    base = share1 * fine1 + share2 * fine2
    coarse_change = images[COARSE0, i, j] - (share1 * images[COARSE1, i, j] + share2 * images[COARSE2, i, j])
    halved = (share1**2 + share2**2) / 2
    if sums[COUNT, k] < min_similar:
        value = share1 * (fine1 + change1) + share2 * (fine2 + change2)
        variance = ASSUMED_DOUBT**2 * (share1 * change1**2 + share2 * change2**2)
        disagreement = halved * (fine1 + change1 - (fine2 + change2)) ** 2
        return value, variance, disagreement, coarse_change - (value - base), FEW_SIMILAR
    v = _conversion_coefficient(sums, k, f_critical, min_change, max_coefficient)
    weight = np.float64(sums[W, k])
    mean1, mean2 = sums[W_CHANGE1, k] / weight, sums[W_CHANGE2, k] / weight
    value = share1 * (fine1 + v * mean1) + share2 * (fine2 + v * mean2)
    disagreement = halved * (fine1 + mean1 - (fine2 + mean2)) ** 2
    if bounds[0] < value < bounds[1]:
        scatter1 = max(0.0, sums[W_SQUARE1, k] / weight - mean1 * mean1)
        scatter2 = max(0.0, sums[W_SQUARE2, k] / weight - mean2 * mean2)
        variance = v * v * (share1 * scatter1 + share2 * scatter2)
        return value, variance, disagreement, coarse_change - (value - base), TWO_PAIRS
    value, variance = _similar_mean(images, i, j, limits, factors, share1, share2)
    return value, variance, disagreement, coarse_change - (value - base), OUT_OF_RANGE


@njit(forceinline=True)
def _sum_block(images, i, start, lanes, limits, factors, target, near, column, sums):  # type: ignore[no-untyped-def]
    half, steps = len(factors) // 2, factors.shape[1]
    limit1, limit2 = limits
    sums[:] = _ZERO
    column[:] = 0.0
    for y in range(max(0, i - half), min(images.shape[1], i + half + 1)):
        _derive_terms(images, y, start - half, start - half + lanes + steps, near, column)
        factor = factors[y - i + half]
        for d in range(0, steps, STEP):
            factor0, factor1, factor2 = factor[d], factor[d + 1], factor[d + 2]
            limit11 = limit1 if factor1 > 0 else _ZERO
            limit12 = limit1 if factor2 > 0 else _ZERO
            _add_similar(
                near, np.uint64(d), (factor0, factor1, factor2), (limit1, limit11, limit12), limit2,
                target[0, :lanes], target[1, :lanes], sums,
            )


@njit
def _next_wanted(wanted, i, j):  # type: ignore[no-untyped-def]
    while j < wanted.shape[1] and not wanted[i, j]:
        j += 1
    return j


@njit
def _block_length(wanted, i, start):  # type: ignore[no-untyped-def]
    last = start
    for j in range(start, min(start + BLOCK, wanted.shape[1])):
        if wanted[i, j]:
            last = j
        elif j - last > LANES:
            break
    return last + 1 - start


@njit(nogil=True, cache=True)
def fuse_rows(  # type: ignore[no-untyped-def]
    images, wanted, first_row, last_row, limits, factors, f_critical, bounds, tests,
    value, variance, disagreement, remainder, flag,
):
    """Predict the wanted pixels of rows ``first_row`` to ``last_row``.

    Parameters
    ----------
    images
        (6, y, x) float32: FINE1 … WEIGHT; ``UNKNOWN`` in FINE1 and 0 elsewhere where any input is unknown.
    wanted
        (y, x) bool, only known pixels.
    limits
        Similarity thresholds of the two dates (Eq. 1), float32.
    factors
        Of ``spatial_factors``.
    f_critical
        Smallest F that is significant, by number of similar pixels.
    bounds
        Valid range relative to the mean taken off the fine images.
    tests
        Smallest coarse change, smallest number of similar pixels, largest conversion coefficient, evenness.
    value, variance, disagreement, remainder, flag
        Results (y, x): relative to the mean; scatter and disagreement of Eq. 10; coarse change that the
        prediction does not carry (Eq. 11); ``FusionFlag``.
    """
    half, cols = len(factors) // 2, images.shape[2]
    near = np.zeros((TERMS + 2, WIDTH), np.float32)
    sums, target = np.zeros((TERMS, BLOCK), np.float32), np.zeros((2, BLOCK), np.float32)
    column, means = np.zeros((3, WIDTH)), np.zeros((3, BLOCK))
    for i in range(first_row, last_row):
        start = _next_wanted(wanted, i, 0)
        while start < cols:
            targets = _block_length(wanted, i, start)
            for k in range(targets):
                target[0, k], target[1, k] = images[FINE1, i, start + k], images[FINE2, i, start + k]
            lanes = -(-targets // LANES) * LANES
            _sum_block(images, i, start, lanes, limits, factors, target, near, column, sums)
            _window_means(column, 2 * half + 1, targets, means)
            for k in range(targets):
                j = start + k
                if wanted[i, j]:
                    value[i, j], variance[i, j], disagreement[i, j], remainder[i, j], flag[i, j] = _predict(
                        images, i, j, sums, k, means[1, k], means[2, k], limits, factors, f_critical, bounds, tests
                    )
            start = _next_wanted(wanted, i, start + targets)
