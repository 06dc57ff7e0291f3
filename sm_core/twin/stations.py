"""Soil-moisture stations: where they stand, what their points would show, and what their sensors make of it.

A point is not a cell: it has its own offset, gain and short-lived departures (representativeness error). Sensors add
noise and faults, of which only some are flagged.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Station
from sm_core.twin.fields import Floats, generator
from sm_core.twin.terrain import CROP, GRASS, MOSAIC, Terrain
from sm_core.twin.world import World

NETWORK = "TWIN"
DEPTHS_M = (0.05, 0.10, 0.30, 0.60, 0.90)
DEPTH_WEIGHTS = (0.075, 0.125, 0.25, 0.30, 0.25)
"""Layer thicknesses between the midpoints of the depths, of 1 m; the last layer reaches down to 1 m."""
SENSORS = ("Hydraprobe", "5TM", "CS655")
HOURS = (0, 6, 12, 18)

PREFERENCE = ((CROP, 1.0), (MOSAIC, 0.6), (GRASS, 0.6))
OTHER_PREFERENCE = 0.12
"""How much rather a station stands on crops than in a wood: real networks prefer lowland fields."""
APART_KM = 3.0
OFFSET_SD, SHARED_OFFSET = 0.05, 0.7
"""Static departure of a point from its cell [m3 m-3]; its share common to all depths (its square in variance)."""
GAIN_LOG_SD = 0.2
RESIDUAL_SD = (0.026, 0.022, 0.014, 0.010, 0.008)
"""Dynamic departure by depth [m3 m-3]; typical .02-.03 at the surface."""
RESIDUAL_MEMORY_DAYS = (3.0, 10.0)
DEPTH_LAG_DAYS, DEPTH_CONTRAST = 20.0, 0.35
NOISE_SD = 0.005
FROZEN_RESPONSE = 0.55
"""A frozen sensor reads the unfrozen rest of the water only."""
FROST_DEPTHS = 2

SPIKE_SHARE, SPIKE_SIZE = 0.0012, (0.06, 0.25)
STUCK_SHARE, STUCK_DAYS = 0.08, (4, 20)
DRIFT_SHARE, DRIFT_PER_YEAR = 0.06, 0.05
OUTAGE_SHARE, OUTAGE_DAYS = 0.3, (5, 60)
UNIT_FLIP_DAYS = 25
FLAGGED_SHARE = 0.6
"""Share of spikes and frozen readings that carry a flag; other faults pass as good."""


class Sites(NamedTuple):
    """Where stations stand: index of the land cell, and coordinates [degrees]. (stations,)"""

    cell: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    elevation: Floats

    def name(self, number: int) -> str:
        """Name of a station, TW001 for the first."""
        return f"TW{number + 1:03d}"


class PointTruth(NamedTuple):
    """What faultless, noiseless sensors at the points would show, daily means [m3 m-3]. (stations, depths, days)"""

    first: dt.date
    values: Floats
    frozen: NDArray[np.bool_]


class SensorSeries(NamedTuple):
    """The record of one sensor: readings at 00, 06, 12, 18 UTC with columns value, flag, provider_flag."""

    station: Station
    values: pd.DataFrame


def place_stations(world: World) -> Sites:
    """Sites of the spec's number of stations, on land, at least 3 km apart where there is room."""
    terrain, land = world.terrain, world.terrain.land
    rng = generator(world.spec.seed, "sites")
    preference = _preference(terrain)[land]
    rank = np.argsort(-rng.random(len(preference)) ** (1.0 / preference))
    kilometres = np.stack([world.lat * 111.2, world.lon * 111.2 * np.cos(np.deg2rad(world.lat))], axis=1)
    chosen: list[int] = []
    for distance in (APART_KM, 0.0):
        for cell in rank:
            if len(chosen) == world.spec.station_count:
                break
            gap = np.hypot(*(kilometres[chosen] - kilometres[cell]).T) if chosen else np.array([np.inf])
            if gap.min() > distance:
                chosen.append(int(cell))
    cells = np.array(chosen)
    return Sites(cells, world.lon[cells], world.lat[cells], terrain.elevation[land][cells])


def point_truth(world: World, sites: Sites) -> PointTruth:
    """Daily truth at the points, from the spec's start to its end.

    The profile keeps both truths: 5 cm follows 0-10 cm, and the weighted mean of all depths follows 0-100 cm; below
    20 cm, moisture arrives later and varies less with depth.
    """
    days = [world.spec.start + dt.timedelta(days=n) for n in range((world.spec.end - world.spec.start).days + 1)]
    upper, root = (
        np.stack([world.soil_moisture(layer, day)[sites.cell] for day in days], axis=1)
        for layer in ("sm_surface", "sm_rootzone")
    )
    profile = _profile(upper, (root - 0.1 * upper) / 0.9)
    rng = generator(world.spec.seed, "representativeness")
    count = len(sites.cell)
    offset = OFFSET_SD * (SHARED_OFFSET * rng.standard_normal((count, 1))
                          + np.sqrt(1 - SHARED_OFFSET**2) * rng.standard_normal((count, len(DEPTHS_M))))
    gain = np.exp(GAIN_LOG_SD * rng.standard_normal((count, 1)))
    mean = profile.mean(axis=2, keepdims=True)
    values = mean + offset[:, :, None] + gain[:, :, None] * (profile - mean) + _residual(rng, profile.shape)
    most = world.soil.saturation[sites.cell][:, None, None] + 0.02
    frozen = np.stack([world.frozen(day)[sites.cell] for day in days], axis=1)
    return PointTruth(world.spec.start, np.asarray(np.clip(values, 0.02, most), np.float32), frozen)


