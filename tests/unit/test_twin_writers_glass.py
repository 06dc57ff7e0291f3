"""GLASS granules read back with the HDF4 library."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import numpy as np
import pytest
from pyhdf.SD import SD

from sm_core.errors import GridMismatchError, UnitsError
from sm_core.twin.writers import write_glass_lst, write_glass_lst_tile, write_glass_ndvi

DAY = dt.date(2019, 1, 1)


def test_global_lst_with_a_window(tmp_path: Path) -> None:
    lst = np.array([[270.0, 270.01, np.nan], [301.55, 200.0, 350.0]], np.float32)
    path = write_glass_lst(
        tmp_path, day=DAY, produced=dt.date(2021, 9, 16), lst=lst, west=124.0, north=43.0)
    assert path.name == "GLASS08B31.V40.A2019001.2021259.hdf"
    sd = SD(str(path))
    assert sd.datasets() == {"LST": (("YDim:GLASS08B31", "XDim:GLASS08B31"), (3600, 7200), 23, 0)}
    sds = sd.select("LST")
    attributes = sds.attributes()
    assert (attributes["scale_factor"], attributes["_FillValue"], attributes["units"]) == (0.01, 0, "K")
    # (90 - 43) / 0.05 = 940, (124 + 180) / 0.05 = 6080
    assert sds[940:942, 6080:6083].tolist() == [[27000, 27001, 0], [30155, 20000, 35000]]
    counts = sds[:]
    counts[940:942, 6080:6083] = 0
    assert not counts.any()
    structure = sd.attributes()["StructMetadata.0"]
    assert "UpperLeftPointMtrs=(-180000000.000000,90000000.000000)" in structure
    assert "LowerRightMtrs=(180000000.000000,-90000000.000000)" in structure
    assert "Projection=GCTP_GEO" in structure
    sd.end()
    assert path.stat().st_size < 150_000


def test_global_ndvi_at_the_edges_of_the_globe(tmp_path: Path) -> None:
    for west, north, row, column in ((-180.0, 90.0, 0, 0), (179.9, -89.9, 3598, 7198)):
        ndvi = np.array([[0.0, 1.0], [np.nan, -0.2]], np.float32)
        path = write_glass_ndvi(
            tmp_path, start=DAY, produced=dt.date(2023, 3, 9), ndvi=ndvi, west=west, north=north)
        assert path.name == "GLASS13B01.V10.A2019001.2023068.hdf"
        sd = SD(str(path))
        sds = sd.select("NDVI")
        assert sds.info()[3] == 22
        fill = sds.attributes()["_FillValue"]
        assert sds.attributes()["scale_factor"] == 0.0001
        assert sds[row:row + 2, column:column + 2].tolist() == [[0, 10000], [fill, -2000]]
        assert np.count_nonzero(sds[:] != fill) == 3
        sd.end()


def test_tile_has_one_field_and_no_quality(tmp_path: Path) -> None:
    lst = np.full((1200, 1200), np.nan, np.float32)
    lst[5, 7] = 288.88
    path = write_glass_lst_tile(tmp_path, tile="h27v05", day=DAY, produced=dt.date(2022, 1, 21), lst=lst)
    assert path.name == "GLASS06A01.V01.A2019001.h27v05.2022021.hdf"
    sd = SD(str(path))
    assert list(sd.datasets()) == ["LST"]
    counts = sd.select("LST")[:]
    assert counts[5, 7] == 28888
    assert np.count_nonzero(counts) == 1
    found = re.search(r"UpperLeftPointMtrs=\((.*),(.*)\)", sd.attributes()["StructMetadata.0"])
    tile = math.pi * 6371007.181 / 18
    assert [float(number) for number in found.groups()] == pytest.approx([9 * tile, 4 * tile], abs=1e-3)
    sd.end()


def test_same_bytes_in_any_folder(tmp_path: Path) -> None:
    lst = np.full((20, 30), 280.0, np.float32)
    paths = [
        write_glass_lst(tmp_path / folder, day=DAY, produced=DAY, lst=lst, west=126.0, north=38.0)
        for folder in ("a", "b/c")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("west", "north"), [(126.02, 38.0), (126.0, 38.01), (179.0, 38.0), (126.0, -89.5)])
def test_windows_off_the_lattice_or_the_globe_are_refused(tmp_path: Path, west: float, north: float) -> None:
    with pytest.raises(GridMismatchError):
        write_glass_lst(
            tmp_path, day=DAY, produced=DAY, lst=np.full((20, 30), 280.0, np.float32), west=west, north=north)


def test_celsius_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitsError):
        write_glass_lst(tmp_path, day=DAY, produced=DAY, lst=np.full((2, 2), 15.0, np.float32), west=126.0, north=38.0)
