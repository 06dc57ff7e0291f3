from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.domain import Granule
from sm_core.errors import ForeignFileError
from sm_core.sources import SOURCES, VARIABLES, identify, newest, source
from sm_core.sources.decode import _decoders
from sm_core.sources.names import part

JAN_1 = dt.date(2019, 1, 1)


@pytest.mark.parametrize(("name", "source_id", "start", "end", "tile", "produced"), [
    ("MOD11A1.A2026326.h28v05.061.2026327091500.hdf", "MOD11A1.061", "2026-11-22", "2026-11-22", "h28v05",
     "2026327091500"),
    ("MOD11A1.A2019305.h14v09.006.2019306084028.hdf", "MOD11A1.061", "2019-11-01", "2019-11-01", "h14v09",
     "2019306084028"),
    ("MYD11A1.A2020366.h27v04.061.2021001093000.hdf", "MYD11A1.061", "2020-12-31", "2020-12-31", "h27v04",
     "2021001093000"),
    ("MOD13A2.A2025129.h18v09.061.2025148083640.hdf", "MOD13A2.061", "2025-05-09", "2025-05-24", "h18v09",
     "2025148083640"),
    ("MYD13A2.A2024361.h18v09.061.2025012000000.hdf", "MYD13A2.061", "2024-12-26", "2025-01-10", "h18v09",
     "2025012000000"),
    ("VNP13A2.A2025001.h18v09.002.2025017085341.h5", "VNP13A2.002", "2025-01-01", "2025-01-16", "h18v09",
     "2025017085341"),
    ("VJ113A2.A2026009.h28v05.002.2026026085341.h5", "VJ113A2.002", "2026-01-09", "2026-01-24", "h28v05",
     "2026026085341"),
    ("VNP21A1D.A2025001.h28v05.002.2025002103000.h5", "VNP21A1D.002", "2025-01-01", "2025-01-01", "h28v05",
     "2025002103000"),
    ("VNP21A1N.A2025001.h28v05.002.2025002103000.h5", "VNP21A1N.002", "2025-01-01", "2025-01-01", "h28v05",
     "2025002103000"),
    ("VJ121A1D.A2026001.h28v05.002.2026002103000.h5", "VJ121A1D.002", "2026-01-01", "2026-01-01", "h28v05",
     "2026002103000"),
    ("VJ121A1N.A2026001.h28v05.002.2026002103000.h5", "VJ121A1N.002", "2026-01-01", "2026-01-01", "h28v05",
     "2026002103000"),
    ("GLASS08B31.V40.A2019001.2021259.hdf", "GLASS08B31.V40", "2019-01-01", "2019-01-01", "", "2021259"),
    ("GLASS13B01.V10.A2019001.2023068.hdf", "GLASS13B01.V10", "2019-01-01", "2019-01-08", "", "2023068"),
    ("GLASS06A01.V01.A2000055.h00v10.2022021.hdf", "GLASS06A01.V01", "2000-02-24", "2000-02-24", "h00v10", "2022021"),
    ("SMs_2019_GLEAM_v4.2a.nc", "GLEAM_v4.2a.SMs", "2019-01-01", "2019-12-31", "", "4.2a"),
    ("SMrz_2020_GLEAM_v4.3a.nc", "GLEAM_v4.2a.SMrz", "2020-01-01", "2020-12-31", "", "4.3a"),
    ("SMsurf_2019_GLEAM_v3.8a.nc", "GLEAM_v3.8a.SMsurf", "2019-01-01", "2019-12-31", "", "3.8a"),
    ("SMroot_2019_GLEAM_v3.8a.nc", "GLEAM_v3.8a.SMroot", "2019-01-01", "2019-12-31", "", "3.8a"),
    ("SMAP_L4_SM_gph_20190101T013000_Vv8010_001.h5", "SPL4SMGP.008", "2019-01-01", "2019-01-01", "", "v8010_001"),
    ("C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20170701000000-ICDR-v201706.0.0.nc", "C3S-SM", "2017-07-01",
     "2017-07-01", "", "201706.0.0"),
    ("ESACCI-SOILMOISTURE-L3S-SSMV-PASSIVE-20161227000000-fv04.2.nc", "ESACCI-SM", "2016-12-27", "2016-12-27", "",
     "04.2"),
    ("SCAN_SCAN_AdamsRanch#1_sm_0.050800_0.050800_Hydraprobe-Analog-(2.5-Volt)_20070101_20131231.stm", "ISMN",
     "2007-01-01", "2013-12-31", "", ""),
    ("Data_separate_files_header_20170810_20180809_1234_abcd_20250101.zip", "ISMN", "2017-08-10", "2018-08-09", "", ""),
    ("rda_20240701_20240731_p1.xml", "RDA", "2024-07-01", "2024-07-31", "", ""),
])
def test_provider_names_tell_source_days_tile_and_edition(
    name: str, source_id: str, start: str, end: str, tile: str, produced: str
) -> None:
    granule = identify(Path("archive") / name)
    assert granule == Granule(
        source_id=source_id, start=dt.date.fromisoformat(start), end=dt.date.fromisoformat(end), tile=tile,
        produced=produced, uri=f"archive/{name}", size=0,
    )


