"""How many planted station faults quality control finds, and how many good readings it takes for faults.

A simulated world gives the truth at its stations; readings are made from it with noise but no fault; then each kind of
fault is planted at every station once, on its own. Run: python benchmarks/station_qc.py [--stations 24] [--years 3]
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Grid, Region, Station
from sm_core.qc import check_neighbours, check_series
from sm_core.sources.stations import StationSeries, rows
from sm_core.twin.spec import TwinSpec
from sm_core.twin.stations import PointTruth, Sites, place_stations, point_truth
from sm_core.twin.world import make_world

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
NOISE = {6: 0.005, 1: 0.001}
"""Noise of readings by their interval [h]; the former is the twin's own."""
STORM_RISE = 0.01


class Sensor(NamedTuple):
    series: StationSeries
    frozen: Mask


class Fault(NamedTuple):
    """A fault, what finds it, the sampling, and how it is planted: readings and generator to readings and what of them
    is wrong enough to be found."""

    name: str
    codes: tuple[str, ...]
    step: int
    plant: Callable[[Values, np.random.Generator, int], tuple[Values, Mask]]
    with_neighbours: bool = False


def world_of(stations: int, years: int) -> tuple[Sites, PointTruth]:
    grid = Grid.from_origin("qc", west=127.0, north=37.0, resolution=0.01, width=80, height=80)
    roles = {"ndvi_fine": ("MOD13A2.061",), "ndvi_coarse": ("GLASS13B01.V10",), "lst_fine": ("MOD11A1.061",),
             "lst_coarse": ("GLASS08B31.V40",), "ssm_coarse": ("GLEAM_v4.2a.SMs",),
             "rzsm_coarse": ("GLEAM_v4.2a.SMrz",)}
    layers = ("elevation", "slope", "clay", "sand", "land_cover", "land")
    region = Region.model_validate({
        "region_id": "qc", "title": "Stations", "grid": grid, "tiles": ("h28v05",), "roles": roles,
        "statics": {name: f"static/{name}.tif" for name in layers}, "admin_units": "static/admin_units.geojson",
    })
    start = dt.date(2018, 1, 1)
    spec = TwinSpec(region=region, start=start, end=dt.date(start.year + years - 1, 12, 31), record_start=start,
                    seed=11, stations=stations)
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(spec, Path(folder))
        sites = place_stations(world)
        return sites, point_truth(world, sites)


