"""A tiny folder of granules under their providers' names, and hosts that give it away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from sm_core.domain import Station
from sm_core.twin.writers.ismn import write_ismn_header_values
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts

NOW = dt.datetime(2019, 6, 20, 12, tzinfo=dt.UTC)
HDF4, HDF5 = b"\x0e\x03\x13\x01", b"\x89HDF\r\n\x1a\n"
NAMES = (
    "MOD11A1.A2019160.h27v05.061.2019161090000.hdf",  # 9 June, produced 10 June 09:00
    "MOD11A1.A2019160.h28v05.061.2019161090000.hdf",
    "MOD11A1.A2019161.h28v05.061.2019162090000.hdf",
    "MOD11A1.A2019162.h28v05.061.2019163090000.hdf",
    "MOD13A2.A2019145.h28v05.061.2019164080000.hdf",  # 25 May to 9 June
    "VJ121A1D.A2019160.h28v05.002.2019161100000.h5",
    "SMAP_L4_SM_gph_20190609T013000_Vv8010_001.h5",
    "GLASS06A01.V01.A2018001.h28v05.2019010.hdf",
    "GLASS08B31.V40.A2018002.2019010.hdf",
    "GLASS08B31.V40.A2018003.2021259.hdf",  # not before September 2021
    "SMs_2017_GLEAM_v4.2a.nc",
    "SMs_2018_GLEAM_v4.2a.nc",
    "SMs_2019_GLEAM_v4.2a.nc",  # not before April 2020
)
Serve = Callable[..., SimulatedHosts]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        head = HDF4 if name.endswith(".hdf") else HDF5
        (folder / name).write_bytes(head + bytes((number + n) % 251 for n in range(40_000)))
    _write_stations(folder / "stations")
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def serve(archive: Path, clock: Clock) -> Iterator[Serve]:
    """Start hosts with faults; they stop with the test."""
    with ExitStack() as running:
        def start(*faults: Fault, root: Path = archive, **options: Any) -> SimulatedHosts:
            return running.enter_context(SimulatedHosts(root, clock, faults, **options))

        yield start


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture
def search(session: requests.Session) -> Callable[..., requests.Response]:
    """Granule search with ready-made parameters."""
    def granules(hosts: SimulatedHosts, *more: tuple[str, str], short_name: str = "MOD11A1",
                 headers: dict[str, str] | None = None) -> requests.Response:
        return session.get(f"{hosts.urls.cmr}/granules.umm_json", params=[("short_name", short_name), *more],
                           headers=headers, timeout=10)

    return granules


def _write_stations(folder: Path) -> None:
    times = pd.date_range("2019-04-30 15:00", "2019-06-20 09:00", freq="6h", name="time")
    for number in range(3):
        for depth in (0.05, 0.10):
            station = Station(
                station_id=f"N/S{number}/{depth}", network="N", name=f"S{number}", lon=127.0 + number, lat=36.5,
                elevation_m=10.0, depth_from_m=depth, depth_to_m=depth, sensor="probe",
            )
            values: Sequence[float] = [0.2 + 0.01 * number + depth / 10 + 0.0001 * (n // 4) for n in range(len(times))]
            rows = pd.DataFrame({"value": values, "flag": "G", "provider_flag": "M"}, index=times)
            hole = (rows.index >= "2019-05-09 15:00") & (rows.index < "2019-05-10 15:00") & (number == 1)
            write_ismn_header_values(folder, station=station, values=rows[~hole])
