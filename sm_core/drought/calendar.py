"""The year as a circle of 365 days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

HALF_WINDOW_DAYS = 15
WINDOW_DAYS = 2 * HALF_WINDOW_DAYS + 1
DAYS = 365


def day_index(day: dt.date) -> int:
    """Position of a day in a year of 365, by month and day; 29 February counts as 28 February.

    >>> [day_index(dt.date(2024, *md)) for md in ((1, 1), (2, 28), (2, 29), (3, 1), (12, 31))]
    [0, 58, 58, 59, 364]
    """
    safe = day.replace(day=28) if (day.month, day.day) == (2, 29) else day
    return safe.replace(year=2001).timetuple().tm_yday - 1


def window(centre: int) -> Sequence[slice]:
    """The 31 days around a day of the year, as one slice or two.

    >>> window(0)
    (slice(0, 16, None), slice(350, 365, None))
    """
    first, last = centre - HALF_WINDOW_DAYS, centre + HALF_WINDOW_DAYS + 1
    if first < 0:
        return slice(0, last), slice(DAYS + first, DAYS)
    if last > DAYS:
        return slice(0, last - DAYS), slice(first, DAYS)
    return (slice(first, last),)
