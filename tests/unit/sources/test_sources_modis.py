from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_core.errors import ForeignFileError, GranuleCorruptError, SchemaDriftError, UnitsError
from sm_core.grid import sinusoidal
from sm_core.sources import decode
from sm_core.sources.modis import accept_lst

NAN = np.nan
CORE = (
    'GROUP = INVENTORYMETADATA\n    OBJECT                 = LOCALGRANULEID\n      NUM_VAL              = 1\n'
    '      VALUE                =\n"{name}"\n    END_OBJECT             = LOCALGRANULEID\nEND\n'
)


def row(values: list[float]) -> np.ndarray:
    return np.array([values])


def test_temperature_is_kept_where_quality_allows(tmp_path: Path, writers: Any) -> None:
    cases = [  # stored, quality, kept
        (14500, 0b00_00_00_00, True),
        (14501, 0b00_01_00_01, True),  # 17: other quality, LST error <= 1 K
        (14502, 0b01_00_00_01, True),  # 65: <= 2 K
        (14503, 0b10_01_00_01, False),  # 145: <= 3 K
        (14504, 0b11_00_00_01, False),
        (0, 0b00000000, False),  # quality 0 means good, and nothing is there
        (0, 0b00000010, False),  # cloud
        (0, 0b00000011, False),
        (14505, 0b00000010, False),
        (7499, 0b00000000, False),  # below the valid range
    ]
    stored, quality, kept = (row(list(column)) for column in zip(*cases, strict=True))
    ds = decode(writers.mod11(tmp_path, stored, quality, np.full(stored.shape, 105)))
    expected = np.where(kept, stored * 0.02, NAN)
    np.testing.assert_allclose(ds["lst_day"].values[0], expected, rtol=1e-6)
    np.testing.assert_allclose(ds["lst_night"].values[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(ds["lst_day_hour"].values), np.isnan(ds["lst_day"].values))


def test_quality_rule_by_bits() -> None:
    every = np.arange(256, dtype=np.uint8)
    by_hand = [(q & 3) == 0 or ((q & 3) == 1 and (q >> 6) in (0, 1)) for q in range(256)]
    np.testing.assert_array_equal(accept_lst(every), by_hand)


def test_view_time_is_local_solar_and_becomes_utc(tmp_path: Path, writers: Any) -> None:
    view_time = row([85, 105, 240, 0, 255])  # 8.5, 10.5, 24, 0 h local solar, fill
    ds = decode(writers.mod11(tmp_path, np.full((1, 5), 14500), np.zeros((1, 5)), view_time))
    lon, _ = sinusoidal.to_lonlat(ds["x"].values, np.full(5, float(ds["y"][0])))
    assert 125 < lon[0] < 135
    by_hand = [(solar - lon[i] / 15) % 24 for i, solar in enumerate((8.5, 10.5, 24.0, 0.0))]
    hours = ds["lst_day_hour"].values[0, 0]
    np.testing.assert_allclose(hours[:4], by_hand, atol=1e-4)
    assert hours[0] > 23.5  # a Terra morning pass over Korea: seen on the UTC day before
    assert hours[1] < 2.5
    assert np.isnan(hours[4])


def test_dataset_has_the_agreed_form(mod11: Callable[..., Path]) -> None:
    ds = decode(mod11())
    assert ds["lst_day"].dims == ("time", "y", "x")
    assert ds["lst_day"].dtype == np.float32
    assert ds["time"].values.tolist() == [np.datetime64("2019-01-01", "ns").astype(int)]
    assert ds["time"].dtype == np.dtype("datetime64[ns]")
    assert (np.diff(ds["y"]) < 0).all()
    assert (np.diff(ds["x"]) > 0).all()
    assert {key: ds.attrs[key] for key in ("source_id", "crs", "tile", "start", "end", "produced")} == {
        "source_id": "MOD11A1.061", "crs": sinusoidal.CRS, "tile": "h28v05", "start": "2019-01-01",
        "end": "2019-01-01", "produced": "2019002091500",
    }
    assert ds.attrs["resolution"] == pytest.approx(926.625433, abs=1e-6)
    assert (ds["lst_day"].attrs["units"], ds["lst_day_hour"].attrs["units"]) == ("K", "h")


def test_cell_centres_lie_half_a_cell_inside_the_corner(mod11: Callable[..., Path], writers: Any) -> None:
    ds = decode(mod11())
    west, north, _, _ = writers.subset_corners("h28v05", 600, 700, (40, 50))
    assert float(ds["x"][0]) == pytest.approx(west + 926.625433 / 2, abs=0.01)
    assert float(ds["y"][0]) == pytest.approx(north - 926.625433 / 2, abs=0.01)


def test_whole_tile_under_another_tiles_name_is_refused(tmp_path: Path, writers: Any) -> None:
    flat = np.zeros((1200, 1200))
    path = writers.mod11(tmp_path, flat, flat, flat, corners=writers.tile_corners("h27v05"))
    with pytest.raises(SchemaDriftError, match="not in tile h28v05"):
        decode(path)


def test_collection_006_reads_like_061(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    ds = decode(mod11(name="MOD11A1.A2019001.h28v05.006.2019002091500.hdf"))
    assert ds.attrs["source_id"] == "MOD11A1.061"


def test_granule_of_fill_is_valid_and_knows_nothing(tmp_path: Path, writers: Any) -> None:
    shape = (30, 40)
    lst = decode(writers.mod11(tmp_path, np.zeros(shape), np.full(shape, 3), np.full(shape, 255)))
    assert all(np.isnan(lst[name].values).all() for name in lst.data_vars)
    fill = writers.mod13(tmp_path, np.full(shape, -3000), np.full(shape, -1), np.full(shape, -1))
    assert np.isnan(decode(fill)["ndvi"].values).all()


@pytest.mark.parametrize("factor", [2, 0.3])
def test_wrong_temperature_scale_is_refused(tmp_path: Path, writers: Any, factor: float) -> None:
    stored = np.full((30, 40), 29000 * factor)
    with pytest.raises(UnitsError, match="lst_day lie outside 200 to 350 K"):
        decode(writers.mod11(tmp_path, stored, np.zeros((30, 40)), np.full((30, 40), 105)))


def test_ndvi_scale_factor_is_a_divisor_and_unreliable_cells_go(tmp_path: Path, writers: Any) -> None:
    ndvi = row([5000, 5000, 5000, 5000, 5000, -3000, -1999, 10000])
    reliability = row([0, 1, 2, 3, -1, 0, 0, 1])
    ds = decode(writers.mod13(tmp_path, ndvi, reliability, np.full((1, 8), 20)))
    np.testing.assert_allclose(ds["ndvi"].values[0, 0], [0.5, 0.5, NAN, NAN, NAN, NAN, -0.1999, 1.0], atol=1e-6)
    np.testing.assert_array_equal(ds["ndvi_snow"].values[0, 0], [0, 0, 1, NAN, NAN, NAN, 0, 0])


def test_fill_of_one_field_does_not_hide_another(tmp_path: Path, writers: Any) -> None:
    ds = decode(writers.mod13(tmp_path, row([5000, -3000]), row([0, 0]), row([-1, 20])))
    np.testing.assert_allclose(ds["ndvi"].values[0, 0], [0.5, NAN])
    assert np.isnan(ds["ndvi_day"].values).all()


@pytest.mark.parametrize(("name", "start", "days", "expected"), [
    ("MOD13A2.A2019017.h28v05.061.2019035161835.hdf", dt.date(2019, 1, 17), [17, 20, 32], [0, 3, 15]),
    ("MOD13A2.A2019353.h28v05.061.2020005161835.hdf", dt.date(2019, 12, 19), [353, 365, 1, 3], [0, 12, 13, 15]),
    ("MOD13A2.A2020353.h28v05.061.2021005161835.hdf", dt.date(2020, 12, 18), [353, 366, 1, 2], [0, 13, 14, 15]),
    ("MYD13A2.A2019361.h28v05.061.2020014161835.hdf", dt.date(2019, 12, 27), [361, 365, 11], [0, 4, 15]),
])
def test_composite_day_wraps_at_new_year(
    tmp_path: Path, writers: Any, name: str, start: dt.date, days: list[int], expected: list[int]
) -> None:
    flat = np.full((1, len(days)), 5000)
    ds = decode(writers.mod13(tmp_path, flat, flat * 0, row(days), name=name))
    assert ds.attrs["start"] == start.isoformat()
    np.testing.assert_array_equal(ds["ndvi_day"].values[0, 0], expected)


def test_stray_composite_day_is_unknown_many_are_an_error(tmp_path: Path, writers: Any) -> None:
    shape = (20, 20)
    day = np.full(shape, 20)
    day[0, 0] = 200
    ds = decode(writers.mod13(tmp_path, np.full(shape, 5000), np.zeros(shape), day))
    assert int(np.isnan(ds["ndvi_day"]).sum()) == 1
    assert np.isfinite(ds["ndvi"]).all()
    with pytest.raises(UnitsError, match="ndvi_day"):
        decode(writers.mod13(tmp_path, np.full(shape, 5000), np.zeros(shape), np.full(shape, 200)))


def test_missing_field_says_what_is_there(tmp_path: Path, writers: Any) -> None:
    fields = writers.mod13_fields(np.zeros((4, 5)), np.zeros((4, 5)), np.zeros((4, 5)))
    del fields["1 km 16 days pixel reliability"]
    path = writers.hdf4(tmp_path / "MOD13A2.A2019017.h28v05.061.2019035161835.hdf", fields, {})
    with pytest.raises(SchemaDriftError, match=r"lacks.*pixel reliability.*found=.*1 km 16 days NDVI"):
        decode(path)


def test_file_without_structmetadata_is_refused(tmp_path: Path, writers: Any) -> None:
    fields = writers.mod13_fields(np.zeros((4, 5)), np.zeros((4, 5)), np.zeros((4, 5)))
    path = writers.hdf4(tmp_path / "MOD13A2.A2019017.h28v05.061.2019035161835.hdf", fields, {})
    with pytest.raises(SchemaDriftError, match="no grid"):
        decode(path)


def test_order_of_file_attributes_does_not_matter(tmp_path: Path, writers: Any) -> None:
    fields = writers.mod13_fields(np.full((4, 5), 5000), np.zeros((4, 5)), np.full((4, 5), 20))
    struct = writers.struct_metadata("G", (4, 5), writers.subset_corners("h28v05", 0, 0, (4, 5)), list(fields))
    texts = {"CoreMetadata.0": "x", "identifier_product_doi": "y", "StructMetadata.0": struct, "HDFEOSVersion": "v"}
    path = writers.hdf4(tmp_path / "MOD13A2.A2019017.h28v05.061.2019035161835.hdf", fields, texts)
    assert float(decode(path)["ndvi"].mean()) == pytest.approx(0.5)


def test_renamed_file_is_read_by_the_name_in_its_metadata(tmp_path: Path, writers: Any) -> None:
    fields = writers.mod11_fields(np.full((4, 5), 14500), np.zeros((4, 5)), np.full((4, 5), 105))
    struct = writers.struct_metadata("G", (4, 5), writers.subset_corners("h14v09", 0, 0, (4, 5)), list(fields))
    core = CORE.format(name="MOD11A1.A2019305.h14v09.006.2019306084028.hdf")
    path = writers.hdf4(tmp_path / "MOD11A1.hdf", fields, {"StructMetadata.0": struct, "CoreMetadata.0": core})
    ds = decode(path, source_id="MOD11A1.061")
    assert (ds.attrs["start"], ds.attrs["tile"], ds.attrs["produced"]) == ("2019-11-01", "h14v09", "2019306084028")
    with pytest.raises(ForeignFileError, match="no declared source has such a file name"):
        decode(path)


def test_renamed_file_without_metadata_has_no_date(tmp_path: Path, writers: Any) -> None:
    path = writers.hdf4(tmp_path / "lst.hdf", writers.mod11_fields(*[np.zeros((4, 5))] * 3), {})
    with pytest.raises(ForeignFileError):
        decode(path, source_id="MOD11A1.061")


def test_undeclared_source_is_refused(mod11: Callable[..., Path]) -> None:
    with pytest.raises(ForeignFileError, match="no such source"):
        decode(mod11(), source_id="MOD99A9.061")


@pytest.mark.parametrize(("content", "error", "says"), [
    (b"", GranuleCorruptError, "is empty"),
    (b"<!DOCTYPE html><html><title>Earthdata Login</title></html>", ForeignFileError, "web page"),
    (b"\n  <html><body>503</body></html>", ForeignFileError, "web page"),
    (b'<?xml version="1.0"?><error/>', ForeignFileError, "web page"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, ForeignFileError, "is not HDF4"),
    (b"\x0e\x03\x13\x01", GranuleCorruptError, "cut short"),
    (b"\x0e\x03\x13\x01" + b"\xff" * 500, GranuleCorruptError, "cut short"),
])
def test_what_is_no_granule_is_refused_before_the_library_sees_it(
    tmp_path: Path, content: bytes, error: type[Exception], says: str
) -> None:
    path = tmp_path / "MOD11A1.A2019001.h28v05.061.2019002091500.hdf"
    path.write_bytes(content)
    with pytest.raises(error, match=says):
        decode(path)


def test_absent_file_is_a_coded_error(tmp_path: Path) -> None:
    with pytest.raises(GranuleCorruptError, match="cannot be opened"):
        decode(tmp_path / "MOD11A1.A2019001.h28v05.061.2019002091500.hdf")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_file_cut_short_is_refused(tmp_path: Path, writers: Any, share: float) -> None:
    noise = np.random.default_rng(0).integers(14000, 15000, (300, 300))
    path = writers.mod11(tmp_path, noise, np.zeros((300, 300)), np.full((300, 300), 105))
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(GranuleCorruptError):
        decode(path)
