"""Nothing secret of the settings gets into what a run leaves behind, or into what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.settings_alerts import AlertSettings
from tasks.settings_sources import SourceSettings
from tasks.settings_watch import WatchSettings
from tests.flows.conftest import Trained, sm_daily

WORD = "xyzzy-0123456789-plugh"
SECRETS = {f"SM_{name.upper()}": WORD for kind in (SourceSettings, AlertSettings, WatchSettings)
           for name, field in kind.model_fields.items() if field.annotation is SecretStr}
HOOKS = f'[{{"name": "one", "url": "http://127.0.0.1:9/{WORD}", "secret": "{WORD}"}}]'


@pytest.mark.endurance
def test_what_a_run_leaves_behind_holds_no_secret(trained: Trained, tmp_path: Path) -> None:
    mine = trained.copy(tmp_path)
    assert {"SM_EARTHDATA_PASSWORD", "SM_ALERT_SMTP_PASSWORD", "SM_RDA_KEY"} <= set(SECRETS)
    del SECRETS["SM_WATCH_DEAD_MAN_URL"]
    settings = SECRETS | {"SM_ALERT_WEBHOOKS": HOOKS, "SM_WATCH_WEBHOOKS": HOOKS}
    options = ("--region", str(mine.region), "--archive", str(mine.archive), "--data", str(mine.data))
    good = sm_daily("run", "2019-08-03", *options, **settings)
    assert good.returncode == 0, good.stderr
    bad = sm_daily("run", "2025-01-01", *options, **settings)
    seen = sm_daily("doctor", "--json", "--region", str(mine.region), "--data", str(mine.data), **settings)
    told = sm_daily("doctor", *options[:2], **settings | {"SM_ALERT_WEBHOOKS": f'[{{"name": "{WORD}!"}}]'})
    assert "SM103" in told.stdout + told.stderr
    for done in (good, bad, seen, told):
        assert WORD not in done.stdout + done.stderr
    holding = [path for path in mine.data.rglob("*") if path.is_file() and WORD.encode() in path.read_bytes()]
    assert [path.relative_to(mine.data) for path in holding] == []
