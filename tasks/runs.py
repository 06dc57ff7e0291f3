"""One run: its steps' cost, its outcome, its record."""

from __future__ import annotations

import datetime as dt
import resource
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sm_core.domain import (
    DailyInputs,
    DailyRequest,
    GateResult,
    ModelVersion,
    Outcome,
    ProductItem,
    RunRecord,
    StepCost,
)
from sm_core.errors import SmError
from tasks.clock import seconds, utc_now
from tasks.wiring import services


class Run:
    """Collects what one run of one day does; ``close`` stores the record."""

    def __init__(self, request: DailyRequest) -> None:
        self.request = request
        self.started: dt.datetime = utc_now()
        self.inputs: DailyInputs | None = None
        self.models: tuple[ModelVersion, ...] = ()
        self.gate: GateResult | None = None
        self._steps: list[StepCost] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure one step: wall seconds and the process's peak memory so far."""
        begun = seconds()
        try:
            yield
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self._steps.append(StepCost(step=name, seconds=round(seconds() - begun, 3), peak_mb=round(peak, 1)))

    def resolved(self, inputs: DailyInputs, serving: tuple[ModelVersion, ...]) -> DailyInputs:
        """Keep what the day is made from: inputs, and the models in service with those of substitutes."""
        self.inputs, self.models = inputs, (*serving, *inputs.models)
        return inputs

    def close(self, outcome: Outcome, item: ProductItem | None = None, error: SmError | None = None) -> RunRecord:
        """Write the run record; a failed run keeps the error's code, message and remedy."""
        record = RunRecord(
            run_id=uuid.uuid4().hex[:12], request=self.request, outcome=outcome, inputs=self.inputs,
            models=self.models, gate=self.gate, steps=tuple(self._steps),
            item_id=item.item_id if item else None, item_directory=item.directory if item else None,
            error_code=error.code if error else None, error=str(error) if error else None,
            remedy=error.remedy if error else None, code_version=services().code_version,
            started=self.started, finished=utc_now(),
        )
        services().runs.write(record)
        return record
