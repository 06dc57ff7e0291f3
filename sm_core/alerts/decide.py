"""From the days of a unit, and what was told of it, to what is to be told now."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from sm_core.alerts.event import AlertEvent, Issuer, Kind, MessageType, Reference, sealed
from sm_core.alerts.geometry import simplified
from sm_core.alerts.machine import Change, UnitState, changes, clipped, replay, usable
from sm_core.alerts.records import Unit, UnitDay
from sm_core.alerts.rules import AlertRules, Text
from sm_core.domain import Record

SHORT_LIFE = dt.timedelta(days=1)
"""How long a message is valid that announces nothing in force."""


class Scheme(Record):
    """By which rules, for which region, in whose name."""

    rules: AlertRules
    region_id: str
    region: Text
    issuer: Issuer


class Standing(Record):
    """What a unit's recipients know: the history up to the day ``through``, and the level and messages last told."""

    rules: str
    """Fingerprint of the rules that the history was found by."""
    since: dt.date
    """First day that was looked at; what lies before it is never corrected."""
    through: dt.date
    history: tuple[Change, ...] = ()
    told: int = 0
    episode: str = ""
    onset: dt.date | None = None
    last_message: dt.date | None = None
    references: tuple[Reference, ...] = ()


class Decision(Record):
    """What stands from now on, and the message, if there is one to be sent."""

    standing: Standing | None
    event: AlertEvent | None = None


def decide(
    standing: Standing | None, days: Sequence[UnitDay], day: dt.date, unit: Unit, scheme: Scheme, now: dt.datetime
) -> Decision:
    """Decide what to tell of one unit once ``day`` is known, or known better.

    Parameters
    ----------
    standing
        What was told before; None at the first time. Then the past is taken as told, but for an alert in force.
    days
        All days known of the unit, each as it is known now.
    day
        The day that has come in. It may lie before ``standing.through``: then its past is looked at again.
    unit, scheme
        Of whom, by which rules, and who speaks.
    now
        Time of sending.

    Returns
    -------
    The new standing with at most one message. Nothing is decided, and nothing sent, on a day that is not usable.

    Raises
    ------
    StaticLayerError   SM304, a message is to be sent and the unit's outline is no polygon.

    Notes
    -----
    A message is a correction when the days from ``standing.since`` to ``standing.through``, at most
    ``rules.correct_days`` back, now give another history than was told, by the same rules. Asked again with the
    standing that it returned, it finds nothing more to tell.
    """
    rules = scheme.rules
    today = next((one for one in days if one.day == day), None)
    if today is None or not usable(today, rules):
        return Decision(standing=standing)
    until = day if standing is None else max(day, standing.through)
    history, state = replay(days, rules, until)
    before = standing or Standing(rules=rules.fingerprint, since=day, through=day, history=history)
    told = _in_force(before, until, rules)
    looked_at = max(before.since, until - dt.timedelta(days=rules.correct_days))
    known = clipped(history, looked_at)
    heard = clipped(before.history, looked_at)
    kind = _kind(told, state, until, before, rules, revised=_revised(before, heard, known, rules))
    after = before.model_copy(update={
        "rules": rules.fingerprint, "through": until, "history": history, "told": told,
    })
    if kind is None:
        return Decision(standing=after)
    evidence = next((one for one in days if one.day == state.last_usable), today)
    event = _message(kind, state.level, told, before, after, evidence, unit, scheme, now)
    if kind == "correction":
        event = event.model_copy(update={"told": heard, "known": known})
    event = sealed(event)
    return Decision(event=event, standing=after.model_copy(update={
        "told": state.level, "episode": event.episode, "onset": event.onset, "last_message": until,
        "references": (*event.references, event.reference),
    }))


def _message(
    kind: Kind, level: int, told: int, before: Standing, after: Standing, evidence: UnitDay, unit: Unit,
    scheme: Scheme, now: dt.datetime,
) -> AlertEvent:
    rules, opens = scheme.rules, told == 0 and level > 0
    onset = _onset(after.history) if level or before.onset is None else before.onset
    return AlertEvent(
        region_id=scheme.region_id, region=scheme.region, rules_id=rules.rules_id, event=rules.event,
        measure=rules.measure,
        unit=unit.model_copy(update={"geometry": simplified(unit.geometry, rules.polygon_tolerance_deg)}),
        kind=kind, message_type=_message_type(told, level, opens, before), number=level, previous_number=told,
        levels=rules.levels, day=after.through, onset=onset, evidence=evidence,
        episode=_episode(scheme, unit, onset) if opens or not before.episode else before.episode,
        references=() if opens else before.references, issuer=scheme.issuer, sent=now,
        expires=_expires(level, after.through, now, rules),
    )


def _in_force(standing: Standing, until: dt.date, rules: AlertRules) -> int:
    if standing.last_message is None or (until - standing.last_message).days > rules.valid_days:
        return 0
    return standing.told


def _revised(before: Standing, heard: tuple[Change, ...], known: tuple[Change, ...], rules: AlertRules) -> bool:
    past = tuple(change for change in known if change.day <= before.through)
    return before.rules == rules.fingerprint and changes(heard, past, rules.tolerance_days)


def _kind(
    told: int, state: UnitState, until: dt.date, standing: Standing, rules: AlertRules, *, revised: bool
) -> Kind | None:
    if revised:
        return "correction"
    if told == state.level:
        return "renewal" if told and _due(state, until, standing, rules) else None
    if told == 0:
        return "issue"
    return "update" if state.level else "cancel"


def _due(state: UnitState, until: dt.date, standing: Standing, rules: AlertRules) -> bool:
    if standing.last_message is None:
        return False
    easing = state.leaving[state.level - 1] > 0
    return (until - standing.last_message).days >= (rules.lapse_days if easing else rules.renew_days)


def _message_type(told: int, level: int, opens: bool, standing: Standing) -> MessageType:
    if opens or not standing.references:
        return "Alert"
    return "Cancel" if told and not level else "Update"


def _onset(history: tuple[Change, ...]) -> dt.date | None:
    onset, before = None, 0
    for change in history:
        if before == 0 and change.level:
            onset = change.day
        before = change.level
    return onset


def _episode(scheme: Scheme, unit: Unit, onset: dt.date | None) -> str:
    told = [scheme.region_id, unit.unit_id, str(onset)]
    if scheme.rules.measure != "drought_class":
        told.append(scheme.rules.measure)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _expires(level: int, until: dt.date, now: dt.datetime, rules: AlertRules) -> dt.datetime:
    if not level:
        return now + SHORT_LIFE
    end = dt.datetime.combine(until + dt.timedelta(days=rules.valid_days + 1), dt.time(), dt.UTC)
    return max(end, now + SHORT_LIFE)
