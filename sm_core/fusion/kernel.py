"""The compiled window sums of ESTARFM. Imported on first use only, because numba takes half a second to import.

For a block of targets along a row the kernel walks the rows of the window. From each it derives, once for the whole
block, every quantity that is summed over similar pixels (*terms*, one line of ``near`` each); then, for three window
columns at a time, the innermost loop runs along the targets, so that neighbours of adjacent targets are contiguous
and targets fill the vector lanes. No list of similar pixels and no second pass is needed, and no sum depends on how
the rows are shared among threads. The number of bands is the length of a tuple, hence known when the kernel is
compiled. Equation numbers are those of docs/methods.md, "Fusion (ESTARFM)".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.fusion.flags import FusionFlag
from sm_core.fusion.params import MAX_HALF_WINDOW

FINE1, COARSE1, FINE2, COARSE2, COARSE0 = range(5)
"""Layers of one band in ``images``, relative to a mean, so that float32 sums hold."""
LAYERS = 5
"""Layers per band; behind those of the last band follows the spectral weight."""
UNKNOWN = np.float32(1e30)
"""The first band's fine value of unknown pixels: no difference to it passes the similarity test."""
ASSUMED_DOUBT = 0.5
"""Standard deviation of a conversion coefficient that is assumed to be 1 instead of fitted [1]."""
STEP = 3
"""Window columns that the innermost loop takes at once."""
BLOCK = 128
LANES = 16
"""Most targets of a block, and what their number is rounded up to (one vector of float32). A block ends early at a
gap of more than ``LANES`` unwanted pixels."""
WIDTH = BLOCK + 2 * MAX_HALF_WINDOW + 1 + STEP
X, Y, XX, XY, YY, CHANGE = range(6)
PLAIN = 6
"""Terms of one band that are summed as they are, behind the count."""
CHANGE1, CHANGE2, SQUARE1, SQUARE2 = range(4)
WEIGHTED = 4
"""Terms of one band that are summed with their weight, behind the weight itself."""
NEGLIGIBLE = 1e-10
"""Added to window-mean changes before they are inverted [unit]."""
TWO_PAIRS = int(FusionFlag.TWO_PAIRS)
FEW_SIMILAR = int(FusionFlag.FEW_SIMILAR)
OUT_OF_RANGE = int(FusionFlag.OUT_OF_RANGE)
_ZERO = np.float32(0)
_ONE = np.float32(1)


