"""Texts of the USCRN products: hourly02 (format 03) and daily01, of the soil alone.

References
----------
Readme files of https://www.ncei.noaa.gov/pub/data/uscrn/products/hourly02/ and daily01/.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from tasks.hosts.stations import Observed

Product = Literal["hourly02", "daily01"]
READY_AFTER: Mapping[Product, dt.timedelta] = {"hourly02": dt.timedelta(hours=1), "daily01": dt.timedelta(hours=6)}
"""From the end of an hour, or of a day of local standard time, to its line."""
PREFIXES: Mapping[Product, str] = {"hourly02": "CRNH0203", "daily01": "CRND0103"}
MISSING_MOISTURE = -99.0
_PROGRAM = " 2.622"
_SOIL_NAMES = [f"SOIL_{quantity}_{depth}" for quantity in ("MOISTURE", "TEMP") for depth in (5, 10, 20, 50, 100)]
_RADIATION = ["SOLARAD", "SOLARAD_MAX", "SOLARAD_MIN"]
_SURFACE = ["SUR_TEMP", "SUR_TEMP_MAX", "SUR_TEMP_MIN"]
FIELDS: Mapping[Product, list[str]] = {
    "hourly02": [
        "WBANNO", "UTC_DATE", "UTC_TIME", "LST_DATE", "LST_TIME", "CRX_VN", "LONGITUDE", "LATITUDE", "T_CALC",
        "T_HR_AVG", "T_MAX", "T_MIN", "P_CALC", *[f"{name}{flag}" for name in _RADIATION for flag in ("", "_FLAG")],
        "SUR_TEMP_TYPE", *[f"{name}{flag}" for name in _SURFACE for flag in ("", "_FLAG")], "RH_HR_AVG",
        "RH_HR_AVG_FLAG", *_SOIL_NAMES,
    ],
    "daily01": [
        "WBANNO", "LST_DATE", "CRX_VN", "LONGITUDE", "LATITUDE", "T_DAILY_MAX", "T_DAILY_MIN", "T_DAILY_MEAN",
        "T_DAILY_AVG", "P_DAILY_CALC", "SOLARAD_DAILY", "SUR_TEMP_DAILY_TYPE", "SUR_TEMP_DAILY_MAX",
        "SUR_TEMP_DAILY_MIN", "SUR_TEMP_DAILY_AVG", "RH_DAILY_MAX", "RH_DAILY_MIN", "RH_DAILY_AVG",
        *[f"{name}_DAILY" for name in _SOIL_NAMES],
    ],
}
_HOURLY_WEATHER = " ".join(["-9999.0"] * 5 + ["-99999 0"] * 3 + ["U"] + ["-9999.0 0"] * 3 + ["-9999 0"])
_DAILY_WEATHER = " ".join(["-9999.0"] * 5 + ["-9999.00", "U"] + ["-9999.0"] * 6)
_DEEP_AND_TEMPERATURE = " ".join(["-99.000"] * 3 + ["-9999.0"] * 5)


class Lines(NamedTuple):
    """A year of a station: each line, and when it comes (UTC, ascending)."""

    times: tuple[dt.datetime, ...]
    texts: tuple[str, ...]

    def until(self, now: dt.datetime) -> tuple[bytes, dt.datetime]:
        """The file as it is then, and when it was last written."""
        shown = [line for time, line in zip(self.times, self.texts, strict=True) if time <= now]
        return "".join(shown).encode(), self.times[len(shown) - 1] if shown else now


def headers(product: Product) -> str:
    """Numbers and names of the columns, as ``HEADERS.txt``."""
    names = FIELDS[product]
    return f"{' '.join(str(number + 1) for number in range(len(names)))}\n{' '.join(names)}\n"


@lru_cache(maxsize=4096)
def lines_of_file(path: Path, product: Product) -> Lines:
    """Lines of a file of an archive; what begins without a date is passed over."""
    texts = [line for line in path.read_text(encoding="ascii").splitlines(keepends=True) if line[6:14].isdigit()]
    if product == "hourly02":
        times = [dt.datetime.strptime(line[6:19], "%Y%m%d %H%M") for line in texts]
    else:
        times = [dt.datetime.strptime(line[6:14], "%Y%m%d") + dt.timedelta(days=1) for line in texts]
    return Lines(tuple(time.replace(tzinfo=dt.UTC) + READY_AFTER[product] for time in times), tuple(texts))


def lines_of_station(station: Observed, wban: int, year: int, product: Product) -> Lines:
    """Lines of a station that the archive holds in other form."""
    makers: dict[Product, Callable[[Observed, int, int], Lines]] = {"hourly02": _hourly, "daily01": _daily}
    return makers[product](station, wban, year)


@lru_cache(maxsize=4096)
def _hourly(station: Observed, wban: int, year: int) -> Lines:
    offset = _offset(station)
    hours = pd.date_range(f"{year}-01-01 01:00", f"{year + 1}-01-01 00:00", freq="h")
    hours = hours[hours <= station.values.index[-1]]
    moisture = station.values.reindex(hours).fillna(MISSING_MOISTURE)
    texts = [f"{wban:5d} {hour:%Y%m%d %H%M} {hour + offset:%Y%m%d %H%M} {_place(station)} {_HOURLY_WEATHER} "
             f"{upper:7.3f} {lower:7.3f} {_DEEP_AND_TEMPERATURE}\n"
             for hour, upper, lower in zip(hours, moisture[5], moisture[10], strict=True)]
    times = [hour.to_pydatetime().replace(tzinfo=dt.UTC) + READY_AFTER["hourly02"] for hour in hours]
    return Lines(tuple(times), tuple(texts))


@lru_cache(maxsize=4096)
def _daily(station: Observed, wban: int, year: int) -> Lines:
    offset = _offset(station)
    local = station.values.set_axis(pd.DatetimeIndex(station.values.index) + offset)
    means = local.groupby(pd.DatetimeIndex(local.index).normalize()).mean()
    days = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="D")
    days = days[days <= means.index[-1]]
    moisture = means.reindex(days).fillna(MISSING_MOISTURE)
    texts = [f"{wban:5d} {day:%Y%m%d} {_place(station)} {_DAILY_WEATHER} {upper:7.3f} {lower:7.3f} "
             f"{_DEEP_AND_TEMPERATURE}\n" for day, upper, lower in zip(days, moisture[5], moisture[10], strict=True)]
    ready = dt.timedelta(days=1) - offset + READY_AFTER["daily01"]
    return Lines(tuple(day.to_pydatetime().replace(tzinfo=dt.UTC) + ready for day in days), tuple(texts))


def _offset(station: Observed) -> dt.timedelta:
    return dt.timedelta(hours=round(station.lon / 15))


def _place(station: Observed) -> str:
    return f"{_PROGRAM} {station.lon:7.2f} {station.lat:7.2f}"
