"""Sixteen days of a small region, published once for all tests of the page."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sm_core.domain import Grid
from tasks.settings import load_settings
from tasks.web.limits import Limits
from tasks.web.serve import server
from tasks.wiring import Services
from tests.web.world import World

GRID = Grid.from_origin("tiny", west=127.0, north=37.0, resolution=0.01, width=80, height=60)
FIRST = dt.date(2019, 5, 1)
DAYS = 16
REVISED = FIRST + dt.timedelta(days=8)


def values_of(number: int) -> dict[str, np.ndarray]:
    """Wetter to the south and from day to day; the westernmost five columns are water."""
    row, column = np.mgrid[0:GRID.height, 0:GRID.width]
    water = column < 5
    surface = np.where(water, np.nan, 0.10 + 0.002 * row + 0.002 * number)
    percentile = np.where(water, np.nan, 1.0 + column + 0.1 * number)
    flags = np.where(water, 64, np.where(row < 10, 1, 0)) | np.where(column > 70, 128, 0)
    sigma = np.where(water, np.nan, 0.02)
    return {
        "sm_surface": surface, "sm_rootzone": surface + 0.05, "sm_surface_uncertainty": sigma,
        "sm_rootzone_uncertainty": sigma / 2, "percentile_sm_surface": percentile, "percentile_sm_rootzone": percentile,
        "qa_flags": flags.astype(np.uint16),
    }


@dataclass(frozen=True)
class Site:
    """A running server and the folder that it serves."""

    url: str
    port: int
    data: Path
    services: Services


def build(data: Path) -> World:
    world = World(data, GRID, title="Tiny", units="static/units.geojson")
    world.write_units({"West": (127.0, 36.4, 127.4, 37.0), "East": (127.4, 36.4, 127.8, 37.0)})
    days = [FIRST + dt.timedelta(days=n) for n in range(DAYS)]
    seen = np.array([0.10 + 0.002 * 30 + 0.002 * n for n in range(DAYS)])
    world.write_station("S1", 127.405, 36.695, days, seen)
    world.write_station("S2", 127.705, 36.495, days, seen + 0.01)
    world.write_report(days[0], days[-1])
    for number, day in enumerate(days):
        maturity = "provisional" if number >= DAYS - 3 else "final"
        world.publish(day, values_of(number), maturity=maturity, stations=("N_S1", "N_S2"))
    world.publish(REVISED, values_of(9), stations=("N_S1", "N_S2"))
    return world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("web") / "data")


@pytest.fixture(scope="session")
def site(world: World) -> Iterator[Site]:
    here = Services(load_settings(data=world.data, regions=world.regions))
    running = server(here, "127.0.0.1", 0, limits=Limits(connections=60, silent_seconds=1.0, tile_cache_bytes=1 << 20))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield Site(f"http://127.0.0.1:{port}", port, world.data, here)
    running.should_exit = True
    thread.join(10)
