from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from tasks.adapters.ledger import Ledger
from tests.unit import killed_fetch
from tests.unit.killed_fetch import NOW
from tests.unit.loopback import Host, granule

FILES = 60
SIZE = 300_000
PROJECT = Path(__file__).parents[2]


def test_after_ten_kills_nothing_is_lost_doubled_or_left_over(tmp_path: Path) -> None:
    rng = random.Random(20260101)
    with Host() as host:
        host.pause_s = 0.002
        contents = {day: granule(SIZE, seed=day) for day in range(1, FILES + 1)}
        listings = [host.listed(day, content) for day, content in contents.items()]
        (tmp_path / "listings.json").write_text(json.dumps([one.model_dump(mode="json") for one in listings]))
        moments = sorted(rng.randrange(FILES * SIZE * 9 // 10) for _ in range(10))
        command = [sys.executable, killed_fetch.__file__, str(tmp_path), *map(str, moments)]
        subprocess.run(command, cwd=PROJECT, env={"PYTHONPATH": str(PROJECT)}, check=True)

    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw")
    granules = ledger.granules(NOW)
    assert {one.status for one in ledger.editions(NOW)} == {"fetched"}
    assert [one.sha256 for one in granules] == [hashlib.sha256(content).hexdigest() for content in contents.values()]
    assert [Path(one.uri).read_bytes() for one in granules] == list(contents.values())
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert sorted(map(str, files)) == sorted(one.uri for one in granules)

    assert len(ledger.observations(NOW)) == len(ledger.daily(NOW)) * 24 == FILES * 24
    raw = [path for path in (tmp_path / "raw").iterdir() if path.name != ".lock"]
    assert sum(pq.read_metadata(path).num_rows for path in raw) == FILES * 24
    ledger.close()

    begun = [begin for _, begin in host.requests]
    assert any(begin > 0 for begin in begun), "no download was resumed"
    assert len(begun) <= FILES + 10 * 4
