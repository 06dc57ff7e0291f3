"""Real station archives of every ISMN dialect."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_core.sources import describe, read_ismn
from sm_core.sources.ismn import read_stm

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]

REAL = Path(os.environ.get("SM_REAL_DATA", "."))
ISMN = REAL / "ismn"
HAWAII = REAL / "qa4sm_hawaii" / "ISMN" / "ISMN_TESTDATA_HAWAII.zip"
CEOP = ISMN / "ceop" / "Data_seperate_files_20170810_20180809.zip"
HEADER = ISMN / "header" / "Data_seperate_files_header_20170810_20180809.zip"
MULTI = ISMN / "multinetwork_header_values" / "Data_header_values.zip"
NARBONNE = "SMOSMANIA_SMOSMANIA_Narbonne_sm_0.050000_0.050000_ThetaProbe-ML2X_20070101_20070131.stm"


def rows_in(archive: Path) -> dict[str, int]:
    """Dated lines of each soil-moisture file, counted the slow way."""
    with zipfile.ZipFile(archive) as file:
        return {
            name: sum(line[:2] in (b"19", b"20") for line in file.read(name).replace(b"\r", b"\n").split(b"\n"))
            for name in file.namelist() if "_sm_" in name
        }


@pytest.mark.parametrize(("archive", "sensors", "rows"), [
    (CEOP, 2, 13_924), (HEADER, 2, 13_924), (MULTI, 8, 211_403), (HAWAII, 10, 156_455),
    (ISMN / "header" / "Data_SMOSMANIA.zip", 1, 741),
])
def test_every_sensor_and_every_row_is_read(archive: Path, sensors: int, rows: int) -> None:
    counted = rows_in(archive)
    series = read_ismn(archive)
    assert len(series) == len(counted) == sensors
    assert sorted(len(one.values) for one in series) == sorted(counted.values())
    assert sum(len(one.values) for one in series) == rows
    for one in series:
        assert (one.bad_lines, one.repeated_times) == (0, 0)
        assert one.values["value"].between(0, 1).all()
        assert one.values.index.is_monotonic_increasing
        assert one.values["flag"].str.fullmatch(r"(G|U|[CD]\d\d)(,[CD]\d\d)*").all()


def test_both_dialects_of_one_download_are_equal() -> None:
    for one, other in zip(read_ismn(CEOP), read_ismn(HEADER), strict=True):
        assert one.station == other.station
        pd.testing.assert_frame_equal(one.values, other.values)


def test_one_station_in_both_dialects_and_line_ends() -> None:
    ceop, header = read_stm(ISMN / "ceop" / NARBONNE), read_stm(ISMN / "header" / NARBONNE)
    assert ceop.station == header.station
    assert ceop.station.sensor == "ThetaProbe-ML2X"
    assert (ceop.station.lat, ceop.station.lon, ceop.station.elevation_m) == (43.15, 2.9567, 112.0)
    assert len(ceop.values) == len(header.values) == 741
    pd.testing.assert_frame_equal(ceop.values[["value", "flag"]], header.values[["value", "flag"]])
    assert header.values["value"].iloc[0] == 0.2140
    assert header.values.index[0] == pd.Timestamp("2007-01-01 01:00")


def test_quirks_of_the_multinetwork_archive() -> None:
    series = {one.station.name: one for one in read_ismn(MULTI)}
    assert set(series) == {"CST_01", "CST_02", "AAMU-jtg", "Abrams", "Adams_Ranch_#1", "node414", "node505", "node703"}
    assert series["CST_01"].station.elevation_m == 3431.0
    assert "D01,D03" in set(series["CST_01"].values["flag"])  # combined flags
    assert set(series["node414"].values["provider_flag"]) == {"0"}
    assert (series["AAMU-jtg"].values["provider_flag"] == "").sum() == 125  # none given
    adams = series["Adams_Ranch_#1"]
    assert (adams.values.index[0], adams.values["value"].iloc[1]) == (pd.Timestamp("2007-01-01"), 0.1410)
    hours = np.diff(adams.values.index).astype("timedelta64[h]").astype(int)
    assert hours.max() > 1  # missing hours are absent


def test_quirks_of_the_hawaii_archive() -> None:
    """Nested in a top folder that is no network; two sensors at one depth; a sensor that is not specified."""
    series = read_ismn(HAWAII)
    assert {one.station.network for one in series} == {"COSMOS", "SCAN"}
    kainaliu = [one for one in series if one.station.name == "Kainaliu"]
    assert [one.station.sensor[-1] for one in kainaliu] == ["A", "B"]
    assert [one.values["value"].iloc[0] for one in kainaliu] == [0.3310, 0.2220]
    assert {one.station.sensor for one in series if one.station.name == "Kemole_Gulch"} == {"n.s."}
    pua = next(one for one in series if one.station.name == "Pua_Akala")
    assert (pua.values["flag"] == "G").mean() == pytest.approx(0.68, abs=0.01)


def test_whole_folder_reads_and_joins() -> None:
    series = read_ismn(ISMN)
    assert len(series) == 8 + 2 + 1
    assert len(describe(MULTI).stations) == 8
