"""From sensors at their depths to the two layers of the product, by station and UTC day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
UPPER_ROOT_ZONE_M = 0.4
"""As deep as 10, 20 and 30 cm stand for; another quantity than 0 to 100 cm, and named as such."""
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
    depths 10, 20, 30 cm reach to 40 cm only and give none (see :func:`daily_rootzone_40`).
    """
    tables = [_site_table(station_id, sensors) for station_id, sensors in _sites(series)]
    empty = pd.DataFrame({
        "station_id": pd.Series(dtype="str"), "lon": pd.Series(dtype="float64"), "lat": pd.Series(dtype="float64"),
        "day": pd.Series(dtype="datetime64[ns]"), "sm_surface": pd.Series(dtype="float64"),
        "sm_rootzone": pd.Series(dtype="float64"), "depth_mismatch": pd.Series(dtype="bool"),
    })
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty


def daily_rootzone_40(series: Sequence[StationSeries]) -> pd.DataFrame:
    """Daily means over 0 to 40 cm at every station, for networks that do not reach deeper.

    Parameters
    ----------
    series
        As for :func:`daily_layers`.

    Returns
    -------
    DataFrame ordered by station and day: ``station_id``, ``lon``, ``lat`` [degrees], ``day`` (datetime64[ns], UTC),
    ``sm_rootzone_40`` [m3 m-3]. Known where at least two depths and 70 % of the 40 cm are; depths 10, 20, 30 cm weigh
    37.5, 25 and 37.5 %.
    """
    tables = [
        _named(station_id, sensors, days).assign(
            sm_rootzone_40=_root_zone(profile, days.size, UPPER_ROOT_ZONE_M)
        ).dropna(subset="sm_rootzone_40")
        for station_id, sensors in _sites(series) for days, profile in [_profile(sensors)]
    ]
    filled = [table for table in tables if len(table)]
    nothing = np.array([], "datetime64[D]")
    return pd.concat(filled, ignore_index=True) if filled else _named("", [], nothing).assign(sm_rootzone_40=[])


def root_zone_weights(depths_m: Sequence[float], bottom_m: float = ROOT_ZONE_M) -> NDArray[np.float64]:
    """Share of the layer down to ``bottom_m`` for which each of several depths stands.

    Parameters
    ----------
    depths_m
        Centres of the sensors [m], ascending, at least two.
    bottom_m
        Lower end of the layer [m].

    Returns
    -------
    Weights [1], one for each depth; their sum is below 1 when the sensors do not reach down far enough.

    Examples
    --------
    >>> root_zone_weights([0.05, 0.10, 0.20, 0.50, 1.00]).round(3).tolist()
    [0.075, 0.075, 0.2, 0.4, 0.25]
    >>> root_zone_weights([0.10, 0.20, 0.30]).round(3).tolist()
    [0.15, 0.1, 0.15]
    >>> root_zone_weights([0.10, 0.20, 0.30], 0.4).round(3).tolist()
    [0.375, 0.25, 0.375]
    """
    depths = np.asarray(depths_m, np.float64)
    between = (depths[:-1] + depths[1:]) / 2
    reach = 2 * depths[-1] - depths[-2]
    boundaries = np.clip(np.concatenate([[0.0], between, [reach]]), 0.0, bottom_m)
    weights: NDArray[np.float64] = np.diff(boundaries) / bottom_m
    return weights


Days = NDArray[np.datetime64]
Profile = Mapping[float, NDArray[np.float64]]


class DailyMeans(NamedTuple):
    """Days (datetime64[D]) and means of one sensor or more at one depth. (days,)"""

    day: Days
    value: NDArray[np.float64]


