"""The Korean service with its quota, pages, test station and revisions; USCRN's growing text files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
import requests

from sm_core.sources import read_rda, read_uscrn
from sm_core.sources.rda import read_rda_sites
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts

Ask = Callable[..., requests.Response]
MAY = {"search_Year": "2019", "search_Month": "5"}


@pytest.fixture
def ask(session: requests.Session) -> Ask:
    def operation(hosts: SimulatedHosts, name: str = "getWeatherMonDayList3", page: int = 1, size: int = 1000,
                  **parameters: str) -> requests.Response:
        folder = "" if name == "getObsrSpotList" else "/WeatherObsrInfo/V3/GnrlWeather"
        return session.get(f"{hosts.urls.rda}{folder}/{name}", timeout=10, params={
            "serviceKey": hosts.accounts.rda_key, "Page_No": str(page), "Page_Size": str(size), **parameters})

    return operation


def root(answer: requests.Response) -> Element:
    assert answer.status_code == 200, answer.text
    return fromstring(answer.content)


def code(answer: requests.Response) -> str | None:
    return root(answer).findtext("header/result_Code")


def rows(answer: requests.Response) -> list[dict[str, str]]:
    return [{field.tag: field.text or "" for field in item} for item in root(answer).findall("body/items/item")]


def test_month_holds_all_stations_and_a_test_station(serve: Any, ask: Ask) -> None:
    answer = ask(serve(), **MAY)
    found = rows(answer)
    assert code(answer) == "200"
    assert root(answer).findtext("body/total_Count") == root(answer).findtext("body/rcdcnt") == "124"  # 4 x 31
    assert {row["stn_Name"] for row in found} == {"S0", "S1", "S2", "동방로거테스트"}
    assert found[0]["date"] == "2019-05-01"
    assert found[0]["stn_Cd"] == "230801A001"
    assert found[0]["temp"] == ""
    # 5 May (KST) of S0 at 10 cm: four readings of 0.2 + 0.1 / 10 + 0.0001 x 4, the fifth day since 30 April 15 UTC
    assert next(row["soil_Wt"] for row in found if row["date"] == "2019-05-05") == "21.0"


def test_answers_are_read_by_the_production_reader(serve: Any, ask: Ask) -> None:
    hosts = serve()
    sites = read_rda_sites(ask(hosts, "getObsrSpotList").content)
    assert sites == {"230801A001": (127.0, 36.5), "230802A001": (128.0, 36.5), "230803A001": (129.0, 36.5)}
    page = read_rda(ask(hosts, **MAY).content, sites=sites)
    assert [len(series.values) for series in page.series] == [31, 31, 31]
    assert page.complete
    assert page.series[0].values["value"].between(0.20, 0.23).all()
    assert int(page.series[1].values["value"].isna().sum()) == 1


def test_missing_values_are_empty_or_a_number(serve: Any, ask: Ask) -> None:
    found = {row["date"]: row["soil_Wt"] for row in rows(ask(serve(), **MAY)) if row["stn_Name"] == "S1"}
    assert found["2019-05-10"] in ("", "-999.0")
    assert all(float(value) > 20 for day, value in found.items() if day != "2019-05-10")


def test_rows_beyond_the_page_are_cut_silently(serve: Any, ask: Ask) -> None:
    hosts = serve()
    pages = [ask(hosts, page=number, size=50, **MAY) for number in (1, 2, 3, 4)]
    assert [root(page).findtext("body/rcdcnt") for page in pages[:3]] == ["50", "50", "24"]
    assert {root(page).findtext("body/total_Count") for page in pages[:3]} == {"124"}
    assert [row["no"] for page in pages[:3] for row in rows(page)] == [str(n) for n in range(1, 125)]
    assert code(pages[3]) == "301"


def test_page_cut_gives_fewer_rows_than_asked_for(serve: Any, ask: Ask) -> None:
    hosts = serve(Fault(kind="page_cut", host="rda", times=1))
    cut, whole = ask(hosts, size=100, **MAY), ask(hosts, size=100, **MAY)
    assert (len(rows(cut)), root(cut).findtext("body/total_Count")) == (50, "124")
    assert len(rows(whole)) == 100


def test_korean_day_is_there_an_hour_after_its_end(serve: Any, ask: Ask, clock: Clock) -> None:
    hosts = serve()
    june = {"search_Year": "2019", "search_Month": "6"}
    clock.move_to(dt.datetime(2019, 6, 5, 15, 59, tzinfo=dt.UTC))  # 6 June 00:59 in Korea
    assert rows(ask(hosts, **june))[-1]["date"] == "2019-06-04"
    clock.move_to(dt.datetime(2019, 6, 5, 16, tzinfo=dt.UTC))
    assert rows(ask(hosts, **june))[-1]["date"] == "2019-06-05"


@pytest.mark.parametrize(("operation", "parameters", "expected"), [
    ("getWeatherMonDayList3", {**MAY, "serviceKey": "other"}, "101"),
    ("getWeatherMonDayList3", {**MAY, "serviceKey": "cmRhLXNpbXVsYXRlZA%2B%2Fkey%3D%3D"}, "101"),  # encoded twice
    ("getWeatherMonDayList3", {"search_Year": "2019"}, "204"),
    ("getWeatherMonDayList3", {"search_Year": "2019", "search_Month": "May"}, "201"),
    ("getWeatherMonDayList3", {**MAY, "Page_No": "-1"}, "202"),
    ("getWeatherMonDayList3", {**MAY, "Page_No": "0"}, "400"),
    ("getWeatherMonDayList3", {"search_Year": "2017", "search_Month": "5"}, "301"),
    ("getWeatherTermDayList3", {"begin_Date": "20190501", "end_Date": "20190502", "obsr_Spot_Cd": "230801A001"}, "201"),
    ("getWeatherTermDayList3", {"begin_Date": "2019-05-01", "end_Date": "2019-05-02", "Obsr_Spot_Code": "x"}, "204"),
    ("getWeatherTermDayList3", {"begin_Date": "2019-05-01", "end_Date": "2020-05-02", "obsr_Spot_Cd": "x"}, "201"),
])
def test_refusals_come_with_status_200(
    serve: Any, ask: Ask, operation: str, parameters: dict[str, str], expected: str
) -> None:
    assert code(ask(serve(), operation, **parameters)) == expected


def test_one_station_by_period_and_by_year(serve: Any, ask: Ask) -> None:
    hosts = serve()
    term = rows(ask(hosts, "getWeatherTermDayList3", begin_Date="2019-05-01", end_Date="2019-05-03",
                    obsr_Spot_Cd="230802A001"))
    assert [(row["stn_Name"], row["date"]) for row in term] == [("S1", f"2019-05-0{n}") for n in (1, 2, 3)]
    year = rows(ask(hosts, "getWeatherYearDayList3", search_Year="2019", obsr_Spot_Cd="230802A001"))
    assert (year[0]["date"], year[-1]["date"]) == ("2019-05-01", "2019-06-19")


def test_quota_is_per_operation_and_korean_day(serve: Any, ask: Ask, clock: Clock) -> None:
    hosts = serve(rda_quota=2)
    assert [ask(hosts, **MAY).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(hosts, **MAY).text == "API token quota exceeded"
    assert ask(hosts, "getObsrSpotList").status_code == 200
    clock.move_to(dt.datetime(2019, 6, 20, 15, tzinfo=dt.UTC))
    assert ask(hosts, **MAY).status_code == 200


def test_values_are_revised_later(serve: Any, ask: Ask, clock: Clock) -> None:
    hosts = serve(Fault(kind="values_revised", path="23080?A001/2019-05-*", probability=0.3, days=20))

    def values() -> dict[tuple[str, str], str]:
        return {(row["stn_Cd"], row["date"]): row["soil_Wt"] for row in rows(ask(hosts, **MAY))
                if row["date"] <= "2019-05-03"}

    clock.move_to(dt.datetime(2019, 5, 5, tzinfo=dt.UTC))
    before = values()
    clock.move_to(dt.datetime(2019, 6, 20, tzinfo=dt.UTC))
    after = values()
    changed = {key for key in before if before[key] != after[key]}
    assert 0 < len(changed) < 9
    assert values() == after
    assert all(abs(float(before[key]) - float(after[key])) <= 3.0 for key in changed)


def test_uscrn_file_has_the_documented_columns(serve: Any, session: requests.Session) -> None:
    hosts = serve()
    names = session.get(f"{hosts.urls.uscrn}/hourly02/HEADERS.txt", timeout=10).text.splitlines()[1].split()
    lines = session.get(f"{hosts.urls.uscrn}/hourly02/2019/CRNH0203-2019-KR_S1_1_N.txt", timeout=10).text.splitlines()
    assert len(names) == 38
    assert {len(line) for line in lines} == {243}
    assert {len(line.split()) for line in lines} == {38}
    by_hour = {line[6:19]: dict(zip(names, line.split(), strict=True)) for line in lines}
    hour = by_hour["20190503 0300"]
    assert (hour["WBANNO"], hour["LST_DATE"], hour["LST_TIME"]) == ("90002", "20190503", "1200")
    # the tenth reading of S1 at 5 and 10 cm: 0.21 + depth / 10 + 0.0001 x (10 // 4)
    assert (hour["SOIL_MOISTURE_5"], hour["SOIL_MOISTURE_10"]) == ("0.215", "0.220")
    assert hour["SOIL_MOISTURE_20"] == by_hour["20190503 0400"]["SOIL_MOISTURE_5"] == "-99.000"
    assert hour["SOIL_TEMP_5"] == hour["T_CALC"] == "-9999.0"
    line = next(line for line in lines if line.startswith("90002 20190503 0300"))
    assert (line[164:171], line[172:179], line[41:48]) == ("  0.215", "  0.220", " 128.00")


def test_uscrn_file_grows_by_the_hour(serve: Any, session: requests.Session, clock: Clock) -> None:
    hosts = serve()
    url = f"{hosts.urls.uscrn}/hourly02/2019/CRNH0203-2019-KR_S1_1_N.txt"
    clock.move_to(dt.datetime(2019, 5, 3, 4, tzinfo=dt.UTC))
    before = session.get(url, timeout=10)
    assert before.text.splitlines()[-1].startswith("90002 20190503 0300")
    clock.advance(dt.timedelta(hours=1))
    more = session.get(url, headers={"Range": f"bytes={len(before.content)}-"}, timeout=10)
    assert more.status_code == 206
    assert more.text.startswith("90002 20190503 0400")
    assert "CRNH0203-2019-KR_S1_1_N.txt" in session.get(f"{hosts.urls.uscrn}/hourly02/2019/", timeout=10).text
    assert 'href="2019/"' in session.get(f"{hosts.urls.uscrn}/hourly02/", timeout=10).text
    for missing in ("hourly02/2020/", "hourly02/2018/CRNH0203-2019-KR_S1_1_N.txt", "hourly02/2019/x.txt", "monthly01/"):
        assert session.get(f"{hosts.urls.uscrn}/{missing}", timeout=10).status_code == 404


def test_uscrn_daily_file_is_read_by_the_production_reader(
    serve: Any, session: requests.Session, clock: Clock
) -> None:
    hosts = serve()
    name = "CRND0103-2019-KR_S1_1_N.txt"
    url = f"{hosts.urls.uscrn}/daily01/2019/{name}"
    names = session.get(f"{hosts.urls.uscrn}/daily01/HEADERS.txt", timeout=10).text.splitlines()[1].split()
    text = session.get(url, timeout=10).text
    assert {(len(line), len(line.split())) for line in text.splitlines()} == {(216, len(names))}
    assert text.splitlines()[-1][6:14] == "20190619"  # 19 June ends at 15 UTC (UTC+9), and its line comes 6 h later
    # 2 May, local: four readings of 0.21 + depth / 10 + 0.0001, the second day
    upper, lower = (series.values.loc["2019-05-01 15:00", "value"] for series in read_uscrn(text.encode(), name=name))
    assert (upper, lower) == (0.215, 0.22)
    clock.move_to(dt.datetime(2019, 6, 19, 20, 59, tzinfo=dt.UTC))
    assert session.get(url, timeout=10).text.splitlines()[-1][6:14] == "20190618"


def test_uscrn_files_of_a_mirror_are_given_away_up_to_now(
    serve: Any, session: requests.Session, archive: Path
) -> None:
    lines = [f"03761 20190620 {hour:02d}00 the rest\n" for hour in range(24)]
    (archive / "CRNH0203-2019-PA_Avondale_2_N.txt").write_text("".join(lines))
    text = session.get(f"{serve().urls.uscrn}/hourly02/2019/CRNH0203-2019-PA_Avondale_2_N.txt", timeout=10).text
    assert text == "".join(lines[:12])  # it is 12:00, and rows come an hour late
