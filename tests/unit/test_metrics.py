"""Metrics tell what is on disk, in Prometheus's format; the dashboard asks for nothing else."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sm_core.domain import DailyRequest, Outcome, RunRecord, StepCost
from tasks.due import PastRun
from tasks.metrics import exposition
from tasks.settings import PROJECT, Settings
from tasks.wiring import Services

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)
STEPS = tuple(StepCost(step=name, seconds=seconds, peak_mb=512) for name, seconds in
              (("fetch", 1.5), ("grid", 2.0), ("fuse", 3.0), ("publish", 0.5)))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    return Services(Settings(data=tmp_path))


def ran(here: Services, day: dt.date, outcome: Outcome, steps: tuple[StepCost, ...], minutes: int) -> None:
    record = RunRecord(
        run_id=f"{minutes:012d}", request=DailyRequest(region_id="korea", day=day, as_of=NOW), outcome=outcome,
        steps=steps, code_version="0", started=NOW, finished=NOW + dt.timedelta(minutes=minutes),
    )
    here.runs.write(record.model_copy(update={"started": NOW + dt.timedelta(minutes=minutes - 1)}))
    here.run_book.add("korea", PastRun.of(record))


def samples(here: Services) -> dict[tuple[str, ...], float]:
    """Values by name and labels, those in the order of their names."""
    return {(sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(exposition(here, lambda: NOW)) for sample in family.samples}


def test_the_state_of_dates_and_the_costs_of_the_last_field(here: Services) -> None:
    ran(here, dt.date(2026, 11, 22), "failed", STEPS[:1], 1)
    ran(here, dt.date(2026, 11, 22), "published", STEPS, 2)
    ran(here, dt.date(2026, 11, 23), "waiting", STEPS[:1], 3)
    found = samples(here)
    assert found["sm_daily_dates", "published", "korea"] == 1
    assert found["sm_daily_dates", "waiting", "korea"] == 1
    assert ("sm_daily_dates", "failed", "korea") not in found
    assert found["sm_daily_step_seconds", "korea", "fuse"] == 3.0
    assert found["sm_daily_step_peak_bytes", "korea", "fuse"] == 512 * 1024 * 1024
    assert found["sm_daily_last_run_timestamp_seconds", "korea"] == (NOW + dt.timedelta(minutes=3)).timestamp()
    assert found["sm_daily_disk_free_bytes",] > 0
    assert found["sm_daily_database_bytes", "ledger"] > 0


def test_an_empty_folder_has_metrics_too(here: Services) -> None:
    found = samples(here)
    assert found["sm_daily_disk_size_bytes",] > found["sm_daily_disk_free_bytes",]
    assert not [name for name, *_ in found if name == "sm_daily_metrics_error"]


def test_a_ledger_that_cannot_be_read_spoils_only_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    here = Services(Settings(data=tmp_path, ledger_url="nonsense://x"))
    broken = exposition(here, lambda: NOW)
    assert 'sm_daily_metrics_error{code="SM704",part="ledger"} 1.0' in broken
    assert "sm_daily_disk_free_bytes " in broken


def test_the_dashboard_and_the_alarms_name_known_metrics(here: Services) -> None:
    known = {family.name for family in text_string_to_metric_families(exposition(here, lambda: NOW))}
    folder = PROJECT / "deployments" / "grafana"
    dashboard = json.loads((folder / "dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    named = set(re.findall(r"\bsm_daily_\w+", " ".join(asked) + (folder / "alarms.yaml").read_text(encoding="utf-8")))
    assert named and not named - known
    assert {panel["id"] for panel in dashboard["panels"]} == set(range(1, len(dashboard["panels"]) + 1))
