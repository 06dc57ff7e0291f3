"""Give back to every coarse cell what downscaling took from its mean, without showing the cells' edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.sparse.linalg import LinearOperator, gmres

from sm_core.grid import Nesting

VALID_RANGE = (0.02, 0.6)
"""Of soil moisture [m3 m-3]: the driest sand still holds 2 %, the wettest loam 60 %."""
KERNEL_CELLS = 0.7
"""Width of each of the two box filters that smooth the residual, in coarse cells."""
PRIOR_WEIGHT = 0.05
ITERATIONS = 30
TOLERANCE = 1e-5
EXACT_STEPS = 100
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Conserved:
    """A field whose coarse means are right.

    Attributes
    ----------
    values
        The field [m3 m-3], float32. (y, x)
    adjustment
        What was added to the prediction [m3 m-3], float32. (y, x)
    largest_deviation
        Largest |mean of a coarse cell − coarse value| [m3 m-3] over cells where both are known; 0 for none.
    """

    values: NDArray[np.float32]
    adjustment: NDArray[np.float32]
    largest_deviation: float


def conserve(
    fine: NDArray[np.floating], coarse: NDArray[np.floating], nesting: Nesting, *,
    valid_range: tuple[float, float] = VALID_RANGE,
) -> Conserved:
    """Add a smooth field to ``fine`` so that the area-weighted mean of every coarse cell equals ``coarse``.

    Parameters
    ----------
    fine
        Predicted soil moisture [m3 m-3], NaN = unknown or no land. (y, x)
    coarse
        Coarse soil moisture [m3 m-3], NaN = unknown. (rows, columns) of ``nesting``.
    nesting
        Of the fine grid in the coarse lattice.
    valid_range
        Physical bounds [m3 m-3]. A coarse value below the lower one becomes the bound of its cell; one above the
        upper bound cannot be met and shows as deviation.

    Notes
    -----
    The added field is a smoothed step function whose cell means equal the residuals; the step heights are found by
    GMRES. Smoothing is two box filters over known land, so it is once differentiable inside the land and coasts do
    not leak. What the iteration leaves (about 1e-5) is added as a constant per cell, together with what bounding to
    ``valid_range`` took, on the cells that are not at a bound. A cell whose coarse value is unknown takes the
    residual of its neighbours, falling to none away from them, and is not constrained.

    References
    ----------
    .. [1] Tobler (1979), Smooth pycnophylactic interpolation for geographical regions,
       doi:10.1080/01621459.1979.10481647
    .. [2] Kyriakidis (2004), A geostatistical framework for area-to-point spatial interpolation,
       doi:10.1111/j.1538-4632.2004.tb01135.x

    Examples
    --------
    Two cells of two fine cells each; a flat prediction takes the coarse means.

    >>> nesting = Nesting(np.array([[0, 0, 1, 1]]), np.ones((1, 4)), (1, 2))
    >>> result = conserve(np.full((1, 4), 0.25), np.array([[0.2, 0.3]]), nesting)
    >>> nesting.aggregate(result.values).round(6).tolist()
    [[0.2, 0.3]]
    """
    first = np.asarray(fine, np.float64)
    residual = np.asarray(coarse, np.float64) - nesting.aggregate(first)
    smooth = _smooth_field(_filled(residual), np.isfinite(first) & (nesting.cell >= 0), nesting)
    values = _exact(first + smooth, np.where(np.isfinite(residual), coarse, np.nan), nesting, valid_range)
    deviation = np.abs(nesting.aggregate(values) - coarse)
    return Conserved(
        values=values, adjustment=(values - first).astype(np.float32),
        largest_deviation=float(np.nanmax(deviation)) if np.isfinite(deviation).any() else 0.0,
    )


def edge_contrast(fine: NDArray[np.floating], nesting: Nesting) -> float:
    """Mean jump between neighbours of different coarse cells over the mean jump inside cells [1].

    About 1 where no edge is to be seen, far above where the coarse cells show; NaN when a side has no pair.
    """
    jumps: dict[bool, list[NDArray[np.float64]]] = {True: [], False: []}
    for axis in (0, 1):
        jump = np.abs(np.diff(np.asarray(fine, np.float64), axis=axis))
        crosses = np.diff(nesting.cell, axis=axis) != 0
        usable = np.isfinite(jump) & (np.minimum(*_neighbours(nesting.cell, axis)) >= 0)
        for crossing in (True, False):
            jumps[crossing].append(jump[(crosses == crossing) & usable])
    across, inside = np.concatenate(jumps[True]), np.concatenate(jumps[False])
    return float(across.mean() / inside.mean()) if across.size and inside.any() else float("nan")


def _neighbours(values: NDArray[np.int64], axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])


def _filled(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(residual)
    weight = gaussian_filter(known.astype(np.float64), 1.0, mode="constant")
    total = gaussian_filter(np.where(known, residual, 0.0), 1.0, mode="constant")
    return np.where(known, residual, total / (weight + PRIOR_WEIGHT))


def _smooth_field(wanted: NDArray[np.float64], land: NDArray[np.bool_], nesting: Nesting) -> NDArray[np.float64]:
    cells = np.unique(nesting.cell[land])
    if not cells.size:
        return np.zeros(land.shape)
    width = max(1, round(KERNEL_CELLS * float(np.sqrt(np.bincount(nesting.cell[nesting.cell >= 0]).max()))))
    weight = _boxes(land.astype(np.float64), width)

    def spread(steps: NDArray[np.float64]) -> NDArray[np.float64]:
        coarse = np.zeros(nesting.shape[0] * nesting.shape[1])
        coarse[cells] = steps
        field = np.where(land, nesting.replicate(coarse), 0.0)
        return np.where(land, _boxes(field, width) / np.maximum(weight, 1e-9), np.nan)

    def means(steps: NDArray[np.float64]) -> NDArray[np.float64]:
        return nesting.aggregate(spread(steps)).ravel()[cells]

    operator = LinearOperator((cells.size, cells.size), matvec=means, dtype=np.float64)
    steps, _ = gmres(operator, wanted.ravel()[cells], rtol=0.0, atol=TOLERANCE, restart=ITERATIONS, maxiter=1)
    return np.where(land, spread(steps), 0.0)


def _boxes(field: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    once = uniform_filter(field, width, mode="constant")
    twice: NDArray[np.float64] = uniform_filter(once, width, mode="constant", origin=0 if width % 2 else -1)
    return twice


def _exact(
    values: NDArray[np.float64], coarse: NDArray[np.float64], nesting: Nesting, valid_range: tuple[float, float]
) -> NDArray[np.float32]:
    high = valid_range[1]
    low = np.fmin(valid_range[0], nesting.replicate(np.maximum(coarse, 0.0)))
    known = np.isfinite(values)
    for _ in range(EXACT_STEPS):
        values = np.clip(values, low, high)
        missing = coarse - nesting.aggregate(values)
        if not (np.abs(missing) > NEGLIGIBLE).any():
            break
        wanted = nesting.replicate(missing)
        free = np.where(wanted > 0, values < high, values > low)
        share = nesting.replicate(nesting.aggregate(np.where(known, free, np.nan)))
        values = values + np.where(free & np.isfinite(wanted), wanted / np.maximum(share, 1e-6), 0.0)
    return np.clip(values, low, high).astype(np.float32)
