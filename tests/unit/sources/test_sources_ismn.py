from __future__ import annotations

import datetime as dt
import logging
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.errors import StationFileError
from sm_core.sources import StationSeries, read_ismn
from sm_core.sources.ismn import read_stm

NAME = "SCAN_SCAN_AdamsRanch#1_sm_0.050800_0.050800_Hydraprobe-Analog-(2.5-Volt)_20070101_20131231.stm"
HEADER = b"SCAN       SCAN            Adams_Ranch_#1    34.25000  -105.41700 1882.14    0.05    0.05 "
SENSOR = b"Hydraprobe-Analog-(2.5-Volt) "
ROWS = (
    b"2007/01/01 00:00   0.1370 D02 M ",
    b"2007/01/01 01:00   0.1410 D01,D02 M ",
    b"2007/01/01 03:00   0.1430 G",
    b"2007/01/01 04:00   0.1470 U      ",
    b"2007/01/01 05:00   0.1500 C03 0    ",
    b"2007/01/01 06:00   0.1600 G Out of WFV average range,NA,NA,OK,OK,OK",
)
FLAGS = ["D02", "D01,D02", "G", "U", "C03", "G"]
PROVIDER_FLAGS = ["M", "M", "", "", "0", "Out of WFV average range,NA,NA,OK,OK,OK"]
CEOP_PLACE = b" SCAN       SCAN            Adams_Ranch_#1    34.25000  -105.41700 1882.14    0.05    0.05"


def header_file(newline: bytes = b"\n", first_newline: bytes | None = None, rows: tuple[bytes, ...] = ROWS) -> bytes:
    return HEADER + SENSOR + (first_newline or newline) + newline.join(rows) + newline


def ceop_file(newline: bytes = b"\n", rows: tuple[bytes, ...] = ROWS) -> bytes:
    lines = [row[:16] + b" " + row[:16] + CEOP_PLACE + row[16:] for row in rows]
    return newline.join(lines) + newline


def check(series: StationSeries) -> None:
    table = series.values
    assert table["value"].tolist() == [0.137, 0.141, 0.143, 0.147, 0.15, 0.16]
    assert table["flag"].tolist() == FLAGS
    assert table["provider_flag"].tolist() == PROVIDER_FLAGS
    assert [f"{t:%H:%M}" for t in table.index] == ["00:00", "01:00", "03:00", "04:00", "05:00", "06:00"]
    assert (table.index.dtype, table.index.name) == (np.dtype("datetime64[ns]"), "time")
    assert (series.bad_lines, series.repeated_times) == (0, 0)


@pytest.mark.parametrize(("newline", "first"), [
    (b"\r", None), (b"\r\n", None), (b"\n", None), (b"\r\n", b"\n\r"), (b"\n", b"\r\n"),
])
def test_header_dialect_with_every_line_end(newline: bytes, first: bytes | None) -> None:
    check(read_stm(header_file(newline, first), name=NAME))


@pytest.mark.parametrize("newline", [b"\r", b"\r\n", b"\n"])
def test_ceop_dialect_with_every_line_end(newline: bytes) -> None:
    check(read_stm(ceop_file(newline), name=NAME))


def test_both_dialects_give_the_same_station() -> None:
    one, other = read_stm(header_file(), name=NAME), read_stm(ceop_file(), name=NAME)
    assert one.station == other.station
    station = one.station
    assert (station.network, station.name, station.sensor) == ("SCAN", "Adams_Ranch_#1", "Hydraprobe-Analog-(2.5-Volt)")
    assert (station.lat, station.lon, station.elevation_m) == (34.25, -105.417, 1882.14)
    assert (station.depth_from_m, station.depth_to_m) == (0.05, 0.05)
    assert station.station_id == "SCAN_Adams-Ranch-1_0.05-0.05_Hydraprobe-Analog-2.5-Volt"


def test_actual_time_is_not_the_nominal_one() -> None:
    line = b"2007/01/01 00:00 2007/01/01 00:07" + CEOP_PLACE + b"   0.1 G M\n"
    assert read_stm(line, name=NAME).values.index[0] == pd.Timestamp("2007-01-01")


@pytest.mark.parametrize(("sensor", "identity"), [
    (b"Hydraprobe II Sdi-12_C", "Hydraprobe-II-Sdi-12-C"), (b"n.s.", "n.s."), (b"", ""),
])
def test_sensor_of_the_header_may_hold_blanks_or_lack(sensor: bytes, identity: str) -> None:
    series = read_stm(HEADER + sensor + b" \r\n" + ROWS[0] + b"\r\n")
    assert series.station.sensor == sensor.decode()
    assert series.station.station_id.endswith("0.05-0.05" + (f"_{identity}" if identity else ""))


