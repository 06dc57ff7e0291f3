"""The Korean agricultural weather service: daily rows as XML, with its quota, its silent pages and its revisions."""

from __future__ import annotations

import calendar
import datetime as dt
import re
import threading
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from xml.sax.saxutils import escape

import pandas as pd

from sm_core.twin.writers.rda import daily_answer
from tasks.hosts.answers import Answer, Request, missing, text
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Script, draw
from tasks.hosts.stations import Network, daily_percent

ROOT = "/1390802/AgriWeather"
WEATHER = f"{ROOT}/WeatherObsrInfo/V3/GnrlWeather"
XML = "application/xml;charset=UTF-8"
KST = dt.timedelta(hours=9)
READY_AFTER = dt.timedelta(hours=1)
"""From the end of a Korean day to its row."""
DEPTH_CM = 10
TEST_STATION = ("999999A001", "동방로거테스트")
MISSING = -999
EMPTY_SHARE = 0.5
"""Of missing values: the others read -999."""
REVISED_BY_PCT = 3.0
LONGEST_TERM_DAYS = 365
_MESSAGES = {"101": "등록되지 않은 인증키", "201": "요청 파라미터 형식 오류", "202": "요청 파라미터 음수 오류",
             "204": "필수 요청 파라미터 누락", "301": "NO DATA", "400": "페이지 오류"}
_Period = tuple[dt.date, dt.date]


class _RefusedError(Exception):
    """The message is the result code."""


class Rda:
    """The site list and the daily operations.

    Parameters
    ----------
    key
        The service key, decoded.
    quota
        Requests per operation and Korean day; None is without a limit.
    """

    def __init__(self, network: Network, script: Script, clock: Clock, key: str, quota: int | None) -> None:
        self._network, self._script, self._clock = network, script, clock
        self._key, self._quota = key, quota
        self._asked: Counter[tuple[str, dt.date]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        operations: dict[str, Callable[[dict[str, str]], _Period]] = {
            "getWeatherMonDayList3": _month, "getWeatherYearDayList3": _year, "getWeatherTermDayList3": _term,
        }
        folder, _, operation = request.path.rpartition("/")
        is_list = request.path == f"{ROOT}/getObsrSpotList"
        if not is_list and (folder != WEATHER or operation not in operations):
            return missing(request.path)
        if self._over_quota(operation):
            return text(429, "API token quota exceeded", "text/plain; charset=utf-8")
        values = dict(request.parameters)
        try:
            if values.get("serviceKey") != self._key:
                raise _RefusedError("101")
            page, size = _page(values)
            body = self._sites(page, size) if is_list else self._rows(operations[operation](values), values, request)
        except _RefusedError as refusal:
            return text(200, _failure(str(refusal)), XML)
        return body if isinstance(body, Answer) else text(200, body, XML)

    def _over_quota(self, operation: str) -> bool:
        with self._lock:
            self._asked[operation, (self._clock.now() + KST).date()] += 1
            count = self._asked[operation, (self._clock.now() + KST).date()]
        return self._quota is not None and count > self._quota

    def _rows(self, period: _Period, values: dict[str, str], request: Request) -> Answer:
        page, size = _page(values)
        rows = self._published(period, values.get("obsr_Spot_Cd"))
        if len(rows) <= (page - 1) * size:
            raise _RefusedError("301")
        shown = max(1, size // 2) if request.cut else size
        body = daily_answer(rows.iloc[:(page - 1) * size + shown], page=page, page_size=size, total=len(rows))
        return Answer(200, {"Content-Type": XML}, body)

    def _published(self, period: _Period, code: str | None) -> pd.DataFrame:
        now = self._clock.now()
        ready = (now + KST - READY_AFTER).date() - dt.timedelta(days=1)
        table = self._table
        first, last = pd.Timestamp(period[0]), pd.Timestamp(min(period[1], ready))
        rows = table[(table["date"] >= first) & (table["date"] <= last)]
        if code is not None:
            rows = rows[rows["stn_Cd"] == code]
        values = [self._value(str(station), day.date(), float(percent), now)
                  for station, day, percent in zip(rows["stn_Cd"], rows["date"], rows["soil_Wt"], strict=True)]
        return rows.assign(soil_Wt=pd.Series(values, rows.index, dtype=object))

    def _value(self, code: str, day: dt.date, percent: float, now: dt.datetime) -> float | None:
        name = f"{code}/{day}"
        if pd.isna(percent):
            return None if draw("missing", name) < EMPTY_SHARE else float(MISSING)
        fault = self._script.planned("values_revised", name)
        published = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(days=1) - KST + READY_AFTER
        if fault and published + dt.timedelta(days=fault.days) <= now:
            return round(max(0.1, percent + REVISED_BY_PCT * (2.0 * draw("revised", name) - 1.0)), 1)
        return percent

    @cached_property
    def _table(self) -> pd.DataFrame:
        pieces = [pd.DataFrame({"stn_Cd": site_code(number), "stn_Name": station.name, "date": daily.index,
                                "soil_Wt": daily.to_numpy()})
                  for number, station in enumerate(self._network.stations)
                  if not (daily := daily_percent(station, DEPTH_CM, KST)).empty]
        if not pieces:
            return pd.DataFrame({"stn_Cd": [], "stn_Name": [], "date": pd.DatetimeIndex([]), "soil_Wt": []})
        test = pieces[0].assign(stn_Cd=TEST_STATION[0], stn_Name=TEST_STATION[1], soil_Wt=50.0)
        return pd.concat([*pieces, test]).sort_values(["date", "stn_Cd"], kind="stable", ignore_index=True)

    def _sites(self, page: int, size: int) -> str:
        stations = list(enumerate(self._network.stations))
        shown = stations[(page - 1) * size:page * size]
        if not shown:
            raise _RefusedError("301")
        items = "".join(
            f"<item><no>{number + 1}</no><Obsr_Spot_Code>{site_code(number)}</Obsr_Spot_Code>"
            f"<Obsr_Spot_Nm>{escape(station.name)}</Obsr_Spot_Nm><Do_Se_Nm></Do_Se_Nm>"
            f"<Instl_La>{station.lat}</Instl_La><Instl_Lo>{station.lon}</Instl_Lo></item>"
            for number, station in shown
        )
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<response><header><result_Code>200</result_Code>'
                f"<result_Msg>OK</result_Msg></header><body><rcdcnt>{len(shown)}</rcdcnt><page_No>{page}</page_No>"
                f"<total_Count>{len(stations)}</total_Count><items>{items}</items></body></response>")


def site_code(number: int) -> str:
    """Code of a station by its place in the order of names.

    >>> site_code(0)
    '230801A001'
    """
    return f"{230801 + number}A001"


def _failure(code: str) -> str:
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<response><header><result_Code>{code}</result_Code>'
            f"<result_Msg>{_MESSAGES[code]}</result_Msg></header></response>")


