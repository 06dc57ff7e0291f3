from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest
import rasterio
from rasterio import Affine

from sm_core.errors import ForeignFileError, GranuleCorruptError
from sm_core.sources import describe


def test_granule(mod11: Callable[..., Path]) -> None:
    description = describe(mod11())
    assert (description.kind, description.source_id, description.tile) == ("granule", "MOD11A1.061", "h28v05")
    assert (str(description.start), str(description.end)) == ("2019-01-01", "2019-01-01")
    lst = description.variables[0]
    assert (lst.name, lst.units, lst.valid_fraction) == ("lst_day", "K", 1.0)
    assert (lst.minimum, lst.mean, lst.maximum) == pytest.approx((290.0, 290.0, 290.0))
    assert description.bounds is not None
    west, south, east, north = description.bounds
    assert (east - west, north - south) == pytest.approx((50 * 926.625433, 40 * 926.625433), abs=0.01)
    text = description.text()
    assert "MOD11A1.061 (Terra MODIS" in text
    assert "lst_day [K]: 100 % known, 290 to 290, mean 290" in text
    assert "40 rows x 50 columns" in text
    assert json.loads(description.model_dump_json())["shape"] == [40, 50]


def test_granule_that_knows_nothing(tmp_path: Path, writers: Any) -> None:
    shape = (30, 40)
    path = writers.mod13(tmp_path, np.full(shape, -3000), np.full(shape, -1), np.full(shape, -1))
    description = describe(path)
    assert (description.variables[0].valid_fraction, description.variables[0].mean) == (0.0, None)
    assert "ndvi [1]: nothing known" in description.text()
    assert "2019-01-17 to 2019-02-01" in description.text()


def test_yearly_file_is_described_by_its_first_day(tmp_path: Path) -> None:
    path = tmp_path / "SMrz_2020_GLEAM_v4.2a.nc"
    with h5netcdf.File(path, "w") as file:
        for name, centres in (("time", [0, 1]), ("lat", [37.05, 36.95]), ("lon", [127.05, 127.15])):
            file.dimensions[name] = 2
            file.create_variable(name, (name,), data=np.asarray(centres, np.float64))
        file.variables["time"].attrs["units"] = "days since 2020-01-01"
        values = np.stack([np.full((2, 2), 0.2), np.full((2, 2), 0.4)]).astype(np.float32)
        file.create_variable("SMrz", ("time", "lat", "lon"), data=values)
    description = describe(path)
    assert description.variables[0].maximum == pytest.approx(0.2)
    assert "covers 366 days; the figures are of 2020-01-01 alone" in description.text()
    assert description.bounds == pytest.approx((127.0, 36.9, 127.2, 37.1))


def test_product(tmp_path: Path) -> None:
    path = tmp_path / "soil_moisture_1km_korea_20190615_r01_sm_surface.tif"
    data = np.array([[2500, 3500], [0, 65535]], np.uint16)
    with rasterio.open(
        path, "w", driver="GTiff", width=2, height=2, count=1, dtype="uint16", crs="EPSG:4326", nodata=65535,
        transform=Affine(0.01, 0.0, 126.0, 0.0, -0.01, 38.0),
    ) as file:
        file.write(data, 1)
        file.scales, file.units, file.descriptions = (0.0001,), ("m3 m-3",), ("sm_surface",)
    description = describe(path)
    assert (description.kind, str(description.start), description.crs) == ("product", "2019-06-15", "EPSG:4326")
    summary = description.variables[0]
    assert (summary.name, summary.units, summary.valid_fraction) == ("sm_surface", "m3 m-3", 0.75)
    assert (summary.minimum, summary.mean, summary.maximum) == pytest.approx((0.0, 0.2, 0.35))
    assert description.bounds == pytest.approx((126.0, 37.98, 126.02, 38.0))


def test_stations(tmp_path: Path) -> None:
    path = tmp_path / "SCAN_SCAN_A_sm_0.05_0.05_n.s._20070101_20131231.stm"
    path.write_bytes(
        b"SCAN SCAN A 34.2 -105.4 1882.1 0.05 0.05 n.s.\n2007/01/01 00:00 0.137 G M\nbad\n2007/03/01 00:00 0.2 G M\n"
    )
    description = describe(path)
    assert (description.kind, description.source_id) == ("station", "ISMN")
    assert (str(description.start), str(description.end)) == ("2007-01-01", "2007-03-01")
    assert (description.stations[0].rows, description.stations[0].bad_lines) == (2, 1)
    assert "2 rows, 2007-01-01 to 2007-03-01, 0.137 to 0.200 m3/m3" in description.text()
    assert describe(tmp_path).stations == description.stations


def test_rda_answer(tmp_path: Path) -> None:
    path = tmp_path / "rda_20240701_20240731_p1.xml"
    path.write_text(
        "<response><header><result_Code>200</result_Code></header><body><total_Count>9</total_Count><items><item>"
        "<stn_Cd>A</stn_Cd><stn_Name>a</stn_Name><date>2024-07-01</date><soil_Wt>20</soil_Wt></item></items></body>"
        "</response>"
    )
    assert "1 of 9 rows, 1 stations" in describe(path).text()


def test_unknown_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("a,b")
    description = describe(path)
    assert description.kind == "unknown"
    assert "no declared source" in description.text()


def test_what_is_wrong_with_a_granule_is_an_error(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    path = mod11()
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])
    with pytest.raises(GranuleCorruptError):
        describe(path)
    path.write_text("<html>login</html>")
    with pytest.raises(ForeignFileError):
        describe(path)
    with pytest.raises(GranuleCorruptError):
        describe(tmp_path / "absent.hdf")


def test_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, sm_core.sources as s; "
        "print([m for m in ('xarray', 'pandas', 'h5py', 'pyhdf', 'rasterio', 'pyproj') if m in sys.modules]); "
        "from sm_core.sources import decode; import sm_core.sources.decode; from sm_core.sources import decode; "
        "print(callable(decode), all(callable(getattr(s, n)) for n in s.__all__ if n.islower()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split("\n")[:2] == ["[]", "True True"]


def test_package_has_no_other_attributes() -> None:
    import sm_core.sources

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sm_core.sources.nothing  # noqa: B018
