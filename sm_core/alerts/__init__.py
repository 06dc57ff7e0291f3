"""When people are told of a drought, and what: rules, the state of each unit, messages in the formats of the trade."""

from sm_core.alerts.decide import Decision, Scheme, Standing, decide
from sm_core.alerts.event import AlertEvent, Issuer, Kind, Reference
from sm_core.alerts.machine import Change, UnitState, advance, changes, replay, usable
from sm_core.alerts.records import Measure, Unit, UnitDay
from sm_core.alerts.rules import AlertLevel, AlertRules, Text, load_rules

__all__ = [
    "AlertEvent",
    "AlertLevel",
    "AlertRules",
    "Change",
    "Decision",
    "Issuer",
    "Kind",
    "Measure",
    "Reference",
    "Scheme",
    "Standing",
    "Text",
    "Unit",
    "UnitDay",
    "UnitState",
    "advance",
    "changes",
    "decide",
    "load_rules",
    "replay",
    "usable",
]
