"""Station files of any declared network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from sm_core.errors import ForeignFileError, StationFileError
from sm_core.sources.ismn import read_ismn
from sm_core.sources.names import identify
from sm_core.sources.rda import read_rda, read_rda_sites
from sm_core.sources.station_csv import named, read_station_csv
from sm_core.sources.stations import StationSeries
from sm_core.sources.uscrn import read_uscrn

RDA_SITES = "rda_sites.xml"
"""Site list (``getObsrSpotList``) expected beside the RDA answers, which hold no places, or in a folder above."""
FOLDERS_ABOVE = 3
_log = logging.getLogger(__name__)


def read_stations(path: Path) -> tuple[StationSeries, ...]:
    """Read a station file by the source that its name tells: ISMN .stm or .zip, RDA .xml, USCRN .txt, CSV.

    Raises
    ------
    ForeignFileError     SM207, no station source has such names.
    StationFileError     SM208, nothing in it can be read, or the RDA site list is missing beside it.
    UnsafeContentError   SM210, an archive or XML bomb.
    """
    granule = identify(path)
    reader = _READERS.get(granule.source_id) if granule else None
    if reader is None:
        raise ForeignFileError(f"{path.name}: no station source has such a file name")
    return reader(path)


def _rda_with_sites(path: Path) -> tuple[StationSeries, ...]:
    beside = (folder / RDA_SITES for folder in path.parents[:1 + FOLDERS_ABOVE])
    sites = next((one for one in beside if one.is_file()), None)
    if sites is None:
        raise StationFileError(f"{path.name}: no {RDA_SITES} beside or above it tells where the stations are")
    page = read_rda(path, sites=read_rda_sites(sites))
    if page.unlocated:
        _log.warning("stations without a place skipped: file=%s stations=%s", path.name, ",".join(page.unlocated))
    return page.series


def _csv(path: Path) -> tuple[StationSeries, ...]:
    found = read_station_csv(path)
    if found.problems:
        _log.warning("station lines skipped: file=%s lines=%d %s", path.name, len(found.problems),
                     named(found.problems))
    return found.series


_READERS: Mapping[str, Callable[[Path], tuple[StationSeries, ...]]] = {
    "ISMN": read_ismn, "RDA": _rda_with_sites, "USCRN.hourly02": read_uscrn, "USCRN.daily01": read_uscrn, "CSV": _csv,
}
