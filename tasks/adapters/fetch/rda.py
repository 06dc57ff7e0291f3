"""Rural Development Administration (Korea): daily soil water of all stations, month by month, from data.go.kr.

The service answers HTTP 200 also when it refuses, marks success with 200, cuts answers silently, and counts a daily
quota for each operation. Days are Korean (UTC+9).
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import SecretStr

from sm_core.errors import (
    AuthenticationError,
    LicenceNotAcceptedError,
    QuotaExhaustedError,
    SchemaDriftError,
    SmError,
    SourceUnavailableError,
    UnsafeContentError,
)
from tasks.adapters.fetch.http import Http
from tasks.adapters.fetch.stations import StationFile

DAILY = "WeatherObsrInfo/V3/GnrlWeather/getWeatherMonDayList3"
SITES = "getObsrSpotList"
KST = dt.timedelta(hours=9)
SUCCESS, NO_DATA = "200", "301"
_REFUSALS: dict[str, type[SmError]] = {
    "101": AuthenticationError, "500": SourceUnavailableError, "600": SourceUnavailableError,
    "999": SourceUnavailableError,
}
_PORTAL: dict[str, type[SmError]] = {
    "01": SourceUnavailableError, "02": SourceUnavailableError, "04": SourceUnavailableError,
    "05": SourceUnavailableError, "20": LicenceNotAcceptedError, "21": SourceUnavailableError,
    "22": QuotaExhaustedError, "30": AuthenticationError, "31": AuthenticationError, "32": AuthenticationError,
    "33": AuthenticationError, "99": SourceUnavailableError,
}
"""Codes of the portal in front of the service (``OpenAPI_ServiceResponse``)."""


class _Page(NamedTuple):
    content: bytes
    root: Element
    rows: frozenset[tuple[str, str]]
    total: int


class Rda:
    """Station fetcher of the agricultural weather service.

    Parameters
    ----------
    url
        ``https://apis.data.go.kr/1390802/AgriWeather``.
    key
        The service key, in either of the two forms in which the portal gives it.
    calls_per_day
        For each operation; counted in this process, by Korean day.
    """

    def __init__(self, http: Http, url: str, key: SecretStr, now: Callable[[], dt.datetime], *, page_size: int = 1000,
                 calls_per_day: int = 1000) -> None:
        self.source_ids: tuple[str, ...] = ("RDA",)
        self.host = urlsplit(url).netloc
        self._http = http
        self._url = url.rstrip("/")
        self._key = unquote(key.get_secret_value())
        self._now = now
        self._page_size = page_size
        self._calls_per_day = calls_per_day
        self._calls: Counter[tuple[str, dt.date]] = Counter()
        self._lock = threading.Lock()

    def fetch(self, first: dt.date, last: dt.date) -> Iterator[StationFile]:
        """One file for each page of each Korean month that these UTC days touch; a month without data has none."""
        today = (self._now() + KST).date()
        for month in _months(first, min(last + dt.timedelta(days=1), today)):
            period = {"search_Year": f"{month:%Y}", "search_Month": f"{month:%m}"}
            for number, page in enumerate(self._pages(DAILY, period), start=1):
                yield StationFile(
                    source_id="RDA", name=f"rda_{month:%Y%m%d}_{_month_end(month):%Y%m%d}_p{number:03d}.xml",
                    content=page.content, retrieved=self._now(), url=f"{self._url}/{DAILY}",
                )

    def site_list(self) -> bytes:
        """Where the stations are: one XML for ``sm_core.sources.read_rda_sites``, all pages merged."""
        pages = self._pages(SITES, {})
        if not pages:
            raise SchemaDriftError("the service lists no station", host=self.host)
        root = pages[0].root
        body = root.find("body/items")
        for page in pages[1:]:
            (root if body is None else body).extend(page.root.iter("item"))
        return bytes(tostring(root, encoding="utf-8"))

    def _pages(self, operation: str, params: dict[str, str]) -> list[_Page]:
        size, pages, seen = self._page_size, list[_Page](), set[tuple[str, str]]()
        for number in count(1):
            asked = {**params, "Page_No": str(number), "Page_Size": str(size)}
            page = self._patient_page(operation, asked)
            if len(page.rows) < size and len(seen | page.rows) < page.total:
                page = self._patient_page(operation, asked)
            if number == 1 and page.total == 0 and not page.rows:
                return []
            if not page.rows:
                raise SourceUnavailableError(f"page {number} is empty after {len(seen)} of {page.total} rows",
                                             host=self.host)
            if page.rows <= seen:
                raise SchemaDriftError(f"page {number} repeats what came before", host=self.host)
            if number == 1 and len(page.rows) < page.total:
                size = len(page.rows)  # cut silently, twice: pages of this size follow on each other
            pages.append(page)
            seen |= page.rows
            if len(seen) >= page.total:
                break
        return pages

    def _patient_page(self, operation: str, params: dict[str, str]) -> _Page:
        return self._http.patiently(lambda: self._page(operation, params))

    def _page(self, operation: str, params: dict[str, str]) -> _Page:
        self._count(operation)
        answer = self._http.ask(f"{self._url}/{operation}", {"serviceKey": self._key, **params})
        root = self._root(answer.content)
        code = (root.findtext("header/result_Code") or "").strip()
        if code == NO_DATA:
            return _Page(answer.content, root, frozenset(), 0)
        if code != SUCCESS:
            raise self._refusal(root, code)
        rows = frozenset(_row(item) for item in root.iter("item"))
        total = (root.findtext("body/total_Count") or "").strip()
        return _Page(answer.content, root, rows, int(total) if total.isdecimal() else len(rows))

    def _count(self, operation: str) -> None:
        today = (self._now() + KST).date()
        with self._lock:
            self._calls[operation, today] += 1
            if self._calls[operation, today] > self._calls_per_day:
                raise QuotaExhaustedError(f"{self._calls_per_day} calls today", operation=operation, host=self.host)

    def _root(self, content: bytes) -> Element:
        try:
            root: Element = fromstring(content)
        except DefusedXmlException as cause:
            raise UnsafeContentError(f"XML that declares entities: {type(cause).__name__}", host=self.host) from cause
        except (ParseError, ValueError) as cause:
            raise SourceUnavailableError("the answer is no whole XML", host=self.host) from cause
        return root

    def _refusal(self, root: Element, code: str) -> SmError:
        portal = (root.findtext(".//returnReasonCode") or "").strip()
        text = root.findtext("header/result_Msg") or root.findtext(".//returnAuthMsg") or ""
        kind = _REFUSALS.get(code) or _PORTAL.get(portal) or SchemaDriftError
        shown = text.replace(self._key, "***").strip()[:100] if self._key else text.strip()[:100]
        return kind(f"the service answers {code or portal or 'without a code'} {shown}".strip(), host=self.host)


def _row(item: Element) -> tuple[str, str]:
    station = item.findtext("stn_Cd") or item.findtext("Obsr_Spot_Code") or ""
    return station.strip(), (item.findtext("date") or "").strip()


def _months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = _month_end(month) + dt.timedelta(days=1)


def _month_end(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
