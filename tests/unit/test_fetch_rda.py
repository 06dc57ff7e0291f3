"""The Korean station service: pages, quota, refusals with HTTP 200, Korean days."""

import datetime as dt
from pathlib import Path

import pytest
from pydantic import SecretStr

from sm_core.errors import (
    AuthenticationError,
    LicenceNotAcceptedError,
    QuotaExhaustedError,
    SchemaDriftError,
    SourceUnavailableError,
    UnsafeContentError,
)
from sm_core.sources import identify, read_rda, read_rda_sites
from tasks.adapters.fetch.rda import Rda

NOW = dt.datetime(2026, 11, 23, 16, tzinfo=dt.UTC)                        # 01:00 on the 24th in Korea
DECODED, ENCODED = "abc+/key==", "abc%2B%2Fkey%3D%3D"


def answer(items, page, total, code="200", text="OK"):
    return (f"<?xml version='1.0' encoding='UTF-8'?><response><header><result_Code>{code}</result_Code>"
            f"<result_Msg>{text}</result_Msg></header><body><rcdcnt>{len(items)}</rcdcnt><page_No>{page}</page_No><total_Count>{total}"
            f"</total_Count><items>{''.join(items)}</items></body></response>").encode()


def row(number, day="2026-11-01"):
    return (f"<item><stn_Cd>2308{number:02d}A001</stn_Cd><stn_Name>역</stn_Name><date>{day}</date>"
            f"<soil_Wt>{20 + number}</soil_Wt></item>")


def site(number):
    return (f"<item><Obsr_Spot_Code>2308{number:02d}A001</Obsr_Spot_Code><Obsr_Spot_Nm>역</Obsr_Spot_Nm>"
            f"<Instl_La>37.{number:02d}</Instl_La><Instl_Lo>127.5</Instl_Lo></item>")


class Service:
    """Rows of any month, cut at ``most`` rows a page; ``by_size`` tells where a cut page's successor begins."""

    def __init__(self, reply, rows, most=10**6, by_size=True, make=row):
        self.reply, self.rows, self.most, self.by_size, self.make = reply, rows, most, by_size, make
        self.cut_once = set()

    def __call__(self, request):
        page, size = int(request.query["Page_No"]), int(request.query["Page_Size"])
        shown = min(size, self.most)
        begin = (page - 1) * (size if self.by_size else shown)
        if (page, size) in self.cut_once:
            self.cut_once.remove((page, size))
            shown = 1
        items = [self.make(number) for number in range(self.rows)][begin:begin + shown]
        if not items:
            return self.reply(answer([], page, 0, "301", "NO DATA"))
        return self.reply(answer(items, page, self.rows))


@pytest.fixture
def rda(http, loopback):
    def make(respond, key=DECODED, **options):
        server = loopback(respond)
        return Rda(http, server.url, SecretStr(key), lambda: NOW, **{"page_size": 4} | options), server
    return make


def month(client, number=11):
    return list(client.fetch(dt.date(2026, number, 1), dt.date(2026, number, 5)))


def stations(files):
    sites = {f"2308{number:02d}A001": (127.5, 37.0) for number in range(30)}
    return [one.station.station_id for file in files for one in read_rda(file.content, sites=sites).series]


@pytest.mark.parametrize("by_size", [True, False])
@pytest.mark.parametrize("most", [10**6, 4, 3, 1])
def test_all_rows_come_however_the_service_cuts(rda, reply, most, by_size):
    client, _ = rda(Service(reply, 10, most, by_size))
    found = stations(month(client))
    assert len(found) == len(set(found)) == 10


@pytest.mark.parametrize("page", [1, 2])
def test_page_that_is_cut_once(rda, reply, page):
    service = Service(reply, 10)
    service.cut_once = {(page, 4)}
    client, server = rda(service)
    assert len(stations(month(client))) == 10
    assert len(server.requests) == 4


def test_files(rda, reply):
    client, server = rda(Service(reply, 6))
    files = month(client)
    assert [file.name for file in files] == ["rda_20261101_20261130_p001.xml", "rda_20261101_20261130_p002.xml"]
    assert all(identify(Path(file.name)).source_id == "RDA" for file in files)
    listed = files[0].listed()
    assert (listed.size, listed.published, listed.revision) == (len(files[0].content), NOW, "20261123T160000Z")
    assert listed.checksum.algorithm == "sha256"
    assert DECODED not in listed.url
    query = server.requests[0].query
    assert (query["search_Year"], query["search_Month"]) == ("2026", "11")
    assert server.requests[0].path == "/WeatherObsrInfo/V3/GnrlWeather/getWeatherMonDayList3"


