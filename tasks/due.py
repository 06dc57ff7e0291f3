"""Which dates are to be made, and why: decided from what is known of each, never from what was scheduled.

A sweep that is missed, late, doubled or out of order changes nothing: the decision looks at the last run's record and
at what is there now. A run that has seen everything that is there makes its date due to nobody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate, takewhile
from typing import Literal

from sm_core.domain import IMAGE_ROLES, Granule, Held, Maturity, Outcome, Record, Region, Role, RunRecord, Upkeep
from sm_core.sources.matching import WINDOWS, RoleWindow, production_time

State = Literal[
    "early", "due", "running", "waiting", "provisional", "final", "changed", "withheld", "failed", "unhealthy",
    "given up",
]
STATES: dict[State, str] = {
    "early": "its hour of issue has not come",
    "due": "never made",
    "running": "a run is on its way",
    "waiting": "an input is missing",
    "provisional": "published with what exists",
    "final": "published with everything",
    "changed": "its inputs or models are others than those of its last run",
    "withheld": "its checks failed",
    "failed": "its last run failed; tried again after a pause",
    "unhealthy": "what was published is damaged or gone",
    "given up": "tried too often; until its inputs, the models or the program change",
}
DAY = dt.timedelta(days=1)
_MADE: tuple[Outcome, ...] = ("published", "unchanged")
_BITS = 1 << 64


class PastRun(Record):
    """What the decision needs to know of a run."""

    run_id: str
    day: dt.date
    as_of: dt.datetime
    finished: dt.datetime
    outcome: Outcome
    reason: str
    """In words: what is missing, which checks failed, the error."""
    missing: tuple[Role, ...] = ()
    held: tuple[Held, ...] = ()
    serving: str | None = None
    maturity: Maturity | None = None
    item_id: str | None = None
    error_code: str | None = None
    transient: bool = False
    code_version: str

    @classmethod
    def of(cls, record: RunRecord) -> PastRun:
        """The short form of a run's record."""
        return cls(
            run_id=record.run_id, day=record.request.day, as_of=record.request.as_of, finished=record.finished,
            outcome=record.outcome, reason=_why(record), held=record.held, serving=record.serving,
            missing=record.inputs.missing if record.inputs else (),
            maturity=record.inputs.maturity if record.inputs else None, item_id=record.item_id,
            error_code=record.error_code, transient=record.transient, code_version=record.code_version,
        )


class Shown(Record):
    """What readers find for a date."""

    item_id: str
    revision: int
    maturity: Maturity
    damaged: str = ""
    """What is wrong with it; empty when all is well."""


class Known(Record):
    """Everything that a decision about a date is made on.

    ``runs``: oldest first, at least from the last one with another outcome on. ``serving`` None: not looked up.
    """

    day: dt.date
    runs: tuple[PastRun, ...] = ()
    shown: Shown | None = None
    held: tuple[Held, ...] = ()
    serving: str | None = None
    code_version: str
    running: bool = False


class Standing(Record):
    """How a date stands. ``due``: to be made now; ``next``: when it will be, if nothing else happens."""

    day: dt.date
    state: State
    due: bool
    reason: str
    since: dt.datetime | None = None
    next: dt.datetime | None = None
    tries: int = 0
    revision: int | None = None
    maturity: Maturity | None = None
    key: str = ""
    """The same for the same work: made from the inputs that are there and the runs that there were."""


def decide(known: Known, upkeep: Upkeep, as_of: dt.datetime) -> Standing:
    """How a date stands at ``as_of``, and whether it is due."""
    last = known.runs[-1] if known.runs else None
    if known.running:
        return _standing(known, "running", False, "a run is on its way")
    if last is None:
        issue = upkeep.issue(known.day)
        if as_of < issue:
            return _standing(known, "early", False, "its hour of issue has not come", next=issue)
        return _standing(known, "due", True, "never made", since=issue)
    if as_of < last.as_of:
        return _standing(known, _settled(known, last), False, last.reason, since=last.finished)
    if last.outcome == "interrupted":
        return _standing(known, "failed", True, last.reason, since=last.finished)
    if last.outcome == "failed":
        return _after_failure(known, last, upkeep, as_of)
    if trouble := _damage(known, last):
        return _standing(known, "unhealthy", True, trouble, since=last.finished)
    if last.outcome in _MADE:
        return _after_making(known, last, upkeep, as_of)
    return _not_published(known, last, upkeep, as_of)


