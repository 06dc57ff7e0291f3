"""Settings of alerts, and the channels that they open."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sm_core.errors import AlertRulesError, SettingsError
from tasks.adapters.notify.configured import open_office
from tasks.adapters.notify.office import AlertOffice
from tasks.settings_alerts import AlertSettings, load_alert_settings
from tasks.settings_sources import SourceSettings

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
HOOKS = [{"name": "one", "url": "https://a.example.org/t0ken", "secret": "s3cret-s3cret-s3cret"},
         {"name": "two", "url": "https://b.example.org/", "secret": "0ther-0ther-0ther"}]


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WEBHOOKS": json.dumps(HOOKS), "SMTP_HOST": "mail.example.org", "SMTP_USER": "me", "SMTP_PASSWORD": "pa55word",
        "MAIL_FROM": "alerts@example.org", "MAIL_TO": "a@example.org, b@example.org", "STATUS": "Exercise",
    }.items():
        monkeypatch.setenv(f"SM_ALERT_{name}", value)


@contextmanager
def opened(tmp_path: Path) -> Iterator[AlertOffice]:
    office = open_office(load_alert_settings(), SourceSettings(), f"sqlite:///{tmp_path}/ledger.db", tmp_path,
                         lambda: NOW)
    yield office
    office.close()


@pytest.mark.usefixtures("everything")
def test_what_is_configured(tmp_path: Path) -> None:
    with opened(tmp_path) as office:
        names = [report.channel for report in office.deliver("korea")]
    assert names == ["cap", "atom", "geojson", "webhook:one", "webhook:two", "mail"]
    assert load_alert_settings().alert_mail_to == ("a@example.org", "b@example.org")


def test_without_addresses_only_files_are_written(tmp_path: Path) -> None:
    with opened(tmp_path) as office:
        assert [report.channel for report in office.deliver("korea")] == ["cap", "atom", "geojson"]
    assert AlertSettings().alert_status == "Test"


@pytest.mark.usefixtures("everything")
def test_secrets_do_not_show() -> None:
    settings = load_alert_settings()
    shown = repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert not any(secret in shown for secret in ("s3cret", "0ther", "pa55word", "t0ken"))


@pytest.mark.parametrize(("name", "value"), [
    ("WEBHOOKS", "[s3cret"), ("WEBHOOKS", '[{"name": "One", "url": "s3cret", "secret": "s3cret"}]'),
    ("WEBHOOKS", '[{"name": "one", "url": "x", "secret": "s3cret"}]'), ("WEBHOOKS", json.dumps([HOOKS[0]] * 2)),
    ("SMTP_HOST", "mail.example.org"), ("SENDER", "two words"), ("STATUS", "s3cret"), ("SMTP_PORT", "s3cret"),
])
def test_unusable_value_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SM_ALERT_{name}", value)
    with pytest.raises(SettingsError, match=f"SM_ALERT_{name}") as caught:
        load_alert_settings()
    assert "s3cret" not in str(caught.value) and caught.value.__cause__ is None


def test_rules_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SM_ALERT_RULES", str(tmp_path / "none.yaml"))
    with pytest.raises(AlertRulesError), opened(tmp_path):
        pass
