"""Deployments, queues and automations as the files under ``deployments`` declare them, brought to a Prefect server."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from sm_core.domain import Record
from sm_core.errors import SettingsError, SourceUnavailableError
from tasks.settings import PROJECT

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.events.schemas.automations import AutomationCore

PREFECT_FILE = PROJECT / "deployments" / "prefect.yaml"
POOL_FILE = PROJECT / "deployments" / "work-pool.yaml"
AUTOMATIONS_FILE = PROJECT / "deployments" / "automations.yaml"
PATIENCE_S = 180
OURS = "sm-daily"
"""Tag of the automations that are brought from here; those of other hands are left alone."""
Declared = TypeVar("Declared", bound=Record)


class Queue(Record):
    """A queue of the pool; lower numbers first, at most so many runs of it at once."""

    name: str
    priority: int
    concurrency_limit: int | None = None


class Pool(Record):
    """What workers take their runs from."""

    name: str
    type: Literal["process", "docker", "kubernetes"]
    queues: tuple[Queue, ...]
    concurrency_limit: int | None = None


class WorkPoolUse(Record):
    """Which queue a deployment's runs wait in, and how they are started."""

    name: str
    work_queue_name: str
    job_variables: dict[str, Any] | None = None


class Schedule(Record):
    """When runs are made by themselves."""

    cron: str
    timezone: Literal["UTC"]
    slug: str
    active: bool | None = None


class ConcurrencyLimit(Record):
    """How many runs of a deployment at once, and what becomes of one too many."""

    limit: int
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]
    grace_period_seconds: int | None = None


class Trigger(Record):
    """The event that starts a deployment, and the parameters it brings."""

    type: Literal["event"]
    enabled: bool
    name: str
    description: str
    expect: tuple[str, ...]
    match: dict[str, str]
    for_each: tuple[str, ...]
    posture: Literal["Reactive"]
    threshold: int
    within: int
    parameters: dict[str, str]


class DeploymentEntry(Record):
    """One deployment. Prefect ignores a key that it does not know; here it is an error."""

    name: str
    entrypoint: str
    description: str
    tags: tuple[str, ...]
    work_pool: WorkPoolUse
    parameters: dict[str, Any] | None = None
    schedules: tuple[Schedule, ...] = ()
    concurrency_limit: int | ConcurrencyLimit | None = None
    triggers: tuple[Trigger, ...] = ()


class PrefectFile(Record):
    """``deployments/prefect.yaml``."""

    name: str
    prefect_version: Annotated[str, Field(alias="prefect-version")]
    build: None
    push: None
    pull: tuple[()]
    definitions: dict[str, WorkPoolUse]
    deployments: tuple[DeploymentEntry, ...]


class EventTrigger(Record):
    """What must happen, or not happen (``Proactive``) within so many seconds after what came before."""

    posture: Literal["Reactive", "Proactive"]
    expect: tuple[str, ...]
    match: dict[str, str]
    after: tuple[str, ...] = ()
    match_related: dict[str, str] = Field(default_factory=dict)
    for_each: tuple[str, ...] = ()
    threshold: int = 1
    within: int = 0


class ChangeState(Record):
    """Give the flow run of the event another state."""

    type: Literal["change-flow-run-state"]
    state: Literal["CRASHED"]
    name: str
    message: str


class StartRun(Record):
    """Start a run of a deployment of ours, so many seconds later."""

    type: Literal["run-deployment"]
    deployment: str
    schedule_after: int = 0


