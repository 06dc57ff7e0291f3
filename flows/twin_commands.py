"""``sm-daily twin``: a simulated world as an archive, and the providers' hosts that give it away."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.entry import RegionOption, enter, moment, out, progress, to_day
from tasks.clock import utc_now
from tasks.settings import fetch_from

FIRST_PORT = 8700
WAIT_S = "1800"
"""A simulated host makes its granules before it answers."""


class TwinGroup(TyperGroup):
    """``sm-daily twin DIR`` is ``sm-daily twin make DIR``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)


twin_app = typer.Typer(cls=TwinGroup, no_args_is_help=True, help="A simulated world: its archive, and its providers.")


@twin_app.command()
def make(
    directory: Annotated[Path, typer.Argument(help="Folder to make the simulated archive in.")],
    region: RegionOption = "demo",
    start: Annotated[str, typer.Option(help="First day with fine observations.")] = "2018-01-01",
    end: Annotated[str, typer.Option(help="Last day.")] = "2019-12-31",
    record_start: Annotated[str, typer.Option(help="First day of the long coarse record.")] = "1999-01-01",
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    stations: Annotated[int | None, typer.Option(min=1, help="Number of stations [default: by area].")] = None,
    everything: Annotated[bool, typer.Option(help="Write all granules now, not when they are wanted.")] = False,
) -> None:
    """Make a simulated world with a known 1-km truth, as an archive in the providers' native formats."""
    region_id = enter(region, None, None)
    make_twin(directory, region_id, to_day(start), to_day(end), to_day(record_start), seed, stations)
    if everything:
        _materialise_all(directory, region_id, to_day(start), to_day(end))
    out.print(f"A simulated archive is in [bold]{directory}[/]. Next: sm-daily train --region {region} "
              f"--archive {directory}")


@twin_app.command()
def serve(
    directory: Annotated[Path, typer.Argument(help="A simulated archive, or any folder of native files.")],
    port: Annotated[int, typer.Option(min=0, max=65527, help="First of eight ports; 0: any free ones.")] = FIRST_PORT,
    now: Annotated[str | None, typer.Option(help="Simulated time at the start, UTC [default: the real one].")] = None,
    speed: Annotated[float, typer.Option(min=0, help="Simulated seconds in a real one.")] = 1.0,
    faults: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that meet misbehaviour.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of chances.")] = 0,
) -> None:
    """Run the providers' hosts on the loopback until interrupted; prints the settings that lead to them."""
    from tasks.hosts.clock import Clock
    from tasks.hosts.exports import settings_for, station_settings_for
    from tasks.hosts.faults import random_faults
    from tasks.hosts.serve import SimulatedHosts

    clock = Clock(moment(now) or utc_now(), speed)
    script = random_faults(faults) if faults else ()
    with SimulatedHosts(directory, clock, script, seed=seed, first_port=port) as hosts:
        told = settings_for(hosts.urls, hosts.accounts) | station_settings_for(hosts.urls, hosts.accounts)
        for name, value in (told | {"SM_STATICS": str(directory.resolve())}).items():
            out.file.write(f"export {name}='{value}'\n")
        out.file.flush()
        threading.Event().wait()


def make_twin(
    directory: Path, region_id: str, start: dt.date, end: dt.date, record: dt.date, seed: int,
    stations: int | None = None,
) -> None:
    """Make a world for a region, or complete one."""
    from sm_core.twin.archive import create
    from sm_core.twin.spec import TwinSpec
    from tasks.wiring import services

    region = services().region(region_id)
    create(TwinSpec(region=region, start=start, end=end, record_start=record, seed=seed, stations=stations), directory)


@contextmanager
def simulated_providers(directory: Path, processes: int) -> Iterator[None]:
    """Hosts over a simulated archive, to which this process's clients are led; its station files are "dropped"."""
    from tasks.hosts.clock import Clock
    from tasks.hosts.exports import settings_for
    from tasks.hosts.serve import SimulatedHosts

    with SimulatedHosts(directory, Clock(utc_now(), 1.0), processes=processes) as hosts:
        root = directory.resolve()
        fetch_from(settings_for(hosts.urls, hosts.accounts) | {
            "SM_DROP_FOLDER": str(root / "stations"), "SM_DROP_SETTLED_S": "0", "SM_STATICS": str(root),
            "SM_READ_TIMEOUT_S": WAIT_S,
        })
        yield


def _materialise_all(directory: Path, region_id: str, start: dt.date, end: dt.date) -> None:
    from sm_core.sources.matching import wanted_periods
    from tasks.adapters.mirror import open_archive
    from tasks.wiring import services

    here = services()
    sources = {source_id for source_id, _, _ in wanted_periods(here.region(region_id), start)}
    with progress("Writing granules"):
        open_archive(directory, here.settings.processes).prepare([(s, start, end) for s in sorted(sources)])
