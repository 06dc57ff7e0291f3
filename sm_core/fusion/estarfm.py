"""ESTARFM: the fine image of a day from base pairs of fine and coarse images and the day's coarse image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.errors import GridMismatchError, NonFiniteError
from sm_core.fusion.flags import FUSION_FLAGS, FusionFlag
from sm_core.fusion.params import EstarfmParams
from sm_core.fusion.residual import local_agreement, moving_mean

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Flags = NDArray[np.uint8]
DISAGREEMENT_WINDOW = 5
"""Pixels over which the squared disagreement of the two dates is averaged (Eq. 10)."""
STRIP_ROWS = 64
"""Rows that a thread takes at once. What is held beside inputs and results is in proportion to it."""
NEGLIGIBLE_DIFFERENCE = 1e-7
UNDEFINED_DIFFERENCE = 0.5
"""Relative difference of fine from coarse (Eq. 2) where both are zero [1]."""
FEWEST_TO_CORRELATE = 6
"""Values of a pixel (bands × dates) from which fine and coarse are compared by their correlation (Eq. 2)."""


@dataclass(frozen=True)
class Pair:
    """A fine image and the coarse image of the same day on the same grid. Same unit, NaN = unknown.

    Both are (y, x); or (band, y, x), and then a pixel is known where all its bands are.
    """

    day: date
    fine: xr.DataArray
    coarse: xr.DataArray

    @cached_property
    def clear(self) -> Mask:
        """Where both images are known. (y, x)"""
        return _known([self.fine, self.coarse])

    @property
    def clear_fraction(self) -> float:
        """Share of pixels where both images are known [1]."""
        return float(self.clear.mean())


def fuse(
    before: Pair, after: Pair | None, coarse: xr.DataArray, params: EstarfmParams, *,
    where: NDArray[np.bool_] | None = None, threads: int = 2,
) -> xr.Dataset:
    """Predict the fine image of one day from base pairs and the day's coarse image (ESTARFM).

    Parameters
    ----------
    before, after
        Base pairs, in any order; usually they bracket the day. Without ``after`` the coarse change since ``before``
        is added (conversion coefficient 1). Fine and coarse (y, x) on one grid, NaN = unknown; or (band, y, x): then
        pixels are similar that are so in all bands, and each band is predicted.
    coarse
        Coarse image of the day on the same grid. Same dimensions and unit.
    params
        Settings of the variable, the same for all bands.
    where
        Pixels to predict, (y, x); all if left out. The others are not computed, and not known in the result.
    threads
        Rows are shared among this many threads; the result does not depend on it.

    Returns
    -------
    Dataset with the dimensions of ``coarse``: ``value`` [unit of the input], ``spread`` [same unit,
    ≥ ``params.uncertainty``], both NaN where any input is unknown, and ``flag`` (uint8, see ``FusionFlag``).

    Raises
    ------
    GridMismatchError   SM302, the images differ in shape or grid.
    NonFiniteError      SM403, an image holds infinite values.

    Notes
    -----
    Equations and differences from [1]_: docs/methods.md, "Fusion (ESTARFM)". Pixels that are unknown in any image
    take no part, neither as neighbours nor in the similarity threshold.

    References
    ----------
    .. [1] Zhu, X., Chen, J., Gao, F., Chen, X., Masek, J. G. (2010). An enhanced spatial and temporal adaptive
       reflectance fusion model for complex heterogeneous regions. Remote Sensing of Environment 114, 2610-2623,
       doi:10.1016/j.rse.2010.05.032

    Examples
    --------
    The coarse field rises by 0.1 between the base and the day; so does the fine one:

    >>> from sm_core.fusion import NDVI_PARAMS
    >>> fine = xr.DataArray([[0.2, 0.3], [0.4, 0.5]], dims=("y", "x"))
    >>> pair = Pair(date(2025, 4, 1), fine, xr.full_like(fine, 0.3))
    >>> fuse(pair, None, xr.full_like(fine, 0.4), NDVI_PARAMS).value.values
    array([[0.3, 0.4],
           [0.5, 0.6]], dtype=float32)
    """
    second = before if after is None else after
    images = {
        "fine_before": before.fine, "coarse_before": before.coarse,
        "fine_after": second.fine, "coarse_after": second.coarse, "coarse": coarse,
    }
    check_images(images)
    known = _known(list(images.values()))
    wanted = known if where is None else known & where
    layers = [_bands(image) for image in images.values()]
    value, spread = (np.full(layers[0].shape, np.nan, np.float32) for _ in range(2))
    flag = np.zeros(value.shape, np.uint8)
    if wanted.any():
        constants = _constants(layers, known, params, after is None, threads)
        scene = _Scene(layers, known, wanted, params, after is None, constants)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(partial(_fuse_strip, scene, value, spread, flag), range(0, len(known), STRIP_ROWS)))
    return as_dataset(coarse, value.reshape(coarse.shape), spread.reshape(coarse.shape), flag.reshape(coarse.shape))


def check_images(images: dict[str, xr.DataArray]) -> None:
    """Raise SM302 unless all images are (y, x) or all (band, y, x) on one grid, SM403 if one holds infinite values."""
    shapes = {name: dict(image.sizes) for name, image in images.items()}
    if len({image.dims for image in images.values()}) != 1 or len({i.shape for i in images.values()}) != 1:
        raise GridMismatchError("images to fuse differ in shape", **shapes)
    if next(iter(images.values())).dims not in (("y", "x"), ("band", "y", "x")):
        raise GridMismatchError("images to fuse have other dimensions than (y, x) or (band, y, x)", **shapes)
    grids = {str(image.attrs["grid_id"]) for image in images.values() if "grid_id" in image.attrs}
    if len(grids) > 1:
        raise GridMismatchError("images to fuse lie on different grids", grids=sorted(grids))
    for name, image in images.items():
        if infinite := int(np.isinf(image.values).sum()):
            raise NonFiniteError("an image to fuse holds infinite values", image=name, pixels=infinite)


def as_dataset(like: xr.DataArray, value: Image, spread: Image, flag: Flags) -> xr.Dataset:
    """Dataset of value, spread and flag on the grid and with the unit of ``like``."""
    unit = {"units": like.attrs["units"]} if "units" in like.attrs else {}
    meaning = {
        "flag_values": np.array(list(FUSION_FLAGS), np.uint8),
        "flag_meanings": " ".join(flag.name.lower() for flag in FUSION_FLAGS),
    }
    grid = {"grid_id": like.attrs["grid_id"]} if "grid_id" in like.attrs else {}
    coords = {dim: like.coords[dim] for dim in like.dims if dim in like.coords}
    dims = like.dims
    fields = {"value": (dims, value, unit), "spread": (dims, spread, unit), "flag": (dims, flag, meaning)}
    return xr.Dataset(fields, coords, grid)


class _Constants(NamedTuple):
    """What the whole image says, once per band: means that are taken off, similarity thresholds, g of Eq. 12."""

    centre: tuple[np.float32, ...]
    coarse_centre: tuple[np.float32, ...]
    limits: tuple[tuple[np.float32, np.float32], ...]
    agreement: tuple[float, ...]


class _Scene(NamedTuple):
    """Everything that the strips share. Layers f1, c1, f2, c2, c0 (band, y, x); masks (y, x)."""

    layers: list[Image]
    known: Mask
    wanted: Mask
    params: EstarfmParams
    one_pair: bool
    constants: _Constants


def _constants(
    layers: list[Image], known: Mask, params: EstarfmParams, one_pair: bool, threads: int
) -> _Constants:
    centre, coarse_centre, limits, agreement = [], [], [], []
    for fine1, coarse1, fine2, coarse2, _ in zip(*layers, strict=True):
        centre.append(_mean(fine1, fine2, known))
        coarse_centre.append(_mean(coarse1, coarse2, known))
        limits.append((_similarity_threshold(fine1, params.classes), _similarity_threshold(fine2, params.classes)))
        if params.coarse_cell:
            window = 2 * params.half_window + 1
            first, second = ((fine1, coarse1), None) if one_pair else ((fine1, coarse1), (fine2, coarse2))
            agreement.append(local_agreement(first, second, params.coarse_cell, window, threads))
        else:
            agreement.append(0.0)
    return _Constants(tuple(centre), tuple(coarse_centre), tuple(limits), tuple(agreement))


def _fuse_strip(scene: _Scene, value: Image, spread: Image, flag: Flags, first: int) -> None:
    """Write the results of ``STRIP_ROWS`` rows from row ``first``; each row belongs to one strip only."""
    from sm_core.fusion import kernel

    params, rows = scene.params, len(scene.known)
    last = min(first + STRIP_ROWS, rows)
    wanted = scene.wanted[first:last]
    if not wanted.any():
        return
    margin = max(params.coarse_cell, DISAGREEMENT_WINDOW) // 2
    top, bottom = max(0, first - margin), min(rows, last + margin)
    upper, lower = max(0, top - params.half_window), min(rows, bottom + params.half_window)
    near = slice(upper, lower)
    computed = _grown(scene.wanted[top:bottom], 2 * margin + 1) & scene.known[top:bottom]
    targets = np.zeros((lower - upper, scene.known.shape[1]), np.bool_)
    targets[top - upper:bottom - upper] = computed
    images = _relative_images(scene, near)
    sums, flags = _unknown(len(value), targets.shape)
    arguments = (images, targets, top - upper, bottom - upper, *_kernel_settings(scene), *sums, flags)
    kernel.fuse_rows(*arguments)
    inside = slice(first - top, last - top)
    for band in range(len(value)):
        layers = [layer[band, top:bottom] for layer in scene.layers]
        part = _Sums(*(field[band, top - upper:bottom - upper] for field in sums))
        finished = _finish(layers, part, params, scene.one_pair, scene.constants, band)
        for result, field in zip((value, spread), finished, strict=True):
            result[band, first:last][wanted] = field[inside][wanted]
        flag[band, first:last][wanted] = flags[band, first - upper:last - upper][wanted]
    if scene.one_pair:
        flag[:, first:last][flag[:, first:last] == FusionFlag.TWO_PAIRS] = FusionFlag.ONE_PAIR


class _Sums(NamedTuple):
    value: Image
    variance: Image
    disagreement: Image
    remainder: Image


def _unknown(bands: int, shape: tuple[int, ...]) -> tuple[_Sums, Flags]:
    return _Sums(*np.full((4, bands, *shape), np.nan, np.float32)), np.zeros((bands, *shape), np.uint8)


def _kernel_settings(scene: _Scene) -> Iterator[object]:
    from sm_core.fusion import kernel

    params, bands = scene.params, len(scene.constants.centre)
    yield scene.constants.limits
    yield kernel.spatial_factors(params.half_window)
    yield _critical_f((2 * params.half_window + 1) ** 2, params.significance)
    yield tuple((params.valid_range[0] - float(c), params.valid_range[1] - float(c)) for c in scene.constants.centre)
    least = np.inf if scene.one_pair else params.min_coarse_change
    yield (least,) * bands, params.min_similar, params.max_coefficient, params.evenness


def _relative_images(scene: _Scene, rows: slice) -> Image:
    from sm_core.fusion import kernel

    known = scene.known[rows]
    fine1, coarse1, fine2, coarse2, coarse = (layer[:, rows] for layer in scene.layers)
    bands, constants, half = len(fine1), scene.constants, scene.params.half_window
    shape = kernel.LAYERS * bands + 1, len(known), kernel.padded_columns(known.shape[1], half)
    padded = np.zeros(shape, np.float32)
    padded[kernel.FINE1] = kernel.UNKNOWN
    images = padded[:, :, half:half + known.shape[1]]
    for band in range(bands):
        centre, coarse_centre = constants.centre[band], constants.coarse_centre[band]
        differences = (
            (fine1[band], centre), (coarse1[band], coarse_centre),
            (fine2[band], centre), (coarse2[band], coarse_centre),
            (coarse[band], coarse1[band]), (coarse[band], coarse2[band]),
        )
        for layer, (value, less) in enumerate(differences, kernel.LAYERS * band):
            np.subtract(value, less, out=images[layer], where=known)
    images[-1][known] = _spectral_weight(*(layer[:, known] for layer in (fine1, coarse1, fine2, coarse2)))
    return padded


def _finish(
    layers: list[Image], sums: _Sums, params: EstarfmParams, one_pair: bool, constants: _Constants, band: int
) -> tuple[Image, Image]:
    fine1 = layers[0]
    value = np.clip(sums.value + constants.centre[band], *params.valid_range)
    disagreement = np.maximum(moving_mean(sums.disagreement, DISAGREEMENT_WINDOW), 0.0)
    variance = params.uncertainty**2 + sums.variance + disagreement
    if one_pair:
        from sm_core.fusion.kernel import ASSUMED_DOUBT

        variance += (ASSUMED_DOUBT * (value - fine1)) ** 2
    if params.coarse_cell:
        agreement = constants.agreement[band]
        value = np.clip(value + agreement * moving_mean(sums.remainder, params.coarse_cell), *params.valid_range)
    return value.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _bands(image: xr.DataArray) -> Image:
    values = np.asarray(image.values, np.float32)
    return values if values.ndim == 3 else values[None]


def _known(images: Sequence[xr.DataArray]) -> Mask:
    known = np.logical_and.reduce([np.isfinite(image.values) for image in images])
    return np.asarray(known if known.ndim == 2 else known.all(axis=0))


def _grown(mask: Mask, width: int) -> Mask:
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask, width, mode="constant"), np.bool_)


def _mean(first: Image, second: Image, known: Mask) -> np.float32:
    means = [image.mean(dtype=np.float64, where=known) for image in (first, second)]
    return np.float32(sum(means) / 2)


def _spectral_weight(fine1: Image, coarse1: Image, fine2: Image, coarse2: Image) -> Image:
    """1 / (Q + 1e-7) of each pixel; all (band, pixel)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if 2 * len(fine1) >= FEWEST_TO_CORRELATE:
            difference = 1 - _correlation(np.concatenate([fine1, fine2]), np.concatenate([coarse1, coarse2]))
        else:
            relative1, relative2 = (np.abs((f - c) / (f + c)) for f, c in ((fine1, coarse1), (fine2, coarse2)))
            difference = ((relative1 + relative2) / 2).mean(axis=0)
    difference = np.where(np.isfinite(difference), difference, np.float32(UNDEFINED_DIFFERENCE))
    return np.asarray(1 / (difference + np.float32(NEGLIGIBLE_DIFFERENCE)), np.float32)


def _correlation(fine: Image, coarse: Image) -> Image:
    fine, coarse = fine - fine.mean(axis=0), coarse - coarse.mean(axis=0)
    return np.asarray((fine * coarse).sum(axis=0) / np.sqrt((fine**2).sum(axis=0) * (coarse**2).sum(axis=0)))


def _similarity_threshold(fine: Image, classes: int) -> np.float32:
    """Eq. 1, by strips so that no copy of the image is made."""
    known = np.isfinite(fine)
    if (count := int(known.sum())) < 2:
        return np.float32(0)
    mean = fine.mean(dtype=np.float64, where=known)
    strips = (slice(row, row + STRIP_ROWS) for row in range(0, len(fine), STRIP_ROWS))
    squares = sum(float(((fine[rows][known[rows]] - mean) ** 2).sum()) for rows in strips)
    return np.float32(np.sqrt(squares / (count - 1)) * 2 / classes)


@lru_cache(maxsize=4)
def _critical_f(most: int, significance: float) -> NDArray[np.float64]:
    from scipy.special import fdtri

    n = np.arange(2, most + 1)
    critical = np.concatenate([[np.inf, np.inf], fdtri(1, 2 * n - 2, 1 - significance)])
    critical.flags.writeable = False
    return critical
