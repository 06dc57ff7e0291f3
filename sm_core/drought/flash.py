"""Flash droughts: soil that dries out in weeks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record


class FlashRule(Record):
    """A fall of the mean percentile of ``mean_over_days`` days from ``above`` to ``below`` within ``within_days`` days,
    where it stays for ``lasts_days``.

    The fall is that of Ford & Labosier (2017), doi:10.1016/j.agrformet.2017.08.031: pentads of root-zone soil moisture,
    from at least the 40th to the 20th percentile in at most 20 days. That it must last follows Otkin et al. (2018),
    doi:10.1175/BAMS-D-17-0149.1, and Yuan et al. (2019), doi:10.1038/s41467-019-12692-7: a rapid drying that is over in
    days is no drought. Two pentads were chosen on simulated worlds (docs/drought.md).
    """

    above: float = 40.0
    below: float = 20.0
    within_days: int = 20
    mean_over_days: int = 5
    least_known: int = 3
    """Days of a mean that must be known."""
    lasts_days: int = 10
    """Days in a row at or below ``below``, the first included, before it counts."""

    @property
    def days_needed(self) -> int:
        """Days of history, the last one included, in which one may begin and be recognised."""
        return self.within_days + self.mean_over_days + self.lasts_days - 1


LASTING = FlashRule()
FORD_LABOSIER = FlashRule(lasts_days=1)
"""The fall alone."""


def flash_drought(percentile: ArrayLike, rule: FlashRule = LASTING) -> NDArray[np.bool_]:
    """On which days a flash drought is going on.

    Parameters
    ----------
    percentile
        Root-zone percentiles of consecutive days [%], (time, …); NaN = unknown.
    rule
        What counts as one.

    Returns
    -------
    bool, same shape. The fall is complete on the day whose mean is at or below ``below`` after one at or above
    ``above`` at most ``within_days`` days before. Once the mean has stayed there for ``lasts_days``, a flash drought is
    going on, as long as it stays.

    Examples
    --------
    From 50 to 10 in a week, then back:

    >>> days = [50.0] * 6 + [40.0, 30.0, 20.0, 10.0] + [10.0] * 4 + [60.0] * 6
    >>> flash_drought(days, FORD_LABOSIER).astype(int).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    >>> flash_drought(days).any()
    np.False_
    """
    mean = running_mean(percentile, rule.mean_over_days, rule.least_known)
    going_on = np.zeros(mean.shape, np.bool_)
    since = np.full(mean.shape[1:], rule.within_days + 1)
    fallen = np.zeros(mean.shape[1:], np.int64)
    for day, value in enumerate(mean):
        since = np.where(value >= rule.above, 0, np.minimum(since + 1, rule.within_days + 1))
        counts = (value <= rule.below) & ((fallen > 0) | (since <= rule.within_days))
        fallen = np.where(counts, fallen + 1, 0)
        going_on[day] = fallen >= rule.lasts_days
    return going_on


def running_mean(values: ArrayLike, days: int, least_known: int) -> NDArray[np.float64]:
    """Mean of each day and those before it, over what is known; NaN with fewer than ``least_known``. (time, …)"""
    field = np.asarray(values, np.float64)
    known = np.isfinite(field)
    total = np.cumsum(np.where(known, field, 0), axis=0)
    count = np.cumsum(known, axis=0)
    total[days:], count[days:] = total[days:] - total[:-days], count[days:] - count[:-days]
    enough = count >= least_known
    return np.where(enough, total / np.where(enough, count, 1), np.nan)
