"""Flash droughts: soil that dries out in weeks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record


class FlashRule(Record):
    """A fall of the mean percentile of ``mean_over_days`` days from ``above`` to ``below`` within ``within_days`` days.

    The defaults are those of Ford & Labosier (2017), doi:10.1016/j.agrformet.2017.08.031: pentads of root-zone soil
    moisture, from at least the 40th to the 20th percentile in at most 20 days.
    """

    above: float = 40.0
    below: float = 20.0
    within_days: int = 20
    mean_over_days: int = 5
    least_known: int = 3
    """Days of a mean that must be known."""

    @property
    def days_needed(self) -> int:
        """Days of history, the last one included, that decide about a day."""
        return self.within_days + self.mean_over_days


FORD_LABOSIER = FlashRule()


def flash_drought(percentile: ArrayLike, rule: FlashRule = FORD_LABOSIER) -> NDArray[np.bool_]:
    """On which days a flash drought is going on.

    Parameters
    ----------
    percentile
        Root-zone percentiles of consecutive days [%], (time, …); NaN = unknown.
    rule
        What counts as one.

    Returns
    -------
    bool, same shape. It begins on the day whose mean is at or below ``below`` after one at or above ``above`` at most
    ``within_days`` days before, and lasts as long as the mean stays at or below ``below``.

    Examples
    --------
    From 50 to 10 in a week, then back:

    >>> days = [50.0] * 6 + [40.0, 30.0, 20.0, 10.0] + [10.0] * 4 + [60.0] * 6
    >>> flash_drought(days).astype(int).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    """
    mean = running_mean(percentile, rule.mean_over_days, rule.least_known)
    going_on = np.zeros(mean.shape, np.bool_)
    since = np.full(mean.shape[1:], rule.within_days + 1)
    before = np.zeros(mean.shape[1:], np.bool_)
    for day, value in enumerate(mean):
        since = np.where(value >= rule.above, 0, np.minimum(since + 1, rule.within_days + 1))
        dry = value <= rule.below
        before = dry & (before | (since <= rule.within_days))
        going_on[day] = before
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
