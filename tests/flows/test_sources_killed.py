"""``sm-daily fetch`` killed at random moments, as by a power cut; the next run completes.

Three times here; ``SM_TEST_KILLS=10`` for more.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml

from tasks.adapters.fetch.wanted import Wanted
from tasks.adapters.fetched import is_tiled
from tasks.adapters.ledger import Ledger
from tasks.clock import utc_now
from tasks.hosts.exports import settings_for, station_settings_for
from tests.flows.small_world import DAY, FIRST, living, make_archive, noon

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SM_TEST_KILLS", "3"))
DAYS = 40
ROLES = {"lst_fine": ["MOD11A1.061"], "ndvi_fine": ["MOD13A2.061"], "lst_coarse": ["GLASS08B31.V40"],
         "ssm_coarse": ["SPL4SMGP.008"]}
STATIONS = ("RDA", "USCRN.hourly02")


def test_killed_at_random_moments(tmp_path: Path) -> None:
    archive, region = make_archive(tmp_path / "archive", DAYS), region_file(tmp_path)
    data = tmp_path / "data"
    with living(archive, tmp_path / "plain", now=noon(DAYS)) as daemon:
        daemon.synchroniser.fetch(
            Wanted(source_id=name, first=FIRST if name in STATIONS else FIRST - DAY, last=FIRST + DAYS * DAY,
                   tiles=("h28v05",) if is_tiled(name) else ())
            for name in (*(names[0] for names in ROLES.values()), *STATIONS)
        )
        expected, known = daemon.contents(), daemon.observations()
        settings = settings_for(daemon.hosts.urls, daemon.hosts.accounts)
        settings |= station_settings_for(daemon.hosts.urls, daemon.hosts.accounts)
        rng = random.Random(20260101)
        for most in sorted(rng.randrange(len(expected) * 9 // 10) for _ in range(KILLS)):
            kill(start(region, data, settings), data, most)
        last = start(region, data, settings)
        text, _ = last.communicate(timeout=300)
        assert last.returncode == 0, text

    with closing(Ledger(f"sqlite:///{data}/ledger/ledger.db", data / "observations")) as ledger:
        used = ledger.granules(utc_now())
        assert {Path(one.uri).name: one.sha256 for one in used} == expected
        assert {one.status for one in ledger.editions(utc_now(), [ROLES["lst_fine"][0]])} == {"fetched"}
        texts = {"station_id": str, "layer": str, "flag": str, "provider_flag": str}
        pd.testing.assert_frame_equal(ledger.observations(utc_now()).astype(texts), known)
    stored = [path for path in (data / "fetched").rglob("*") if path.is_file()]
    assert not [path for path in stored if ".partial" in path.parts or path.name.endswith(".part")]
    assert len({path.name for path in stored if path.name != "rda_sites.xml"}) == len(expected)
    rows = [pq.read_metadata(path).num_rows for path in (data / "observations").glob("*.parquet")]
    assert sum(rows) == len(known), "no reading is kept twice"


def region_file(folder: Path) -> Path:
    declared = yaml.safe_load((ROOT / "deployments" / "regions" / "demo.yaml").read_text(encoding="utf-8"))
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(declared | {"region_id": "tiny", "roles": ROLES}), encoding="utf-8")
    return path


def start(region: Path, data: Path, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "PREFECT_", "MLFLOW_"))}
    command = [sys.executable, "-c", "from flows.cli import main; main()", "fetch", "--region", str(region), "--data",
               str(data), "--first", str(FIRST), "--last", str(FIRST + DAYS * DAY)]
    return subprocess.Popen(command, cwd=ROOT, env=environment | settings, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def kill(process: subprocess.Popen[str], data: Path, most: int) -> None:
    while came(data) <= most:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def came(data: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(data / "fetched"))