def _page(values: dict[str, str]) -> tuple[int, int]:
    page, size = _number(values, "Page_No"), _number(values, "Page_Size")
    if page < 1 or size < 1:
        raise _RefusedError("400")
    return page, size


def _number(values: dict[str, str], name: str) -> int:
    found = _required(values, name)
    if re.fullmatch(r"-\d+", found):
        raise _RefusedError("202")
    if not re.fullmatch(r"\d+", found):
        raise _RefusedError("201")
    return int(found)


def _required(values: dict[str, str], name: str) -> str:
    if not values.get(name):
        raise _RefusedError("204")
    return values[name]


def _month(values: dict[str, str]) -> _Period:
    year, month = _number(values, "search_Year"), _number(values, "search_Month")
    if not (1 <= month <= 12 and 1900 <= year <= 9998):
        raise _RefusedError("201")
    return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])


def _year(values: dict[str, str]) -> _Period:
    year = _number(values, "search_Year")
    _required(values, "obsr_Spot_Cd")
    if not 1900 <= year <= 9998:
        raise _RefusedError("201")
    return dt.date(year, 1, 1), dt.date(year, 12, 31)


def _term(values: dict[str, str]) -> _Period:
    texts = _required(values, "begin_Date"), _required(values, "end_Date")
    _required(values, "obsr_Spot_Cd")
    if not all(re.fullmatch(r"\d{4}-\d\d-\d\d", text) for text in texts):
        raise _RefusedError("201")
    try:
        first, last = (dt.date.fromisoformat(text) for text in texts)
    except ValueError as cause:
        raise _RefusedError("201") from cause
    if not 0 <= (last - first).days < LONGEST_TERM_DAYS:
        raise _RefusedError("201")
    return first, last
