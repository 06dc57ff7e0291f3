"""What the simulated station networks have observed: the archive's ISMN files, at 5 and 10 cm."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sm_core.sources import identify, read_ismn
from tasks.hosts.shelf import Shelf

DEPTHS_CM = (5, 10)
_TOLERANCE_M = 0.005


@dataclass(frozen=True, eq=False)
class Observed:
    """One station: soil moisture [m3 m-3] by UTC time, one column per depth [cm]."""

    name: str
    lon: float
    lat: float
    values: pd.DataFrame


class Network:
    """Every station of an archive, in the order of their names; read when first asked for."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @cached_property
    def stations(self) -> tuple[Observed, ...]:
        """Stations that measure at 5 or 10 cm."""
        columns: dict[str, dict[int, pd.Series]] = {}
        places: dict[str, tuple[float, float]] = {}
        for path in self._shelf.named(".stm"):
            depth = _depth_cm(path.name)
            if identify(path) is None or depth is None:
                continue
            for series in read_ismn(path):
                columns.setdefault(series.station.name, {})[depth] = series.values["value"]
                places[series.station.name] = series.station.lon, series.station.lat
        return tuple(Observed(name, *places[name], pd.DataFrame(columns[name]).reindex(columns=list(DEPTHS_CM)))
                     for name in sorted(columns))


def daily_percent(station: Observed, depth_cm: int, utc_offset: dt.timedelta) -> pd.Series:
    """Daily means [volume per cent] by local day, from the first to the last day with a reading."""
    readings = station.values[depth_cm].dropna()
    days = (pd.DatetimeIndex(readings.index) + utc_offset).normalize()
    return (100.0 * readings.groupby(days).mean()).asfreq("D").round(1)


def _depth_cm(name: str) -> int | None:
    depth = name.partition("_sm_")[2].partition("_")[0]
    try:
        metres = float(depth)
    except ValueError:
        return None
    return next((depth for depth in DEPTHS_CM if abs(metres - depth / 100) < _TOLERANCE_M), None)
