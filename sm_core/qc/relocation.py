"""Is a station still where it was?"""

from __future__ import annotations

import numpy as np

from sm_core.domain import Station

LARGEST_MOVE_KM = 0.1
"""Coordinates of three decimals are good to 110 m at best; below, a better survey is likelier than a move."""
LARGEST_CLIMB_M = 30.0
LARGEST_DEPTH_CHANGE_M = 0.01


def distance_km(one: Station, other: Station) -> float:
    """Distance on the sphere [km]."""
    lon1, lat1, lon2, lat2 = np.deg2rad([one.lon, one.lat, other.lon, other.lat])
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return float(2 * 6371.0 * np.arcsin(np.sqrt(half)))


def relocation(before: Station, now: Station) -> str:
    """What tells that two descriptions of one sensor are of different places, in words; empty when nothing does.

    Examples
    --------
    >>> here = Station(station_id="a", network="N", name="A", lon=127.0, lat=37.0, depth_from_m=0.05, depth_to_m=0.05)
    >>> relocation(here, here.model_copy(update={"lat": 37.0005}))
    ''
    >>> relocation(here, here.model_copy(update={"lat": 37.01, "depth_from_m": 0.1, "depth_to_m": 0.1}))
    'moved by 1.1 km, depth 0.10-0.10 m, was 0.05-0.05 m'
    """
    changes = []
    moved = distance_km(before, now)
    if moved > LARGEST_MOVE_KM:
        changes.append(f"moved by {moved:.1f} km")
    if before.elevation_m is not None and now.elevation_m is not None:
        climbed = now.elevation_m - before.elevation_m
        if abs(climbed) > LARGEST_CLIMB_M:
            changes.append(f"elevation changed by {climbed:+.0f} m")
    depths = [(one.depth_from_m, one.depth_to_m) for one in (before, now)]
    if max(abs(a - b) for a, b in zip(*depths, strict=True)) > LARGEST_DEPTH_CHANGE_M:
        was, is_now = (f"{top:.2f}-{bottom:.2f} m" for top, bottom in depths)
        changes.append(f"depth {is_now}, was {was}")
    return ", ".join(changes)
