"""Runs whose process is gone: found by their silence, called crashed, started again a few times."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.states import Crashed, Scheduled
from pydantic import Field

from sm_core.domain import Record
from tasks.clock import machine_now
from tasks.policy import sm_task
from tasks.sweep import MOST_RUNS

ALIVE = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
PAGE = 200
_log = logging.getLogger(__name__)


class RecoverRequest(Record):
    """What counts as dead, and how often it is tried again."""

    silent_s: int = Field(default=300, ge=10, description="without a heartbeat for so long, a run is dead [s]")
    settle_s: int = Field(default=30, ge=0, description="a crash is left alone for so long: it is reported twice [s]")
    most_runs: int = Field(default=MOST_RUNS, ge=1, description="so often a run is started, all in all")
    oldest_days: int = Field(default=2, ge=1, description="crashes before that are left as they are [days]")


class Recovered(Record):
    """Names of the runs that were found dead, started again, and given up."""

    orphaned: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


@sm_task
def recover_runs(request: RecoverRequest) -> Recovered:
    """Find dead runs and start again what crashed; the same again finds nothing more.

    Runs that the clock started are not started again: the next one does their work.
    """
    with get_client(sync_client=True) as client:
        now = machine_now()
        orphaned = [run.name for run in _runs(client, ALIVE) if _is_silent(client, run, now, request)
                    and _takes(client, run, Crashed(name="Orphaned", message="no heartbeat: its process is gone"))]
        since = now - dt.timedelta(days=request.oldest_days)
        crashed = [run for run in _runs(client, (StateType.CRASHED,), since)
                   if not run.auto_scheduled and _ended(run, now) >= request.settle_s]
        again = [run for run in crashed if run.run_count < request.most_runs]
        restarted = [run.name for run in again if _takes(
            client, run, Scheduled(name="AwaitingRetry", message=f"start {run.run_count + 1} after a crash"))]
        given_up = [run.name for run in crashed if run.run_count >= request.most_runs]
    if orphaned or restarted:
        _log.warning("dead runs: orphaned=%s restarted=%s", orphaned, restarted)
    return Recovered(orphaned=tuple(orphaned), restarted=tuple(restarted), given_up=tuple(given_up))


@sm_task
def report_recovery(found: Recovered) -> None:
    """Leave the names as an artifact of the flow run."""
    lines = [f"**{what}**: {', '.join(names) or 'none'}  " for what, names in
             (("found dead", found.orphaned), ("started again", found.restarted),
              ("crashed too often", found.given_up))]
    create_markdown_artifact("\n".join(lines), key="recovery", description=f"{len(found.orphaned)} found dead")


def _runs(client: SyncPrefectClient, types: Sequence[StateType], since: dt.datetime | None = None) -> list[FlowRun]:
    chosen = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))),
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        end_time=None if since is None else FlowRunFilterEndTime(after_=since),
    )

    def pages() -> Iterator[list[FlowRun]]:
        offset = 0
        while page := client.read_flow_runs(flow_run_filter=chosen, limit=PAGE, offset=offset):
            yield page
            offset += len(page)

    found = [run for page in pages() for run in page]
    return [run for run in found if str(run.id) != runtime.flow_run.id]


def _is_silent(client: SyncPrefectClient, run: FlowRun, now: dt.datetime, request: RecoverRequest) -> bool:
    """Neither a change of state nor a heartbeat for so long."""
    silence = dt.timedelta(seconds=request.silent_s)
    if run.state is None or now - run.state.timestamp < silence:
        return False
    beats = client.read_events(EventFilter(
        occurred=EventOccurredFilter(since=now - silence), event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    ), limit=1)
    return not beats.events


def _ended(run: FlowRun, now: dt.datetime) -> float:
    """How long ago [s]."""
    ended = run.end_time or (run.state.timestamp if run.state else now)
    return (now - ended).total_seconds()


def _takes(client: SyncPrefectClient, run: FlowRun, state: State[object]) -> bool:
    """Whether the server gives the run this state."""
    return client.set_flow_run_state(run.id, state).status.value == "ACCEPT"
