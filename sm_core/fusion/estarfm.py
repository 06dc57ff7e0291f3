"""ESTARFM: the fine image of a day from base pairs of fine and coarse images and the day's coarse image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sm_core.domain import Record
from sm_core.errors import GridMismatchError, NonFiniteError
from sm_core.fusion.flags import FUSION_FLAGS, FusionFlag
from sm_core.fusion.residual import local_agreement, moving_mean

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
DISAGREEMENT_WINDOW = 5
"""Pixels over which the squared disagreement of the two dates is averaged (Eq. 10)."""
MAX_HALF_WINDOW = 100
BAND_ROWS = 16
"""Rows that a thread takes at once."""
ASSUMED_DOUBT = 0.5
"""Standard deviation of a conversion coefficient that is assumed to be 1 instead of fitted [1]."""
NEGLIGIBLE_DIFFERENCE = 1e-7
UNDEFINED_DIFFERENCE = 0.5
"""Relative difference of fine from coarse (Eq. 2) where both are zero [1]."""


class EstarfmParams(Record):
    """Settings of the fusion of one variable.

    Attributes
    ----------
    half_window
        Pixels from the target to the window's edge; the window is (2 · half_window + 1)² pixels.
    classes
        Number of land-cover classes that sets the similarity threshold [1].
    uncertainty
        Standard error of a fine input value [unit of the variable]; the spread is never below it.
    valid_range
        Smallest and largest possible value [unit].
    min_coarse_change
        Mean coarse change between the base dates from which the conversion coefficient is fitted [unit].
    min_similar
        Number of similar pixels from which they are used.
    significance
        Level of the F test of the conversion coefficient [1].
    max_coefficient
        Largest conversion coefficient taken for real [1].
    evenness
        How much the weights of the two dates are drawn together [1] (Eq. 6); 0 is ESTARFM as published.
    coarse_cell
        Width of a coarse cell in fine pixels. The part of each cell's change that the similar pixels do not carry is
        then given back, as far as coarse and fine agree locally (Eqs. 11-12); 0 is ESTARFM as published.
    """

    half_window: int = Field(25, ge=1, le=MAX_HALF_WINDOW)
    classes: int = Field(4, ge=1)
    uncertainty: float = Field(ge=0)
    valid_range: tuple[float, float]
    min_coarse_change: float = Field(ge=0)
    min_similar: int = Field(6, ge=2)
    significance: float = Field(0.05, gt=0, lt=1)
    max_coefficient: float = Field(5.0, gt=0)
    evenness: float = Field(0.0, ge=0)
    coarse_cell: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if not self.valid_range[0] < self.valid_range[1]:
            raise ValueError(f"valid_range {self.valid_range} is empty")
        return self


NDVI_PARAMS = EstarfmParams(
    uncertainty=0.02, valid_range=(-0.2, 1.0), min_coarse_change=0.02, evenness=0.5, coarse_cell=5
)
"""NDVI [1] at 1 km from a coarse product of 0.05°."""
LST_PARAMS = EstarfmParams(
    uncertainty=1.0, valid_range=(200.0, 350.0), min_coarse_change=3.0, evenness=0.5, coarse_cell=5
)
"""Land surface temperature [K] at 1 km from a coarse product of 0.05°."""


@dataclass(frozen=True)
class Pair:
    """A fine image and the coarse image of the same day on the same grid. Both (y, x), same unit, NaN = unknown."""

    day: date
    fine: xr.DataArray
    coarse: xr.DataArray

    @cached_property
    def clear(self) -> Mask:
        """Where both images are known. (y, x)"""
        return np.asarray(np.isfinite(self.fine.values) & np.isfinite(self.coarse.values))

    @property
    def clear_fraction(self) -> float:
        """Share of pixels where both images are known [1]."""
        return float(self.clear.mean())


def fuse(
    before: Pair, after: Pair | None, coarse: xr.DataArray, params: EstarfmParams, *,
    where: NDArray[np.bool_] | None = None, threads: int = 2,
) -> xr.Dataset:
    """Predict the fine image of one day from base pairs and the day's coarse image (ESTARFM, one band).

    Parameters
    ----------
    before, after
        Base pairs, in any order; usually they bracket the day. Without ``after`` the coarse change since ``before``
        is added (conversion coefficient 1). Fine and coarse (y, x) on one grid, NaN = unknown.
    coarse
        Coarse image of the day on the same grid. (y, x), same unit.
    params
        Settings of the variable.
    where
        Pixels to predict, (y, x); all if left out. The others are not computed, and not known in the result.
    threads
        Rows are shared among this many threads; the result does not depend on it.

    Returns
    -------
    Dataset (y, x): ``value`` [unit of the input], ``spread`` [same unit, ≥ ``params.uncertainty``], both NaN where
    any input is unknown, and ``flag`` (uint8, see ``FusionFlag``).

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
    layers = [np.asarray(image.values, np.float32) for image in images.values()]
    known = np.logical_and.reduce([np.isfinite(layer) for layer in layers])
    min_change = np.inf if after is None else params.min_coarse_change
    wanted = np.ascontiguousarray(known if where is None else known & _grown(where, params.coarse_cell))
    sums = _window_sums(layers, known, wanted, params, min_change, threads)
    value, spread = _finish(layers, sums, params, after is None)
    flag = np.where(sums.flag == FusionFlag.TWO_PAIRS, FusionFlag.ONE_PAIR, sums.flag) if after is None else sums.flag
    if where is not None:
        value[~where], spread[~where], flag[~where] = np.nan, np.nan, FusionFlag.UNKNOWN
    return as_dataset(coarse, value, spread, flag.astype(np.uint8))


