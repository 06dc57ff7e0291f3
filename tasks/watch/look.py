"""One watch: look, remember, tell, and call the dead-man address when all is well."""

from __future__ import annotations

from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from sm_core.errors import OutsideError
from tasks.adapters.locks import locked
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.settings_alerts import load_alert_settings
from tasks.settings_sources import load_source_settings
from tasks.settings_watch import load_watch_settings
from tasks.watch.examine import Examination
from tasks.watch.memory import compare, notice_of, read_memory, write_memory
from tasks.watch.notices import deliver, open_channels
from tasks.watch.outside import get
from tasks.watch.records import Pending, WatchReport, WatchRequest
from tasks.wiring import services


@sm_task
def look(request: WatchRequest) -> WatchReport:
    """Make every check, tell what began and what is over. Twice at the same time, the second waits for the first."""
    here, now = services(), request.as_of or utc_now()
    here.region(request.region_id)
    path = memory_of(request.region_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")):
        known = read_memory(path)
        examined = Examination(here, request, now, known).all()
        change = compare(known.troubles, examined.findings, now, request.limits.quiet_runs)
        channels = open_channels(load_watch_settings(), load_alert_settings(), load_source_settings(), utc_now)
        notice = notice_of(request.region_id, change, now)
        new = (Pending(notice=notice, channels=tuple(channels)),) if notice is not None and channels else ()
        memory = examined.memory.model_copy(update={"troubles": change.troubles, "pending": (*known.pending, *new)})
        write_memory(path, memory)                       # before sending: what is to be told survives a crash
        pending, refused = deliver(memory.pending, channels)
        write_memory(path, memory.model_copy(update={"pending": pending}))
    report = WatchReport(
        region_id=request.region_id, as_of=now, checks=examined.checks, troubles=change.troubles,
        began=len(change.began), ended=len(change.ended),
        undelivered=tuple(f"{name}: {error.code} {error}" for name, error in refused.items()),
    )
    return report.model_copy(update={"dead_man": _call_dead_man(report)})


@sm_task
def report_watch(report: WatchReport) -> None:
    """Leave the table as an artifact of the flow run."""
    key = f"watch-{report.region_id}".replace("_", "-").lower()
    create_markdown_artifact(watch_text(report), key=key, description=f"{len(report.troubles)} troubles")


def watch_text(report: WatchReport) -> str:
    """What stands, what to do, and what was looked at, in markdown."""
    lines = [f"# {report.region_id}, {report.as_of:%Y-%m-%d %H:%M} UTC: "
             f"{'all is well' if report.well else f'{len(report.troubles)} troubles'}"]
    if report.troubles:
        lines += ["", "| code | since (UTC) | trouble | what to do |", "|---|---|---|---|"]
        lines += [f"| {t.finding.code} | {t.since:%Y-%m-%d %H:%M} | {t.finding.message} | {t.finding.remedy} |"
                  for t in report.troubles]
    lines += ["", "| looked at | how many |", "|---|---|", *(f"| {name} | {n} |" for name, n in report.checks.items())]
    lines += ["", f"New: {report.began}. Over: {report.ended}. Dead-man address: {report.dead_man}."]
    lines += [f"A notice waits: {one}" for one in report.undelivered]
    return "\n".join(lines)


def memory_of(region_id: str) -> Path:
    """The file in which the watch remembers."""
    return services().settings.data / "watch" / f"{region_id}.json"


def _call_dead_man(report: WatchReport) -> str:
    address = load_watch_settings().watch_dead_man_url.get_secret_value()
    if not address:
        return "not set"
    if not report.well:
        return "not called"
    try:
        get(address, load_source_settings())
    except OutsideError as error:
        return f"{error.code} {error}"
    return "called"