def spatial_factors(half_window: int) -> NDArray[np.float32]:
    """1 / D of Eq. 3 for every window position; 0 in the columns that pad the window to whole steps."""
    offset = np.arange(-half_window, half_window + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    return np.pad(1 / (1 + distance / half_window), ((0, 0), (0, -len(offset) % STEP))).astype(np.float32)


@njit(forceinline=True)
def _derive_terms(images, bands, y, start, stop, near, column):  # type: ignore[no-untyped-def]
    first, last = max(start, 0), min(stop, images.shape[2])
    count, size = 2 * bands, np.uint64(last - first)
    weights = count + 1 + PLAIN * bands
    weight = images[LAYERS * bands, y, first:last]
    shift = np.uint64(first - start)
    near[0, :] = UNKNOWN
    for b in range(bands):
        layer, plain, weighted = LAYERS * b, count + 1 + PLAIN * b, weights + 1 + WEIGHTED * b
        fine1, coarse1 = images[layer + FINE1, y, first:last], images[layer + COARSE1, y, first:last]
        fine2, coarse2 = images[layer + FINE2, y, first:last], images[layer + COARSE2, y, first:last]
        coarse0 = images[layer + COARSE0, y, first:last]
        for x in range(size):
            p = x + shift
            change1, change2 = coarse0[x] - coarse1[x], coarse0[x] - coarse2[x]
            near[2 * b, p], near[2 * b + 1, p] = fine1[x], fine2[x]
            near[plain + X, p] = coarse1[x] + coarse2[x]
            near[plain + Y, p] = fine1[x] + fine2[x]
            near[plain + XX, p] = coarse1[x] * coarse1[x] + coarse2[x] * coarse2[x]
            near[plain + XY, p] = coarse1[x] * fine1[x] + coarse2[x] * fine2[x]
            near[plain + YY, p] = fine1[x] * fine1[x] + fine2[x] * fine2[x]
            near[plain + CHANGE, p] = coarse2[x] - coarse1[x]
            near[weighted + CHANGE1, p] = weight[x] * change1
            near[weighted + CHANGE2, p] = weight[x] * change2
            near[weighted + SQUARE1, p] = weight[x] * change1 * change1
            near[weighted + SQUARE2, p] = weight[x] * change2 * change2
            known = _ONE if near[0, p] < UNKNOWN else _ZERO
            column[1 + 2 * b, p] += known * change1
            column[2 + 2 * b, p] += known * change2
    for x in range(size):
        p = x + shift
        known = _ONE if near[0, p] < UNKNOWN else _ZERO
        near[count, p] = known
        near[weights, p] = weight[x]
        column[0, p] += known


@njit(forceinline=True, fastmath={"contract"})
def _add_similar(near, column, factor, limits, limit1, target, lanes, sums):  # type: ignore[no-untyped-def]
    factor0, factor1, factor2 = factor
    limit10, limit11, limit12 = limit1
    bands = len(limits)
    plain, terms = np.uint64(1 + PLAIN * bands), np.uint64(2 + (PLAIN + WEIGHTED) * bands)
    first = np.uint64(2 * bands)
    for j in range(lanes):
        p0 = j + column
        p1, p2 = p0 + np.uint64(1), p0 + np.uint64(2)
        fine1, fine2 = target[0, j], target[1, j]
        similar0 = (abs(near[0, p0] - fine1) < limit10) & (abs(near[1, p0] - fine2) < limits[0][1])
        similar1 = (abs(near[0, p1] - fine1) < limit11) & (abs(near[1, p1] - fine2) < limits[0][1])
        similar2 = (abs(near[0, p2] - fine1) < limit12) & (abs(near[1, p2] - fine2) < limits[0][1])
        for b in range(1, bands):
            fine1, fine2 = target[2 * b, j], target[2 * b + 1, j]
            one, two = limits[b]
            similar0 &= (abs(near[2 * b, p0] - fine1) < one) & (abs(near[2 * b + 1, p0] - fine2) < two)
            similar1 &= (abs(near[2 * b, p1] - fine1) < one) & (abs(near[2 * b + 1, p1] - fine2) < two)
            similar2 &= (abs(near[2 * b, p2] - fine1) < one) & (abs(near[2 * b + 1, p2] - fine2) < two)
        for term in range(plain):
            total = sums[term, j]
            total += near[term + first, p0] if similar0 else _ZERO
            total += near[term + first, p1] if similar1 else _ZERO
            total += near[term + first, p2] if similar2 else _ZERO
            sums[term, j] = total
        for term in range(plain, terms):
            total = sums[term, j]
            total += factor0 * near[term + first, p0] if similar0 else _ZERO
            total += factor1 * near[term + first, p1] if similar1 else _ZERO
            total += factor2 * near[term + first, p2] if similar2 else _ZERO
            sums[term, j] = total


@njit(forceinline=True)
def _sum_block(images, limits, i, start, lanes, factors, target, near, column, sums):  # type: ignore[no-untyped-def]
    half, steps = len(factors) // 2, factors.shape[1]
    limit1 = limits[0][0]
    sums[:] = _ZERO
    column[:] = 0.0
    for y in range(max(0, i - half), min(images.shape[1], i + half + 1)):
        _derive_terms(images, len(limits), y, start - half, start - half + lanes + steps, near, column)
        factor = factors[y - i + half]
        for d in range(0, steps, STEP):
            factor0, factor1, factor2 = factor[d], factor[d + 1], factor[d + 2]
            limit11 = limit1 if factor1 > 0 else _ZERO
            limit12 = limit1 if factor2 > 0 else _ZERO
            _add_similar(
                near, np.uint64(d), (factor0, factor1, factor2), limits, (limit1, limit11, limit12), target,
                np.uint64(lanes), sums,
            )


@njit
def _window_means(column, size, targets, means):  # type: ignore[no-untyped-def]
    means[:] = 0.0
    for k in range(len(column)):
        for d in range(np.uint64(size)):
            for j in range(np.uint64(targets)):
                means[k, j] += column[k, j + d]
    for k in range(1, len(column)):
        for j in range(targets):
            if means[0, j] > 0:
                means[k, j] /= means[0, j]


@njit
def _conversion_coefficient(n, plain, f_critical, min_change, max_coefficient):  # type: ignore[no-untyped-def]
    x, y = np.float64(plain[X]), np.float64(plain[Y])
    if abs(plain[CHANGE]) / n < min_change:
        return 1.0
    xx = plain[XX] - x * x / (2 * n)
    xy = plain[XY] - x * y / (2 * n)
    yy = plain[YY] - y * y / (2 * n)
    if xx <= 0:
        return 1.0
    slope = xy / xx
    significant = slope * xy * (2 * n - 2) >= f_critical[int(n)] * (yy - slope * xy)
    return slope if significant and 0 < slope <= max_coefficient else 1.0


@njit
def _all_similar(images, limits, y, x, i, j):  # type: ignore[no-untyped-def]
    for b in range(len(limits)):
        for date in range(2):
            layer = LAYERS * b + (FINE2 if date else FINE1)
            if not abs(images[layer, y, x] - images[layer, i, j]) < limits[b][date]:
                return False
    return True


@njit
def _similar_mean(images, limits, band, i, j, factors, share1, share2):  # type: ignore[no-untyped-def]
    half = len(factors) // 2
    total, mean1, mean2, square = 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, i - half), min(images.shape[1], i + half + 1)):
        for x in range(max(0, j - half), min(images.shape[2], j + half + 1)):
            if _all_similar(images, limits, y, x, i, j):
                near1, near2 = images[LAYERS * band + FINE1, y, x], images[LAYERS * band + FINE2, y, x]
                weight = np.float64(factors[y - i + half, x - j + half]) * images[LAYERS * len(limits), y, x]
                total += weight
                mean1 += weight * near1
                mean2 += weight * near2
                square += weight * (share1 * near1 * near1 + share2 * near2 * near2)
    mean = (share1 * mean1 + share2 * mean2) / total
    return mean, max(0.0, square / total - mean * mean)