def check_images(images: dict[str, xr.DataArray]) -> None:
    """Raise SM302 unless all images are (y, x) on one grid, SM403 if one holds infinite values."""
    shapes = {name: dict(image.sizes) for name, image in images.items()}
    if {image.dims for image in images.values()} != {("y", "x")} or len({i.shape for i in images.values()}) != 1:
        raise GridMismatchError("images to fuse differ in shape", **shapes)
    grids = {str(image.attrs["grid_id"]) for image in images.values() if "grid_id" in image.attrs}
    if len(grids) > 1:
        raise GridMismatchError("images to fuse lie on different grids", grids=sorted(grids))
    for name, image in images.items():
        if infinite := int(np.isinf(image.values).sum()):
            raise NonFiniteError("an image to fuse holds infinite values", image=name, pixels=infinite)


def as_dataset(like: xr.DataArray, value: Image, spread: Image, flag: NDArray[np.uint8]) -> xr.Dataset:
    """Dataset of value, spread and flag on the grid and with the unit of ``like``."""
    unit = {"units": like.attrs["units"]} if "units" in like.attrs else {}
    meaning = {
        "flag_values": np.array(list(FUSION_FLAGS), np.uint8),
        "flag_meanings": " ".join(flag.name.lower() for flag in FUSION_FLAGS),
    }
    grid = {"grid_id": like.attrs["grid_id"]} if "grid_id" in like.attrs else {}
    coords = {dim: like.coords[dim] for dim in ("y", "x") if dim in like.coords}
    dims = ("y", "x")
    fields = {"value": (dims, value, unit), "spread": (dims, spread, unit), "flag": (dims, flag, meaning)}
    return xr.Dataset(fields, coords, grid)


class _WindowSums(NamedTuple):
    value: Image
    variance: Image
    disagreement: Image
    remainder: Image
    flag: NDArray[np.uint8]

    @classmethod
    def unknown(cls, shape: tuple[int, ...]) -> _WindowSums:
        value, variance, disagreement, remainder = np.full((4, *shape), np.nan, np.float32)
        return cls(value, variance, disagreement, remainder, np.zeros(shape, np.uint8))


