"""What a fine field knows that the coarse one does not: differences between places inside a coarse cell."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record
from sm_core.grid import Nesting
from sm_core.validation.metrics import Number
from sm_core.validation.moments import STANDARD, Bootstrap, Moments, Score, resample, score

Floats = NDArray[np.float64]


class DownscalingGain(Record):
    """Normalised gains of a fine over a coarse field, −1 … 1, positive where the fine one is nearer to the reference.

    ``slope``: of the regression of the field on the reference, against 1; ``correlation`` against 1; ``bias``
    against 0; ``mean``: of the three.
    """

    slope: Number
    correlation: Number
    bias: Number
    mean: Number


class SpatialSkill(Record):
    """Skill of a fine field inside coarse cells.

    ``within_cell_r``: correlation of the departures of field and reference from their own means in a coarse cell and
    day; ``spread_ratio``: of the standard deviations of these departures; ``rmsd_share``: share of the coarse field's
    rmsd that is gone; ``gain``: normalised gains over the coarse field.
    """

    within_cell_r: Score
    spread_ratio: Number
    rmsd_share: Number
    gain: DownscalingGain
    cells: int
    pairs: int


def downscaling_gain(*, fine: ArrayLike, coarse: ArrayLike, reference: ArrayLike) -> DownscalingGain:
    """Normalised gains in slope, correlation and bias: (|d coarse| − |d fine|) / (|d coarse| + |d fine|).

    d is the distance from the ideal. Only values that all three know count; a coarse field without variation has
    slope and correlation 0.

    References
    ----------
    .. [1] Merlin et al. (2015), Performance metrics for soil moisture downscaling methods, doi:10.3390/rs70403783

    >>> g = downscaling_gain(fine=[0.1, 0.2, 0.3], coarse=[0.25, 0.25, 0.25], reference=[0.1, 0.2, 0.3])
    >>> (g.slope, g.correlation, g.bias)
    (1.0, 1.0, 1.0)
    """
    f, c, o = (np.asarray(values, np.float64).ravel() for values in (fine, coarse, reference))
    known = np.isfinite(f) & np.isfinite(c) & np.isfinite(o)
    f, c, o = f[known], c[known], o[known]
    if o.size < 2 or np.ptp(o) == 0:
        return DownscalingGain(slope=math.nan, correlation=math.nan, bias=math.nan, mean=math.nan)
    ours, theirs = _fit(f, o), _fit(c, o)
    gains = [_normalised(ours[k], theirs[k]) for k in range(3)]
    return DownscalingGain(slope=gains[0], correlation=gains[1], bias=gains[2], mean=float(np.mean(gains)))


def skill_at_stations(
    *, fine: ArrayLike, coarse: ArrayLike, reference: ArrayLike, cell: ArrayLike, day: ArrayLike,
    bootstrap: Bootstrap = STANDARD,
) -> SpatialSkill:
    """Spatial skill where several stations stand in one coarse cell.

    Parameters
    ----------
    fine, coarse, reference
        The fine field, the coarse field and the observation at each station-day [m3 m-3], NaN = unknown. (rows,)
    cell
        Coarse cell of the station, any label. (rows,)
    day
        (rows,)
    bootstrap
        Over coarse cells.

    Notes
    -----
    Cells and days with a single station tell nothing and do not count in ``within_cell_r``. Offsets between sensors
    are in the reference: this is how well lasting differences between places are met.
    """
    f, c, o = (np.asarray(values, np.float64) for values in (fine, coarse, reference))
    known = np.isfinite(f) & np.isfinite(c) & np.isfinite(o)
    cells, _ = pd.factorize(np.asarray(cell)[known])
    days, dates = pd.factorize(np.asarray(day)[known])
    group = pd.factorize(cells.astype(np.int64) * len(dates) + days)[0]
    e, r = _from_group_mean(f[known], group), _from_group_mean(o[known], group)
    several = np.bincount(group)[group] > 1
    return _skill(f[known], c[known], o[known], e, r, cells, several, bootstrap)


def skill_against_truth(
    *, fine: ArrayLike, coarse: ArrayLike, truth: ArrayLike, nesting: Nesting, bootstrap: Bootstrap = STANDARD
) -> SpatialSkill:
    """Spatial skill against a known field.

    Parameters
    ----------
    fine, coarse, truth
        (time, y, x) [m3 m-3]; ``coarse`` on the same grid. NaN = unknown.
    nesting
        Of the grid in the coarse lattice.
    bootstrap
        Over coarse cells.
    """
    f, c, o = (np.asarray(values, np.float64) for values in (fine, coarse, truth))
    known = np.isfinite(f) & np.isfinite(c) & np.isfinite(o) & (nesting.cell >= 0)
    departures = [
        np.concatenate([_from_cell_mean(day, mask, nesting) for day, mask in zip(field, known, strict=True)])
        for field in (f, o)
    ]
    cells = np.broadcast_to(nesting.cell, known.shape)[known]
    everywhere = np.ones(cells.size, bool)
    return _skill(f[known], c[known], o[known], departures[0], departures[1], cells, everywhere, bootstrap)


def _skill(
    fine: Floats, coarse: Floats, reference: Floats, ours: Floats, theirs: Floats, cells: NDArray[np.int64],
    several: NDArray[np.bool_], bootstrap: Bootstrap,
) -> SpatialSkill:
    ours, theirs, cells = ours[several], theirs[several], pd.factorize(cells[several])[0]
    count = int(cells.max(initial=-1)) + 1
    sums = np.stack([np.bincount(cells, product, count) for product in
                     (ours * theirs, ours * ours, theirs * theirs)], axis=1)
    weights = np.concatenate([np.ones((1, count)), resample(count, bootstrap)])
    cross, own, other = (weights @ sums).T
    flat = own <= 1e-14 * max(len(ours), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(flat, np.nan, np.clip(cross / np.sqrt(own * other), -1, 1))
        spread = math.sqrt(own[0] / other[0]) if other[0] > 0 else math.nan
    group = np.zeros(len(fine), np.int64)
    near, far = (Moments.of(estimate=e, reference=reference, group=group, groups=1).each()["rmsd"][0]
                 for e in (fine, coarse))
    return SpatialSkill(
        within_cell_r=score(float(r[0]), r[1:], count, bootstrap.level), spread_ratio=spread,
        rmsd_share=1 - float(near) / float(far) if far > 0 else math.nan, cells=count, pairs=len(ours),
        gain=downscaling_gain(fine=fine, coarse=coarse, reference=reference),
    )


def _fit(field: Floats, reference: Floats) -> tuple[float, float, float]:
    e, o = field - field.mean(), reference - reference.mean()
    spread = math.sqrt(float(e @ e) * float(o @ o))
    r = float(e @ o) / spread if spread > 1e-12 * e.size else 0.0
    return 1 - float(e @ o) / float(o @ o), 1 - r, float(field.mean() - reference.mean())


def _normalised(ours: float, theirs: float) -> float:
    total = abs(ours) + abs(theirs)
    return (abs(theirs) - abs(ours)) / total if total > 1e-12 else 0.0


def _from_group_mean(values: Floats, group: NDArray[np.int64]) -> Floats:
    mean: Floats = np.bincount(group, values) / np.bincount(group)
    return values - mean[group]


def _from_cell_mean(field: Floats, known: NDArray[np.bool_], nesting: Nesting) -> Floats:
    masked = np.where(known, field, np.nan)
    departures: Floats = (masked - nesting.replicate(nesting.aggregate(masked)))[known]
    return departures
