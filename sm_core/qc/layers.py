"""From sensors at their depths to the two layers of the product, by station and UTC day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.qc.flags import check_series
from sm_core.sources.stations import StationSeries

LEAST_READINGS = 0.5
"""Share of a sensor's usual readings that a day needs."""
SURFACE_DEPTH_M, DEEPEST_SURFACE_M = 0.05, 0.10
MATCHING_DEPTH_M = 0.025
"""A surface sensor farther than this from 5 cm is marked as a mismatch [m]."""
LEAST_DAYS = 0.5
"""Share of the days of the best-served shallow depth that the surface sensor needs."""
ROOT_ZONE_M = 1.0
LEAST_WEIGHT = 0.7
COLUMNS = ("station_id", "lon", "lat", "day", "sm_surface", "sm_rootzone", "depth_mismatch")


def daily_layers(series: Sequence[StationSeries]) -> pd.DataFrame:
    """Daily means of both layers at every station.

    Parameters
    ----------
    series
        One for each sensor, checked by ``check_series`` or not yet; sensors of one network and station name belong
        together.

    Returns
    -------
    DataFrame ordered by station and day, a row for each day with a value in either layer: ``station_id``
    (network_name), ``lon``, ``lat`` [degrees], ``day`` (datetime64[ns], UTC), ``sm_surface``, ``sm_rootzone``
    [m3 m-3, NaN = unknown], ``depth_mismatch`` (bool: the surface sensor is not near 5 cm).

    Notes
    -----
    A sensor's day is the mean of its good readings when there are at least half as many as it usually takes. Sensors
    at one depth (to the cm) are averaged.

    Surface: the depth nearest 5 cm, down to 10 cm, that reports on at least half as many days as any of these.
    One depth for the whole series, so that no jump comes from a change of sensor.

    Root zone: mean over 0 to 100 cm, weighted by the thickness for which each depth stands. Boundaries lie midway
    between depths; the deepest stands down to its distance from the one above it, at most to 100 cm. Known where at
    least two depths and 70 % of the 100 cm are. Depths 5, 10, 20, 50, 100 cm weigh 7.5, 7.5, 20, 40 and 25 %;
    depths 10, 20, 30 cm reach to 40 cm only and give none.
    """
    sites: dict[tuple[str, str], list[StationSeries]] = defaultdict(list)
    for one in series:
        sites[one.station.network, one.station.name].append(one)
    tables = [_site_table(f"{network}_{name}", sites[network, name]) for network, name in sorted(sites)]
    empty = pd.DataFrame({
        "station_id": pd.Series(dtype="str"), "lon": pd.Series(dtype="float64"), "lat": pd.Series(dtype="float64"),
        "day": pd.Series(dtype="datetime64[ns]"), "sm_surface": pd.Series(dtype="float64"),
        "sm_rootzone": pd.Series(dtype="float64"), "depth_mismatch": pd.Series(dtype="bool"),
    })
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty


def root_zone_weights(depths_m: Sequence[float]) -> NDArray[np.float64]:
    """Share of the upper 100 cm for which each of several depths stands.

    Parameters
    ----------
    depths_m
        Centres of the sensors [m], ascending, at least two.

    Returns
    -------
    Weights [1], one for each depth; their sum is below 1 when the sensors do not reach down far enough.

    Examples
    --------
    >>> root_zone_weights([0.05, 0.10, 0.20, 0.50, 1.00]).round(3).tolist()
    [0.075, 0.075, 0.2, 0.4, 0.25]
    >>> root_zone_weights([0.10, 0.20, 0.30]).round(3).tolist()
    [0.15, 0.1, 0.15]
    """
    depths = np.asarray(depths_m, np.float64)
    between = (depths[:-1] + depths[1:]) / 2
    bottom = 2 * depths[-1] - depths[-2]
    boundaries = np.clip(np.concatenate([[0.0], between, [bottom]]), 0.0, ROOT_ZONE_M)
    weights: NDArray[np.float64] = np.diff(boundaries) / ROOT_ZONE_M
    return weights


@dataclass(frozen=True)
class _Daily:
    """Daily means of one or more sensors at one depth. (day,)"""

    day: NDArray[np.datetime64]
    value: NDArray[np.float64]


def _site_table(station_id: str, sensors: Sequence[StationSeries]) -> pd.DataFrame:
    at_depth: dict[float, list[_Daily]] = defaultdict(list)
    for sensor in sensors:
        daily = _daily(sensor)
        if daily.day.size:
            at_depth[round((sensor.station.depth_from_m + sensor.station.depth_to_m) / 2, 2)].append(daily)
    if not at_depth:
        return pd.DataFrame(columns=list(COLUMNS))
    days = np.unique(np.concatenate([daily.day for group in at_depth.values() for daily in group]))
    profile = {depth: _mean_of(at_depth[depth], days) for depth in sorted(at_depth)}
    surface, depth = _surface(profile, days.size)
    root_zone = _root_zone(profile, days.size)
    table = pd.DataFrame({
        "station_id": station_id, "lon": float(np.mean([s.station.lon for s in sensors])),
        "lat": float(np.mean([s.station.lat for s in sensors])), "day": days.astype("datetime64[ns]"),
        "sm_surface": surface, "sm_rootzone": root_zone,
        "depth_mismatch": depth is not None and abs(depth - SURFACE_DEPTH_M) > MATCHING_DEPTH_M,
    })
    return table[np.isfinite(surface) | np.isfinite(root_zone)]


def _daily(sensor: StationSeries) -> _Daily:
    table = sensor.values if "qc" in sensor.values else check_series(sensor).values
    value = table["value"].to_numpy(np.float64)
    good = (table["qc"] == "").to_numpy(bool)
    days, position = np.unique(table.index.to_numpy().astype("datetime64[D]"), return_inverse=True)
    readings = np.bincount(position, np.isfinite(value), days.size)
    if not readings.any():
        return _Daily(days[:0], value[:0])
    usual = float(np.median(readings[readings > 0]))
    count = np.bincount(position[good], minlength=days.size)
    total = np.bincount(position[good], value[good], days.size)
    enough = (count > 0) & (count >= LEAST_READINGS * usual)
    return _Daily(days[enough], total[enough] / count[enough])


def _mean_of(group: Sequence[_Daily], days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    total, count = np.zeros(days.size), np.zeros(days.size)
    for daily in group:
        position = np.searchsorted(days, daily.day)
        total[position] += daily.value
        count[position] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _surface(
    profile: Mapping[float, NDArray[np.float64]], size: int
) -> tuple[NDArray[np.float64], float | None]:
    shallow = sorted((depth for depth in profile if depth <= DEEPEST_SURFACE_M), key=lambda d: abs(d - SURFACE_DEPTH_M))
    days = {depth: int(np.isfinite(profile[depth]).sum()) for depth in shallow}
    chosen = next((depth for depth in shallow if days[depth] >= LEAST_DAYS * max(days.values())), None)
    return (np.full(size, np.nan), None) if chosen is None else (profile[chosen], chosen)


def _root_zone(profile: Mapping[float, NDArray[np.float64]], size: int) -> NDArray[np.float64]:
    if len(profile) < 2:
        return np.full(size, np.nan)
    weights = root_zone_weights(list(profile))[:, None]
    values = np.stack(list(profile.values()))
    known = np.isfinite(values)
    present = (weights * known).sum(axis=0)
    enough = (present >= LEAST_WEIGHT - 1e-9) & ((known & (weights > 0)).sum(axis=0) >= 2)
    return np.where(enough, (weights * np.where(known, values, 0)).sum(axis=0) / np.where(enough, present, 1), np.nan)