def test_ceop_without_a_file_name_has_no_sensor() -> None:
    assert read_stm(ceop_file()).station.sensor == ""


@pytest.mark.parametrize(("name", "sensor"), [
    ("COSMOS_COSMOS_ARM-1_sm_0.000000_0.190000_Cosmic-ray-Probe_20170810_20180809.stm", "Cosmic-ray-Probe"),
    ("RISMA_RISMA_MB1_sm_0.000000_0.050000_Hydraprobe-II-Sdi-12-C_20170101_20171231.stm", "Hydraprobe-II-Sdi-12-C"),
    ("FR-Aqui_FR-Aqui_fraye_sm_0.050000_0.050000_ThetaProbe ML2X_20120101_20121231.stm", "ThetaProbe ML2X"),
    ("Net_Net_Two_Words_sm_0.050000_0.050000_n.s._20120101_20121231.stm", "n.s."),
])
def test_ceop_sensor_is_that_of_the_file_name(name: str, sensor: str) -> None:
    assert read_stm(ceop_file(), name=f"folder/{name}").station.sensor == sensor


def test_latin_1_flags() -> None:
    series = read_stm(header_file(rows=(b"2007/01/01 00:00 0.1 G au\xdfer Betrieb",)), name=NAME)
    assert series.values["provider_flag"].tolist() == ["außer Betrieb"]


@pytest.mark.parametrize("value", [b"-999.99", b"-9999", b"-99.0"])
def test_no_value_is_unknown_not_a_number(value: bytes) -> None:
    series = read_stm(header_file(rows=(b"2007/01/01 00:00 " + value + b" M", ROWS[1])), name=NAME)
    assert np.isnan(series.values["value"].iloc[0])
    assert (len(series.values), series.bad_lines) == (2, 0)


@pytest.mark.parametrize("line", [
    b"garbage", b"2007/02/30 00:00 0.1 G M", b"2007/13/01 00:00 0.1 G M", b"2007/01/01 24:00 0.1 G M",
    b"2007/01/01 00:60 0.1 G M", b"2007-01-01 00:00 0.1 G M", b"2007/01/01 00:00 abc G M", b"2007/01/01 00:00",
    b"2007/01/01 00:00 nan G M", b"0007/01/01 00:00 0.1 G M", b"2007/1/1 00:00 0.1 G M", b"2007/01/01 0000 0.1 G M",
    b"2007/01/01 00:00 0.1.2 G M", b"2007/01/0\xff 00:00 0.1 G M", b"2007/01/01extra 00:00 0.1 G M",
])
def test_bad_lines_are_counted_and_the_others_kept(line: bytes) -> None:
    series = read_stm(header_file(rows=(*ROWS[:2], line, *ROWS[2:])), name=NAME)
    assert series.bad_lines == 1
    assert series.values["value"].tolist() == [0.137, 0.141, 0.143, 0.147, 0.15, 0.16]


def test_garbled_first_line_of_a_ceop_file_costs_one_line() -> None:
    series = read_stm(b"01/01 00:00   0.1370 D02 M\n" + ceop_file(), name=NAME)
    assert (len(series.values), series.bad_lines) == (6, 1)


def test_endless_line_does_not_cost_the_memory_of_all() -> None:
    endless = b"2007/01/01 02:00 0.2 G " + b"x" * 10_000_000
    series = read_stm(header_file(rows=(*ROWS, endless, b"y" * 10_000_000)), name=NAME)
    assert (len(series.values), series.bad_lines) == (7, 1)
    assert series.values["provider_flag"].str.len().max() == 160


def test_blank_lines_do_not_count() -> None:
    series = read_stm(b"\n\n" + header_file(b"\n\n  \n"), name=NAME)
    assert (len(series.values), series.bad_lines) == (6, 0)


def test_rows_are_ordered_and_of_repeated_times_the_last_is_kept() -> None:
    rows = (ROWS[1], ROWS[0], b"2007/01/01 01:00 0.2000 G M")
    series = read_stm(header_file(rows=rows), name=NAME)
    assert series.values["value"].tolist() == [0.137, 0.2]
    assert (series.bad_lines, series.repeated_times) == (0, 1)


def test_header_alone_is_a_station_without_observations() -> None:
    series = read_stm(HEADER + SENSOR + b"\r\n", name=NAME)
    assert (len(series.values), series.bad_lines) == (0, 0)
    assert series.station.name == "Adams_Ranch_#1"
    assert series.values.index.dtype == np.dtype("datetime64[ns]")


