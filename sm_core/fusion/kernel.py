"""The compiled window sums of ESTARFM. Imported on first use only, because numba takes half a second to import.

For a block of targets along a row the kernel walks the rows of the window and, four window columns at a time, runs
along the targets: neighbours of adjacent targets are contiguous and targets fill the vector lanes. Everything that a
prediction needs of the similar pixels are sums, so that no list of them and no second pass is needed, and no sum
depends on how the rows are shared among threads. The number of bands is the length of a tuple, hence known when the
kernel is compiled. Equation numbers are those of docs/methods.md, "Fusion (ESTARFM)".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.fusion.flags import FusionFlag

FINE1, COARSE1, FINE2, COARSE2, CHANGE1, CHANGE2 = range(6)
"""Layers of one band in ``images``: fine and coarse relative to a mean, so that float32 sums hold; c0 - c1, c0 - c2."""
LAYERS = 6
"""Layers per band; behind those of the last band follows the spectral weight."""
UNKNOWN = np.float32(1e30)
"""The first band's fine value of unknown pixels: no difference to it passes the similarity test."""
ASSUMED_DOUBT = 0.5
"""Standard deviation of a conversion coefficient that is assumed to be 1 instead of fitted [1]."""
STEP = 4
"""Window columns that the innermost loop takes at once."""
BLOCK = 128
LANES = 16
"""Most targets of a block (a multiple of ``LANES``), and what their number is rounded up to: one vector of float32. A
block ends early at a gap of more than ``LANES`` unwanted pixels."""
COUNT, WEIGHT = range(2)
SHARED_SUMS = 2
"""Sums over the similar pixels that all bands share; those of each band follow."""
X1, X2, Y1, Y2, XX1, XX2, XY1, XY2, YY1, YY2 = range(10)
MOMENTS = 10
"""x coarse, y fine, of date 1 and 2. The dates are summed apart so that swapping them changes no bit."""
W_CHANGE1, W_CHANGE2, W_SQUARE1, W_SQUARE2 = range(4)
WEIGHTED = 4
SUMS = MOMENTS + WEIGHTED
NEGLIGIBLE = 1e-10
"""Added to window-mean changes before they are inverted [unit]."""
TWO_PAIRS = int(FusionFlag.TWO_PAIRS)
FEW_SIMILAR = int(FusionFlag.FEW_SIMILAR)
OUT_OF_RANGE = int(FusionFlag.OUT_OF_RANGE)
_ZERO = np.float32(0)
_ONE = np.float32(1)


def padded_columns(columns: int, half_window: int) -> int:
    """Columns of ``images`` for so many columns of the scene: half a window beside it, and what is read beyond."""
    return columns + 2 * half_window + STEP + LANES