@pytest.mark.parametrize(("first", "last", "months"), [
    ((2026, 9, 30), (2026, 9, 30), ["09", "10"]),     # the UTC day reaches into the Korean 1 October
    ((2026, 9, 29), (2026, 9, 29), ["09"]),
    ((2025, 12, 31), (2026, 2, 1), ["12", "01", "02"]),
    ((2026, 11, 20), (2026, 12, 31), ["11"]),         # not beyond today
])
def test_korean_months_of_utc_days(rda, reply, first, last, months):
    client, server = rda(Service(reply, 1))
    list(client.fetch(dt.date(*first), dt.date(*last)))
    assert [request.query["search_Month"] for request in server.requests] == months


@pytest.mark.parametrize("key", [DECODED, ENCODED])
def test_key_is_encoded_once(rda, reply, key):
    client, server = rda(Service(reply, 1), key=key)
    month(client)
    assert server.requests[0].query["serviceKey"] == DECODED


def test_month_without_data_is_no_fault(rda, reply):
    client, _ = rda(Service(reply, 0))
    assert month(client) == []


def portal(code):
    return (f"<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg><returnAuthMsg>REFUSED {DECODED}"
            f"</returnAuthMsg><returnReasonCode>{code}</returnReasonCode></cmmMsgHeader></OpenAPI_ServiceResponse>").encode()


@pytest.mark.parametrize(("body", "error"), [
    (answer([], 1, 0, "101", f"bad key {DECODED}"), AuthenticationError),
    (answer([], 1, 0, "201", "format"), SchemaDriftError),
    (answer([], 1, 0, "204", "missing"), SchemaDriftError),
    (answer([], 1, 0, "500", "error"), SourceUnavailableError),
    (portal("30"), AuthenticationError),
    (portal("22"), QuotaExhaustedError),
    (portal("20"), LicenceNotAcceptedError),
    (portal("01"), SourceUnavailableError),
    (b"<html><p>down<br></html>", SourceUnavailableError),
    (answer([row(1)], 1, 1)[:-30], SourceUnavailableError),
    (b"<a/>", SchemaDriftError),
    (b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>', UnsafeContentError),
])
def test_refusals_with_status_200(rda, reply, body, error):
    client, _ = rda(lambda request: reply(body))
    with pytest.raises(error) as caught:
        month(client)
    assert DECODED not in str(caught.value)


def test_quota_of_the_service(rda, reply):
    client, _ = rda(lambda request: reply(b"API token quota exceeded", 429))
    with pytest.raises(QuotaExhaustedError):
        month(client)


def test_operation_that_is_gone_is_told(rda, reply):
    client, _ = rda(lambda request: reply(status=404))
    with pytest.raises(SchemaDriftError):
        month(client)


def test_own_quota_is_kept_for_each_operation(rda, reply):
    client, server = rda(Service(reply, 1), calls_per_day=2)
    month(client)
    month(client)
    with pytest.raises(QuotaExhaustedError, match="2 calls"):
        month(client)
    assert len(server.requests) == 2
    with pytest.raises(SchemaDriftError):
        rda(Service(reply, 0), calls_per_day=1)[0].site_list()


def test_pages_that_repeat_are_told(rda, reply):
    client, _ = rda(lambda request: reply(answer([row(number) for number in range(4)], 1, 10)))
    with pytest.raises(SchemaDriftError, match="repeats"):
        month(client)


def test_rows_that_never_come_are_told(rda, reply):
    def service(request):
        first = request.query["Page_No"] == "1"
        return reply(answer([row(number) for number in range(4)], 1, 10) if first else answer([], 2, 10))

    client, _ = rda(service)
    with pytest.raises(SourceUnavailableError, match="4 of 10"):
        month(client)


def test_site_list_of_several_pages(rda, reply):
    client, server = rda(Service(reply, 10, make=site))
    sites = read_rda_sites(client.site_list())
    assert len(sites) == 10
    assert sites["230805A001"] == (127.5, 37.05)
    assert server.requests[0].path == "/getObsrSpotList"
