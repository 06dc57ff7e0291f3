"""Deployments, queues and automations as the files under ``deployments`` declare them, brought to a Prefect server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from sm_core.domain import Record
from sm_core.errors import SettingsError, SourceUnavailableError
from tasks.settings import PROJECT

PREFECT_FILE = PROJECT / "deployments" / "prefect.yaml"
POOL_FILE = PROJECT / "deployments" / "work-pool.yaml"
PATIENCE_S = 180
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


def deploy() -> tuple[str, ...]:
    """Bring pool, queues, deployments and automations to the server; names what is deployed.

    The same again changes nothing; what was removed from the file's triggers is removed on the server.

    Raises
    ------
    SettingsError            SM103, no server is set, or a file is not as it should be.
    SourceUnavailableError   SM201, the server does not take it.
    """
    from prefect.settings import get_current_settings

    declared, pool = read_declarations(), read_pool()
    if get_current_settings().api.url is None:
        raise SettingsError("SM_PREFECT_API_URL: deployments need a Prefect server of their own")
    asyncio.run(_apply(pool))
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)],
        cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )
    if done.returncode:
        raise SourceUnavailableError(f"Prefect did not take the deployments: {(done.stderr or done.stdout)[-500:]}")
    return tuple(f"{one.entrypoint.rsplit('.', 1)[-1]}/{one.name}" for one in declared.deployments)


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


def _read(path: Path, kind: type[Declared]) -> Declared:
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as cause:
        raise SettingsError(f"{path.name} cannot be read: {cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        raise SettingsError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from cause
