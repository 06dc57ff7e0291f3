"""``make soak``: simulated days with faults and kills end as the same days without."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.soak.compare import compare
from benchmarks.soak.daemon import TARGETS, InProcess, Served, Target, environment
from benchmarks.soak.world import DAY, FIRST, SoakWorld, world
from tasks.hosts.clock import Clock
from tasks.hosts.exports import settings_for
from tasks.hosts.faults import Fault, random_faults
from tasks.hosts.serve import SimulatedHosts

STEPS = (14, 22, 6, 18, 10, 2)
"""Hours (UTC) of the sweeps of a day, the first so many of them."""
SETTLING = 3
"""Sweeps at the end, an hour apart."""


def moments(asked: argparse.Namespace) -> Iterator[dt.datetime]:
    """When sweeps take place: every day but those in the middle, and a few more until all dates have settled."""
    days, off = asked.days, range(asked.days // 2, asked.days // 2 + asked.off)
    for day in range(1, days + 1):
        if day not in off:
            yield from (at(day, hour) for hour in sorted(STEPS[:asked.sweeps]))
    yield from (at(days + day, 14) for day in asked.after)
    yield from (at(days + asked.after[-1], 14 + n) for n in range(1, SETTLING + 1))


def at(day: int, hour: int) -> dt.datetime:
    return dt.datetime.combine(FIRST + day * DAY, dt.time(hour), dt.UTC)


def published(days: int) -> tuple[Fault, ...]:
    """What happens to the data themselves, whoever fetches them: one is revised, one withdrawn, one source ends."""
    ended = (Fault(kind="withdrawn", path=f"MOD11A1.A{FIRST + n * DAY:%Y%j}.*", days=0.001)
             for n in range(days // 2, days + 40))
    return (Fault(kind="revised", path=f"MOD11A1.A{FIRST + DAY:%Y%j}.*", days=4),
            Fault(kind="withdrawn", path=f"MOD11A1.A{FIRST + 2 * DAY:%Y%j}.*", days=5), *ended)


def live(made: SoakWorld, folder: Path, asked: argparse.Namespace, *, hard: bool) -> None:
    """A life: hard with server, worker, faults and kills, else the reference."""
    days, seed, planned = asked.days, asked.seed, _plan(asked) if hard else {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    clock, told = Clock(at(1, 0), 1.0), folder / "clock"
    _set(clock, told, at(1, 0))
    latencies = {name: (at(days + asked.after[0] - 1, 0) - dt.datetime(FIRST.year + 1, 1, 1, tzinfo=dt.UTC))
                 for name in ("GLEAM_v4.2a.SMs", "GLEAM_v4.2a.SMrz")}
    latencies |= dict.fromkeys(("GLASS08B31.V40", "GLASS13B01.V10"), 2 * DAY)
    script = (*published(days), *(random_faults(asked.faults, 1.0) if hard else ()))
    steps, begun = [], time.monotonic()
    with SimulatedHosts(made.archive, clock, script, seed=seed, latencies=latencies) as hosts, ExitStack() as ending:
        settings = environment(made, folder / "data", settings_for(hosts.urls, hosts.accounts) |
                               {"SM_CLOCK": str(told)})
        daemon: InProcess | Served = Served(settings, seed) if hard else InProcess(settings)
        ending.callback(daemon.close)
        before = at(1, 0)
        for number, now in enumerate(moments(asked)):
            if now - before > asked.off * DAY:
                daemon.pause()
                daemon.resume()
            _set(clock, told, now)
            runs = daemon.sweep(planned.get(number)) if isinstance(daemon, Served) else daemon.sweep()
            steps.append({"now": now.isoformat(), "runs": runs, "s": round(time.monotonic() - begun)})
            print(json.dumps(steps[-1] | {"kill": planned.get(number)}), flush=True)
            before = now
        report = {
            "runs": sum(step["runs"] for step in steps), "seconds": round(time.monotonic() - begun),
            "requests": len(hosts.exchanges), "faults met": sum(bool(one.fault) for one in hosts.exchanges),
        }
        if isinstance(daemon, Served):
            report |= {"killed": dict(daemon.killed), "unfinished": daemon.unfinished(), "states": daemon.states(),
                       "memory": daemon.memory}
    (folder / "life.json").write_text(json.dumps(report | {"steps": steps}, indent=1))


def _plan(asked: argparse.Namespace) -> dict[int, Target]:
    """Which sweep is hit by what: every kind in turn, at sweeps drawn at random."""
    sweeps = range(1, len(list(moments(asked))) - SETTLING)
    drawn = sorted(random.Random(asked.seed).sample(sweeps, min(asked.kills, len(sweeps))))
    return {number: TARGETS[n % len(TARGETS)] for n, number in enumerate(drawn)}


def _set(clock: Clock, told: Path, now: dt.datetime) -> None:
    partial = told.with_suffix(".new")
    partial.write_text(now.isoformat())
    partial.replace(told)
    clock.move_to(now)


def main() -> None:
    """Two lives, then what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweeps", type=int, default=2, help="in a day")
    parser.add_argument("--off", type=int, default=3, help="days that the machine is off, in the middle")
    parser.add_argument("--after", type=int, nargs="+", default=(9, 18),
                        help="days after the last one with sweeps; GLEAM comes before the first of them")
    parser.add_argument("--window", type=int, default=5, help="days")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--faults", type=float, default=0.1, help="share of requests that meet misbehaviour")
    parser.add_argument("--folder", type=Path, default=Path("data/soak"))
    parser.add_argument("--only", choices=("hard", "plain", "compare"))
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    made = world(folder / "world", max(asked.days, 60), window=asked.window, refreshed=asked.after[-1] - 1)
    if asked.only in (None, "plain"):
        live(made, folder / "plain", asked, hard=False)
    if asked.only in (None, "hard"):
        live(made, folder / "hard", asked, hard=True)
    if asked.only in (None, "compare"):
        found = compare(made, folder / "plain" / "data", folder / "hard" / "data", asked.days)
        (folder / "report.json").write_text(json.dumps(found, indent=1))
        print(json.dumps(found, indent=1))
        raise SystemExit(1 if found["troubles"] else 0)


if __name__ == "__main__":
    main()