@pytest.mark.parametrize("content", [
    b"", b"\n\n", b"<html>login</html>", b"PK\x03\x04binary", b"a b c d e f g h\n2007/01/01 00:00 0.1 G",
    HEADER + SENSOR + b"\nnothing here\nreadable 2 3 4\n", b"2007/01/01 00:00 0.1370 D02 M\n",
])
def test_nothing_readable_is_an_error(content: bytes) -> None:
    with pytest.raises(StationFileError) as caught:
        read_stm(content, name=NAME)
    assert caught.value.code == "SM208"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(
    st.datetimes(dt.datetime(1952, 1, 1), dt.datetime(2035, 1, 1)), st.integers(0, 10000),
    st.sampled_from(["G", "U", "D01,D02", "C01,C02,C03,D06"]), st.sampled_from(["", "M", "NA NA", "0"]),
), min_size=1, max_size=50, unique_by=lambda row: row[0].replace(second=0, microsecond=0)))
def test_what_is_written_is_read_in_both_dialects(rows: list[tuple[dt.datetime, int, str, str]]) -> None:
    lines = tuple(f"{t:%Y/%m/%d %H:%M} {v / 10000:8.4f} {f} {p}".encode() for t, v, f, p in rows)
    expected = sorted((t.replace(second=0, microsecond=0), v / 10000, f, p) for t, v, f, p in rows)
    for content in (header_file(b"\r\n", rows=lines), ceop_file(b"\r", rows=lines)):
        table = read_stm(content, name=NAME).values
        assert list(table.itertuples(name=None)) == expected


def other_sensor(letter: bytes) -> bytes:
    return HEADER + SENSOR.strip() + b"-" + letter + b" \r\n" + ROWS[0]


def folder_of(root: Path) -> Path:
    """Two sensors at one depth, soil temperature and rain beside them, a broken file, and text."""
    site = root / "SCAN" / "AdamsRanch#1"
    site.mkdir(parents=True)
    for letter in "AB":
        (site / NAME.replace("Volt)", f"Volt)-{letter}")).write_bytes(other_sensor(letter.encode()))
    (site / NAME.replace("_sm_", "_ts_")).write_bytes(header_file())
    (site / NAME.replace("_sm_0.050800_0.050800", "_p_0.000000_0.000000")).write_bytes(header_file())
    (site / NAME.replace("AdamsRanch", "Broken")).write_bytes(b"<html>")
    (root / "Readme.txt").write_text("Variables stored in separate files")
    return root


def test_folder_gives_soil_moisture_of_every_sensor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        series = read_ismn(folder_of(tmp_path))
    assert [one.station.sensor[-2:] for one in series] == ["-A", "-B"]
    assert len({one.station.station_id for one in series}) == 2
    assert "Broken" in caplog.text


@pytest.mark.parametrize("top", ["", "ISMN_DOWNLOAD/"])
def test_zip_archive_flat_or_nested(tmp_path: Path, top: str) -> None:
    source = folder_of(tmp_path / "folder")
    archive = tmp_path / "Data_separate_files_20070101_20131231.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in source.rglob("*"):
            file.write(path, top + str(path.relative_to(source)))
    series = read_ismn(archive)
    assert [(one.station.network, one.station.name) for one in series] == [("SCAN", "Adams_Ranch_#1")] * 2
    assert len(read_ismn(tmp_path)) == 2  # the folder and the archive hold the same sensors
    assert [one.repeated_times for one in read_ismn(tmp_path)] == [1, 1]


def test_files_of_one_sensor_are_joined(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(header_file(rows=ROWS[:3]))
    (tmp_path / NAME.replace("20070101", "20070102")).write_bytes(header_file(rows=ROWS[2:]))
    (series,) = read_ismn(tmp_path)
    assert series.values["value"].tolist() == [0.137, 0.141, 0.143, 0.147, 0.15, 0.16]
    assert series.repeated_times == 1


def test_single_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(header_file())
    (series,) = read_ismn(path)
    check(series)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(StationFileError, match="no readable soil-moisture file"):
        read_ismn(tmp_path)
    broken = tmp_path / "x.zip"
    broken.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(StationFileError, match="no readable zip archive"):
        read_ismn(broken)
    (tmp_path / NAME).write_bytes(b"<html>")
    with pytest.raises(StationFileError, match="failures=1"):
        read_ismn(tmp_path)
    with pytest.raises(StationFileError, match="cannot be opened"):
        read_ismn(tmp_path / NAME.replace("SCAN", "GONE"))


def test_broken_archive_in_a_folder_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / NAME).write_bytes(header_file())
    with caplog.at_level(logging.WARNING):
        assert len(read_ismn(tmp_path)) == 1
    assert "x.zip" in caplog.text
