"""What ``deployments`` declares fits the code that it names."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml

from flows.deploy import (
    PREFECT_FILE,
    AutomationFile,
    PrefectFile,
    check,
    read_automations,
    read_declarations,
    read_pool,
)
from sm_core.errors import SettingsError
from tasks.accumulation import EVENT


def test_every_entrypoint_is_a_flow_that_takes_the_declared_parameters() -> None:
    for one in read_declarations().deployments:
        module, name = one.entrypoint.rsplit(".", 1)
        flow = getattr(importlib.import_module(module), name)
        expected = set(flow.parameters.properties)
        given = set(one.parameters or {}) | {key for trigger in one.triggers for key in trigger.parameters}
        assert given <= expected, one.name
        flow.validate_parameters(one.parameters) if one.parameters else None


def test_every_parameter_is_described_in_the_user_interface() -> None:
    silent = []
    for one in read_declarations().deployments:
        module, name = one.entrypoint.rsplit(".", 1)
        declared = getattr(importlib.import_module(module), name).parameters.model_dump()["definitions"]
        silent += [f"{one.name}: {kind}.{field}" for kind, content in declared.items()
                   for field, about in content.get("properties", {}).items() if not about.get("description")]
    assert not silent


def test_files_fit_each_other_and_the_code() -> None:
    check(read_declarations(), read_pool(), read_automations())


@pytest.mark.parametrize(("change", "told"), [
    ({"entrypoint": "flows.nowhere.daily"}, "cannot be imported"),
    ({"entrypoint": "flows.daily.nothing"}, "cannot be imported"),
    ({"entrypoint": "tasks.clock.utc_now"}, "is no flow"),
    ({"parameters": {"request": {"region_id": 5, "day": "x"}}}, "daily"),
    ({"work_pool": {"name": "sm-daily", "work_queue_name": "dayly"}}, "does not declare"),
])
def test_a_deployment_that_cannot_run_is_refused(change: dict[str, object], told: str) -> None:
    content = read_declarations().model_dump(by_alias=True)
    for one in content["deployments"]:
        if one["name"] == "daily":
            one.update(change)
    with pytest.raises(SettingsError, match=told):
        check(PrefectFile.model_validate(content), read_pool(), read_automations())


def test_an_automation_of_nothing_that_is_deployed_is_refused() -> None:
    content = read_automations().model_dump()
    content["automations"][0]["actions"] = [{"type": "run-deployment", "deployment": "watsh/watch"}]
    with pytest.raises(SettingsError, match="watsh"):
        check(read_declarations(), read_pool(), AutomationFile.model_validate(content))


def test_every_deployment_waits_in_a_declared_queue_and_days_go_first() -> None:
    pool = read_pool()
    priority = {queue.name: queue.priority for queue in pool.queues}
    used = {one.name: one.work_pool for one in read_declarations().deployments}
    assert {use.name for use in used.values()} == {pool.name}
    assert priority[used["daily"].work_queue_name] < priority[used["stations"].work_queue_name]
    assert priority[used["stations"].work_queue_name] < priority[used["retrain"].work_queue_name]


def test_the_event_that_is_emitted_is_the_one_that_is_expected() -> None:
    triggers = [trigger for one in read_declarations().deployments for trigger in one.triggers]
    assert [trigger.expect for trigger in triggers] == [(EVENT,)]


@pytest.mark.parametrize(("key", "value"), [("concurency_limit", 1), ("schedule", {"cron": "0 3 * * *"})])
def test_misspelt_key_is_refused(tmp_path: Path, key: str, value: object) -> None:
    content = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    content["deployments"][0][key] = value
    path = tmp_path / "prefect.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SettingsError, match=key):
        read_declarations(path)
