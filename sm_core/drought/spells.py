"""Spells of drought in a row of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sm_core.domain import Record

LONGEST_GAP_DAYS = 10


class SpellRule(Record):
    """A spell begins after ``enter_after`` days in ``at_least`` or worse, and ends after ``leave_after`` days better.

    Its first day is the first of those that began it, its last day the last in ``at_least`` or worse. Days without a
    class count for neither.
    """

    at_least: int = 2
    """Drought class, 1 to 5 for D0 to D4."""
    enter_after: int = 5
    leave_after: int = 10


class Spell(Record):
    """A spell of drought; ``ongoing`` when the row of days ends within it."""

    start: dt.date
    end: dt.date
    worst: int
    ongoing: bool


PERSISTENT = SpellRule()


def spells(days: Sequence[dt.date], classes: Sequence[int | None], rule: SpellRule = PERSISTENT) -> tuple[Spell, ...]:
    """Spells among days in order.

    >>> days = [dt.date(2020, 5, n) for n in range(1, 31)]
    >>> found = spells(days, [0] * 5 + [2, 3, 2, 2, 2, 2] + [0] * 19)
    >>> [(spell.start.day, spell.end.day, spell.worst, spell.ongoing) for spell in found]
    [(6, 11, 3, False)]
    """
    found: list[Spell] = []
    dry: list[tuple[dt.date, int]] = []
    better, inside = 0, False
    for day, value in zip(days, classes, strict=True):
        if value is None:
            continue
        if value >= rule.at_least:
            dry.append((day, value))
            better = 0
            inside = inside or len(dry) >= rule.enter_after
            continue
        better += 1
        if inside and better < rule.leave_after:
            continue
        if inside:
            found.append(_spell(dry, ongoing=False))
        dry, inside = [], False
    if inside:
        found.append(_spell(dry, ongoing=True))
    return tuple(found)


def days_in_class(days: Sequence[dt.date], classes: Sequence[int | None]) -> int | None:
    """Days up to the last one, itself included, in its class or worse.

    Days that are missing or without a class do not interrupt, unless more than ``LONGEST_GAP_DAYS`` in a row.

    >>> days_in_class([dt.date(2020, 5, n) for n in (1, 2, 3, 5)], [1, 2, 3, 2])
    4
    """
    if not classes or classes[-1] is None:
        return None
    first = days[-1]
    for day, value in zip(reversed(days), reversed(classes), strict=True):
        if (value is not None and value < classes[-1]) or (first - day).days > LONGEST_GAP_DAYS:
            break
        if value is not None:
            first = day
    return (days[-1] - first).days + 1


def _spell(dry: list[tuple[dt.date, int]], *, ongoing: bool) -> Spell:
    return Spell(start=dry[0][0], end=dry[-1][0], worst=max(value for _, value in dry), ongoing=ongoing)
