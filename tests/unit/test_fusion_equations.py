"""The compiled kernel against the equations of docs/methods.md, written out pixel by pixel in float64."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from sm_core.fusion import EstarfmParams, FusionFlag, Pair, fuse

Image = NDArray[np.float64]


def by_definition(f1: Image, c1: Image, f2: Image, c2: Image, c0: Image, params: EstarfmParams) -> tuple[Image, Image]:
    known = np.isfinite(f1 + c1 + f2 + c2 + c0)
    limit1, limit2 = (np.nanstd(fine, ddof=1) * 2 / params.classes for fine in (f1, f2))
    value, flag = np.full(f1.shape, np.nan), np.zeros(f1.shape)
    w = params.half_window
    for i, j in np.argwhere(known):
        window = np.zeros_like(known)
        window[max(0, i - w):i + w + 1, max(0, j - w):j + w + 1] = True
        window &= known
        similar = window & (np.abs(f1 - f1[i, j]) < limit1) & (np.abs(f2 - f2[i, j]) < limit2)
        change1, change2 = (c0 - c1)[window].mean(), (c0 - c2)[window].mean()
        floor = params.evenness * (abs(change1) + abs(change2)) / 2
        t1 = 1 / (abs(change1) + floor) / (1 / (abs(change1) + floor) + 1 / (abs(change2) + floor))
        n = similar.sum()
        if n < params.min_similar:
            value[i, j] = t1 * (f1[i, j] + change1) + (1 - t1) * (f2[i, j] + change2)
            flag[i, j] = FusionFlag.FEW_SIMILAR
            continue
        rows, columns = np.nonzero(similar)
        distance = 1 + np.hypot(rows - i, columns - j) / w
        a, b, c, d, e = (layer[similar] for layer in (f1, c1, f2, c2, c0))
        relative = (np.abs((a - b) / (a + b)) + np.abs((c - d) / (c + d))) / 2
        weight = 1 / (relative * distance)
        weight /= weight.sum()
        x, y = np.append(b, d), np.append(a, c)
        slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
        residual = ((y - y.mean() - slope * (x - x.mean())) ** 2).sum()
        f_value = slope**2 * ((x - x.mean()) ** 2).sum() / (residual / (2 * n - 2))
        fitted = (
            abs(b.mean() - d.mean()) >= params.min_coarse_change
            and f_distribution.sf(f_value, 1, 2 * n - 2) <= params.significance
            and 0 < slope <= params.max_coefficient
        )
        v = slope if fitted else 1.0
        first, second = f1[i, j] + v * (weight * (e - b)).sum(), f2[i, j] + v * (weight * (e - d)).sum()
        value[i, j] = t1 * first + (1 - t1) * second
        flag[i, j] = FusionFlag.TWO_PAIRS
        low, high = params.valid_range
        if not low < value[i, j] < high:
            value[i, j] = t1 * (weight * a).sum() + (1 - t1) * (weight * c).sum()
            flag[i, j] = FusionFlag.OUT_OF_RANGE
    return value, flag


def world(shape: tuple[int, int], seed: int, gaps: float) -> list[Image]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, shape)
    base = np.array([0.2, 0.5, 0.7])[kind]
    growth = np.array([0.3, 0.1, -0.1])[kind]
    images = []
    for step in (0.0, 1.0):
        fine = base + step * growth + rng.normal(0, 0.03, shape)
        images += [fine, 0.6 * fine + 0.2 + 0.05 * step + rng.normal(0, 0.02, shape)]
    images.append((images[1] + images[3]) / 2 + rng.normal(0, 0.05, shape))
    images = [image.astype(np.float32).astype(float) for image in images]
    for image in images:
        image[rng.random(shape) < gaps / 5] = np.nan
    return images


@pytest.mark.parametrize(("shape", "half_window", "gaps"), [
    ((12, 14), 1, 0.0), ((12, 14), 2, 0.3), ((15, 9), 3, 0.6), ((7, 300), 4, 0.1), ((9, 11), 20, 0.2),
    ((1, 40), 5, 0.0), ((40, 1), 6, 0.0), ((5, 129), 7, 0.9),
])
def test_kernel_equals_the_equations(shape: tuple[int, int], half_window: int, gaps: float) -> None:
    params = EstarfmParams(
        half_window=half_window, uncertainty=0.01, valid_range=(0.33, 0.62), min_coarse_change=0.05, classes=3,
        evenness=half_window % 2 / 2,
    )
    images = world(shape, half_window, gaps)
    expected, flag = by_definition(*images, params)
    f1, c1, f2, c2, c0 = (xr.DataArray(image, dims=("y", "x")) for image in images)
    fused = fuse(Pair(date(2025, 1, 1), f1, c1), Pair(date(2025, 2, 1), f2, c2), c0, params)
    np.testing.assert_array_equal(fused.flag.values, flag)
    np.testing.assert_allclose(fused.value.values, np.clip(expected, *params.valid_range), atol=2e-5)


def test_such_a_world_reaches_every_branch() -> None:
    params = EstarfmParams(half_window=2, uncertainty=0.01, valid_range=(0.33, 0.62), min_coarse_change=0.05, classes=3)
    images = world((20, 30), 2, 0.3)
    value, flag = by_definition(*images, params)
    assert set(np.unique(flag)) == {
        FusionFlag.UNKNOWN, FusionFlag.TWO_PAIRS, FusionFlag.FEW_SIMILAR, FusionFlag.OUT_OF_RANGE
    }
    never_fitted, _ = by_definition(*images, params.model_copy(update={"min_coarse_change": 9.0}))
    fitted = np.abs(value - never_fitted)[flag == FusionFlag.TWO_PAIRS] > 1e-3
    assert 0.1 < fitted.mean() < 0.95


@pytest.mark.parametrize(("bands", "gaps"), [(2, 0.3), (3, 0.1)])
def test_several_bands_share_their_similar_pixels(bands: int, gaps: float) -> None:
    params = EstarfmParams(half_window=3, uncertainty=0.01, valid_range=(-9.0, 9.0), min_coarse_change=0.02, classes=2)
    noise = np.random.default_rng(5)
    stacks = [
        np.stack([(1 + b / 5) * image + noise.normal(0, 0.01, image.shape) for b in range(bands)]).astype(np.float32)
        for image in world((14, 19), 10, gaps)
    ]
    f1, c1, f2, c2, c0 = (xr.DataArray(stack, dims=("band", "y", "x")) for stack in stacks)
    fused = fuse(Pair(date(2025, 1, 1), f1, c1), Pair(date(2025, 2, 1), f2, c2), c0, params)
    expected = several_bands(stacks, params)
    assert fused.value.dims == ("band", "y", "x")
    assert (fused.flag.values == FusionFlag.TWO_PAIRS).mean() > 0.3
    np.testing.assert_allclose(fused.value.values, expected, atol=5e-5)


def several_bands(stacks: list[NDArray[np.float32]], params: EstarfmParams) -> Image:
    """The equations without range test and evenness; Q from the correlation of at least six values, else relative."""
    f1, c1, f2, c2, c0 = (stack.astype(float) for stack in stacks)
    known = np.isfinite(f1 + c1 + f2 + c2 + c0).all(axis=0)
    limits = [[np.nanstd(band, ddof=1) * 2 / params.classes for band in fine] for fine in (f1, f2)]
    value = np.full(f1.shape, np.nan)
    for i, j in np.argwhere(known):
        near = np.zeros_like(known)
        near[max(0, i - 3):i + 4, max(0, j - 3):j + 4] = True
        near &= known
        similar = near.copy()
        for fine, limit in ((f1, limits[0]), (f2, limits[1])):
            for b, band in enumerate(fine):
                similar &= np.abs(band - band[i, j]) < limit[b]
        rows, columns = np.nonzero(similar)
        fine, coarse = np.concatenate([f1, f2])[:, similar], np.concatenate([c1, c2])[:, similar]
        if len(fine) >= 6:
            quality = 1 - np.array([np.corrcoef(fine[:, k], coarse[:, k])[0, 1] for k in range(len(rows))])
        else:
            quality = np.abs((fine - coarse) / (fine + coarse)).mean(axis=0)
        weight = 1 / ((quality + 1e-7) * (1 + np.hypot(rows - i, columns - j) / 3))
        weight /= weight.sum()
        for b in range(len(f1)):
            change1, change2 = (c0[b] - c1[b])[near].mean(), (c0[b] - c2[b])[near].mean()
            t1 = abs(change2) / (abs(change1) + abs(change2))
            if similar.sum() < params.min_similar:
                value[b, i, j] = t1 * (f1[b, i, j] + change1) + (1 - t1) * (f2[b, i, j] + change2)
                continue
            x, y = np.append(c1[b][similar], c2[b][similar]), np.append(f1[b][similar], f2[b][similar])
            slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
            residual = ((y - y.mean() - slope * (x - x.mean())) ** 2).sum()
            f_value = slope**2 * ((x - x.mean()) ** 2).sum() / (residual / (len(x) - 2))
            changed = abs((c2[b] - c1[b])[similar].mean()) >= params.min_coarse_change
            fitted = changed and f_distribution.sf(f_value, 1, len(x) - 2) <= 0.05 and 0 < slope <= 5
            v = slope if fitted else 1.0
            first, second = ((weight * (c0[b] - c)[similar]).sum() for c in (c1[b], c2[b]))
            value[b, i, j] = t1 * (f1[b, i, j] + v * first) + (1 - t1) * (f2[b, i, j] + v * second)
    return value
