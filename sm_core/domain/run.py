from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain.inputs import DailyInputs, DailyRequest
from sm_core.domain.model import ModelVersion
from sm_core.domain.product import GateResult
from sm_core.domain.record import Record
from sm_core.domain.source import Role

Outcome = Literal["published", "unchanged", "withheld", "waiting", "failed", "interrupted"]


class StepCost(Record):
    """Wall seconds and peak resident memory [MB] of one step."""

    step: str
    seconds: float
    peak_mb: float


class Held(Record):
    """What was there for a role of a date: how many files, and checksums over which they are, in any order.

    ``digest``: of all in the role's window; ``of_day``: of those that cover the date itself.
    """

    role: Role
    files: int
    digest: str
    of_day: str


class RunRecord(Record):
    """What one run of one day did, and with what."""

    run_id: str
    request: DailyRequest
    outcome: Outcome
    reason: str | None = None
    """Why it ended so, in words, where outcome and error do not tell."""
    inputs: DailyInputs | None = None
    held: tuple[Held, ...] = ()
    """What the archive held when the inputs were resolved."""
    models: tuple[ModelVersion, ...] = ()
    serving: str | None = None
    """Checksum over the models in service, those that were not needed included."""
    gate: GateResult | None = None
    steps: tuple[StepCost, ...] = ()
    item_id: str | None = None
    item_directory: str | None = None
    error_code: str | None = None
    error: str | None = None
    remedy: str | None = None
    transient: bool = False
    """Whether the error may pass by itself."""
    code_version: str
    started: dt.datetime
    finished: dt.datetime