def sensors(sites: Sites, truth: PointTruth, step: int) -> list[Sensor]:
    """Faultless readings at 5 cm every ``step`` hours."""
    storm = np.random.default_rng(3).integers(2, 20, truth.values.shape[2])
    found = []
    for number, (daily, frozen) in enumerate(zip(truth.values[:, 0].astype(float), truth.frozen, strict=True)):
        rng = np.random.default_rng((step, number))
        hours = storm + rng.integers(-2, 3, storm.size)
        before = np.append(daily[0], daily[:-1])
        clock = np.arange(24)
        fall = (clock + 1)[None, :] / 24
        rise = 1 / (1 + np.exp(-3.0 * (clock[None, :] - hours[:, None])))
        share = np.where((daily - before > STORM_RISE)[:, None], rise, fall)
        hourly = (before[:, None] + share * (daily - before)[:, None]).ravel()[::step]
        values = np.round(np.maximum(hourly + NOISE[step] * rng.standard_normal(hourly.size), 0), 4)
        times = pd.date_range(truth.first.isoformat(), periods=values.size, freq=f"{step}h")
        station = Station(station_id=f"Q{number}", network="Q", name=f"Q{number}", lon=float(sites.lon[number]),
                          lat=float(sites.lat[number]), depth_from_m=0.05, depth_to_m=0.05)
        found.append(Sensor(StationSeries(station, rows(times, values, "G", "")), np.repeat(frozen, 24 // step)))
    return found


def episode(rng: np.random.Generator, size: int, length: int) -> slice:
    begin = int(rng.integers(size // 4, max(size // 4 + 1, size - length)))
    return slice(begin, begin + length)


def spikes(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    at = np.sort(rng.choice(np.arange(50, x.size - 50, 10), 20, replace=False))
    wrong = np.zeros(x.size, np.bool_)
    wrong[at] = True
    return np.maximum(x + wrong * rng.uniform(0.06, 0.25, x.size), 0), wrong


def held(level: Callable[[Values, slice], float], days: tuple[int, int]) -> Callable[..., tuple[Values, Mask]]:
    def plant(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
        where = episode(rng, x.size, int(rng.integers(*days) * 24 // step))
        wrong, y = np.zeros(x.size, np.bool_), x.copy()
        wrong[where], y[where] = True, level(x, where)
        return y, wrong

    return plant


def wet_plateau(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    where = slice(x.size // 2, x.size // 2 + int(rng.integers(24, 96)))
    wrong, y = np.zeros(x.size, np.bool_), x.copy()
    wrong[where] = True
    y[where] = x.max() + 0.01 + 0.0002 * rng.standard_normal(where.stop - where.start)
    return y, wrong


def percent(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    where = episode(rng, x.size, 25 * 24 // step)
    y, wrong = x.copy(), np.zeros(x.size, np.bool_)
    y[where], wrong[where] = 100 * x[where], True
    return y, wrong


def drift(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    since = np.maximum(np.arange(x.size) - x.size // 3, 0) * step / (24 * 365.25)
    change = float(rng.choice((-1.0, 1.0))) * 0.10 * since
    return np.maximum(x + change, 0), np.abs(change) > 0.07


def jump(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    wrong = np.arange(x.size) >= int(rng.uniform(0.4, 0.8) * x.size)
    return np.maximum(x + wrong * float(rng.choice((-0.12, 0.12))), 0), wrong


def unrelated(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
    wrong = np.arange(x.size) >= x.size // 2
    return np.where(wrong, np.roll(x[::-1], 77 * 24 // step), x), wrong


def late(hours: int) -> Callable[..., tuple[Values, Mask]]:
    def plant(x: Values, rng: np.random.Generator, step: int) -> tuple[Values, Mask]:
        wrong = np.arange(x.size) >= x.size // 2
        return np.where(wrong, np.roll(x, hours // step), x), wrong

    return plant


FAULTS = (
    Fault("spike, 6-hourly", ("D06",), 6, spikes),
    Fault("spike, hourly", ("D06",), 1, spikes),
    Fault("stuck 4 to 20 days", ("STUCK",), 6, held(lambda x, w: float(x[w.start]), (4, 20))),
    Fault("per cent for 25 days", ("UNIT",), 6, percent),
    Fault("low plateau, 1 to 3 days, hourly", ("D07", "D09"), 1, held(lambda x, w: 0.02, (1, 4))),
    Fault("saturated plateau, 1 to 4 days, hourly", ("D10",), 1, wet_plateau),
    Fault("drift of 0.10 a year, beyond 0.07", ("DRIFT", "STEP"), 6, drift, True),
    Fault("step of 0.12", ("DRIFT", "STEP"), 6, jump, True),
    Fault("nothing in common with its neighbours", ("APART", "DRIFT", "STEP"), 6, unrelated, True),
    Fault("clock 48 h late, 6-hourly", ("CLOCK",), 6, late(48), True),
    Fault("clock 9 h late, hourly", ("CLOCK",), 1, late(9), True),
)


def found(fault: Fault, series: StationSeries) -> Mask:
    return series.values["qc"].str.contains("|".join(fault.codes)).to_numpy(bool)


def judged(fault: Fault, clean: list[Sensor], planted_at: list[int]) -> tuple[int, int]:
    """Planted readings, and how many of them are found."""
    planted = hits = 0
    for number in planted_at:
        sensor = clean[number]
        rng = np.random.default_rng((number, len(fault.name)))
        values, wrong = fault.plant(sensor.series.values["value"].to_numpy(float), rng, fault.step)
        broken = replace(sensor.series, values=sensor.series.values.assign(value=values))
        if fault.with_neighbours:
            others = [other.series for other in clean]
            others[number] = broken
            mark = found(fault, check_neighbours(others)[number])
        else:
            mark = found(fault, check_series(broken))
        planted += int(wrong.sum())
        hits += int((mark & wrong).sum())
    return planted, hits


def frost(clean: list[Sensor]) -> None:
    """Frozen soil reads low; the network flags 60 % of such readings."""
    hit = frozen = false = thawed = 0
    for number, sensor in enumerate(clean):
        rng = np.random.default_rng(number)
        table = sensor.series.values
        flagged = sensor.frozen & (rng.random(len(table)) < 0.6)
        values = np.where(sensor.frozen, 0.55, 1.0) * table["value"]
        series = replace(sensor.series, values=table.assign(value=values, flag=np.where(flagged, "D03", "G")))
        mark = check_series(series).values["qc"].str.contains("FROST|N").to_numpy(bool)
        hit, frozen = hit + int((mark & sensor.frozen & ~flagged).sum()), frozen + int((sensor.frozen & ~flagged).sum())
        false, thawed = false + int((mark & ~sensor.frozen).sum()), thawed + int((~sensor.frozen).sum())
    print(f"| frozen readings that the network did not flag | FROST | {frozen} | {100 * hit / max(frozen, 1):.1f} % | "
          f"{100 * false / thawed:.2f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=24)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--broken", type=int, default=8, help="stations at which faults seen by neighbours are planted")
    options = parser.parse_args()
    begun = time.perf_counter()
    sites, truth = world_of(options.stations, options.years)
    clean = {step: sensors(sites, truth, step) for step in (6, 1)}
    print(f"{options.stations} stations, {options.years} years; world {time.perf_counter() - begun:.0f} s\n")
    untouched = {step: check_neighbours([one.series for one in clean[step]]) for step in clean}
    print("| planted fault | code | wrong readings | found | good readings marked |\n|---|---|---|---|---|")
    for fault in FAULTS:
        at = list(range(options.stations))[:options.broken if fault.with_neighbours else None]
        planted, hits = judged(fault, clean[fault.step], at)
        marked = [found(fault, one) for one in untouched[fault.step]]
        false = sum(int(mark.sum()) for mark in marked) / sum(mark.size for mark in marked)
        print(f"| {fault.name} | {', '.join(fault.codes)} | {planted} | {100 * hits / planted:.1f} % | "
              f"{100 * false:.2f} % |", flush=True)
    frost(clean[6])
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
