"""One run: alone on its date, its steps' cost, its outcome, its record."""

from __future__ import annotations

import datetime as dt
import logging
import resource
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sm_core.domain import (
    DailyInputs,
    DailyRequest,
    GateResult,
    Held,
    ModelVersion,
    Outcome,
    ProductItem,
    RunRecord,
    StepCost,
)
from sm_core.errors import LedgerError, SmError
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.adapters.locks import locked
from tasks.climatology import suited
from tasks.clock import seconds, utc_now
from tasks.due import PastRun
from tasks.survey import held_for, in_service
from tasks.wiring import services

_log = logging.getLogger(__name__)


@contextmanager
def alone(request: DailyRequest) -> Iterator[None]:
    """Hold the date: whoever else makes it on this machine is waited for."""
    path = services().settings.data / "locks" / request.region_id / f"{request.day}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, wait=False) as mine:
        if mine:
            yield
            return
    _log.info("another run makes it, waited for: region=%s day=%s", request.region_id, request.day)
    with locked(path):
        yield


class Run:
    """Collects what one run of one day does; ``close`` stores the record.

    A context: what ends the run otherwise is recorded too, an error as ``failed``, a signal as ``interrupted``.
    """

    def __init__(self, request: DailyRequest) -> None:
        self.request = request
        self.record: RunRecord | None = None
        self.started: dt.datetime = utc_now()
        self.inputs: DailyInputs | None = None
        self.serving: tuple[ModelVersion, ...] = ()
        self.models: tuple[ModelVersion, ...] = ()
        self.gate: GateResult | None = None
        self._held: tuple[Held, ...] = ()
        self._in_service: str | None = None
        self._steps: list[StepCost] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or self.record is not None:
            return
        try:
            if isinstance(error, Exception):
                self.close("failed", error=error if isinstance(error, SmError) else SmError(repr(error)))
            else:
                self.close("interrupted", reason=f"cut off by {type(error).__name__}")
        except LedgerError as cause:
            _log.error("the run could not be noted: %s", cause)

    @property
    def overtaken(self) -> str | None:
        """Why there is nothing to be done: a run that knew more has made the date. None if there is."""
        last = services().run_book.last(self.request.region_id, self.request.day)
        if last is None or last.as_of <= self.request.as_of or last.outcome not in ("published", "unchanged"):
            return None
        return f"a run that knew more has made it (as of {last.as_of:%Y-%m-%d %H:%M})"

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
        """Keep what the day is made from: inputs, the models in service that suit them, and those of substitutes."""
        self.inputs, self.serving = inputs, suited(inputs, serving)
        self.models = (*self.serving, *inputs.models)
        return inputs

    def saw(self, serving: Sequence[ModelVersion], stand_ins: Sequence[ModelVersion]) -> None:
        """Keep what the archive holds for the date now, and which models are in service."""
        request = self.request
        self._held = held_for(request.region_id, [request.day], request.as_of)[request.day]
        self._in_service = in_service((*serving, *stand_ins), SOIL_MOISTURE_1KM.algorithm_version)

    def close(
        self, outcome: Outcome, item: ProductItem | None = None, error: SmError | None = None,
        reason: str | None = None,
    ) -> RunRecord:
        """Write the run record; a failed run keeps the error's code, message and remedy."""
        self.record = record = RunRecord(
            run_id=uuid.uuid4().hex[:12], request=self.request, outcome=outcome, reason=reason, inputs=self.inputs,
            held=self._held, models=self.models, serving=self._in_service, gate=self.gate, steps=tuple(self._steps),
            item_id=item.item_id if item else None, item_directory=item.directory if item else None,
            error_code=error.code if error else None, error=str(error) if error else None,
            remedy=error.remedy if error else None, transient=bool(error and error.transient),
            code_version=services().code_version, started=self.started, finished=utc_now(),
        )
        services().runs.write(record)
        services().run_book.add(self.request.region_id, PastRun.of(record))
        return record
