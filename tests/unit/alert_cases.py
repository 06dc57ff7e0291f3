"""Small rules, units and days for the tests of alerts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import yaml

from sm_core.alerts import AlertEvent, AlertRules, Issuer, Scheme, Standing, Text, Unit, UnitDay, decide

FIRST = dt.date(2026, 5, 1)
NOW = dt.datetime(2026, 5, 1, 6, tzinfo=dt.UTC)
LEVEL = """
name: {name}
meaning: {{en: {en}, ko: {ko}}}
advice: {{en: Look., ko: 보십시오.}}
from_class: {from_class}
enter_percent: 30
leave_percent: 20
enter_days: 3
leave_days: 4
severity: {severity}
urgency: Expected
certainty: Observed
response: Monitor
"""
RULES = AlertRules(
    rules_id="test", event=Text(en="Drought", ko="가뭄"), lapse_days=8, longest_gap_days=3, renew_days=7,
    levels=tuple(
        yaml.safe_load(LEVEL.format(name=name, en=en, ko=ko, from_class=number, severity=severity))
        for name, en, ko, number, severity in (("L1", "dry", "건조", 1, "Minor"),
                                               ("L2", "very dry", "심함", 2, "Severe"))
    ),
)
SQUARE = '{"type":"Polygon","coordinates":[[[127,37],[128,37],[128,38],[127,38],[127,37]]]}'
UNIT = Unit(unit_id="u1", name_en="Alpha & Co", name_ko="알파", geometry=SQUARE)
ISSUER = Issuer(sender="alerts.example.org", name=Text(en="Office", ko="사무소"), web="https://example.org/a",
                contact="ops@example.org")
REGION = Text(en="Testland", ko="시험국")
SCHEME = Scheme(rules=RULES, region_id="test", region=REGION, issuer=ISSUER)
SHARES = {"0": (100.0, 0.0, 0.0), "1": (50.0, 50.0, 0.0), "2": (50.0, 10.0, 40.0), "~": (75.0, 25.0, 0.0)}


def date(number: int) -> dt.date:
    """The day of a number; 0 is the first."""
    return FIRST + dt.timedelta(days=number)


def unit_day(number: int, sign: str, *, unit_id: str = "u1", provisional: bool = True) -> UnitDay:
    """0 no drought, 1 and 2 half of the land in a class, ~ a quarter, F as 1 in a flash drought, x gap-filled only."""
    return UnitDay(
        unit_id=unit_id, day=date(number), class_percent=SHARES.get(sign, SHARES["1"]), mean_percentile=12.0,
        assessed_percent=80, gap_filled_percent=100 if sign == "x" else 40, provisional=provisional,
        flash_percent=60 if sign == "F" else 0, based_on=f"item-{number}",
    )


def series(signs: str, **known: object) -> list[UnitDay]:
    """One day for each sign; a dot is a day that is missing."""
    return [unit_day(number, sign, **known) for number, sign in enumerate(signs) if sign != "."]  # type: ignore[arg-type]


def live(signs: str, scheme: Scheme = SCHEME, unit: Unit = UNIT) -> tuple[Standing | None, list[AlertEvent]]:
    """Each day comes in once, in order."""
    standing, events = None, list[AlertEvent]()
    days = series(signs)
    for one in days:
        known = [other for other in days if other.day <= one.day]
        standing, event = tell(standing, known, one.day, scheme, unit)
        events += [event] if event else []
    return standing, events


def tell(
    standing: Standing | None, days: Sequence[UnitDay], day: dt.date, scheme: Scheme = SCHEME, unit: Unit = UNIT
) -> tuple[Standing | None, AlertEvent | None]:
    """One decision at six in the morning of the day after."""
    now = dt.datetime.combine(day, dt.time(6), dt.UTC) + dt.timedelta(days=1)
    decision = decide(standing, days, day, unit, scheme, now)
    return decision.standing, decision.event
