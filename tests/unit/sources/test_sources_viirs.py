from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sm_core.errors import ForeignFileError, GranuleCorruptError, SchemaDriftError, UnitsError
from sm_core.sources import decode
from sm_core.sources.viirs import accept_lst

NAN = np.nan
VI_NAME = "VNP13A2.A2025001.h18v09.002.2025017085341.h5"
LST_NAME = "VJ121A1D.A2025001.h28v05.002.2025002103000.h5"


def vi_fields(ndvi: Any, rank: Any, day: Any) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    return {
        "1 km 16 days NDVI": (np.array([ndvi], np.int16), {
            "_FillValue": np.array([-15000, -13000], np.int16), "scale_factor": 0.0001, "add_offset": 0.0,
            "valid_range": np.array([-10000, 10000], np.int16), "units": "NDVI",
        }),
        "1 km 16 days pixel reliability": (np.array([rank], np.int8), {"_FillValue": np.array([-4, -1], np.int8)}),
        "1 km 16 days composite day of the year": (np.array([day], np.int16), {"_FillValue": np.int16(-1)}),
    }


def lst_fields(lst: Any, quality: Any, time: Any) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    return {
        "LST_1KM": (np.array([lst], np.uint16), {
            "_Fillvalue": np.uint16(0), "scale_factor": 0.02, "add_offset": 0.0,
            "valid_range": np.array([7500, 65535], np.uint16), "units": "K",
        }),
        "QC": (np.array([quality], np.uint16), {"scale_factor": "n/a", "add_offset": "n/a"}),
        "View_Time": (np.array([time], np.uint8), {"_Fillvalue": np.uint8(255), "scale_factor": 0.1}),
    }


def write(folder: Path, writers: Any, fields: dict[str, Any], name: str, grid: str) -> Path:
    shape = next(iter(fields.values()))[0].shape
    tile = name.split(".")[2]
    struct = writers.struct_metadata(grid, shape, writers.subset_corners(tile, 10, 20, shape), list(fields),
                                     "HE5_GCTP_SNSOID")
    return writers.he5(folder / name, grid, fields, struct)


def write_vi(folder: Path, writers: Any, ndvi: Any, rank: Any, day: Any, name: str = VI_NAME) -> Path:
    return write(folder, writers, vi_fields(ndvi, rank, day), name, "VIIRS_Grid_16Day_VI_1km")


def write_lst(folder: Path, writers: Any, lst: Any, quality: Any, time: Any, name: str = LST_NAME) -> Path:
    return write(folder, writers, lst_fields(lst, quality, time), name, "VIIRS_Grid_Daily_1km_LST21")


