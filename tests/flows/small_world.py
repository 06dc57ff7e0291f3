"""A folder of tiny but whole native files, hosts that give it away, and a daemon that fetches it by simulated days."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from sm_core.domain import Station
from sm_core.twin.writers.ismn import write_ismn_header_values
from tasks.adapters.fetch.configured import open_clients
from tasks.adapters.fetch.download import Downloader
from tasks.adapters.fetch.store import Store
from tasks.adapters.fetch.synchronise import Synchroniser
from tasks.adapters.fetch.wanted import SourceReport, Wanted
from tasks.adapters.fetched import is_tiled
from tasks.adapters.ledger import Ledger
from tasks.hosts.clock import Clock
from tasks.hosts.exports import settings_for, station_settings_for
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts
from tasks.settings_sources import SourceSettings
from tests.unit.loopback import granule

FIRST = dt.date(2019, 6, 1)
DAY = dt.timedelta(days=1)
WINDOW = dt.timedelta(days=30)
GRANULES = ("MOD11A1.061", "MOD13A2.061", "VJ121A1D.002", "SPL4SMGP.008", "GLASS08B31.V40", "GLEAM_v4.2a.SMs")
STATIONS = ("RDA", "USCRN.daily01")


def make_archive(folder: Path, days: int = 60) -> Path:
    """``days`` of granules from ``FIRST`` on, each published the next morning, and two stations."""
    folder.mkdir(parents=True)
    for number in range(-1, days):
        day, next_day = FIRST + number * DAY, FIRST + (number + 1) * DAY
        stamp, produced = f"A{day:%Y%j}", f"{next_day:%Y%j}"
        (folder / f"MOD11A1.{stamp}.h28v05.061.{produced}090000.hdf").write_bytes(granule(6000, seed=number + 1))
        (folder / f"VJ121A1D.{stamp}.h28v05.002.{produced}100000.h5").write_bytes(hdf5(number))
        (folder / f"SMAP_L4_SM_gph_{day:%Y%m%d}T013000_Vv8010_001.h5").write_bytes(hdf5(1000 + number))
        if number % 16 == 0:
            done = f"{day + 17 * DAY:%Y%j}080000"
            (folder / f"MOD13A2.{stamp}.h28v05.061.{done}.hdf").write_bytes(granule(9000, seed=500 + number))
        if number % 10 == 0:
            (folder / f"GLASS08B31.V40.{stamp}.{day + 3 * DAY:%Y%j}.hdf").write_bytes(granule(5000, seed=900 + number))
    for year in (2017, 2018):
        (folder / f"SMs_{year}_GLEAM_v4.2a.nc").write_bytes(hdf5(year))
    _write_stations(folder / "stations", days)
    return folder


def hdf5(seed: int) -> bytes:
    """A small HDF5 file."""
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file["values"] = np.random.default_rng(abs(seed)).integers(0, 255, 2000, np.uint8)
    return buffer.getvalue()


class Daemon:
    """What runs every simulated day, on its own data folder."""

    def __init__(self, data: Path, hosts: SimulatedHosts, **settings: Any) -> None:
        self.data, self.hosts = data, hosts
        self.clock = hosts.clock
        self.ledger = Ledger(f"sqlite:///{data}/ledger.db", data / "observations")
        self.store = Store(data / "fetched")
        self.pauses: list[float] = []
        told = settings_for(hosts.urls, hosts.accounts) | station_settings_for(hosts.urls, hosts.accounts)
        plain: dict[str, Any] = {name.removeprefix("SM_").lower(): value for name, value in told.items()}
        self.settings = SourceSettings(**(plain | {"read_timeout_s": 20} | settings))
        downloader = Downloader(self.store, 1 << 30, keep_free_bytes=0, sleep=self.pauses.append,
                                jitter=random.Random(1))
        self.synchroniser = Synchroniser(
            self.ledger, downloader, lambda: open_clients(self.settings, self.clock.now, self.pauses.append),
            self.clock.now,
        )

    def fetch(self, *source_ids: str, tiles: Sequence[str] = ("h28v05",)) -> dict[str, SourceReport]:
        """Fetch the last 30 days (of GLEAM two years) of these sources, or of all, as the clock stands."""
        today = self.clock.now().date()
        wants = [
            Wanted(source_id=name, first=dt.date(2017, 1, 1) if name.startswith("GLEAM") else today - WINDOW,
                   last=today, tiles=tuple(tiles) if is_tiled(name) else ())
            for name in source_ids or (*GRANULES, *STATIONS)
        ]
        return {report.source_id: report for report in self.synchroniser.fetch(wants)}

    def contents(self, *source_ids: str) -> dict[str, str]:
        """sha256 by name of the files in use."""
        used = self.ledger.granules(self.clock.now(), source_ids or None)
        return {Path(one.uri).name: one.sha256 for one in used}

    def observations(self) -> pd.DataFrame:
        """What is known of all stations now."""
        return self.ledger.observations(self.clock.now()).astype({"station_id": str, "layer": str, "flag": str,
                                                                  "provider_flag": str})

    def leftovers(self) -> list[Path]:
        """Unfinished, refused or temporary files."""
        files = [path for path in self.data.rglob("*") if path.is_file()]
        return [path for path in files if ".partial" in path.parts or ".quarantine" in path.parts
                or path.suffix in (".part", ".tmp")]


@contextmanager
def living(archive: Path, data: Path, faults: Sequence[Fault] = (), *, now: dt.datetime | None = None, seed: int = 0,
           hosts: Mapping[str, Any] | None = None, **settings: Any) -> Iterator[Daemon]:
    """Hosts and daemon; the clock stands at noon of the tenth day unless told otherwise."""
    clock = Clock(now or noon(10))
    with SimulatedHosts(archive, clock, faults, seed=seed, **(hosts or {})) as running:
        daemon = Daemon(data, running, **settings)
        try:
            yield daemon
        finally:
            daemon.ledger.close()


def noon(day: int) -> dt.datetime:
    """Noon, UTC, so many days after the first."""
    return dt.datetime.combine(FIRST + day * DAY, dt.time(12), dt.UTC)


def _write_stations(folder: Path, days: int) -> None:
    start = pd.Timestamp(FIRST) - pd.Timedelta(days=2, hours=9)
    times = pd.date_range(start, periods=4 * (days + 3), freq="6h", name="time")
    for number in range(2):
        for depth in (0.05, 0.10):
            station = Station(
                station_id=f"N/S{number}/{depth}", network="N", name=f"S{number}", lon=127.0 + number, lat=36.5,
                elevation_m=10.0, depth_from_m=depth, depth_to_m=depth, sensor="probe",
            )
            wave = np.sin(np.arange(len(times)) / 9 + number)
            rows = pd.DataFrame({"value": 0.25 + depth + 0.05 * wave, "flag": "G", "provider_flag": "M"}, index=times)
            write_ismn_header_values(folder, station=station, values=rows)
