"""Rural Development Administration (Korea): daily soil water of agricultural weather stations, XML of data.go.kr.

The service (``AgriWeather/WeatherObsrInfo/V3/GnrlWeather``) answers with HTTP 200 also when it refuses, marks success
with 200 (not 00), cuts answers at the page size without a word, and mixes a test station in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from sm_core.domain import Station
from sm_core.errors import StationFileError
from sm_core.sources.stations import StationSeries, content, rows, station_id
from sm_core.sources.unpack import parse_xml

NETWORK = "RDA"
SENSOR = "soil_Wt"
DEPTH_M = 0.1
"""The service states no depth; 10 cm is that of the network's first sensor."""
TEST_STATIONS = ("동방로거테스트",)
UTC_OFFSET = dt.timedelta(hours=9)
SUCCESS, NO_DATA = "200", "301"
MISSING = -999.0


@dataclass(frozen=True)
class RdaPage:
    """One page of an answer.

    Attributes
    ----------
    series
        One per located station, ordered by station id.
    rows
        Rows of this page, test stations included.
    total_count
        Rows of the whole answer: pages are to be fetched until all have come.
    unlocated
        Codes of stations that the site list lacks; their rows are not in ``series``.
    """

    series: tuple[StationSeries, ...]
    rows: int
    total_count: int
    unlocated: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether this page holds the whole answer."""
        return self.rows >= self.total_count


def read_rda(source: Path | bytes, *, sites: Mapping[str, tuple[float, float]]) -> RdaPage:
    """Read one page of daily soil water.

    Parameters
    ----------
    source
        XML file or its content.
    sites
        (longitude, latitude) [degrees] by station code; the answer itself holds no places.

    Returns
    -------
    Volumetric soil moisture [m3 m-3] (the service gives per cent). A KST day is stamped with its beginning, which is
    15:00 UTC of the day before. Empty and -999 are unknown. An answer without data (301) is an empty page.

    Raises
    ------
    StationFileError     SM208, not such an answer, or one with an error code (in the message).
    UnsafeContentError   SM210, an XML bomb.
    """
    name = source.name if isinstance(source, Path) else "answer"
    root = parse_xml(content(source), f"RDA {name}")
    code = (root.findtext("header/result_Code") or "").strip()
    if code == NO_DATA:
        return RdaPage((), 0, 0, ())
    if code != SUCCESS:
        raise StationFileError(f"RDA {name}: the service answered {_refusal(root)}")
    table = _table(root.findall("body/items/item"), name)
    known = table[~table["name"].isin(TEST_STATIONS)]
    located = known["code"].isin(list(sites))
    series = tuple(
        _series(str(station), group, *sites[str(station)]) for station, group in known[located].groupby("code")
    )
    total = int(root.findtext("body/total_Count") or len(table))
    return RdaPage(series, len(table), total, tuple(sorted(known.loc[~located, "code"].unique())))


def read_rda_sites(source: Path | bytes) -> dict[str, tuple[float, float]]:
    """(longitude, latitude) [degrees] by station code, from an answer of ``getObsrSpotList``.

    Raises
    ------
    StationFileError     SM208, not such an answer, or none of its stations has a place.
    UnsafeContentError   SM210, an XML bomb.
    """
    name = source.name if isinstance(source, Path) else "site list"
    root = parse_xml(content(source), f"RDA {name}")
    sites = {}
    for item in root.iter("item"):
        code, lat, lon = (item.findtext(field) or "" for field in ("Obsr_Spot_Code", "Instl_La", "Instl_Lo"))
        try:
            sites[code.strip()] = float(lon), float(lat)
        except ValueError:
            continue
    if not sites:
        raise StationFileError(f"RDA {name} locates no station: {_refusal(root)}")
    return sites


def _refusal(root: Element) -> str:
    """Code and text of the service's own error, or of the portal's before it."""
    code = root.findtext("header/result_Code") or root.findtext(".//returnReasonCode") or "no result code"
    text = root.findtext("header/result_Msg") or root.findtext(".//returnAuthMsg") or root.findtext(".//errMsg") or ""
    return f"{code.strip()} {text.strip()}".strip()


def _table(items: list[Element], name: str) -> pd.DataFrame:
    entries = [
        [(item.findtext(field) or "").strip() for field in ("stn_Cd", "stn_Name", "date", "soil_Wt")] for item in items
    ]
    table = pd.DataFrame(entries, columns=["code", "name", "date", "percent"], dtype="str")
    try:
        table["time"] = pd.to_datetime(table["date"], format="%Y-%m-%d") - UTC_OFFSET
    except ValueError as cause:
        raise StationFileError(f"RDA {name}: {cause}") from cause
    return table


def _series(code: str, group: pd.DataFrame, lon: float, lat: float) -> StationSeries:
    number = pd.to_numeric(group["percent"], errors="coerce")
    unreadable = int((number.isna() & (group["percent"] != "")).sum())
    fraction = number.where(number > MISSING) / 100
    station = Station(
        station_id=station_id(NETWORK, code, DEPTH_M, DEPTH_M, SENSOR), network=NETWORK,
        name=str(group["name"].iloc[0]), lon=lon, lat=lat, depth_from_m=DEPTH_M, depth_to_m=DEPTH_M, sensor=SENSOR,
    )
    table = rows(pd.DatetimeIndex(group["time"]), fraction.to_numpy(), "", "")
    return StationSeries.of(station, table, bad_lines=unreadable)
