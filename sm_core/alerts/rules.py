"""The parameters of alerts, as data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from sm_core.alerts.records import Measure
from sm_core.domain import Record
from sm_core.errors import AlertRulesError


class Text(Record):
    """The same in English and Korean."""

    en: str
    ko: str


class AlertLevel(Record):
    """A level of alert, and how it is reached and left.

    Reached when at least ``enter_percent`` of the assessed land (or of upland fields) is in class (or stage)
    ``from_class`` or worse on ``enter_days`` usable days in a row; left when less than ``leave_percent`` is on
    ``leave_days`` of them. Severity, urgency, certainty and response are those of CAP.
    """

    name: str
    meaning: Text
    advice: Text
    from_class: int = Field(ge=1)
    enter_percent: float = Field(gt=0, le=100)
    leave_percent: float = Field(gt=0, le=100)
    enter_days: int = Field(ge=1)
    leave_days: int = Field(ge=1)
    severity: Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
    urgency: Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
    certainty: Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]
    response: Literal["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "None"]


class AlertRules(Record):
    """Levels from the mildest to the most severe, and what counts as evidence.

    Attributes
    ----------
    measure
        Whether levels are reached by drought classes of the land or by available-water stages of upland fields.
    min_assessed_percent
        A day counts when at least this share of the unit's land was assessed [%].
    gap_filled_only_percent
        A day does not count when this share of the assessed land, or more, was gap-filled [%].
    months
        Months whose days count.
    longest_gap_days
        Days in a row may lie so far apart; after a longer gap counting starts anew.
    lapse_days
        An alert without a usable day for longer than this is over; nothing is sent.
    renew_days
        An alert in force is renewed when its last message is so old; on days that speak against it, ``lapse_days``.
    flash_percent
        With so much of the assessed land in a flash drought, a level is reached on its first day [%]; None: never.
    tolerance_days
        A change of the past that moves by no more than this is no reason for a correction.
    correct_days
        Older changes are taken as told and not corrected.
    polygon_tolerance_deg
        Outlines in messages are simplified by so much [degrees].
    """

    rules_id: str
    event: Text
    measure: Measure = "drought_class"
    levels: tuple[AlertLevel, ...] = Field(min_length=1)
    min_assessed_percent: float = Field(default=50, ge=0, le=100)
    gap_filled_only_percent: float = Field(default=95, gt=0, le=100)
    months: tuple[int, ...] = tuple(range(1, 13))
    longest_gap_days: int = Field(default=10, ge=1)
    lapse_days: int = Field(default=21, ge=1)
    renew_days: int = Field(default=7, ge=1)
    flash_percent: float | None = Field(default=30, gt=0, le=100)
    tolerance_days: int = Field(default=0, ge=0)
    correct_days: int = Field(default=400, ge=1)
    polygon_tolerance_deg: float = Field(default=0.01, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> AlertRules:
        for level in self.levels:
            if level.leave_percent > level.enter_percent:
                raise ValueError(f"level {level.name}: leave_percent is above enter_percent")
        for milder, worse in zip(self.levels, self.levels[1:], strict=False):
            if worse.from_class <= milder.from_class:
                raise ValueError(f"level {worse.name}: from_class is not above that of {milder.name}")
        return self

    @property
    def fingerprint(self) -> str:
        """Names what is decided by: two rules of one fingerprint differ in words alone."""
        words: Any = {"event": True, "levels": {"__all__": {"name", "meaning", "advice"}}}
        return hashlib.sha256(self.model_dump_json(exclude=words).encode()).hexdigest()[:16]

    @property
    def valid_days(self) -> int:
        """How long a message is valid without a further one [days]."""
        return self.renew_days + self.lapse_days


def load_rules(path: Path) -> tuple[AlertRules, ...]:
    """Read rules from a YAML file: one document for each measure that people are told of.

    Raises
    ------
    AlertRulesError   SM106, no such file, not YAML, a key with a wrong value (the message names it), or two documents
                      of one measure.
    """
    try:
        content: Any = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        rules = tuple(AlertRules.model_validate(document) for document in content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise AlertRulesError(f"{path.name} cannot be read: {cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise AlertRulesError(f"{path.name}: {key}: {first['msg']}") from cause
    if not rules or len({one.measure for one in rules}) < len(rules):
        raise AlertRulesError(f"{path.name}: measure: one document for each measure, at least one")
    return rules
