"""A range of days made by 1 and by 2 processes of this machine: days an hour, speed-up, cost as the range grows.

Works on copies of a data folder with models in service. Granules, station files and the rasters of a first pass are
there for every pass alike; products and run records are not.

    python benchmarks/backfill.py DATA ARCHIVE FIRST --region demo [--days 60] [--processes 1 2]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from sm_core.domain import RunRecord

LEFT_OUT = ("products", "runs", "ledger", "alerts", "prefect", "reports", "watch", "locks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("first", type=dt.date.fromisoformat)
    parser.add_argument("--region", default="demo")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.data.parent) as folder:
        data = Path(folder) / "data"
        shutil.copytree(given.data, data, ignore=shutil.ignore_patterns(*LEFT_OUT))
        once(data, given, max(given.processes))
        seconds = {}
        print("| processes | seconds | seconds a day | first third | last third | beside the days' own work |")
        print("|---|---|---|---|---|---|", flush=True)
        for processes in given.processes:
            for name in LEFT_OUT:
                shutil.rmtree(data / name, ignore_errors=True)
            seconds[processes] = once(data, given, processes)
            print(row(processes, seconds[processes], costs(data)), flush=True)
    if len(seconds) > 1:
        fewest, most = min(seconds), max(seconds)
        print(f"\n{most} processes are {seconds[fewest] / seconds[most]:.2f} times as fast as {fewest}; load of the "
              f"machine {os.getloadavg()[1]:.1f}")


def once(data: Path, given: argparse.Namespace, processes: int) -> float:
    """Seconds from the command to its end; the fields that one pass left are not found by the next."""
    for kind in ("fused", "features", "downscaled", "corrected", "fields"):
        for folder in (data / "scratch").glob(f"*/{kind}"):
            shutil.rmtree(folder)
    last = given.first + dt.timedelta(days=given.days - 1)
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", "backfill", f"{given.first}", f"{last}",
         "--region", given.region, "--archive", str(given.archive), "--data", str(data), "--order", "oldest"],
        env=os.environ | {"SM_PROCESSES": str(processes), "OMP_WAIT_POLICY": "PASSIVE", "NUMBA_NUM_THREADS": threads},
        check=True, stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def costs(data: Path) -> list[float]:
    """Seconds of the steps of each day, in the order in which days were made."""
    records = [RunRecord.model_validate_json(path.read_text()) for path in (data / "runs").rglob("*.json")]
    return [sum(step.seconds for step in one.steps) for one in sorted(records, key=lambda one: one.started)]


def row(processes: int, seconds: float, days: list[float]) -> str:
    third = max(1, len(days) // 3)
    beside = 1 - sum(days) / (seconds * processes)
    return (f"| {processes} | {seconds:.0f} | {seconds / len(days):.2f} | {mean(days[:third]):.2f} | "
            f"{mean(days[-third:]):.2f} | {100 * beside:.0f} % |")


if __name__ == "__main__":
    main()
