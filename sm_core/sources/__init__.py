"""Readers: every provider's files, turned into canonical names, units and grids.

What needs numpy, pandas or a C library is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sm_core.sources.declare import SOURCES, VARIABLES, source
from sm_core.sources.decode import decode
from sm_core.sources.names import identify, newest

if TYPE_CHECKING:
    from sm_core.sources.inspect import Description, describe
    from sm_core.sources.ismn import import_ismn, read_ismn
    from sm_core.sources.rda import RdaPage, read_rda, read_rda_sites
    from sm_core.sources.station_csv import read_station_csv
    from sm_core.sources.station_files import read_stations
    from sm_core.sources.stations import StationSeries
    from sm_core.sources.uscrn import read_uscrn

__all__ = [
    "SOURCES", "VARIABLES", "Description", "RdaPage", "StationSeries", "decode", "describe", "identify",
    "import_ismn", "newest", "read_ismn", "read_rda", "read_rda_sites", "read_station_csv", "read_stations",
    "read_uscrn", "source",
]

_LATER = {
    "Description": "inspect", "RdaPage": "rda", "StationSeries": "stations", "describe": "inspect",
    "import_ismn": "ismn", "read_ismn": "ismn", "read_rda": "rda", "read_rda_sites": "rda",
    "read_station_csv": "station_csv", "read_stations": "station_files", "read_uscrn": "uscrn",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