@njit
def _predict(images, limits, band, i, j, sums, change1, change2, factors, f_critical, bounds, tests):  # type: ignore[no-untyped-def]
    min_change, min_similar, max_coefficient, evenness = tests
    layer, bands = LAYERS * band, len(limits)
    fine1, fine2 = np.float64(images[layer + FINE1, i, j]), np.float64(images[layer + FINE2, i, j])
    floor = evenness * (abs(change1) + abs(change2)) / 2 + NEGLIGIBLE
    inverse1, inverse2 = 1 / (abs(change1) + floor), 1 / (abs(change2) + floor)
    share1, share2 = inverse1 / (inverse1 + inverse2), inverse2 / (inverse1 + inverse2)
    base = share1 * fine1 + share2 * fine2
    coarse1, coarse2 = images[layer + COARSE1, i, j], images[layer + COARSE2, i, j]
    coarse_change = images[layer + COARSE0, i, j] - (share1 * coarse1 + share2 * coarse2)
    halved = (share1**2 + share2**2) / 2
    n = np.float64(sums[0])
    if n < min_similar:
        value = share1 * (fine1 + change1) + share2 * (fine2 + change2)
        variance = ASSUMED_DOUBT**2 * (share1 * change1**2 + share2 * change2**2)
        disagreement = halved * (fine1 + change1 - (fine2 + change2)) ** 2
        return value, variance, disagreement, coarse_change - (value - base), FEW_SIMILAR
    plain, weights = sums[1 + PLAIN * band:1 + PLAIN * (band + 1)], sums[1 + PLAIN * bands:]
    weighted = weights[1 + WEIGHTED * band:1 + WEIGHTED * (band + 1)]
    v = _conversion_coefficient(n, plain, f_critical, min_change[band], max_coefficient)
    weight = np.float64(weights[0])
    mean1, mean2 = weighted[CHANGE1] / weight, weighted[CHANGE2] / weight
    value = share1 * (fine1 + v * mean1) + share2 * (fine2 + v * mean2)
    disagreement = halved * (fine1 + mean1 - (fine2 + mean2)) ** 2
    if bounds[0] < value < bounds[1]:
        scatter1 = max(0.0, weighted[SQUARE1] / weight - mean1 * mean1)
        scatter2 = max(0.0, weighted[SQUARE2] / weight - mean2 * mean2)
        variance = v * v * (share1 * scatter1 + share2 * scatter2)
        return value, variance, disagreement, coarse_change - (value - base), TWO_PAIRS
    value, variance = _similar_mean(images, limits, band, i, j, factors, share1, share2)
    return value, variance, disagreement, coarse_change - (value - base), OUT_OF_RANGE


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
        (5 · bands + 1, y, x) float32: FINE1 … COARSE0 of each band, spectral weight; where any input is unknown
        ``UNKNOWN`` in the first layer and 0 in the others.
    wanted
        (y, x) bool, only known pixels.
    limits
        For each band the similarity thresholds of the two dates (Eq. 1), float32.
    factors
        Of ``spatial_factors``.
    f_critical
        Smallest F that is significant, by number of similar pixels.
    bounds
        For each band the valid range relative to the mean taken off its fine images.
    tests
        Smallest coarse change of each band, smallest number of similar pixels, largest conversion coefficient,
        evenness.
    value, variance, disagreement, remainder, flag
        Results (band, y, x): relative to the mean; scatter and disagreement of Eq. 10; coarse change that the
        prediction does not carry (Eq. 11); ``FusionFlag``.
    """
    half, cols, bands = len(factors) // 2, images.shape[2], len(limits)
    near = np.zeros((2 + 2 * bands + (PLAIN + WEIGHTED) * bands, WIDTH), np.float32)
    sums = np.zeros((2 + (PLAIN + WEIGHTED) * bands, BLOCK), np.float32)
    target = np.zeros((2 * bands, BLOCK), np.float32)
    column, means = np.zeros((1 + 2 * bands, WIDTH)), np.zeros((1 + 2 * bands, BLOCK))
    for i in range(first_row, last_row):
        start = _next_wanted(wanted, i, 0)
        while start < cols:
            targets = _block_length(wanted, i, start)
            for b in range(bands):
                for k in range(targets):
                    target[2 * b, k] = images[LAYERS * b + FINE1, i, start + k]
                    target[2 * b + 1, k] = images[LAYERS * b + FINE2, i, start + k]
            lanes = -(-targets // LANES) * LANES
            _sum_block(images, limits, i, start, lanes, factors, target, near, column, sums)
            _window_means(column, 2 * half + 1, targets, means)
            for k in range(targets):
                j = start + k
                if wanted[i, j]:
                    for b in range(bands):
                        (
                            value[b, i, j], variance[b, i, j], disagreement[b, i, j], remainder[b, i, j], flag[b, i, j]
                        ) = _predict(
                            images, limits, b, i, j, sums[:, k], means[1 + 2 * b, k], means[2 + 2 * b, k], factors,
                            f_critical, bounds[b], tests,
                        )
            start = _next_wanted(wanted, i, start + targets)