def _window_sums(
    layers: list[Image], known: Mask, wanted: Mask, params: EstarfmParams, min_change: float, threads: int
) -> _WindowSums:
    outputs = _WindowSums.unknown(known.shape)
    if not wanted.any():
        return outputs
    from sm_core.fusion import kernel

    fine1, coarse1, fine2, coarse2, _ = layers
    centre, coarse_centre = _mean(fine1, fine2, known), _mean(coarse1, coarse2, known)
    centres = (centre, coarse_centre, centre, coarse_centre, coarse_centre)
    images = np.zeros((6, *known.shape), np.float32)
    for relative, layer, offset in zip(images[:5], layers, centres, strict=True):
        np.subtract(layer, offset, out=relative, where=known)
    images[kernel.FINE1, ~known] = kernel.UNKNOWN
    images[kernel.WEIGHT, known] = _spectral_weight(*(layer[known] for layer in layers[:4]))
    arguments = (
        (_similarity_threshold(fine1, params.classes), _similarity_threshold(fine2, params.classes)),
        kernel.spatial_factors(params.half_window),
        _critical_f((2 * params.half_window + 1) ** 2, params.significance),
        (params.valid_range[0] - float(centre), params.valid_range[1] - float(centre)),
        (min_change, params.min_similar, params.max_coefficient, params.evenness),
        *outputs,
    )
    with ThreadPoolExecutor(threads) as pool:
        bands = [
            pool.submit(kernel.fuse_rows, images, wanted, row, min(row + BAND_ROWS, len(known)), *arguments)
            for row in range(0, len(known), BAND_ROWS)
        ]
        for band in bands:
            band.result()
    outputs.value[...] += centre
    return outputs


def _finish(
    layers: list[Image], sums: _WindowSums, params: EstarfmParams, one_pair: bool
) -> tuple[Image, Image]:
    fine1, coarse1, fine2, coarse2, _ = layers
    value = np.clip(sums.value, *params.valid_range)
    disagreement = np.maximum(moving_mean(sums.disagreement, DISAGREEMENT_WINDOW), 0.0)
    variance = params.uncertainty**2 + sums.variance + disagreement
    if one_pair:
        variance += (ASSUMED_DOUBT * (sums.value - fine1)) ** 2
    if params.coarse_cell:
        fine, coarse = (fine1, coarse1) if one_pair else (fine2 - fine1, coarse2 - coarse1)
        agreement = local_agreement(fine, coarse, params.coarse_cell, 2 * params.half_window + 1)
        value = np.clip(value + agreement * moving_mean(sums.remainder, params.coarse_cell), *params.valid_range)
    return value.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _grown(mask: Mask, cell: int) -> Mask:
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask, max(cell, DISAGREEMENT_WINDOW), mode="constant"), np.bool_)


def _mean(first: Image, second: Image, known: Mask) -> np.float32:
    return np.float32((first[known].mean(dtype=np.float64) + second[known].mean(dtype=np.float64)) / 2)


def _spectral_weight(fine1: Image, coarse1: Image, fine2: Image, coarse2: Image) -> Image:
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = (
            np.abs((fine1 - coarse1) / (fine1 + coarse1)) + np.abs((fine2 - coarse2) / (fine2 + coarse2))
        ) / 2
    defined = np.isfinite(difference)
    difference = np.where(defined, difference, np.float32(UNDEFINED_DIFFERENCE))
    return np.asarray(1 / (difference + np.float32(NEGLIGIBLE_DIFFERENCE)), np.float32)


def _similarity_threshold(fine: Image, classes: int) -> np.float32:
    values = fine[np.isfinite(fine)]
    return np.float32(values.std(ddof=1, dtype=np.float64) * 2 / classes) if values.size > 1 else np.float32(0)


@lru_cache(maxsize=4)
def _critical_f(most: int, significance: float) -> NDArray[np.float64]:
    from scipy.special import fdtri

    n = np.arange(2, most + 1)
    critical = np.concatenate([[np.inf, np.inf], fdtri(1, 2 * n - 2, 1 - significance)])
    critical.flags.writeable = False
    return critical