def sensor_records(world: World, sites: Sites, truth: PointTruth) -> list[SensorSeries]:
    """What all sensors report: one record per station and depth, missing readings left out."""
    flipped = int(generator(world.spec.seed, "unit flip").integers(len(sites.cell)))
    records = []
    for number in range(len(sites.cell)):
        for depth in range(len(DEPTHS_M)):
            rng = generator(world.spec.seed, "sensor", number, depth)
            frozen = truth.frozen[number] & (depth < FROST_DEPTHS)
            readings = _readings(truth.values[number, depth], frozen, rng)
            faulty = _with_faults(readings, rng, flip=(number, depth) == (flipped, 0))
            index = _reading_times(truth.first, len(frozen))
            records.append(SensorSeries(_station(sites, number, depth), faulty.set_index(index).dropna()))
    return records


def _preference(terrain: Terrain) -> Floats:
    preference = np.full(terrain.land.shape, OTHER_PREFERENCE)
    for cover, weight in PREFERENCE:
        preference[terrain.land_cover == cover] = weight
    return np.asarray(preference * np.exp(-np.nan_to_num(terrain.elevation) / 400.0), np.float32)


def _profile(upper: Floats, lower: Floats) -> Floats:
    """Daily moisture at the depths; 0.075, 0.125, 0.25, 0.3, 0.25 of it are 0.1 upper and 0.9 lower bucket."""
    slow = np.empty_like(lower)
    slow[:, 0] = lower.mean(axis=1)
    for day in range(1, lower.shape[1]):
        slow[:, day] = slow[:, day - 1] + (lower[:, day] - slow[:, day - 1]) / DEPTH_LAG_DAYS
    contrast = DEPTH_CONTRAST * (lower - slow)
    layers = (upper, 0.2 * upper + 0.8 * lower, lower + contrast, lower, lower - contrast)
    return np.stack(layers, axis=1)


def _residual(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    stations, depths, days = shape
    memory = np.exp(-1.0 / rng.uniform(*RESIDUAL_MEMORY_DAYS, (stations, 1)))
    noise = rng.standard_normal((stations, depths, days))
    for day in range(1, days):
        noise[:, :, day] = memory * noise[:, :, day - 1] + np.sqrt(1.0 - memory**2) * noise[:, :, day]
    return np.array(RESIDUAL_SD)[:, None] * noise


def _readings(daily: Floats, frozen: NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    """Four readings a day whose mean is the daily value, lower where frozen."""
    trend = np.gradient(daily) if len(daily) > 1 else np.zeros_like(daily)
    course = (np.array(HOURS) - np.mean(HOURS)) / 24.0
    values = daily[:, None] + 0.5 * trend[:, None] * course
    values = np.where(frozen[:, None], FROZEN_RESPONSE * values, values).ravel()
    values += NOISE_SD * rng.standard_normal(len(values))
    icy = np.repeat(frozen, len(HOURS)) & (rng.random(len(values)) < FLAGGED_SHARE)
    flag = np.where(icy, "D03", "G")
    return pd.DataFrame({"value": np.maximum(values, 0.0), "flag": flag, "provider_flag": "M"})


def _with_faults(readings: pd.DataFrame, rng: np.random.Generator, *, flip: bool) -> pd.DataFrame:
    value, flag = readings["value"].to_numpy(copy=True), readings["flag"].to_numpy(copy=True)
    count, per_day = len(value), len(HOURS)
    if rng.random() < DRIFT_SHARE:
        since = np.maximum(np.arange(count) - rng.integers(count), 0) / (365.25 * per_day)
        value += rng.choice((-1.0, 1.0)) * DRIFT_PER_YEAR * since
    spikes = rng.random(count) < SPIKE_SHARE
    value += spikes * rng.uniform(*SPIKE_SIZE, count)
    flag[spikes & (rng.random(count) < FLAGGED_SHARE)] = "D06"
    if rng.random() < STUCK_SHARE:
        stuck = _episode(rng, count, per_day * int(rng.integers(*STUCK_DAYS)))
        value[stuck] = value[stuck.start]
    if flip:
        value[_episode(rng, count, per_day * UNIT_FLIP_DAYS)] *= 100.0
    value, flag = np.round(np.maximum(value, 0.0), 4), np.where(value > 0.6, "C02", flag)
    if flip:
        flag[value > 1.0] = "G"
    if rng.random() < OUTAGE_SHARE:
        value[_episode(rng, count, per_day * int(rng.integers(*OUTAGE_DAYS)))] = np.nan
    return readings.assign(value=value, flag=flag)


def _episode(rng: np.random.Generator, count: int, length: int) -> slice:
    begin = int(rng.integers(max(1, count - length)))
    return slice(begin, begin + length)


def _reading_times(first: dt.date, days: int) -> pd.DatetimeIndex:
    start = np.datetime64(first, "ns")
    hours = (24 * np.arange(days)[:, None] + np.array(HOURS)).ravel()
    return pd.DatetimeIndex(start + hours * np.timedelta64(3_600_000_000_000, "ns"), name="time")


def _station(sites: Sites, number: int, depth: int) -> Station:
    name, metres = sites.name(number), DEPTHS_M[depth]
    return Station(
        station_id=f"{NETWORK}/{name}/{metres:.2f}", network=NETWORK, name=name, lon=round(float(sites.lon[number]), 5),
        lat=round(float(sites.lat[number]), 5), elevation_m=round(float(sites.elevation[number]), 1),
        depth_from_m=metres, depth_to_m=metres, sensor=SENSORS[number % len(SENSORS)],
    )
