"""What a sweep costs where twenty years of dates are looked after: the table of states without fetching."""

from __future__ import annotations

import datetime as dt
import random
import time
from pathlib import Path

from sm_core.domain import Granule, load_region
from tasks.due import DAY, Known, PastRun, decide, holdings

FIRST, DAYS = dt.date(2006, 1, 1), 7300
DAILY = ("MOD11A1.061", "MYD11A1.061", "SPL4SMGP.008", "GLASS08B31.V40")


def main() -> None:
    """Prints seconds."""
    region = load_region(Path(__file__).parents[1] / "deployments" / "regions" / "korea.yaml")
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    days = [FIRST + n * DAY for n in range(DAYS)]
    draw = random.Random(1)
    files = [Granule(source_id=name, start=day, end=day, tile=tile, uri=f"/{name}/{day}/{tile}", size=1,
                     sha256=f"{draw.getrandbits(256):064x}")
             for name in DAILY for day in days for tile in region.tiles[:5]]
    begun = time.perf_counter()
    held = holdings(region, files, days, now)
    summed = time.perf_counter()
    for day in days:
        run = PastRun(run_id="a", day=day, as_of=now, finished=now, outcome="published", reason="", held=held[day],
                      code_version="1", maturity="final", item_id="i")
        decide(Known(day=day, runs=(run,), held=held[day], code_version="1"), region.upkeep, now)
    ended = time.perf_counter()
    print(f"{len(files)} files, {len(days)} dates: {summed - begun:.1f} s for what is held, "
          f"{ended - summed:.1f} s for the decisions")


if __name__ == "__main__":
    main()