def test_ndvi_has_two_fills_a_multiplier_and_its_own_ranks(tmp_path: Path, writers: Any) -> None:
    ndvi = [5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, -15000, -13000, 6000]
    rank = [0, 4, 5, 6, 7, 8, 9, 11, -4, -1, 3]
    ds = decode(write_vi(tmp_path, writers, ndvi, rank, [3] * 11))
    expected = [0.5, 0.5] + [NAN] * 8 + [0.6]
    np.testing.assert_allclose(ds["ndvi"].values[0, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(ds["ndvi_day"].values[0, 0], [2, 2] + [NAN] * 8 + [2])
    np.testing.assert_array_equal(ds["ndvi_snow"].values[0, 0], [0, 0, NAN, NAN, NAN, 1] + [NAN] * 4 + [0])


def test_edges_in_xdim_ydim_do_not_shift_the_grid(tmp_path: Path, writers: Any) -> None:
    path = write_vi(tmp_path, writers, [5000] * 4, [0] * 4, [3] * 4)
    plain = decode(path)
    with h5py.File(path, "a") as file:
        file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/XDim"] = np.arange(4) * 926.625
        file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/YDim"] = np.array([0.0])
    np.testing.assert_array_equal(decode(path)["x"], plain["x"])
    west, north, _, _ = writers.subset_corners("h18v09", 10, 20, (1, 4))
    assert float(plain["x"][0]) == pytest.approx(west + 463.3127, abs=0.01)
    assert float(plain["y"][0]) == pytest.approx(north - 463.3127, abs=0.01)


def test_malformed_production_date_in_the_metadata_is_not_parsed(tmp_path: Path, writers: Any) -> None:
    path = write_vi(tmp_path, writers, [5000], [0], [3])
    with h5py.File(path, "a") as file:
        file["HDFEOS INFORMATION/CoreMetadata.0"] = np.bytes_('PRODUCTIONDATETIME "2025-01-1704:00:11T04:00:11.000Zc"')
    assert decode(path).attrs["produced"] == "2025017085341"


def test_grid_group_is_found_whatever_its_name(tmp_path: Path, writers: Any) -> None:
    fields = vi_fields([5000], [0], [3])
    path = write(tmp_path, writers, fields, VI_NAME.replace("VNP", "VJ1"), "NOAA20_Grid_16Day_VI_1km")
    assert decode(path).attrs["source_id"] == "VJ113A2.002"


GOOD = 0b11_00_00_00_00_00_00_00


def test_temperature_quality(tmp_path: Path, writers: Any) -> None:
    cases = [  # stored, quality, kept
        (14500, GOOD, True), (14500, GOOD | 0b01, True), (14500, 0b01 << 14, True),
        (14500, 0, False),  # accuracy 0 is the worst (> 2 K), unlike MxD11
        (14500, GOOD | 0b10, False), (14500, GOOD | 0b11, False),
        (14500, GOOD | 0b01 << 4, False), (14500, GOOD | 0b10 << 4, False), (14500, GOOD | 0b11 << 4, False),
        (0, GOOD, False), (7000, GOOD, False),
    ]
    lst, quality, kept = zip(*cases, strict=True)
    ds = decode(write_lst(tmp_path, writers, lst, quality, [135] * len(cases)))
    np.testing.assert_array_equal(np.isfinite(ds["lst_day"].values[0, 0]), kept)
    np.testing.assert_allclose(ds["lst_day"].values[0, 0, :3], 290.0, rtol=1e-6)
    assert list(ds.data_vars) == ["lst_day", "lst_day_hour"]
    assert 4 < float(ds["lst_day_hour"].mean()) < 6  # 13:30 solar time over Korea


def test_temperature_quality_rule_by_bits() -> None:
    every = np.arange(2**16, dtype=np.uint16)
    by_hand = [q & 3 <= 1 and q >> 4 & 3 == 0 and q >> 14 >= 1 for q in range(2**16)]
    np.testing.assert_array_equal(accept_lst(every), by_hand)


def test_night_product_gives_night_temperature(tmp_path: Path, writers: Any) -> None:
    path = write_lst(tmp_path, writers, [14000], [GOOD], [15], LST_NAME.replace("A1D", "A1N"))
    ds = decode(path)
    assert list(ds.data_vars) == ["lst_night", "lst_night_hour"]
    assert float(ds["lst_night"].mean()) == pytest.approx(280.0)


def test_noaa_21_is_read_like_noaa_20(tmp_path: Path, writers: Any) -> None:
    ds = decode(write_lst(tmp_path, writers, [14500], [GOOD], [135], LST_NAME.replace("VJ121", "VJ221")))
    assert ds.attrs["source_id"] == "VJ221A1D.002"
    assert float(ds["lst_day"].mean()) == pytest.approx(290.0)


def test_ndvi_scaled_by_a_divisor_is_the_same_and_a_wrong_scale_is_refused(tmp_path: Path, writers: Any) -> None:
    def scaled(factor: float) -> Path:
        fields = vi_fields([5000] * 200, [0] * 200, [3] * 200)
        fields["1 km 16 days NDVI"][1]["scale_factor"] = factor
        return write(tmp_path, writers, fields, VI_NAME, "VIIRS_Grid_16Day_VI_1km")

    assert float(decode(scaled(10000.0))["ndvi"].mean()) == pytest.approx(0.5)
    with pytest.raises(UnitsError, match="scaled twice"):
        decode(scaled(1e-8))
    with pytest.raises(UnitsError, match="lie outside"):
        decode(scaled(1e-3))


def test_granule_of_fill_is_valid(tmp_path: Path, writers: Any) -> None:
    ds = decode(write_vi(tmp_path, writers, [-15000] * 300, [-4] * 300, [-1] * 300))
    assert np.isnan(ds["ndvi"].values).all()


def test_file_known_by_its_own_attribute(tmp_path: Path, writers: Any) -> None:
    path = write_vi(tmp_path, writers, [5000], [0], [3])
    with h5py.File(path, "a") as file:
        file.attrs["LocalGranuleID"] = np.bytes_(VI_NAME)
    renamed = path.rename(tmp_path / "ndvi.h5")
    assert decode(renamed, source_id="VNP13A2.002").attrs["start"] == "2025-01-01"


def test_missing_field_is_drift(tmp_path: Path, writers: Any) -> None:
    fields = lst_fields([14500], [GOOD], [135])
    del fields["View_Time"]
    with pytest.raises(SchemaDriftError, match="View_Time"):
        decode(write(tmp_path, writers, fields, LST_NAME, "VIIRS_Grid_Daily_1km_LST21"))


def test_file_without_grids_is_drift(tmp_path: Path) -> None:
    path = tmp_path / LST_NAME
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(SchemaDriftError):
        decode(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.98])
def test_file_cut_short_is_refused(tmp_path: Path, writers: Any, share: float) -> None:
    path = write_vi(tmp_path, writers, np.arange(5000), [0] * 5000, [3] * 5000)
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(GranuleCorruptError):
        decode(path)


def test_damaged_data_block_is_refused(tmp_path: Path, writers: Any) -> None:
    path = write_vi(tmp_path, writers, np.arange(5000), [0] * 5000, [3] * 5000)
    with h5py.File(path, "r") as file:
        chunk = file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/Data Fields/1 km 16 days NDVI"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset:chunk.byte_offset + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(GranuleCorruptError, match="cannot be read"):
        decode(path)


def test_login_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / VI_NAME
    path.write_text("<html>Earthdata Login</html>")
    with pytest.raises(ForeignFileError, match="web page"):
        decode(path)
