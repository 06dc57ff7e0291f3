"""One day of a whole region in a warm process: seconds, processor seconds and peak memory of every step.

The first day named fills what later days find (rasters, compiled code, open models); the others are measured. On a
machine that has other work, processor seconds are what counts.

    python benchmarks/day.py DATA ARCHIVE 2019-06-10 2019-06-11 2019-06-12 [--region korea]
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.settings import export, load_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("days", type=dt.date.fromisoformat, nargs="+")
    parser.add_argument("--region", default="korea")
    given = parser.parse_args()
    export(load_settings(data=given.data, archive=given.archive))
    from flows.daily import daily
    from sm_core.domain import DailyRequest

    busy = watch_steps()
    for number, day in enumerate(given.days):
        busy.clear()
        begun, worked = time.perf_counter(), time.process_time()
        record = daily(DailyRequest(region_id=given.region, day=day, as_of=dt.datetime.now(dt.UTC)))
        seconds, processor = time.perf_counter() - begun, time.process_time() - worked
        print(f"\n{day}: {record.outcome}{'' if number else ' (first)'}\n")
        print("| step | seconds | processor seconds | peak memory [MB] |\n|---|---|---|---|")
        for step in record.steps:
            print(f"| {step.step} | {step.seconds:.2f} | {busy[step.step]:.2f} | {step.peak_mb:.0f} |")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| all | {seconds:.2f} | {processor:.2f} | {peak:.0f} |", flush=True)


def watch_steps() -> dict[str, float]:
    """Processor seconds of every step, all threads, from now on."""
    from tasks.runs import Run

    busy: dict[str, float] = {}
    measured = Run.step

    @contextmanager
    def step(self: Run, name: str) -> Iterator[None]:
        begun = time.process_time()
        with measured(self, name):
            yield
        busy[name] = time.process_time() - begun

    Run.step = step  # type: ignore[method-assign]
    return busy


if __name__ == "__main__":
    main()
