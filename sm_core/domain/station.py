from __future__ import annotations

from sm_core.domain.record import Record


class Station(Record):
    """One soil-moisture sensor at one place and depth. Depths in metres, coordinates in degrees, elevation in m."""

    station_id: str
    network: str
    name: str
    lon: float
    lat: float
    elevation_m: float | None = None
    depth_from_m: float
    depth_to_m: float
    sensor: str = ""