def daily_means(series: StationSeries) -> DailyMeans:
    """Means of the good readings of each UTC day that has at least half as many as the sensor usually takes."""
    table = series.values if "qc" in series.values else check_series(series).values
    value = table["value"].to_numpy(np.float64)
    good = (table["qc"] == "").to_numpy(bool)
    days, position = np.unique(table.index.to_numpy().astype("datetime64[D]"), return_inverse=True)
    readings = np.bincount(position, np.isfinite(value), days.size)
    if not readings.any():
        return DailyMeans(days[:0], value[:0])
    usual = float(np.median(readings[readings > 0]))
    count = np.bincount(position[good], minlength=days.size)
    total = np.bincount(position[good], value[good], days.size)
    enough = (count > 0) & (count >= LEAST_READINGS * usual)
    return DailyMeans(days[enough], total[enough] / count[enough])


def _sites(series: Sequence[StationSeries]) -> list[tuple[str, list[StationSeries]]]:
    sites: dict[tuple[str, str], list[StationSeries]] = defaultdict(list)
    for one in series:
        sites[one.station.network, one.station.name].append(one)
    return [(f"{network}_{name}", sites[network, name]) for network, name in sorted(sites)]


def _profile(sensors: Sequence[StationSeries]) -> tuple[Days, Profile]:
    """Days, and daily means by depth [m], from above."""
    at_depth: dict[float, list[DailyMeans]] = defaultdict(list)
    for sensor in sensors:
        daily = daily_means(sensor)
        if daily.day.size:
            at_depth[round((sensor.station.depth_from_m + sensor.station.depth_to_m) / 2, 2)].append(daily)
    if not at_depth:
        return np.array([], "datetime64[D]"), {}
    days = np.unique(np.concatenate([daily.day for group in at_depth.values() for daily in group]))
    return days, {depth: _mean_of(at_depth[depth], days) for depth in sorted(at_depth)}


def _named(station_id: str, sensors: Sequence[StationSeries], days: Days) -> pd.DataFrame:
    lon, lat = ([getattr(s.station, name) for s in sensors] or [np.nan] for name in ("lon", "lat"))
    return pd.DataFrame({
        "station_id": pd.Series(station_id, range(days.size), dtype="str"), "lon": float(np.mean(lon)),
        "lat": float(np.mean(lat)), "day": days.astype("datetime64[ns]"),
    })


def _site_table(station_id: str, sensors: Sequence[StationSeries]) -> pd.DataFrame:
    days, profile = _profile(sensors)
    if not profile:
        return pd.DataFrame(columns=list(COLUMNS))
    surface, depth = _surface(profile, days.size)
    root_zone = _root_zone(profile, days.size, ROOT_ZONE_M)
    table = _named(station_id, sensors, days).assign(
        sm_surface=surface, sm_rootzone=root_zone,
        depth_mismatch=depth is not None and abs(depth - SURFACE_DEPTH_M) > MATCHING_DEPTH_M,
    )
    return table[np.isfinite(surface) | np.isfinite(root_zone)]


def _mean_of(group: Sequence[DailyMeans], days: Days) -> NDArray[np.float64]:
    total, count = np.zeros(days.size), np.zeros(days.size)
    for daily in group:
        position = np.searchsorted(days, daily.day)
        total[position] += daily.value
        count[position] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _surface(profile: Profile, size: int) -> tuple[NDArray[np.float64], float | None]:
    shallow = sorted((depth for depth in profile if depth <= DEEPEST_SURFACE_M), key=lambda d: abs(d - SURFACE_DEPTH_M))
    days = {depth: int(np.isfinite(profile[depth]).sum()) for depth in shallow}
    chosen = next((depth for depth in shallow if days[depth] >= LEAST_DAYS * max(days.values())), None)
    return (np.full(size, np.nan), None) if chosen is None else (profile[chosen], chosen)


def _root_zone(profile: Profile, size: int, bottom_m: float) -> NDArray[np.float64]:
    if len(profile) < 2:
        return np.full(size, np.nan)
    weights = root_zone_weights(list(profile), bottom_m)[:, None]
    values = np.stack(list(profile.values()))
    known = np.isfinite(values)
    present = (weights * known).sum(axis=0)
    enough = (present >= LEAST_WEIGHT - 1e-9) & ((known & (weights > 0)).sum(axis=0) >= 2)
    return np.where(enough, (weights * np.where(known, values, 0)).sum(axis=0) / np.where(enough, present, 1), np.nan)
