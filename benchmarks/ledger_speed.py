"""How long the ledger takes when it is old: ten million hourly readings, 90 000 editions of granules.

    python benchmarks/ledger_speed.py --stations 100 --years 11.4 --granule-years 20
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from sm_core.domain import FileRef
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.ledger import Ledger

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BEGIN = dt.date(2005, 1, 1)
TILES = ("h27v04", "h27v05", "h28v05")
PRODUCTS = ("MOD11A1", "MYD11A1", "MOD13A2", "MYD13A2")
DAILY_IMPORTS = 60
T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    begin = time.perf_counter()
    result = work()
    size = f"{result:,}" if isinstance(result, int) else f"{len(result):,}" if hasattr(result, "__len__") else ""
    print(f"{what:<44}{time.perf_counter() - begin:8.2f} s   {size}", flush=True)
    return result


def readings(stations: int, first: str, hours: int, seed: int) -> pd.DataFrame:
    times = pd.date_range(first, periods=hours, freq="h")
    names = pd.CategoricalDtype([f"station {number:04d}" for number in range(stations)])
    return pd.DataFrame({
        "station_id": pd.Categorical.from_codes(np.repeat(np.arange(stations), hours), dtype=names),
        "layer": pd.Categorical.from_codes(np.zeros(stations * hours, np.int8), ["0.05"]),
        "time": np.tile(times.to_numpy(), stations),
        "value": np.random.default_rng(seed).random(stations * hours).round(4),
        "flag": pd.Categorical.from_codes(np.zeros(stations * hours, np.int8), ["G"]),
        "provider_flag": pd.Categorical.from_codes(np.zeros(stations * hours, np.int8), [""]),
    })


def listings(years: float) -> list[Listed]:
    days = [BEGIN + dt.timedelta(days=number) for number in range(int(years * 365.25))]
    return [
        Listed(source_id=f"{product}.061", name=f"{product}.A{day:%Y%j}.{tile}.061.{day:%Y%j}120000.hdf", revision="1",
               published=NOW, url="https://example.org", size=1)
        for day in days for product in PRODUCTS for tile in TILES
    ]


def observations(ledger: Ledger, stations: int, years: float) -> None:
    hours = int(years * 8766)
    frame = readings(stations, "2014-01-01", hours, seed=1)
    timed("import of all readings", lambda: ledger.add_observations(frame, NOW))
    timed("the same again", lambda: ledger.add_observations(frame, NOW))
    for day in range(DAILY_IMPORTS):
        fresh = readings(stations, f"{pd.Timestamp('2026-01-01') + pd.Timedelta(days=day)}", 72, seed=day)
        work = lambda fresh=fresh, day=day: ledger.add_observations(fresh, NOW + dt.timedelta(days=day))  # noqa: E731
        timed("a daily import of three days", work) if day == DAILY_IMPORTS - 1 else work()
    later = NOW + dt.timedelta(days=999)
    timed("all readings as known", lambda: ledger.observations(later))
    timed("one station", lambda: ledger.observations(later, ["station 0042"]))
    timed("last month, all stations", lambda: ledger.observations(later, first=NOW + dt.timedelta(days=30)))
    timed("all daily means", lambda: ledger.daily(later))
    timed("daily means of one station", lambda: ledger.daily(later, ["station 0042"]))


def editions(ledger: Ledger, years: float) -> None:
    listed = listings(years)
    sources = [f"{product}.061" for product in PRODUCTS]
    timed("recording all editions", lambda: ledger.record(listed, NOW))
    timed("recording a month of them again", lambda: ledger.record(listed[-360:], NOW))
    timed("what is to be fetched", lambda: ledger.pending(sources, BEGIN, NOW.date(), NOW))
    for one in listed[:2000]:
        ledger.fetched(one, FileRef(uri="/x", sha256="0" * 64, size=1), NOW)
    timed("marking one as fetched", lambda: ledger.fetched(listed[0], FileRef(uri="/x", sha256="0", size=1), NOW))
    timed("granules as known", lambda: ledger.granules(NOW))
    timed("granules of one source", lambda: ledger.granules(NOW, sources[:1]))
    timed("health of a source", lambda: ledger.health(sources[0], NOW))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--years", type=float, default=11.41)
    parser.add_argument("--granule-years", type=float, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", Path(folder) / "raw")
        editions(ledger, chosen.granule_years)
        observations(ledger, chosen.stations, chosen.years)
        ledger.close()


if __name__ == "__main__":
    main()
