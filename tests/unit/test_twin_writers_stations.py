"""Station files: every dialect, byte by byte where it matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from defusedxml.ElementTree import fromstring

from sm_core.domain import Station
from sm_core.errors import InsufficientInputsError
from sm_core.twin.writers import write_ismn_ceop, write_ismn_header_values, write_rda_daily

STATION = Station(
    station_id="x", network="FR_Aqui", name="Kemole_Gulch B", lon=-155.583, lat=19.917, elevation_m=1268.88,
    depth_from_m=0.0508, depth_to_m=0.0508, sensor="Hydraprobe II Sdi-12_C",
)
PLACE = "FR_Aqui    FR_Aqui         Kemole_Gulch_B    19.91700  -155.58300 1268.88    0.05    0.05"
FOLDER = Path("FR_Aqui/KemoleGulchB")
FILE_NAME = "FR-Aqui_FR-Aqui_KemoleGulchB_sm_0.050800_0.050800_Hydraprobe-II-Sdi-12-C_20170101_20170102.stm"


def observations() -> pd.DataFrame:
    times = pd.DatetimeIndex(["2017-01-01 00:00", "2017-01-01 01:00", "2017-01-02 13:00"], name="time")
    return pd.DataFrame(
        {"value": [0.173, np.nan, 0.5], "flag": ["G", "G", "D01,D02"], "provider_flag": ["M", "M", ""]}, index=times)


@pytest.mark.parametrize(("line_end", "first_end", "blank"), [
    ("\r\n", "\n\r", ""), ("\n", "\n", ""), ("\r", "\r", " ")])
def test_header_values(tmp_path: Path, line_end: str, first_end: str, blank: str) -> None:
    path = write_ismn_header_values(tmp_path, station=STATION, values=observations(), line_end=line_end)
    assert path == tmp_path / FOLDER / FILE_NAME
    expected = (
        f"{PLACE} Hydraprobe II Sdi-12_C{blank}{first_end}"
        f"2017/01/01 00:00   0.1730 G M{blank}{line_end}2017/01/02 13:00   0.5000 D01,D02 {blank}{line_end}")
    assert path.read_bytes() == expected.encode("latin-1")


def test_ceop(tmp_path: Path) -> None:
    path = write_ismn_ceop(tmp_path, station=STATION, values=observations(), line_end="\n")
    assert path == tmp_path / FOLDER / FILE_NAME
    assert path.read_bytes().decode().split("\n") == [
        f"2017/01/01 00:00 2017/01/01 00:00 {PLACE}   0.1730 G M",
        f"2017/01/02 13:00 2017/01/02 13:00 {PLACE}   0.5000 D01,D02 ", ""]


def test_station_without_observations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InsufficientInputsError):
        write_ismn_ceop(tmp_path, station=STATION, values=observations().iloc[:0])


def rda_rows() -> pd.DataFrame:
    return pd.DataFrame({
        "stn_Cd": ["230802A001", "230802A001", "999999Z999"],
        "stn_Name": ["영월군 영월읍", "영월군 영월읍", "동방로거테스트"],
        "date": pd.to_datetime(["2024-07-01", "2024-07-02", "2024-07-01"]), "soil_Wt": [36.8, np.nan, -999.0],
        "rn": [0.0, 12.5, 0.0]})


def test_rda_pages_cut_without_a_word(tmp_path: Path) -> None:
    paths = [
        write_rda_daily(tmp_path, year=2024, month=7, rows=rda_rows(), page=page, page_size=2) for page in (1, 2, 3)]
    assert [path.name for path in paths] == [f"rda_20240701_20240731_p0{n}.xml" for n in (1, 2, 3)]
    roots = [fromstring(path.read_bytes()) for path in paths]
    assert [root.findtext("header/result_Code") for root in roots] == ["200", "200", "301"]
    assert [root.findtext("body/rcdcnt") for root in roots] == ["2", "1", "0"]
    assert {root.findtext("body/total_Count") for root in roots} == {"3"}
    items = [item for root in roots for item in root.iterfind("body/items/item")]
    assert [item.findtext("no") for item in items] == ["1", "2", "3"]
    assert [item.findtext("soil_Wt") for item in items] == ["36.8", "", "-999.0"]
    assert items[0].findtext("stn_Name") == "영월군 영월읍"
    assert items[1].findtext("date") == "2024-07-02"
    assert items[0].findtext("temp") == ""


def test_rda_empty_elements_are_written_out(tmp_path: Path) -> None:
    path = write_rda_daily(tmp_path, year=2024, month=2, rows=rda_rows())
    assert path.name == "rda_20240201_20240229_p01.xml"
    content = path.read_bytes()
    assert b"<soil_Wt></soil_Wt>" in content
    assert b"<sun_Time></sun_Time>" in content
    assert content.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
