"""The documented CSV layout, and what is said about lines that break it."""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_core.errors import StationFileError
from sm_core.sources import describe, identify, read_stations
from sm_core.sources.station_csv import OPTIONAL, REQUIRED, UNITS, named, read_station_csv

HEADER = "network,station,lon,lat,depth_from_m,depth_to_m,time,soil_moisture_m3m3"
ROW = "JEJU,Aewol,126.33,33.46,0.05,0.05,2024-07-01T09:00:00+09:00,0.312"
DOCS = Path(__file__).parents[3] / "docs" / "station-csv.md"


def csv(*lines, header=HEADER):
    return "\n".join((header, *lines)).encode()


def test_korean_time_becomes_utc():
    (one,) = read_station_csv(csv(ROW, ROW.replace("T09", "T10").replace("0.312", ""))).series
    assert one.values.index.tolist() == [pd.Timestamp("2024-07-01 00:00"), pd.Timestamp("2024-07-01 01:00")]
    np.testing.assert_array_equal(one.values["value"], [0.312, np.nan])
    assert (one.station.network, one.station.name, one.station.lon, one.station.lat) == ("JEJU", "Aewol", 126.33, 33.46)
    assert (one.station.depth_from_m, one.station.elevation_m, one.station.sensor) == (0.05, None, "")


@pytest.mark.parametrize("time", [
    "2024-07-01T00:00:00Z", "2024-07-01 00:00Z", "2024-07-01T09:00+0900", "2024-06-30T19:00:00.000-05:00",
])
def test_ways_to_write_a_time(time):
    (one,) = read_station_csv(csv(ROW.replace("2024-07-01T09:00:00+09:00", time))).series
    assert one.values.index.item() == pd.Timestamp("2024-07-01")


def test_per_cent_is_told_by_the_columns_name():
    content = csv(ROW.replace("0.312", "31.2"), header=HEADER.replace("m3m3", "percent"))
    (one,) = read_station_csv(content).series
    assert one.values["value"].item() == pytest.approx(0.312)


def test_optional_columns():
    header = HEADER + ",sensor,elevation_m,flag,soil_temperature_c,air_temperature_c,precipitation_mm"
    content = csv(ROW + ",5TM,120.5,D01,-0.4,-3,0.2", ROW.replace("T09", "T10") + ",5TM,120.5,,,1,", header=header)
    (one,) = read_station_csv(content).series
    assert (one.station.sensor, one.station.elevation_m) == ("5TM", 120.5)
    assert one.values["flag"].tolist() == ["D01", ""]
    np.testing.assert_array_equal(one.values["soil_temperature"], [-0.4, np.nan])
    assert one.values["air_temperature"].tolist() == [-3.0, 1.0]
    np.testing.assert_array_equal(one.values["precipitation"], [0.2, np.nan])


def test_sensors_are_told_apart_and_the_later_line_counts():
    series = read_station_csv(csv(ROW, ROW.replace("0.05,0.05", "0.10,0.10"), ROW.replace("0.312", "0.4"))).series
    assert [one.station.depth_from_m for one in series] == [0.05, 0.10]
    assert series[0].values["value"].tolist() == [0.4]
    assert series[0].repeated_times == 1


@pytest.mark.parametrize(("change", "words"), [
    (("JEJU", ""), "network '' is empty"),
    (("Aewol", " "), "station '' is empty"),
    (("126.33", "361"), "lon '361' is not a longitude"),
    (("33.46", "N33"), "lat 'N33' is not a latitude"),
    (("0.05,0.05", "5,50"), "depth_to_m '50' is not a depth in metres"),
    (("0.05,0.05", "0.2,0.1"), "depth_to_m '0.1' is not a depth in metres, 0 to 10, at least depth_from_m"),
    (("+09:00", ""), "time '2024-07-01T09:00:00' is not ISO 8601 with an offset"),
    (("07-01T", "13-01T"), "time '2024-13-01T09:00:00+09:00' is not ISO 8601"),
    (("2024-07-01T09:00:00+09:00", "01.07.2024 09:00"), "time '01.07.2024 09:00' is not ISO 8601"),
    (("0.312", "wet"), "soil_moisture_m3m3 'wet' is not a number"),
    (("0.312", "inf"), "soil_moisture_m3m3 'inf' is not a number"),
])
def test_a_wrong_line_is_named_and_the_others_count(change, words):
    found = read_station_csv(csv(ROW, ROW.replace(*change), ROW.replace("T09", "T10")))
    assert [len(one.values) for one in found.series] == [2]
    (problem,) = found.problems
    assert str(problem).startswith(f"line 3: {words}")


def test_lines_are_counted_as_an_editor_does_it():
    found = read_station_csv(csv(ROW, "", ROW.replace("126.33", "x"), ROW.replace("T09", "T10")))
    assert [problem.line for problem in found.problems] == [4]


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is not CSV"),
    (csv(), "header only"),
    (csv(ROW.replace("126.33", "x"), ROW.replace("33.46", "y")), r"line 2: lon 'x'.*; line 3: lat 'y'"),
    (csv(ROW, header=HEADER.replace("lat", "latitude")), r"missing=\['lat'\], unknown=\['latitude'\]"),
    (csv(ROW, header=HEADER.replace("_m3m3", "")), r"unknown=\['soil_moisture'\], value_columns=\[\]"),
    (csv(ROW + ",31", header=HEADER + ",soil_moisture_percent"), "where one of"),
    (csv(ROW, ROW + ",7"), "line 3"),
    (csv(ROW).replace(b"Aewol", b"\xbe\xd6\xbf\xf9"), "line 2 is not UTF-8"),
])
def test_a_file_of_another_kind_is_refused(content, words):
    with pytest.raises(StationFileError, match=words) as caught:
        read_station_csv(content)
    assert caught.value.code == "SM208"


def test_byte_order_mark_and_names_in_korean():
    (one,) = read_station_csv(b"\xef\xbb\xbf" + csv(ROW.replace("Aewol", "애월"))).series
    assert one.station.name == "애월"
    assert one.station.station_id == "JEJU_애월_0.05-0.05"


def test_many_problems_are_counted_not_listed():
    problems = read_station_csv(csv(ROW, *[ROW.replace("126.33", "x")] * 25)).problems
    assert len(problems) == 25
    assert named(problems).endswith("; and 15 more")
    assert named(problems).count("line") == 10


def test_read_by_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "stations_jeju_20240701_20240731.csv"
    path.write_bytes(csv(ROW, ROW.replace("126.33", "x")))
    granule = identify(path)
    assert (granule.source_id, str(granule.start), str(granule.end)) == ("CSV", "2024-07-01", "2024-07-31")
    with caplog.at_level(logging.WARNING):
        assert len(read_stations(path)) == 1
    assert "line 3: lon 'x'" in caplog.text


def test_the_documented_table_and_example_are_what_is_read():
    text = DOCS.read_text(encoding="utf-8")
    columns = {name for row in re.findall(r"^\| (`.+?) \|", text, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert columns == {*REQUIRED, *OPTIONAL, *UNITS}
    example = re.search(r"```csv\n(.+?)```", text, re.S)[1].encode()
    found = read_station_csv(example)
    assert not found.problems
    assert [len(one.values) for one in found.series] == [2]


def test_described_with_its_problems(tmp_path: Path):
    path = tmp_path / "stations_jeju_20240701_20240731.csv"
    path.write_bytes(csv(ROW, ROW.replace("126.33", "x")))
    found = describe(path)
    assert (found.kind, found.source_id, len(found.stations)) == ("station", "CSV", 1)
    assert found.notes == ("line 3: lon 'x' is not a longitude in degrees",)