def spatial_factors(half_window: int) -> NDArray[np.float32]:
    """1 / D of Eq. 3 for every window position; 0 in the columns that pad the window to whole steps."""
    offset = np.arange(-half_window, half_window + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    return np.pad(1 / (1 + distance / half_window), ((0, 0), (0, -len(offset) % STEP))).astype(np.float32)


@njit(forceinline=True)
def _is_similar(images, y, p, limits, limit, target, j):  # type: ignore[no-untyped-def]
    similar = abs(images[FINE1, y, p] - target[0, j]) < limit
    similar &= abs(images[FINE2, y, p] - target[1, j]) < limits[0][1]
    for b in range(1, len(limits)):
        layer, (limit1, limit2) = LAYERS * b, limits[b]
        similar &= abs(images[layer + FINE1, y, p] - target[2 * b, j]) < limit1
        similar &= abs(images[layer + FINE2, y, p] - target[2 * b + 1, j]) < limit2
    return similar


@njit(forceinline=True, fastmath={"contract"})
def _moments(images, layer, y, p, similar):  # type: ignore[no-untyped-def]
    fine1 = images[layer + FINE1, y, p] if similar else _ZERO
    fine2 = images[layer + FINE2, y, p] if similar else _ZERO
    coarse1 = images[layer + COARSE1, y, p] if similar else _ZERO
    coarse2 = images[layer + COARSE2, y, p] if similar else _ZERO
    return (
        coarse1, coarse2, fine1, fine2, coarse1 * coarse1, coarse2 * coarse2, coarse1 * fine1, coarse2 * fine2,
        fine1 * fine1, fine2 * fine2,
    )


@njit(forceinline=True, fastmath={"contract"})
def _weighted(images, layer, y, p, weight):  # type: ignore[no-untyped-def]
    change1, change2 = images[layer + CHANGE1, y, p], images[layer + CHANGE2, y, p]
    weighted1, weighted2 = weight * change1, weight * change2
    return weighted1, weighted2, weighted1 * change1, weighted2 * change2


@njit(forceinline=True, fastmath={"contract"})
def _add_similar(images, y, column, factors, limits, first_limits, target, lanes, sums):  # type: ignore[no-untyped-def]
    limit_a, limit_b, limit_c, limit_d = first_limits
    factor_a, factor_b, factor_c, factor_d = factors
    weight_layer = LAYERS * len(limits)
    for j in range(lanes):
        a = j + column
        b, c, d = a + np.uint64(1), a + np.uint64(2), a + np.uint64(3)
        similar_a = _is_similar(images, y, a, limits, limit_a, target, j)
        similar_b = _is_similar(images, y, b, limits, limit_b, target, j)
        similar_c = _is_similar(images, y, c, limits, limit_c, target, j)
        similar_d = _is_similar(images, y, d, limits, limit_d, target, j)
        weight_a = factor_a * images[weight_layer, y, a] if similar_a else _ZERO
        weight_b = factor_b * images[weight_layer, y, b] if similar_b else _ZERO
        weight_c = factor_c * images[weight_layer, y, c] if similar_c else _ZERO
        weight_d = factor_d * images[weight_layer, y, d] if similar_d else _ZERO
        sums[COUNT, j] += np.float32(similar_a) + np.float32(similar_b) + np.float32(similar_c) + np.float32(similar_d)
        sums[WEIGHT, j] += weight_a + weight_b + weight_c + weight_d
        for band in range(len(limits)):
            layer, first = LAYERS * band, np.uint64(SHARED_SUMS + SUMS * band)
            moments_a = _moments(images, layer, y, a, similar_a)
            moments_b = _moments(images, layer, y, b, similar_b)
            moments_c = _moments(images, layer, y, c, similar_c)
            moments_d = _moments(images, layer, y, d, similar_d)
            for k in range(np.uint64(MOMENTS)):
                sums[first + k, j] += moments_a[k] + moments_b[k] + moments_c[k] + moments_d[k]
            weighted_a = _weighted(images, layer, y, a, weight_a)
            weighted_b = _weighted(images, layer, y, b, weight_b)
            weighted_c = _weighted(images, layer, y, c, weight_c)
            weighted_d = _weighted(images, layer, y, d, weight_d)
            for k in range(np.uint64(WEIGHTED)):
                sums[first + np.uint64(MOMENTS) + k, j] += weighted_a[k] + weighted_b[k] + weighted_c[k] + weighted_d[k]


@njit(forceinline=True)
def _add_known(images, bands, y, start, stop, column):  # type: ignore[no-untyped-def]
    for x in range(np.uint64(stop - start)):
        known = _ONE if images[FINE1, y, start + x] < UNKNOWN else _ZERO
        column[0, x] += known
        for b in range(bands):
            column[1 + 2 * b, x] += images[LAYERS * b + CHANGE1, y, start + x]
            column[2 + 2 * b, x] += images[LAYERS * b + CHANGE2, y, start + x]


@njit(forceinline=True)
def _sum_block(images, limits, i, start, lanes, factors, target, column, sums):  # type: ignore[no-untyped-def]
    half, steps = len(factors) // 2, factors.shape[1]
    limit = limits[0][0]
    sums[:] = _ZERO
    column[:] = 0.0
    for y in range(max(0, i - half), min(images.shape[1], i + half + 1)):
        _add_known(images, len(limits), y, start, start + lanes + 2 * half, column)
        factor = factors[y - i + half]
        for d in range(0, steps, STEP):
            four = (factor[d], factor[d + 1], factor[d + 2], factor[d + 3])
            within = (
                limit, limit if four[1] > 0 else _ZERO, limit if four[2] > 0 else _ZERO, limit if four[3] > 0 else _ZERO
            )
            _add_similar(images, y, np.uint64(start + d), four, limits, within, target, np.uint64(lanes), sums)


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
def _conversion_coefficient(n, sums, f_critical, min_change, max_coefficient):  # type: ignore[no-untyped-def]
    x1, x2 = np.float64(sums[X1]), np.float64(sums[X2])
    if abs(x2 - x1) / n < min_change:
        return 1.0
    x, y = x1 + x2, np.float64(sums[Y1]) + np.float64(sums[Y2])
    xx = np.float64(sums[XX1]) + np.float64(sums[XX2]) - x * x / (2 * n)
    xy = np.float64(sums[XY1]) + np.float64(sums[XY2]) - x * y / (2 * n)
    yy = np.float64(sums[YY1]) + np.float64(sums[YY2]) - y * y / (2 * n)
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
        for x in range(j - half, j + half + 1):
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
    layer = LAYERS * band
    fine1, fine2 = np.float64(images[layer + FINE1, i, j]), np.float64(images[layer + FINE2, i, j])
    floor = evenness * (abs(change1) + abs(change2)) / 2 + NEGLIGIBLE
    inverse1, inverse2 = 1 / (abs(change1) + floor), 1 / (abs(change2) + floor)
    share1, share2 = inverse1 / (inverse1 + inverse2), inverse2 / (inverse1 + inverse2)
    base = share1 * fine1 + share2 * fine2
    coarse_change = share1 * images[layer + CHANGE1, i, j] + share2 * images[layer + CHANGE2, i, j]
    halved = (share1**2 + share2**2) / 2
    n = np.float64(sums[COUNT])
    if n < min_similar:
        value = share1 * (fine1 + change1) + share2 * (fine2 + change2)
        variance = ASSUMED_DOUBT**2 * (share1 * change1**2 + share2 * change2**2)
        disagreement = halved * (fine1 + change1 - (fine2 + change2)) ** 2
        return value, variance, disagreement, coarse_change - (value - base), FEW_SIMILAR
    own = sums[SHARED_SUMS + SUMS * band:SHARED_SUMS + SUMS * (band + 1)]
    v = _conversion_coefficient(n, own, f_critical, min_change[band], max_coefficient)
    weight = np.float64(sums[WEIGHT])
    weighted = own[MOMENTS:]
    mean1, mean2 = weighted[W_CHANGE1] / weight, weighted[W_CHANGE2] / weight
    value = share1 * (fine1 + v * mean1) + share2 * (fine2 + v * mean2)
    disagreement = halved * (fine1 + mean1 - (fine2 + mean2)) ** 2
    if bounds[0] < value < bounds[1]:
        scatter1 = max(0.0, weighted[W_SQUARE1] / weight - mean1 * mean1)
        scatter2 = max(0.0, weighted[W_SQUARE2] / weight - mean2 * mean2)
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
        (6 · bands + 1, y, columns of ``padded_columns``) float32: FINE1 … CHANGE2 of each band, spectral weight.
        The scene begins at column half window. Where any input is unknown, and beside the scene, ``UNKNOWN`` in the
        first layer and 0 in the others.
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
    half, cols, bands = len(factors) // 2, wanted.shape[1], len(limits)
    sums = np.zeros((SHARED_SUMS + SUMS * bands, BLOCK), np.float32)
    target = np.zeros((2 * bands, BLOCK), np.float32)
    column, means = np.zeros((1 + 2 * bands, BLOCK + 2 * half)), np.zeros((1 + 2 * bands, BLOCK))
    for i in range(first_row, last_row):
        start = _next_wanted(wanted, i, 0)
        while start < cols:
            targets = _block_length(wanted, i, start)
            for b in range(bands):
                for k in range(targets):
                    target[2 * b, k] = images[LAYERS * b + FINE1, i, half + start + k]
                    target[2 * b + 1, k] = images[LAYERS * b + FINE2, i, half + start + k]
            lanes = -(-targets // LANES) * LANES
            _sum_block(images, limits, i, start, lanes, factors, target, column, sums)
            _window_means(column, 2 * half + 1, targets, means)
            for k in range(targets):
                j = start + k
                if wanted[i, j]:
                    for b in range(bands):
                        (
                            value[b, i, j], variance[b, i, j], disagreement[b, i, j], remainder[b, i, j], flag[b, i, j]
                        ) = _predict(
                            images, limits, b, i, half + j, sums[:, k], means[1 + 2 * b, k], means[2 + 2 * b, k],
                            factors, f_critical, bounds[b], tests,
                        )
            start = _next_wanted(wanted, i, start + targets)