class AutomationEntry(Record):
    """An automation that does more than start the deployment it is written under."""

    name: str
    description: str
    trigger: EventTrigger
    actions: tuple[Annotated[ChangeState | StartRun, Field(discriminator="type")], ...]

    @property
    def digest(self) -> str:
        """By which a changed definition is known."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class AutomationFile(Record):
    """``deployments/automations.yaml``."""

    automations: tuple[AutomationEntry, ...]


def read_declarations(path: Path = PREFECT_FILE) -> PrefectFile:
    """The deployments, every key checked.

    Raises
    ------
    SettingsError   SM103, a key that is unknown, or a value that is not usable.
    """
    return _read(path, PrefectFile)


def read_pool(path: Path = POOL_FILE) -> Pool:
    """The work pool, every key checked.

    Raises
    ------
    SettingsError   SM103, a key that is unknown, or a value that is not usable.
    """
    return _read(path, Pool)


def read_automations(path: Path = AUTOMATIONS_FILE) -> AutomationFile:
    """The automations, every key checked.

    Raises
    ------
    SettingsError   SM103, a key that is unknown, or a value that is not usable.
    """
    return _read(path, AutomationFile)


def check(declared: PrefectFile, pool: Pool, automations: AutomationFile) -> None:
    """Whether the files fit each other and the code that they name.

    Raises
    ------
    SettingsError   SM103, a flow cannot be imported or does not take its parameters, or a name is not declared.
    """
    queues = {queue.name for queue in pool.queues}
    names = {_name(one) for one in declared.deployments}
    for one in declared.deployments:
        _check_flow(one)
        if one.work_pool.name != pool.name or one.work_pool.work_queue_name not in queues:
            raise SettingsError(f"{PREFECT_FILE.name}: {one.name} waits in {one.work_pool.work_queue_name}, "
                                f"which {POOL_FILE.name} does not declare")
    for automation in automations.automations:
        for action in automation.actions:
            if isinstance(action, StartRun) and action.deployment not in names:
                raise SettingsError(f"{AUTOMATIONS_FILE.name}: {automation.name} starts {action.deployment}, "
                                    f"which {PREFECT_FILE.name} does not declare")


def deploy() -> tuple[str, ...]:
    """Bring pool, queues, deployments and automations to the server; names what is deployed.

    The same again changes nothing: a schedule that was paused stays paused, an automation that was switched off
    stays so. What was removed from the files' triggers and automations is removed on the server.

    Raises
    ------
    SettingsError            SM103, no server is set, a file is not as it should be, or a flow cannot be imported.
    SourceUnavailableError   SM201, the server does not take it.
    """
    from prefect.settings import get_current_settings

    declared, pool, automations = read_declarations(), read_pool(), read_automations()
    check(declared, pool, automations)
    if get_current_settings().api.url is None:
        raise SettingsError("SM_PREFECT_API_URL: deployments need a Prefect server of their own")
    asyncio.run(_apply(pool))
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)],
        cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )
    if done.returncode:
        raise SourceUnavailableError(f"Prefect did not take the deployments: {(done.stderr or done.stdout)[-500:]}")
    asyncio.run(_automate(automations))
    return tuple(map(_name, declared.deployments))


async def _apply(pool: Pool) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    async with get_client() as client:
        try:
            await client.read_work_pool(pool.name)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template() if pool.type == "process" else {}
            await client.create_work_pool(WorkPoolCreate(
                name=pool.name, type=pool.type, base_job_template=template, concurrency_limit=pool.concurrency_limit,
            ))
        for queue in pool.queues:
            wanted: dict[str, Any] = {"priority": queue.priority, "concurrency_limit": queue.concurrency_limit}
            try:
                known = await client.read_work_queue_by_name(queue.name, work_pool_name=pool.name)
                await client.update_work_queue(known.id, **wanted)
            except ObjectNotFound:
                await client.create_work_queue(queue.name, work_pool_name=pool.name, **wanted)


async def _automate(declared: AutomationFile) -> None:
    """An automation is only touched when its definition changed: an update lets go of all that it was waiting for."""
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        known = {one.name: one for one in await client.read_automations() if OURS in one.tags}
        for entry in declared.automations:
            old = known.pop(entry.name, None)
            if old is None:
                await client.create_automation(await _automation(client, entry, enabled=True))
            elif entry.digest not in old.tags:
                await client.update_automation(old.id, await _automation(client, entry, enabled=old.enabled))
        for gone in known.values():
            await client.delete_automation(gone.id)


async def _automation(client: PrefectClient, entry: AutomationEntry, *, enabled: bool) -> AutomationCore:
    from prefect.events.schemas.automations import AutomationCore

    content = entry.model_dump(mode="json") | {"enabled": enabled, "tags": [OURS, entry.digest]}
    content["trigger"] |= {"type": "event"}
    for action in content["actions"]:
        if action["type"] == "run-deployment":
            name = action.pop("deployment")
            action |= {"source": "selected", "deployment_id": (await client.read_deployment_by_name(name)).id}
    return AutomationCore.model_validate(content)


def _check_flow(one: DeploymentEntry) -> None:
    from prefect import Flow
    from prefect.exceptions import ParameterTypeError

    module, _, name = one.entrypoint.rpartition(".")
    try:
        flow = getattr(importlib.import_module(module), name)
        if not isinstance(flow, Flow):
            raise SettingsError(f"{PREFECT_FILE.name}: {one.name}: {one.entrypoint} is no flow")
        if one.parameters:
            flow.validate_parameters(one.parameters)
    except (ImportError, AttributeError) as cause:
        raise SettingsError(f"{PREFECT_FILE.name}: {one.name}: {one.entrypoint} cannot be imported: {cause}") from cause
    except ParameterTypeError as cause:
        raise SettingsError(f"{PREFECT_FILE.name}: {one.name}: {cause}") from cause


def _name(one: DeploymentEntry) -> str:
    return f"{one.entrypoint.rpartition('.')[2]}/{one.name}"


def _read(path: Path, kind: type[Declared]) -> Declared:
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as cause:
        raise SettingsError(f"{path.name} cannot be read: {cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        raise SettingsError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from cause