def holdings(
    region: Region, granules: Iterable[Granule], days: Collection[dt.date], as_of: dt.datetime
) -> dict[dt.date, tuple[Held, ...]]:
    """For each date what there is for each of its roles: all files of the role's sources in the role's window.

    Notes
    -----
    The digest is the sum of the files' checksums, so that all dates are done in one pass over the files.
    """
    if not days:
        return {}
    first, last = min(days), max(days)
    length = (last - first).days + 2
    of_source: dict[str, list[int]] = {}
    windows = [window for window in WINDOWS if region.sources_for(window.role)]
    for number, window in enumerate(windows):
        for source_id in region.sources_for(window.role):
            of_source.setdefault(source_id, []).append(number)
    steps = [_Steps(length) for _ in windows]
    for granule in granules:
        if granule.source_id not in of_source or (granule.tile and granule.tile not in region.tiles):
            continue
        if (produced := production_time(granule.produced)) is not None and produced > as_of:
            continue
        mark = _mark(granule)
        begin, end = (granule.start - first).days, (granule.end - first).days
        for number in of_source[granule.source_id]:
            steps[number].add(mark, begin, end, windows[number])
    found: dict[dt.date, list[Held]] = {day: [] for day in days}
    for window, counted in zip(windows, steps, strict=True):
        for day, held in zip((first + n * DAY for n in range(length)), counted.held(window.role), strict=False):
            if day in found:
                found[day].append(held)
    return {day: tuple(held) for day, held in found.items()}


class _Steps:
    """Sums over files for consecutive days, kept as what changes from day to day."""

    def __init__(self, length: int) -> None:
        self._files, self._sums, self._of_day = ([0] * length for _ in range(3))

    def add(self, mark: int, begin: int, end: int, window: RoleWindow) -> None:
        """A file that covers the days ``begin`` to ``end``, both inclusive, by their number."""
        for steps, value, left, right in (
            (self._files, 1, begin - window.after, end + window.before + 1),
            (self._sums, mark, begin - window.after, end + window.before + 1), (self._of_day, mark, begin, end + 1),
        ):
            left, right = max(left, 0), min(right, len(steps) - 1)
            if left < right:
                steps[left] += value
                steps[right] -= value

    def held(self, role: Role) -> Iterator[Held]:
        """For each day."""
        for files, digest, of_day in zip(*map(accumulate, (self._files, self._sums, self._of_day)), strict=True):
            yield Held(role=role, files=files, digest=f"{digest % _BITS:016x}", of_day=f"{of_day % _BITS:016x}")


def helps(before: Iterable[Held], now: Iterable[Held], missing: Collection[Role]) -> str:
    """What has come, in words, that may fill a missing role; empty when nothing has."""
    past = {held.role: held for held in before}
    on_day = {window.role for window in WINDOWS if window.covers_day}
    return "; ".join(
        f"{held.role}: something has come" for held in now if held.role in missing and (
            (old := past.get(held.role)) is None
            or (old.of_day != held.of_day if held.role in on_day else old.digest != held.digest))
    )


def news(before: Iterable[Held], now: Iterable[Held]) -> tuple[str, bool]:
    """What differs between two holdings, in words, and whether it is nothing but more files."""
    past: Mapping[Role, Held] = {held.role: held for held in before}
    told, more = [], True
    for held in now:
        old = past.get(held.role)
        if old is not None and old.digest == held.digest:
            continue
        if old is not None and held.files > old.files:
            told.append(f"{held.role}: {held.files - old.files} more")
        else:
            told.append(f"{held.role}: others")
            more = False
    return "; ".join(told), more


def tries(known: Known) -> int:
    """Failures at the end of the history with the same inputs and program; runs that were cut off do not count."""
    ended = [run for run in known.runs if run.outcome != "interrupted"]
    if not ended:
        return 0
    last = ended[-1]
    alike = takewhile(lambda run: run.outcome == "failed" and run.code_version == last.code_version
                      and run.held == last.held and run.serving == last.serving, reversed(ended))
    return sum(1 for _ in alike)


def _after_failure(known: Known, last: PastRun, upkeep: Upkeep, as_of: dt.datetime) -> Standing:
    count = tries(known)
    if change := _change(known, last):
        return _standing(known, "failed", True, f"{last.reason}; since then {change}", since=last.finished,
                         tries=count)
    pauses = upkeep.retry_hours if last.transient else upkeep.retry_hours_lasting
    if count > len(pauses):
        return _standing(known, "given up", False, last.reason, since=last.finished, tries=count)
    again = last.finished + dt.timedelta(hours=pauses[count - 1])
    return _standing(known, "failed", as_of >= again, last.reason, since=last.finished, next=again, tries=count)


