"""VIIRS granules read back with h5py and compared with what a real VNP13A2 looks like."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from sm_core.twin.writers import write_viirs_lst, write_viirs_vi

SHAPE = (1200, 1200)
TILE = math.pi * 6371007.181 / 18
VI_FACTS = {  # type, fills, scale, valid range
    "NDVI": ("i2", [-15000, -13000], 1e-4, [-10000, 10000]), "EVI": ("i2", [-15000, -13000], 1e-4, [-10000, 10000]),
    "EVI2": ("i2", [-15000, -13000], 1e-4, [-10000, 10000]), "VI Quality": ("u2", [65535], None, [0, 65534]),
    "red reflectance": ("i2", [-1000], 1e-4, [0, 10000]), "NIR reflectance": ("i2", [-1000], 1e-4, [0, 10000]),
    "blue reflectance": ("i2", [-1000], 1e-4, [0, 10000]), "green reflectance": ("i2", [-1000], 1e-4, [0, 10000]),
    "SWIR1 reflectance": ("i2", [-1000], 1e-4, [0, 10000]), "SWIR2 reflectance": ("i2", [-1000], 1e-4, [0, 10000]),
    "SWIR3 reflectance": ("i2", [-1000], 1e-4, [0, 10000]), "view zenith angle": ("i2", [-20000], 0.01, [0, 18000]),
    "sun zenith angle": ("i2", [-20000], 0.01, [0, 18000]),
    "relative azimuth angle": ("i2", [-20000], 0.01, [-18000, 18000]),
    "composite day of the year": ("i2", [-1], None, [1, 366]), "pixel reliability": ("i1", [-4, -1], None, [0, 11]),
}


def write_vi(directory: Path) -> Path:
    ndvi = np.full(SHAPE, np.nan, np.float32)
    ndvi[0, :4] = [0.4321, -0.05, 1.0, 0.0]
    reliability = np.full(SHAPE, -4, np.int8)
    reliability[0, :6] = [0, 9, 8, 11, -1, -4]
    days = np.full(SHAPE, -1, np.int16)
    days[0, :4] = [1, 5, 16, 7]
    return write_viirs_vi(
        directory, platform="VJ1", tile="h27v04", start=dt.date(2025, 1, 1),
        produced=dt.datetime(2025, 1, 17, 8, 53, 41), ndvi=ndvi, composite_doy=days, reliability=reliability)


def write_lst(directory: Path, *, night: bool, cloud: np.ndarray | None = None) -> Path:
    lst = np.full(SHAPE, np.nan, np.float32)
    lst[0, :4] = [300.0, 290.02, 280.0, 270.0]
    classes = np.zeros(SHAPE, np.uint8)
    classes[0, :6] = [0, 1, 2, 0, 3, 0]
    accuracy = np.zeros(SHAPE, np.uint8)
    accuracy[0, :4] = [3, 2, 1, 0]
    return write_viirs_lst(
        directory, platform="VJ1", tile="h28v05", day=dt.date(2024, 7, 1), night=night,
        produced=dt.datetime(2024, 7, 2, 9, 0), lst=lst, view_time=np.full(SHAPE, 13.5, np.float32),
        cloud=classes if cloud is None else cloud, accuracy=accuracy)


@pytest.fixture(scope="module")
def vi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[h5py.File]:
    with h5py.File(write_vi(tmp_path_factory.mktemp("vi"))) as file:
        yield file


@pytest.fixture(scope="module")
def lst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[h5py.File]:
    with h5py.File(write_lst(tmp_path_factory.mktemp("lst"), night=False)) as file:
        yield file


def test_vi_fields_have_the_real_types_and_attributes(vi: h5py.File) -> None:
    fields = vi["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/Data Fields"]
    assert set(fields) == {f"1 km 16 days {name}" for name in VI_FACTS} | {"Projection"}
    for name, (kind, fills, scale, valid) in VI_FACTS.items():
        field = fields[f"1 km 16 days {name}"]
        attributes = field.attrs
        assert (field.dtype, field.shape, field.chunks) == (np.dtype(kind), SHAPE, (1, 1200))
        assert (field.compression, field.compression_opts, field.fillvalue) == ("gzip", 5, 0)
        assert attributes["_FillValue"].tolist() == fills
        assert attributes["_FillValue"].dtype == field.dtype
        assert attributes["valid_range"].tolist() == valid
        assert attributes["long_name"].tolist() == [f"1 km 16 days {name}".encode()]
        assert attributes["grid_mapping"].tolist() == [b"Projection"]
        if scale is None:
            assert "scale_factor" not in attributes
        else:
            assert (attributes["scale_factor"].shape, attributes["scale_factor"][0]) == ((1,), scale)


def test_ndvi_is_multiplied_and_has_two_fills(vi: h5py.File) -> None:
    field = vi["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/Data Fields/1 km 16 days NDVI"]
    assert field[0, :6].tolist() == [4321, -500, 10000, 0, -13000, -15000]
    assert field[0, 0] * field.attrs["scale_factor"][0] == pytest.approx(0.4321)
    assert set(np.unique(field[1:])) == {-15000}


def test_axes_hold_edges_not_centres(vi: h5py.File) -> None:
    grid = vi["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km"]
    assert grid["XDim"][0] == pytest.approx(9 * TILE, abs=1e-3)
    assert grid["YDim"][0] == pytest.approx(5 * TILE, abs=1e-3)
    assert grid["XDim"][1] - grid["XDim"][0] == pytest.approx(TILE / 1200)
    assert grid["YDim"][-1] == pytest.approx(4 * TILE + TILE / 1200, abs=1e-3)
    ndvi = grid["Data Fields/1 km 16 days NDVI"]
    assert [list(dimension.keys()) for dimension in ndvi.dims] == [["YDim"], ["XDim"]]


def test_texts_of_the_file(vi: h5py.File) -> None:
    information = vi["HDFEOS INFORMATION"]
    assert information.attrs["HDFEOSVersion"] == b"HDFEOS_5.1.16"
    assert information["StructMetadata.0"].dtype == "S32000"
    structure = information["StructMetadata.0"][()].decode()
    corner = re.search(r"UpperLeftPointMtrs=\((.*),(.*)\)", structure).groups()
    assert [float(number) for number in corner] == pytest.approx([9 * TILE, 5 * TILE], abs=1e-3)
    assert "Projection=HE5_GCTP_SNSOID" in structure
    core = information["CoreMetadata.0"][()].decode()
    assert 'VALUE                = "2025-01-1708:53:41T08:53:41.000Zc"' in core
    assert vi.attrs["HORIZONTALTILENUMBER"] == b"27"
    assert vi.attrs["RangeEndingDate"] == b"2025-01-16"
    assert vi.attrs["DayNumbers"].startswith(b"1, 2, 3, ")
    assert vi.attrs["LocalGranuleID"] == b"VJ113A2.A2025001.h27v04.002.2025017085341.h5"
    assert vi.attrs["EastBoundingCoord"].shape == (1,)
    assert Path(vi.filename).name.encode() == vi.attrs["LocalGranuleID"]


def test_lst_fields(lst: h5py.File) -> None:
    assert Path(lst.filename).name == "VJ121A1D.A2024183.h28v05.002.2024184090000.h5"
    fields = lst["HDFEOS/GRIDS/VIIRS_Grid_Daily_1km_LST21/Data Fields"]
    assert set(fields) - {"Projection"} == {
        "LST_1KM", "QC", "Emis_14", "Emis_15", "Emis_16", "View_Angle", "View_Time"}
    assert fields["LST_1KM"].dtype == fields["QC"].dtype == np.uint16
    assert fields["LST_1KM"][0, :5].tolist() == [15000, 14501, 14000, 13500, 0]
    assert fields["LST_1KM"].attrs["scale_factor"][0] == 0.02
    assert fields["View_Time"][0, :5].tolist() == [135, 135, 135, 135, 255]
    assert fields["QC"].attrs["scale_factor"].tolist() == [b"n/a"]
    assert "_FillValue" not in fields["QC"].attrs


def test_lst_quality_bits_by_hand(lst: h5py.File) -> None:
    quality = lst["HDFEOS/GRIDS/VIIRS_Grid_Daily_1km_LST21/Data Fields/QC"][0, :6].astype(int)
    assert (quality >> 14).tolist() == [3, 2, 1, 0, 0, 0]
    assert (quality >> 4 & 0b11).tolist() == [0, 1, 2, 0, 3, 0]
    # good, good, other, other, no LST under cloud, no LST otherwise
    assert (quality & 0b11).tolist() == [0, 0, 1, 1, 2, 3]
    assert quality[0] == 0b11_11_00_00_00_00_00_00


def test_a_cloud_mask_counts_as_cloudy(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[0, 4] = True
    with h5py.File(write_lst(tmp_path, night=True, cloud=mask)) as file:
        assert Path(file.filename).name.startswith("VJ121A1N.A2024183.")
        assert file.attrs["DayNightFlag"] == b"Night"
        quality = file["HDFEOS/GRIDS/VIIRS_Grid_Daily_1km_LST21/Data Fields/QC"]
        assert quality[0, 4] == 0b11_00_10


def test_same_bytes_in_any_folder(tmp_path: Path) -> None:
    first, second = (write_lst(tmp_path / folder, night=True).read_bytes() for folder in ("a", "b/c"))
    assert first == second
