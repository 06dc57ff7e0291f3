"""Which granules make the day."""

from __future__ import annotations

from sm_core.domain import DailyInputs, DailyRequest, InputSlot
from sm_core.errors import DayOutOfRangeError
from sm_core.sources.matching import match_inputs, wanted_periods
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def fetch_inputs(request: DailyRequest) -> None:
    """Make sure that what can be had for the day is in the archive."""
    if request.day > request.as_of.date():
        raise DayOutOfRangeError(f"{request.day} has not begun at {request.as_of:%Y-%m-%d %H:%M} UTC")
    here = services()
    here.archive.prepare(wanted_periods(here.region(request.region_id), request.day))


@sm_task
def resolve_inputs(request: DailyRequest) -> DailyInputs:
    """Fill every input role of the day from the archive; quarantined files are passed over and said so."""
    here = services()
    region = here.region(request.region_id)
    catalogue = here.archive.granules()
    passed_over: set[str] = set()
    while True:
        matched = match_inputs(request, region, [g for g in catalogue if g.uri not in passed_over])
        inputs = matched.model_copy(update={"slots": tuple(
            slot.model_copy(update={"granules": here.checksums.seal(slot.granules)}) for slot in matched.slots
        )})
        rejected = {g.uri for g in inputs.granules if here.quarantine.holds(g.sha256)}
        if not rejected:
            return inputs.model_copy(update={"slots": tuple(_noting(slot, passed_over) for slot in inputs.slots)})
        passed_over |= rejected


def _noting(slot: InputSlot, passed_over: set[str]) -> InputSlot:
    if not passed_over or slot.status != "present":
        return slot
    note = f"{len(passed_over)} files quarantined"
    return slot.model_copy(update={"reason": f"{slot.reason}; {note}" if slot.reason else note})
