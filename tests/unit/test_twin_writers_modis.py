"""MODIS granules read back with the HDF4 library and compared with what real files look like."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pyhdf.HDF import HDF
from pyhdf.SD import SD
from pyhdf.V import V  # noqa: F401  (gives HDF its vgstart)

from sm_core.errors import GridMismatchError, UnitsError
from sm_core.twin.writers import write_mxd11a1, write_mxd13a2

SHAPE = (1200, 1200)
LST_GRID, VI_GRID = "MODIS_Grid_Daily_1km_LST", "MODIS_Grid_16DAY_1km_VI"
UINT8, INT8, INT16, UINT16 = 21, 20, 22, 23
LST_FACTS = {  # type, valid range, fill, scale, offset, as in a real MOD11A1
    "LST_Day_1km": (UINT16, [7500, 65535], 0, 0.02, None), "QC_Day": (UINT8, [0, 255], None, None, None),
    "Day_view_time": (UINT8, [0, 240], 255, 0.1, None), "Day_view_angl": (UINT8, [0, 130], 255, 1.0, -65.0),
    "LST_Night_1km": (UINT16, [7500, 65535], 0, 0.02, None), "QC_Night": (UINT8, [0, 255], None, None, None),
    "Night_view_time": (UINT8, [0, 240], 255, 0.1, None), "Night_view_angl": (UINT8, [0, 130], 255, 1.0, -65.0),
    "Emis_31": (UINT8, [1, 255], 0, 0.002, 0.49), "Emis_32": (UINT8, [1, 255], 0, 0.002, 0.49),
    "Clear_day_cov": (UINT16, [1, 65535], 0, 0.0005, None), "Clear_night_cov": (UINT16, [1, 65535], 0, 0.0005, None),
}
VI_FACTS = {  # type, valid range, fill, scale, as in a real MYD13A2
    "NDVI": (INT16, [-2000, 10000], -3000, 10000.0), "EVI": (INT16, [-2000, 10000], -3000, 10000.0),
    "VI Quality": (UINT16, [0, 65534], 65535, None), "red reflectance": (INT16, [0, 10000], -1000, 10000.0),
    "NIR reflectance": (INT16, [0, 10000], -1000, 10000.0), "blue reflectance": (INT16, [0, 10000], -1000, 10000.0),
    "MIR reflectance": (INT16, [0, 10000], -1000, 10000.0), "view zenith angle": (INT16, [0, 18000], -10000, 100.0),
    "sun zenith angle": (INT16, [0, 18000], -10000, 100.0),
    "relative azimuth angle": (INT16, [-18000, 18000], -4000, 100.0),
    "composite day of the year": (INT16, [1, 366], -1, None), "pixel reliability": (INT8, [0, 3], -1, None),
}


def lst_inputs() -> dict[str, np.ndarray]:
    lst = np.full(SHAPE, np.nan, np.float32)
    lst[:3, :4] = [[290.0, 290.01, 290.02, 291.0], [300.0, 310.0, 320.0, 273.15], [150.0, 200.0, 250.0, np.nan]]
    error = np.zeros(SHAPE, np.uint8)
    error[0, :4] = [0, 1, 2, 3]
    times = np.full(SHAPE, 8.53, np.float32)
    times[1, 0] = np.nan
    return {
        "lst_day": lst, "lst_night": lst - np.float32(0), "view_time_day": times, "view_time_night": times + 12,
        "error_day": error, "error_night": np.zeros(SHAPE, np.uint8),
    }


def write_lst(directory: Path, **changes: object) -> Path:
    arguments = {
        "platform": "MOD", "tile": "h28v05", "day": dt.date(2019, 11, 1),
        "produced": dt.datetime(2019, 11, 2, 8, 40, 28), **lst_inputs(), **changes}
    return write_mxd11a1(directory, **arguments)


def write_vi(directory: Path, **changes: object) -> Path:
    ndvi = np.full(SHAPE, np.nan, np.float32)
    ndvi[0, :5] = [0.0, 0.1234, -0.2, 1.0, 0.5]
    reliability = np.full(SHAPE, -1, np.int8)
    reliability[0, :6] = [0, 1, 2, 3, 0, 3]
    days = np.full(SHAPE, -1, np.int16)
    days[0, :5] = [121, 122, 123, 136, 130]
    arguments = {
        "platform": "MYD", "tile": "h18v09", "start": dt.date(2025, 5, 1),
        "produced": dt.datetime(2025, 5, 20, 11, 49, 55), "ndvi": ndvi, "composite_doy": days,
        "reliability": reliability, **changes}
    return write_mxd13a2(directory, **arguments)


@pytest.fixture(scope="module")
def lst_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lst(tmp_path_factory.mktemp("lst"))


@pytest.fixture(scope="module")
def lst(lst_path: Path) -> Iterator[SD]:
    sd = SD(str(lst_path))
    yield sd
    sd.end()


@pytest.fixture(scope="module")
def vi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SD]:
    sd = SD(str(write_vi(tmp_path_factory.mktemp("vi"))))
    yield sd
    sd.end()


def in_order(attributes: dict[str, tuple]) -> list[str]:
    return sorted(attributes, key=lambda name: attributes[name][1])


def odl_value(text: str, name: str) -> str:
    return re.search(rf"OBJECT\s+= {name}\n.*?VALUE\s+= \"?([^\"\n]+)", text, re.DOTALL)[1]


def corners(text: str) -> tuple[float, ...]:
    found = re.search(r"UpperLeftPointMtrs=\((.*),(.*)\)\s+LowerRightMtrs=\((.*),(.*)\)", text)
    return tuple(float(number) for number in found.groups())


def test_lst_name_and_file_attributes(lst_path: Path, lst: SD) -> None:
    assert lst_path.name == "MOD11A1.A2019305.h28v05.061.2019306084028.hdf"
    attributes = lst.attributes(full=1)
    assert in_order(attributes) == [
        "HDFEOSVersion", "StructMetadata.0", "CoreMetadata.0", "ArchiveMetadata.0", "identifier_product_doi",
        "identifier_product_doi_authority"]
    assert attributes["HDFEOSVersion"][0] == "HDFEOS_V2.19"
    assert attributes["identifier_product_doi"][0] == "10.5067/MODIS/MOD11A1.061"


def test_lst_fields_have_the_real_types_and_attributes(lst: SD) -> None:
    datasets = lst.datasets()
    assert sorted(datasets, key=lambda name: datasets[name][3]) == list(LST_FACTS)
    for name, (kind, valid, fill, scale, offset) in LST_FACTS.items():
        assert datasets[name][:3] == ((f"YDim:{LST_GRID}", f"XDim:{LST_GRID}"), SHAPE, kind)
        sds = lst.select(name)
        attributes = sds.attributes()
        assert attributes["valid_range"] == valid
        assert [attributes.get(key) for key in ("_FillValue", "scale_factor", "add_offset")] == [fill, scale, offset]
        assert sds.getcompress() == (4, 1)
    assert in_order(lst.select("LST_Day_1km").attributes(full=1)) == [
        "long_name", "units", "Number Type", "valid_range", "_FillValue", "LST", "scale_factor", "scale_factor_err",
        "add_offset_err", "calibrated_nt"]
    assert in_order(lst.select("QC_Day").attributes(full=1)) == ["long_name", "Number Type", "valid_range"]


def test_lst_counts_by_hand(lst: SD) -> None:
    counts = lst.select("LST_Day_1km")[:3, :4]
    # 290 / 0.02 = 14500; 290.01 lies between two counts; 273.15 / 0.02 = 13657.5
    assert counts[0, 0] == 14500
    assert counts[0, 2:].tolist() == [14501, 14550]
    assert counts[1].tolist()[:3] == [15000, 15500, 16000]
    assert abs(int(counts[1, 3]) - 13657.5) == 0.5
    assert counts[2].tolist() == [7500, 10000, 12500, 0]
    assert not lst.select("LST_Night_1km")[3:].any()


def test_quality_bytes_by_hand(lst: SD) -> None:
    quality = lst.select("QC_Day")[:3, :5]
    assert quality[0].tolist() == [0b00_000000, 0b01_000001, 0b10_000001, 0b11_000001, 0b10]
    assert quality[1].tolist() == [0, 0, 0, 0, 2]
    assert set(np.unique(lst.select("QC_Night")[:])) == {0, 2}
    with_temperature = lst.select("LST_Day_1km")[:] > 0
    assert np.array_equal(lst.select("QC_Day")[:] == 2, ~with_temperature)


def test_view_time_only_where_there_is_temperature(lst: SD) -> None:
    times = lst.select("Day_view_time")[:3, :5]
    assert times[0].tolist() == [85, 85, 85, 85, 255]
    assert times[1, 0] == 255
    assert lst.select("Night_view_time")[0, 0] == 205


def test_lst_corners_to_the_millimetre(lst: SD) -> None:
    text = lst.attributes()["StructMetadata.0"]
    assert len(text) == 32000
    tile = math.pi * 6371007.181 / 18
    west, north = -18 * tile + 28 * tile, 9 * tile - 5 * tile
    assert corners(text) == pytest.approx((west, north, west + tile, north - tile), abs=1e-3)
    assert "ProjParams=(6371007.181000,0,0,0,0,0,0,0,86400,0,0,0,0)" in text
    assert text.rstrip("\0").endswith("END_GROUP=PointStructure\nEND\n")


def test_lst_inventory(lst: SD, lst_path: Path) -> None:
    text = lst.attributes()["CoreMetadata.0"]
    assert odl_value(text, "LOCALGRANULEID") == lst_path.name
    assert odl_value(text, "PRODUCTIONDATETIME") == "2019-11-02T08:40:28.000Z"
    assert odl_value(text, "RANGEBEGINNINGDATE") == odl_value(text, "RANGEENDINGDATE") == "2019-11-01"
    assert odl_value(text, "DAYNIGHTFLAG") == "Both"
    assert odl_value(text, "VERSIONID") == "61"
    assert odl_value(text, "ASSOCIATEDPLATFORMSHORTNAME") == "Terra"
    pattern = r'ADDITIONALATTRIBUTENAME\n.*?VALUE\s+= "(\w+)".*?PARAMETERVALUE\n.*?VALUE\s+= "([^"]+)"'
    numbers = dict(re.findall(pattern, text, re.DOTALL))
    assert (numbers["HORIZONTALTILENUMBER"], numbers["VERTICALTILENUMBER"], numbers["TileID"]) == (
        "28", "05", "51028005")
    # of 2 × 1 440 000 cells 19 are good, 3 of other quality
    assert float(numbers["QAFRACTIONGOODQUALITY"]) == pytest.approx(19 / 2_880_000, abs=1e-7)
    assert float(numbers["QAFRACTIONOTHERQUALITY"]) == pytest.approx(3 / 2_880_000, abs=1e-7)
    assert numbers["QAPERCENTNOTPRODUCEDCLOUD"] == "100"
    assert '"simulated"' in lst.attributes()["ArchiveMetadata.0"]


def test_eos_groups(lst_path: Path) -> None:
    file = HDF(str(lst_path))
    groups = file.vgstart()
    root = groups.attach(groups.find(LST_GRID))
    assert root._class == "GRID"
    children = [groups.attach(ref) for _, ref in root.tagrefs()]
    assert [(child._name, child._class, child._nmembers) for child in children] == [
        ("Data Fields", "GRID Vgroup", 12), ("Grid Attributes", "GRID Vgroup", 0)]
    assert {tag for tag, _ in children[0].tagrefs()} == {720}
    for group in (*children, root):
        group.detach()
    groups.end()
    file.close()


def test_vi_name_and_file_attributes(vi: SD, tmp_path: Path) -> None:
    attributes = vi.attributes(full=1)
    assert in_order(attributes) == [
        "HDFEOSVersion", "StructMetadata.0", "identifier_product_doi", "identifier_product_doi_authority",
        "CoreMetadata.0", "ArchiveMetadata.0"]
    core = attributes["CoreMetadata.0"][0]
    assert odl_value(core, "LOCALGRANULEID") == "MYD13A2.A2025121.h18v09.061.2025140114955.hdf"
    assert (odl_value(core, "RANGEBEGINNINGDATE"), odl_value(core, "RANGEENDINGDATE")) == ("2025-05-01", "2025-05-16")
    # the stamp in the name is Eastern standard time
    assert odl_value(core, "PRODUCTIONDATETIME") == "2025-05-20T16:49:55.000Z"
    assert odl_value(core, "ASSOCIATEDPLATFORMSHORTNAME") == "Aqua"
    structure = attributes["StructMetadata.0"][0]
    assert corners(structure) == pytest.approx((0, 0, 1111950.519667, -1111950.519667), abs=1e-3)
    assert "GridOrigin" not in structure


def test_vi_fields_have_the_real_types_and_attributes(vi: SD) -> None:
    datasets = vi.datasets()
    assert sorted(datasets, key=lambda name: datasets[name][3]) == [f"1 km 16 days {name}" for name in VI_FACTS]
    for name, (kind, valid, fill, scale) in VI_FACTS.items():
        title = f"1 km 16 days {name}"
        assert datasets[title][:3] == ((f"YDim:{VI_GRID}", f"XDim:{VI_GRID}"), SHAPE, kind)
        sds = vi.select(title)
        attributes = sds.attributes()
        assert (attributes["long_name"], attributes["valid_range"]) == (title, valid)
        assert (attributes["_FillValue"], attributes.get("scale_factor")) == (fill, scale)
        assert sds.getcompress() == (4, 5)
    assert in_order(vi.select("1 km 16 days NDVI").attributes(full=1)) == [
        "long_name", "units", "valid_range", "_FillValue", "scale_factor", "scale_factor_err", "add_offset",
        "add_offset_err", "calibrated_nt"]
    assert in_order(vi.select("1 km 16 days pixel reliability").attributes(full=1)) == [
        "long_name", "units", "valid_range", "_FillValue", "Legend"]


def test_ndvi_is_divided_not_multiplied(vi: SD) -> None:
    sds = vi.select("1 km 16 days NDVI")
    assert sds[0, :6].tolist() == [0, 1234, -2000, 10000, 5000, -3000]
    assert sds[0, 1] / sds.attributes()["scale_factor"] == pytest.approx(0.1234)
    assert vi.select("1 km 16 days composite day of the year")[0, :6].tolist() == [121, 122, 123, 136, 130, -1]


def test_fill_masks_of_ndvi_and_quality_differ(vi: SD) -> None:
    quality = vi.select("1 km 16 days VI Quality")[0, :7].astype(int)
    assert vi.select("1 km 16 days NDVI")[0, 5] == -3000
    assert quality[5] != 65535
    assert quality[6] == 65535
    assert (quality[:4] & 0b11).tolist() == [0b00, 0b01, 0b01, 0b10]
    assert (quality[:4] >> 14 & 1).tolist() == [0, 0, 1, 0]
    assert (quality[:4] >> 11 & 0b111).tolist() == [1, 1, 1, 1]


def test_same_arguments_same_bytes_in_any_folder(lst_path: Path, tmp_path: Path) -> None:
    assert write_lst(tmp_path / "a" / "much" / "longer" / "path").read_bytes() == lst_path.read_bytes()
    assert write_vi(tmp_path / "b").read_bytes() == write_vi(tmp_path / "c" / "d").read_bytes()
    changed = write_lst(tmp_path, produced=dt.datetime(2019, 11, 3))
    assert changed.read_bytes() != lst_path.read_bytes()


@pytest.mark.parametrize("row", [None, 0, 700, 1199])
def test_rows_without_data_are_fill(tmp_path: Path, row: int | None) -> None:
    lst = np.full(SHAPE, np.nan, np.float32)
    if row is not None:
        lst[row, 3] = 280.0
    sd = SD(str(write_lst(tmp_path, lst_night=lst, lst_day=np.full(SHAPE, np.nan, np.float32))))
    expected = {"LST_Night_1km": (14000, 0), "QC_Night": (0, 2), "Night_view_time": (205, 255),
                "Night_view_angl": (65, 255), "Clear_night_cov": (2000, 0)}
    for name, (present, absent) in expected.items():
        counts = sd.select(name)[:]
        if row is not None:
            assert counts[row, 3] == present
            counts[row, 3] = absent
        assert (counts == absent).all()
    assert (sd.select("QC_Day")[:] == 2).all()
    assert not sd.select("LST_Day_1km")[:].any()
    sd.end()


def test_leap_day_and_platform_in_the_name(tmp_path: Path) -> None:
    path = write_lst(tmp_path, platform="MYD", day=dt.date(2020, 12, 31), produced=dt.datetime(2021, 1, 1, 1, 2, 3))
    assert path.name == "MYD11A1.A2020366.h28v05.061.2021001010203.hdf"


def test_wrong_inputs_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    celsius = np.full(SHAPE, 20.0, np.float32)
    with pytest.raises(UnitsError, match=r"lst.*20\.0"):
        write_lst(tmp_path, lst_day=celsius)
    with pytest.raises(UnitsError, match="ndvi"):
        write_vi(tmp_path, ndvi=np.full(SHAPE, 5000.0, np.float32))
    with pytest.raises(GridMismatchError, match="lst_night"):
        write_lst(tmp_path, lst_night=np.zeros((1200, 1199), np.float32))
    assert list(tmp_path.iterdir()) == []
