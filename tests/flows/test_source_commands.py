"""``sm-daily twin serve``, ``sources``, ``ledger`` as a user meets them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.flows.conftest import ROOT, sm_daily
from tests.flows.small_world import make_archive

COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]


def test_served_hosts_print_the_settings_that_lead_to_them(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", 10)
    serving = subprocess.Popen(
        [*COMMAND, "twin", "serve", str(archive), "--port", "0", "--now", "2019-06-08T12:00", "--speed", "0"], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        assert serving.stdout is not None
        told: dict[str, str] = {}
        while "SM_STATICS" not in told:
            line = re.fullmatch(r"export (SM_\w+)='(.*)'\n", serving.stdout.readline())
            assert line, "every line is one for the shell"
            told[line[1]] = line[2]
        assert {"SM_CMR_URL", "SM_EARTHDATA_USER", "SM_GLEAM_HOST_KEY", "SM_RDA_KEY", "SM_USCRN_URL"} <= told.keys()
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{told['SM_CMR_URL']}/granules.umm_json", timeout=20,
                                 params={"short_name": "MOD11A1"})
        assert answer.headers["CMR-Hits"] == "8"  # 31 May to 7 June
    finally:
        serving.send_signal(signal.SIGINT)
        _, text = serving.communicate(timeout=30)
    assert "Traceback" not in text


def test_sources_of_a_fresh_installation_are_unseen(tmp_path: Path) -> None:
    done = sm_daily("sources", "--region", "demo", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    for word in ("MOD11A1.061", "lst_fine 1", "unseen", "RDA", "stations"):
        assert word in done.stdout


def test_ledger_upgrade_tells_its_version(tmp_path: Path) -> None:
    done = sm_daily("ledger", "upgrade", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "0004" in done.stdout
    assert (tmp_path / "data" / "ledger" / "ledger.db").is_file()


def test_without_archive_and_credentials_a_run_says_what_to_set(tmp_path: Path) -> None:
    done = sm_daily("run", "2019-06-05", "--region", "demo", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "SM105" in done.stderr
    assert "SM_ARCHIVE" in done.stderr


def test_a_ledger_that_cannot_be_used_says_what_to_check(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "ledger", "upgrade", "--data", str(tmp_path)], cwd=ROOT, text=True, check=False,
                          env=os.environ | {"SM_LEDGER_URL": "nonsense"}, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert "SM704" in done.stderr
    assert "SM_LEDGER_URL" in done.stderr