@pytest.mark.parametrize("name", [
    "MOD11A1.A2019366.h28v05.061.2020001000000.hdf",  # 2019 has no day 366
    "MOD11A1.A2019000.h28v05.061.2020001000000.hdf",
    "MOD11A1.hdf",
    "MOD11A1.A2019001.h28v05.061.2019002091500.hdf.xml",
    "MOD11A1.A2019001.h28v05.061.2019002091500.hdf.part",
    "MOD11B2.A2017001.h14v04.006.2017013155631.hdf",
    "GLASS01B01.V60.A2020185.2022138.hdf",
    "E_2004_GLEAM_v4.2a_MO.nc",
    "SMs_2019_GLEAM_v4.2b.nc",  # satellite-era version: another climatology
    "SMAP_L4_SM_gph_20191301T013000_Vv8010_001.h5",  # month 13
    "C3S-SOILMOISTURE-L3S-SSMV-COMBINED-MONTHLY-20180701000000-ICDR-v201706.0.0.nc",
    "C3S-SOILMOISTURE-L3S-SSMV-ACTIVE-DAILY-20180701000000-ICDR-v201706.0.0.nc",  # per cent of saturation
    "SCAN_SCAN_PuaAkala_ts_0.050800_0.050800_Hydraprobe_20170101_20181231.stm",
])
def test_other_names_are_nothing_we_know(name: str) -> None:
    assert identify(Path(name)) is None


def test_size_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "SMs_2019_GLEAM_v4.2a.nc"
    path.write_bytes(b"12345")
    granule = identify(path)
    assert granule is not None
    assert (granule.size, granule.uri, granule.sha256) == (5, str(path), "")


def _granules(*names: str) -> list[Granule]:
    return [granule for name in names if (granule := identify(Path(name)))]


def test_newest_keeps_the_last_produced_of_each_tile_and_day() -> None:
    kept = newest(_granules(
        "MOD11A1.A2019001.h28v05.006.2019002091500.hdf",
        "MOD11A1.A2019001.h28v05.061.2021002091500.hdf",
        "MOD11A1.A2019001.h27v05.006.2019002091500.hdf",
        "MYD11A1.A2019001.h28v05.006.2019002091500.hdf",
        "SMs_2019_GLEAM_v4.3a.nc", "SMs_2019_GLEAM_v4.2a.nc",
    ))
    assert [(g.source_id, g.tile, g.produced) for g in kept] == [
        ("GLEAM_v4.2a.SMs", "", "4.3a"), ("MOD11A1.061", "h27v05", "2019002091500"),
        ("MOD11A1.061", "h28v05", "2021002091500"), ("MYD11A1.061", "h28v05", "2019002091500"),
    ]


def test_newest_keeps_all_hours_of_a_day_and_all_stations_of_a_period() -> None:
    hours = [f"SMAP_L4_SM_gph_20190101T{hour:02d}3000_Vv8010_001.h5" for hour in range(1, 24, 3)]
    stations = [f"SCAN_SCAN_{name}_sm_0.05_0.05_n.s._20170101_20181231.stm" for name in ("A", "B")]
    kept = newest(_granules(*hours, *stations, hours[0].replace("v8010", "v8011")))
    assert len(kept) == 8 + 2
    assert [part(g) for g in kept if g.source_id == "SPL4SMGP.008"] == [f"T{hour:02d}3000" for hour in range(1, 24, 3)]
    assert "v8011_001" in {g.produced for g in kept}


@given(st.permutations(range(6)))
def test_newest_does_not_depend_on_order(order: list[int]) -> None:
    granules = _granules(*[f"MOD11A1.A201900{day}.h28v05.061.201900{day + made}000000.hdf"
                           for day in (1, 2) for made in (1, 2, 3)])
    assert newest(granules[i] for i in order) == newest(granules)
    assert [g.produced for g in newest(granules)] == ["2019004000000", "2019005000000"]


@given(st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)))
def test_every_day_of_a_century_is_read_back(day: dt.date) -> None:
    granule = identify(Path(f"MOD11A1.A{day:%Y%j}.h28v05.061.2100001000000.hdf"))
    assert granule is not None
    assert granule.start == granule.end == day


def test_sources_are_declared_once_and_completely() -> None:
    ids = [entry.source_id for entry in SOURCES]
    names = {variable.name for variable in VARIABLES}
    assert len(ids) == len(set(ids))
    for entry in SOURCES:
        assert set(entry.variables) <= names, entry.source_id
        assert entry.successor is None or entry.successor in ids
        assert entry.ends is None or entry.ends > entry.starts
    assert source("SPL4SMGP.008").provisional
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)


def test_every_source_of_granules_has_a_decoder_and_no_other() -> None:
    assert set(_decoders()) == {entry.source_id for entry in SOURCES if entry.native_grid != "points"}


def test_unknown_source_is_a_coded_error() -> None:
    with pytest.raises(ForeignFileError, match=r"no such source is declared.*MOD99") as caught:
        source("MOD99")
    assert caught.value.code == "SM207"
