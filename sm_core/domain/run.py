from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain.inputs import DailyInputs, DailyRequest
from sm_core.domain.model import ModelVersion
from sm_core.domain.product import GateResult
from sm_core.domain.record import Record

Outcome = Literal["published", "unchanged", "withheld", "waiting", "failed"]


class StepCost(Record):
    """Wall seconds and peak resident memory [MB] of one step."""

    step: str
    seconds: float
    peak_mb: float


class RunRecord(Record):
    """What one run of one day did, and with what."""

    run_id: str
    request: DailyRequest
    outcome: Outcome
    inputs: DailyInputs | None = None
    models: tuple[ModelVersion, ...] = ()
    gate: GateResult | None = None
    steps: tuple[StepCost, ...] = ()
    item_id: str | None = None
    item_directory: str | None = None
    error_code: str | None = None
    error: str | None = None
    remedy: str | None = None
    code_version: str
    started: dt.datetime
    finished: dt.datetime
