"""What an operator sees of a run: a page in the Prefect UI, and the same as text."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from sm_core.domain import DailyInputs, GateResult, RunRecord
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.policy import sm_task
from tasks.thumbnail import thumbnails
from tasks.wiring import services


@sm_task
def report_run(record: RunRecord) -> None:
    """Leave the run's maps, links and tables as an artifact of the flow run."""
    key = f"daily-{record.request.region_id}".replace("_", "-").lower()
    create_markdown_artifact(run_page(record), key=key, description=f"{record.request.day} {record.outcome}")


def run_page(record: RunRecord) -> str:
    """``run_text`` behind the day's maps and links to the product."""
    here, request = services(), record.request
    item = here.store.latest(SOIL_MOISTURE_1KM.product_id, request.region_id, request.day)
    if record.item_directory is None or item is None:
        return run_text(record)
    links = []
    if here.settings.page_url:
        links.append(f"[map]({here.settings.page_url}/#region={request.region_id}&day={request.day})")
        links += [f"[{file.uri}]({here.settings.page_url}/files/{request.region_id}/{request.day}/{item.revision}/"
                  f"{file.uri})" for file in item.assets]
    return "\n\n".join([thumbnails(here.store.directory(item), item), " · ".join(links), run_text(record)])


def run_text(record: RunRecord) -> str:
    """Outcome, inputs, checks, costs and summary of a run, in markdown."""
    parts = [f"# {record.request.region_id} {record.request.day}: {record.outcome}"]
    if record.reason:
        parts.append(record.reason)
    if record.error_code:
        parts.append(f"**{record.error_code}** {record.error}\n\nWhat to do: {record.remedy}")
    if record.inputs:
        parts.append(_inputs(record.inputs))
    if record.gate:
        parts.append(_gate(record.gate))
    if record.steps:
        parts.append(_steps(record))
    if record.item_directory:
        directory = services().store.root / record.item_directory
        parts.append(f"Files are in {directory}")
        parts.append((directory / "drought.md").read_text(encoding="utf-8"))
    return "\n\n".join(parts)


def _inputs(inputs: DailyInputs) -> str:
    rows = [
        f"| {slot.role} | {slot.status} | {slot.source_id or '–'} | {len(slot.granules)} | {slot.reason or ''} |"
        for slot in inputs.slots
    ]
    return "\n".join(["| input | status | source | files | note |", "|---|---|---|---|---|", *rows])


def _gate(gate: GateResult) -> str:
    rows = [
        f"| {r.check} | {'passed' if r.passed else 'FAILED'} | {r.severity} | {r.message} |"
        for r in gate.results
    ]
    return "\n".join(["| check | result | severity | measured |", "|---|---|---|---|", *rows])


def _steps(record: RunRecord) -> str:
    rows = [f"| {s.step} | {s.seconds:.2f} | {s.peak_mb:.0f} |" for s in record.steps]
    return "\n".join(["| step | seconds | peak memory [MB] |", "|---|---|---|", *rows])
