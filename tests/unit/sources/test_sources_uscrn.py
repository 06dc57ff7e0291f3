"""USCRN yearly files; lines laid out as in the products' readme, values chosen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_core.errors import StationFileError
from sm_core.sources import describe, identify, read_stations
from sm_core.sources.uscrn import read_uscrn

HOURLY, DAILY = "CRNH0203-2024-AZ_Tucson_11_W.txt", "CRND0103-2024-AZ_Tucson_11_W.txt"


def hour(date="20240701", clock="0100", rain="    1.2", moisture="  0.123   0.145 -99.000 -99.000   0.301"):
    """38 columns; soil temperatures 31, 30, missing, missing, 25 degC."""
    return (
        f"53131 {date} {clock} 20240630 1800  2.623 -111.17   32.24    29.7    29.9    30.6    29.3 {rain}    123 0"
        "     201 0      50 0 C    35.1 0    36.2 0    33.9 0    21 0"
        f" {moisture}    31.0    30.0 -9999.0 -9999.0    25.0"
    )


DAY = (
    "53131 20240701  2.623 -111.17   32.24    39.1    24.0    31.6    31.5     3.4    28.10 C    57.9    20.8    35.7"
    "    60.1     8.5    25.3   0.123   0.145 -99.000 -99.000 -99.000    31.0    30.0 -9999.0 -9999.0 -9999.0"
)


def text(*lines):
    return ("\n".join(lines) + "\n").encode()


def test_the_lines_have_the_columns_of_the_readme():
    assert (len(hour().split()), len(DAY.split())) == (38, 28)


def test_hourly():
    series = read_uscrn(text(hour(), hour(clock="0200", moisture="-99.000 0.146 -99.000 -99.000 0.302")), name=HOURLY)
    assert [one.station.depth_from_m for one in series] == [0.05, 0.10, 1.00]  # 20 and 50 cm hold nothing
    surface = series[0]
    assert (surface.station.network, surface.station.name) == ("USCRN", "AZ_Tucson_11_W")
    assert (surface.station.lon, surface.station.lat) == (-111.17, 32.24)
    assert surface.values.index.tolist() == [pd.Timestamp("2024-07-01 01:00"), pd.Timestamp("2024-07-01 02:00")]
    np.testing.assert_array_equal(surface.values["value"], [0.123, np.nan])
    assert surface.values["soil_temperature"].tolist() == [31.0, 31.0]
    assert series[2].values["soil_temperature"].tolist() == [25.0, 25.0]
    assert surface.values["air_temperature"].tolist() == [29.9, 29.9]
    assert surface.values["precipitation"].tolist() == [1.2, 1.2]
    assert surface.values["flag"].tolist() == ["", ""]


def test_daily_begins_at_local_midnight():
    surface, deeper = read_uscrn(text(DAY), name=DAILY)
    assert surface.values.index.tolist() == [pd.Timestamp("2024-07-01 07:00")]  # -111.17 / 15 = -7.4: UTC-7
    assert (surface.values["value"].item(), deeper.values["value"].item()) == (0.123, 0.145)
    assert surface.values["precipitation"].item() == 3.4
    assert surface.values["air_temperature"].item() == 31.5
    assert deeper.values["soil_temperature"].item() == 30.0


@pytest.mark.parametrize("missing", ["-9999.0", "-99.000"])
def test_missing_rain_is_unknown_never_negative(missing):
    (one, *_) = read_uscrn(text(hour(rain=missing)), name=HOURLY)
    assert np.isnan(one.values["precipitation"].item())


def test_lines_of_another_length_or_time_are_counted():
    lines = (hour(), "53131 20240701", "", hour(clock="2460"), hour(date="20240732"), hour(clock="0300"))
    (one, *_) = read_uscrn(text(*lines), name=HOURLY)
    assert (len(one.values), one.bad_lines) == (2, 3)


@pytest.mark.parametrize(("content", "name", "words"), [
    (text(hour()), "tucson.txt", "not named like a USCRN file"),
    (text(DAY), HOURLY, "38 columns"),
    (b"", DAILY, "28 columns"),
    (b"<html>not found</html>", HOURLY, "38 columns"),
    (text(hour(date="99999999")), HOURLY, "none of its lines has a date"),
    (text(hour().replace("-111.17", "-9999.0")), HOURLY, "do not tell a place"),
])
def test_other_content_is_a_coded_error(content, name, words):
    with pytest.raises(StationFileError, match=words) as caught:
        read_uscrn(content, name=name)
    assert caught.value.code == "SM208"


def test_a_year_without_soil_moisture_is_no_error():
    assert read_uscrn(text(hour(moisture="-99.000 -99.000 -99.000 -99.000 -99.000")), name=HOURLY) == ()


def test_read_by_its_name(tmp_path: Path):
    path = tmp_path / HOURLY
    path.write_bytes(text(hour()))
    granule = identify(path)
    assert (granule.source_id, str(granule.start), str(granule.end)) == ("USCRN.hourly02", "2024-01-01", "2024-12-31")
    assert identify(Path(DAILY)).source_id == "USCRN.daily01"
    assert len(read_stations(path)) == 3


def test_described(tmp_path: Path):
    path = tmp_path / HOURLY
    path.write_bytes(text(hour()))
    found = describe(path)
    assert (found.kind, found.source_id, len(found.stations)) == ("station", "USCRN.hourly02", 3)
