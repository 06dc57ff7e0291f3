from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_core.errors import ForeignFileError, StationFileError, UnsafeContentError
from sm_core.sources import read_rda, read_rda_sites, read_stations

SITES = {"230802A001": (128.46, 37.18), "477802A001": (127.02, 37.27)}
ITEM = "<item><no>{no}</no><stn_Cd>{code}</stn_Cd><stn_Name>{name}</stn_Name><date>{date}</date>" \
       "<temp>24.3</temp><sun_Time></sun_Time><soil_Temp>22.0</soil_Temp><soil_Wt>{water}</soil_Wt></item>"


def answer(*rows: tuple[str, str, str, str], total: int | None = None, code: str = "200", text: str = "OK") -> bytes:
    items = "".join(
        ITEM.format(no=no, code=stn, name=name, date=date, water=water)
        for no, (stn, name, date, water) in enumerate(rows, 1)
    )
    count = len(rows) if total is None else total
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><response><header><result_Code>{code}</result_Code>'
        f"<result_Msg>{text}</result_Msg></header><body><rcdcnt>{len(rows)}</rcdcnt><page_No>1</page_No>"
        f"<total_Count>{count}</total_Count><items>{items}</items></body></response>"
    ).encode()


A, B = "230802A001", "477802A001"


def test_per_cent_becomes_volume_fraction_on_the_kst_day() -> None:
    page = read_rda(answer((A, "영월군 영월읍", "2024-07-01", "36.8"), (A, "영월군 영월읍", "2024-07-02", "30"),
                           (B, "수원시", "2024-07-01", "0")), sites=SITES)
    first, second = page.series
    assert first.values["value"].tolist() == pytest.approx([0.368, 0.30])
    assert first.values.index[0] == pd.Timestamp("2024-06-30 15:00")  # 1 July 00:00 KST
    assert second.values["value"].tolist() == [0.0]  # a written 0 is a value
    station = first.station
    assert (station.network, station.name, station.lon, station.lat) == ("RDA", "영월군 영월읍", 128.46, 37.18)
    assert station.station_id == "RDA_230802A001_0.10-0.10_soil-Wt"
    assert (page.rows, page.total_count, page.complete, page.unlocated) == (3, 3, True, ())


@pytest.mark.parametrize("water", ["", "-999", "-999.0"])
def test_empty_and_999_are_unknown_never_zero(water: str) -> None:
    page = read_rda(answer((A, "a", "2024-07-01", water), (A, "a", "2024-07-02", "20")), sites=SITES)
    assert np.isnan(page.series[0].values["value"].iloc[0])
    assert page.series[0].bad_lines == 0


def test_unreadable_number_is_counted() -> None:
    (series,) = read_rda(answer((A, "a", "2024-07-01", "n/a"), (A, "a", "2024-07-02", "20")), sites=SITES).series
    assert (series.bad_lines, int(series.values["value"].notna().sum())) == (1, 1)


def test_absent_element_is_unknown() -> None:
    content = answer((A, "a", "2024-07-01", "20")).replace(b"<soil_Wt>20</soil_Wt>", b"")
    assert np.isnan(read_rda(content, sites=SITES).series[0].values["value"].iloc[0])


def test_test_station_is_dropped_and_unlocated_stations_are_named() -> None:
    page = read_rda(answer((A, "동방로거테스트", "2024-07-01", "20"), ("999", "new", "2024-07-01", "20"),
                           (B, "수원시", "2024-07-01", "20")), sites=SITES)
    assert [series.station.name for series in page.series] == ["수원시"]
    assert (page.unlocated, page.rows) == (("999",), 3)


def test_page_cut_at_its_size_is_not_complete() -> None:
    page = read_rda(answer((A, "a", "2024-07-01", "20"), total=6551), sites=SITES)
    assert (page.rows, page.total_count, page.complete) == (1, 6551, False)


def test_no_data_is_an_empty_answer() -> None:
    page = read_rda(answer(code="301", text="NO DATA"), sites=SITES)
    assert (page.series, page.rows, page.complete) == ((), 0, True)


@pytest.mark.parametrize(("code", "text"), [
    ("101", "INVALID KEY"), ("201", "WRONG FORMAT"), ("204", "REQUIRED MISSING"), ("00", "NORMAL"), ("500", "ERROR"),
])
def test_refusals_carry_their_code(code: str, text: str) -> None:
    with pytest.raises(StationFileError, match=f"{code} {text}"):
        read_rda(answer(code=code, text=text), sites=SITES)


def test_refusal_of_the_portal_has_another_form() -> None:
    content = (
        b"<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg><returnAuthMsg>"
        b"SERVICE_KEY_IS_NOT_REGISTERED_ERROR</returnAuthMsg><returnReasonCode>30</returnReasonCode></cmmMsgHeader>"
        b"</OpenAPI_ServiceResponse>"
    )
    with pytest.raises(StationFileError, match="30 SERVICE_KEY_IS_NOT_REGISTERED_ERROR"):
        read_rda(content, sites=SITES)


@pytest.mark.parametrize("content", [
    b"", b"API token quota exceeded", b"<response><header>", b"<html><body>429</body></html>",
    answer((A, "a", "20240701", "20")),
])
def test_other_answers_are_coded_errors(content: bytes) -> None:
    with pytest.raises(StationFileError) as caught:
        read_rda(content, sites=SITES)
    assert caught.value.code == "SM208"


@pytest.mark.parametrize("content", [
    b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><response>&b;</response>',
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><response>&a;</response>',
])
def test_entities_are_refused(content: bytes) -> None:
    for read in (lambda: read_rda(content, sites=SITES), lambda: read_rda_sites(content)):
        with pytest.raises(UnsafeContentError) as caught:
            read()
        assert caught.value.code == "SM210"


SITE_LIST = (
    "<response><body><items>"
    "<item><Obsr_Spot_Code>230802A001</Obsr_Spot_Code><Obsr_Spot_Nm>영월군 영월읍</Obsr_Spot_Nm>"
    "<Instl_La>37.18</Instl_La><Instl_Lo>128.46</Instl_Lo></item>"
    "<item><Obsr_Spot_Code>111</Obsr_Spot_Code><Instl_La></Instl_La><Instl_Lo>128.46</Instl_Lo></item>"
    "</items></body></response>"
).encode()


def test_site_list() -> None:
    assert read_rda_sites(SITE_LIST) == {A: (128.46, 37.18)}
    with pytest.raises(StationFileError, match="locates no station"):
        read_rda_sites(answer(code="101", text="INVALID KEY"))


def test_station_files_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "rda_20240701_20240731_p1.xml"
    path.write_bytes(answer((A, "a", "2024-07-01", "20")))
    with pytest.raises(StationFileError, match=r"rda_sites\.xml"):
        read_stations(path)
    (tmp_path / "rda_sites.xml").write_bytes(SITE_LIST)
    assert len(read_stations(path)) == 1
    stm = tmp_path / "SCAN_SCAN_A_sm_0.05_0.05_n.s._20070101_20131231.stm"
    stm.write_bytes(b"SCAN SCAN A 34.2 -105.4 1882.1 0.05 0.05 n.s.\r\n2007/01/01 00:00 0.1370 G M\r\n")
    assert read_stations(stm)[0].values["value"].tolist() == [0.137]
    with pytest.raises(ForeignFileError, match="no station source"):
        read_stations(Path(shutil.copy(stm, tmp_path / "notes.stm")))
