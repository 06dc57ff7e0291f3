"""A daemon that fetches what is listed, killed as soon as so many bytes have come, and at last left to finish.

    python killed_fetch.py <folder> <bytes> ...

``<folder>/listings.json`` holds what the host lists. Each life is a fork, so that none has to import anything.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd

from tasks.adapters.fetch.download import Downloader
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.fetch.store import Store
from tasks.adapters.ledger import Ledger
from tests.unit.loopback import Plain

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ALWAYS = (dt.date(2000, 1, 1), dt.date(2030, 1, 1))


def live(folder: Path, listings: list[Listed]) -> None:
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", folder / "raw")
    downloader = Downloader(Store(folder / "store"), 1 << 30, keep_free_bytes=0)
    ledger.record(listings, NOW)
    pending = ledger.pending(["MOD11A1.061"], *ALWAYS, NOW)
    downloader.store.sweep(pending)
    for fetched in downloader.fetch_all(Plain(), ledger.claim(pending, "daemon", NOW, dt.timedelta(hours=1))):
        assert fetched.file, fetched.error
        ledger.fetched(fetched.listed, fetched.file, NOW)
        ledger.add_observations(measured(fetched.listed), NOW)
    for listed in listings:
        ledger.add_observations(measured(listed), NOW)
    ledger.close()


def measured(listed: Listed) -> pd.DataFrame:
    times = pd.date_range(pd.to_datetime(listed.name[9:16], format="%Y%j"), periods=24, freq="h")
    texts = {"station_id": "a", "layer": "x", "flag": "", "provider_flag": ""}
    return pd.DataFrame({"time": times, "value": 0.3}).assign(**texts)


def came(folder: Path) -> int:
    sizes = 0
    for path in (folder / "store").rglob("*"):
        with suppress(FileNotFoundError):
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes


def main() -> None:
    folder = Path(sys.argv[1])
    listings = [Listed.model_validate(one) for one in json.loads((folder / "listings.json").read_text())]
    for most in map(int, sys.argv[2:]):
        child = os.fork()
        if not child:
            live(folder, listings)
            os._exit(0)
        while came(folder) < most:
            time.sleep(0.004)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the life was over before it was killed"
    live(folder, listings)


if __name__ == "__main__":
    main()
