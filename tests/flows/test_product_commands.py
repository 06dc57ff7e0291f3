"""``sm-daily alerts`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

from tasks.adapters.notify.configured import open_office
from tasks.clock import utc_now
from tasks.settings import load_settings
from tasks.settings_alerts import AlertSettings
from tasks.settings_sources import SourceSettings
from tests.flows.conftest import sm_daily
from tests.unit.alert_cases import REGION, UNIT, unit_day


def test_alerts_tells_what_stands_and_sends_what_waits(tmp_path: Path) -> None:
    data = tmp_path / "data"
    quiet = sm_daily("alerts", "--region", "demo", "--data", str(data))
    assert quiet.returncode == 0, quiet.stderr
    assert "standing alerts: none" in quiet.stdout and "not gone out: none" in quiet.stdout
    webhook = '[{"name": "one", "url": "http://127.0.0.1:9/", "secret": "0123456789abcdef"}]'
    settings = AlertSettings(alert_webhooks=webhook)
    now = utc_now()
    office = open_office(settings, SourceSettings(), load_settings(data=data).ledger_database, data / "alerts",
                         lambda: now)
    today = now.date()
    days = [unit_day(0, "1").model_copy(update={"class_percent": (10.0, 20.0, 70.0, 0.0, 0.0, 0.0), "day": day})
            for day in (today.fromordinal(today.toordinal() - back) for back in range(5, -1, -1))]
    for one in days:
        office.issue("demo", REGION, one.day, [one], {UNIT.unit_id: UNIT})
    office.close()
    told = sm_daily("alerts", "--region", "demo", "--data", str(data))
    assert told.returncode == 0, told.stderr
    assert "Alpha & Co" in told.stdout and "usdm-rootzone-1" in told.stdout and "D1" in told.stdout
    assert "webhook:one" in told.stdout and "in doubt" in told.stdout and "SM705" in told.stdout
    sent = sm_daily("alerts", "--deliver", "--region", "demo", "--data", str(data))
    assert sent.returncode == 0, sent.stderr
    assert "cap: 0 sent, 0 waiting" in sent.stdout
