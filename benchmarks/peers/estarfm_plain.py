"""ESTARFM written the published way: per pixel, a first pass that lists the similar pixels, a second that uses them.

The stand-in for a straightforward compiled program in ``benchmarks/fusion_speed.py``: float64, one band, two pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.special import fdtri

Image = NDArray[np.float64]


@njit(parallel=True, cache=True)
def _fuse(f1, c1, f2, c2, c0, known, th1, th2, half, low, high, min_change, f_critical):  # type: ignore[no-untyped-def]
    rows, cols = f1.shape
    out = np.full((rows, cols), np.nan)
    for i in prange(rows):
        ys, xs = np.empty((2 * half + 1) ** 2, np.int64), np.empty((2 * half + 1) ** 2, np.int64)
        for j in range(cols):
            if not known[i, j]:
                continue
            n, valid, m0, m1, m2 = 0, 0, 0.0, 0.0, 0.0
            for y in range(max(0, i - half), min(rows, i + half + 1)):
                for x in range(max(0, j - half), min(cols, j + half + 1)):
                    if known[y, x]:
                        valid += 1
                        m0 += c0[y, x]
                        m1 += c1[y, x]
                        m2 += c2[y, x]
                        if abs(f1[y, x] - f1[i, j]) < th1 and abs(f2[y, x] - f2[i, j]) < th2:
                            ys[n], xs[n] = y, x
                            n += 1
            change1, change2 = (m0 - m1) / valid, (m0 - m2) / valid
            inverse1, inverse2 = 1 / (abs(change1) + 1e-10), 1 / (abs(change2) + 1e-10)
            t1 = inverse1 / (inverse1 + inverse2)
            t2 = 1 - t1
            if n < 6:
                out[i, j] = t1 * (f1[i, j] + change1) + t2 * (f2[i, j] + change2)
                continue
            sx, sy, sxx, sxy, syy, coarse_change = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            weight, a1, a2, b1, b2 = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(n):
                y, x = ys[k], xs[k]
                p, q, r, s = c1[y, x], c2[y, x], f1[y, x], f2[y, x]
                sx += p + q
                sy += r + s
                coarse_change += q - p
                difference = 0.5 * (abs((r - p) / (r + p)) + abs((s - q) / (s + q)))
                if math.isnan(difference):
                    difference = 0.5
                distance = 1 + math.sqrt((y - i) ** 2 + (x - j) ** 2) / half
                w = 1 / (difference * distance + 1e-7)
                weight += w
                a1 += w * (c0[y, x] - p)
                a2 += w * (c0[y, x] - q)
                b1 += w * r
                b2 += w * s
            sx /= 2 * n
            sy /= 2 * n
            for k in range(n):
                y, x = ys[k], xs[k]
                p, q, r, s = c1[y, x] - sx, c2[y, x] - sx, f1[y, x] - sy, f2[y, x] - sy
                sxx += p * p + q * q
                sxy += p * r + q * s
                syy += r * r + s * s
            v = 1.0
            if abs(coarse_change) / n >= min_change and sxx > 0:
                slope = sxy / sxx
                explained = slope * sxy
                if explained >= f_critical[n] * (syy - explained) / (2 * n - 2) and 0 < slope <= 5:
                    v = slope
            value = t1 * (f1[i, j] + v * a1 / weight) + t2 * (f2[i, j] + v * a2 / weight)
            if value <= low or value >= high:
                value = (t1 * b1 + t2 * b2) / weight
            out[i, j] = value
    return out


def fuse_plain(
    f1: Image, c1: Image, f2: Image, c2: Image, c0: Image, *, valid_range: tuple[float, float], min_change: float,
    half: int = 25, classes: int = 4,
) -> Image:
    """Predict the fine image of the target date; arguments as in ``sm_core.fusion.fuse``, NaN = unknown."""
    images = [np.ascontiguousarray(image, np.float64) for image in (f1, c1, f2, c2, c0)]
    known = np.isfinite(np.sum(images, axis=0))
    th1, th2 = (np.nanstd(images[k], ddof=1) * 2 / classes for k in (0, 2))
    n = np.arange((2 * half + 1) ** 2 + 1)
    f_critical = np.append([np.inf, np.inf], fdtri(1, 2 * n[2:] - 2, 0.95))
    return _fuse(*images, known, th1, th2, half, *valid_range, min_change, f_critical)  # type: ignore[no-any-return]
