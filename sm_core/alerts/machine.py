"""The state of one unit: which level of alert holds, day after day. Persistence to enter, hysteresis to leave.

Only usable days move the state. It is a pure function of the days, so that a revised past is found by replaying it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sm_core.alerts.records import UnitDay
from sm_core.alerts.rules import AlertRules
from sm_core.domain import Record


class Change(Record):
    """From ``day`` on, ``level`` holds (0: none)."""

    day: dt.date
    level: int


class UnitState(Record):
    """After some days: the level that holds, and for each level how many usable days in a row spoke for and against.

    Attributes
    ----------
    entering, leaving
        One count for each level of the rules, the mildest first; empty before the first usable day.
    """

    level: int = 0
    entering: tuple[int, ...] = ()
    leaving: tuple[int, ...] = ()
    last_usable: dt.date | None = None


def usable(day: UnitDay, rules: AlertRules) -> bool:
    """Whether a day is evidence: enough land assessed, not only gap-filled, in season."""
    return (
        day.assessed_percent >= rules.min_assessed_percent
        and day.gap_filled_percent is not None
        and day.gap_filled_percent < rules.gap_filled_only_percent
        and day.day.month in rules.months
        and sum(day.shares(rules.measure)) > 0
    )


def is_flash(day: UnitDay, rules: AlertRules) -> bool:
    """Whether the unit is in a flash drought on a day."""
    if rules.measure != "drought_class" or rules.flash_percent is None or day.flash_percent is None:
        return False
    return day.flash_percent >= rules.flash_percent


def lapsed_on(state: UnitState, rules: AlertRules) -> dt.date | None:
    """The day on which the level in force lapses if no usable day comes; None when none is in force."""
    if state.level == 0 or state.last_usable is None:
        return None
    return state.last_usable + dt.timedelta(days=rules.lapse_days + 1)


def advance(state: UnitState, today: UnitDay, rules: AlertRules) -> UnitState:
    """The state after one more usable day.

    Parameters
    ----------
    state
        The state after the usable day before.
    today
        A usable day later than that.

    Notes
    -----
    Between ``leave_percent`` and ``enter_percent`` a day speaks neither for nor against a level, and both counts of
    it start anew.
    """
    over = lapsed_on(state, rules)
    if over is not None and today.day >= over:
        state = UnitState()
    gap = None if state.last_usable is None else (today.day - state.last_usable).days
    broken = gap is None or gap > rules.longest_gap_days
    none = (0,) * len(rules.levels)
    before_entering, before_leaving = (none, none) if broken else (state.entering, state.leaving)
    shares = [today.or_worse(level.from_class, rules.measure) for level in rules.levels]
    entering = tuple(
        count + 1 if share >= level.enter_percent else 0
        for count, share, level in zip(before_entering, shares, rules.levels, strict=True)
    )
    leaving = tuple(
        count + 1 if share < level.leave_percent else 0
        for count, share, level in zip(before_leaving, shares, rules.levels, strict=True)
    )
    return UnitState(level=_level(state.level, entering, leaving, today, rules), entering=entering, leaving=leaving,
                     last_usable=today.day)


def replay(days: Iterable[UnitDay], rules: AlertRules, until: dt.date) -> tuple[tuple[Change, ...], UnitState]:
    """The level changes and the state that a series of days of one unit leads to.

    Parameters
    ----------
    days
        Any order, at most one for each date; days after ``until`` and unusable days are left out.
    until
        The day for which the state is wanted.

    Returns
    -------
    The changes, oldest first, and the state on ``until``.
    """
    state, found = UnitState(), list[Change]()
    for day in sorted((d for d in days if d.day <= until and usable(d, rules)), key=lambda d: d.day):
        over = lapsed_on(state, rules)
        if over is not None and day.day >= over:
            found.append(Change(day=over, level=0))
            state = UnitState()
        after = advance(state, day, rules)
        if after.level != state.level:
            found.append(Change(day=day.day, level=after.level))
        state = after
    over = lapsed_on(state, rules)
    if over is not None and until >= over:
        found.append(Change(day=over, level=0))
        state = UnitState()
    return tuple(found), state


def changes(before: tuple[Change, ...], after: tuple[Change, ...], tolerance_days: int = 0) -> bool:
    """Whether two histories differ: other levels, or the same ones at times that differ by more than allowed."""
    if [change.level for change in before] != [change.level for change in after]:
        return True
    return any(abs((a.day - b.day).days) > tolerance_days for a, b in zip(before, after, strict=True))


def clipped(history: tuple[Change, ...], first: dt.date) -> tuple[Change, ...]:
    """The history from ``first`` on, beginning with the level in force on that day.

    >>> clipped((Change(day=dt.date(2026, 7, 3), level=2),), dt.date(2026, 7, 10))
    (Change(day=datetime.date(2026, 7, 10), level=2),)
    """
    at_first = [change.level for change in history if change.day <= first]
    start = (Change(day=first, level=at_first[-1]),) if at_first and at_first[-1] else ()
    return (*start, *(change for change in history if change.day > first))


def _level(held: int, entering: tuple[int, ...], leaving: tuple[int, ...], today: UnitDay, rules: AlertRules) -> int:
    at_once = is_flash(today, rules)
    reached = [
        number for number, (count, level) in enumerate(zip(entering, rules.levels, strict=True), 1)
        if count >= (1 if at_once else level.enter_days)
    ]
    kept = [
        number for number, (count, level) in enumerate(zip(leaving, rules.levels, strict=True), 1)
        if number <= held and count < level.leave_days
    ]
    return max((*reached, *kept), default=0)