def _after_making(known: Known, last: PastRun, upkeep: Upkeep, as_of: dt.datetime) -> Standing:
    told, more = news(last.held, known.held)
    in_window = (as_of.date() - known.day).days <= upkeep.window_days
    if not told and upkeep.reissue == "window" and in_window and _differs(known.serving, last.serving):
        return _standing(known, "changed", True, "other models serve")
    if not told:
        return _standing(known, _settled(known, last), False, last.reason, since=last.finished)
    mark = _next_refresh(known.day, last.as_of.date(), upkeep) if more else None
    due = mark is None or as_of.date() >= mark
    return _standing(known, "changed", due, told,
                     next=None if due or mark is None else dt.datetime.combine(mark, dt.time(), dt.UTC))


def _not_published(known: Known, last: PastRun, upkeep: Upkeep, as_of: dt.datetime) -> Standing:
    """Waiting or withheld: until something changes that may help, or images are no longer waited for."""
    state: State = "waiting" if last.outcome == "waiting" else "withheld"
    streak = list(takewhile(lambda run: run.outcome == last.outcome, reversed(known.runs)))
    if change := _change(known, last):
        return _standing(known, "changed", True, change)
    without = _made_without(known.day, last, upkeep)
    if without is not None and as_of >= without:
        return _standing(known, "due", True, f"no longer waited for: {', '.join(last.missing)}", since=without)
    return _standing(known, state, False, last.reason, since=streak[-1].finished, next=without)


def _made_without(day: dt.date, last: PastRun, upkeep: Upkeep) -> dt.datetime | None:
    """From when on a waiting date is made without what is missing; None: never, or its last run was after that."""
    if last.outcome != "waiting" or not last.missing or not set(last.missing) <= set(IMAGE_ROLES):
        return None
    when = dt.datetime.combine(day + upkeep.images_within_days * DAY, dt.time(), dt.UTC)
    return when if last.as_of < when else None


def _change(known: Known, last: PastRun) -> str:
    """What is another since a run: its inputs (where it came to know them), the models, the program."""
    if last.outcome == "waiting":
        told = helps(last.held, known.held, last.missing)
    else:
        told = news(last.held, known.held)[0] if last.held else ""
    if told:
        return told
    if _differs(known.serving, last.serving):
        return "other models serve"
    return "the program was changed" if known.code_version != last.code_version else ""


def _next_refresh(day: dt.date, made: dt.date, upkeep: Upkeep) -> dt.date | None:
    """From when on more inputs make a date due; None: at once."""
    age = (made - day).days
    return next((day + mark * DAY for mark in upkeep.refresh_days if mark > age), None)


def _damage(known: Known, last: PastRun) -> str:
    if known.shown is not None:
        return known.shown.damaged
    return "published, but not to be found" if last.item_id is not None else ""


def _settled(known: Known, last: PastRun) -> State:
    if known.shown is not None:
        return known.shown.maturity
    return "waiting" if last.outcome == "waiting" else "withheld" if last.outcome == "withheld" else "failed"


def _differs(now: str | None, then: str | None) -> bool:
    return now is not None and then is not None and now != then


def _standing(known: Known, state: State, due: bool, reason: str, **more: object) -> Standing:
    shown = known.shown
    made_of = [known.day.isoformat(), known.serving or "", known.code_version,
               *(f"{held.role} {held.digest}" for held in known.held), known.runs[-1].run_id if known.runs else "",
               shown.damaged if shown else ""]
    return Standing.model_validate({
        "day": known.day, "state": state, "due": due, "reason": reason,
        "revision": shown.revision if shown else None, "maturity": shown.maturity if shown else None,
        "key": hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16], **more,
    })


def _why(record: RunRecord) -> str:
    if record.error_code:
        return f"{record.error_code} {record.error}"
    if record.outcome == "waiting" and record.inputs is not None:
        missing = [slot for slot in record.inputs.slots if slot.status != "present"]
        return "for " + ", ".join(f"{slot.role} ({(slot.reason or '').partition(':')[0]})" for slot in missing)
    if record.outcome == "withheld" and record.gate is not None:
        return "; ".join(result.message for result in record.gate.results
                         if not result.passed and result.severity == "withhold") or "no check was made"
    return record.reason or ""


def _mark(granule: Granule) -> int:
    told = (granule.source_id, granule.start, granule.end, granule.tile, granule.produced,
            granule.sha256 or f"{granule.uri} {granule.size}")
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, told)).encode()).digest()[:8], "big")
