"""GLEAM and SMAP files read back with general readers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer

from sm_core.errors import GridMismatchError, UnitsError
from sm_core.twin.writers import write_gleam, write_smap_l4


def soil_moisture(days: int, rows: int, columns: int) -> np.ndarray:
    values = np.random.default_rng(3).uniform(0.1, 0.5, (days, rows, columns)).astype(np.float32)
    values[:, 0, 1] = np.nan
    return values


@pytest.mark.parametrize(("version", "variable", "resolution", "dimensions"), [
    ("4.2a", "SMs", 0.1, ("time", "lat", "lon")), ("3.8a", "SMsurf", 0.25, ("time", "lat", "lon")),
    ("3.5a", "SMroot", 0.25, ("time", "lon", "lat")),
])
def test_gleam_year(
    tmp_path: Path, version: str, variable: str, resolution: float, dimensions: tuple[str, ...]
) -> None:
    values = soil_moisture(366, 4, 6)
    path = write_gleam(tmp_path, version=version, variable=variable, year=2020, values=values, west=126.0, north=38.0)
    assert path.name == f"{variable}_2020_GLEAM_v{version}.nc"
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        assert ds[variable].dims == dimensions
        assert ds.sizes["lat"] == 180 / resolution
        assert float(ds.lat[0]) == pytest.approx(90 - resolution / 2)
        assert float(ds.lon[0]) == pytest.approx(-180 + resolution / 2)
        assert str(ds.time.values[-1])[:10] == "2020-12-31"
        assert ds[variable].attrs["units"] == "m3.m-3"
        assert ds[variable].encoding["_FillValue"] == -999
        box = ds[variable].sel(
            lat=slice(38.0, 38.0 - 4 * resolution), lon=slice(126.0, 126.0 + 6 * resolution))
        assert np.array_equal(box.transpose("time", "lat", "lon").values, values, equal_nan=True)
        assert int(ds[variable][17].notnull().sum()) == 23


def test_gleam_stores_the_window_only(tmp_path: Path) -> None:
    path = write_gleam(
        tmp_path, version="4.2a", variable="SMrz", year=2019, values=soil_moisture(365, 20, 20), west=126.0, north=38.0)
    with h5py.File(path) as file:
        data = file["SMrz"]
        assert (data.shape, data.chunks, data.fillvalue) == ((365, 1800, 3600), (12, 57, 113), -999)
        # rows 520-539 and columns 3060-3079 lie in one block of 57 × 113; 365 days make 31 blocks of 12
        assert data.id.get_num_chunks() == 31
        assert np.isnan(file["time"][()]).sum() == 0
    assert path.stat().st_size < 2_000_000


def test_gleam_year_that_has_just_begun(tmp_path: Path) -> None:
    path = write_gleam(
        tmp_path, version="4.2a", variable="SMs", year=2024, values=soil_moisture(2, 3, 3), west=126.0, north=38.0)
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        assert [str(time)[:10] for time in ds.time.values] == ["2024-01-01", "2024-01-02"]


def test_gleam_bytes_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    contents = {
        write_gleam(
            tmp_path / folder, version="4.2a", variable="SMs", year=2019, values=soil_moisture(31, 5, 5), west=126.0,
            north=38.0).read_bytes() for folder in ("a", "b/c")}
    assert len(contents) == 1


def test_gleam_refuses_other_units_and_lattices(tmp_path: Path) -> None:
    with pytest.raises(UnitsError):
        write_gleam(
            tmp_path, version="4.2a", variable="SMs", year=2019, values=100 * soil_moisture(2, 3, 3), west=126.0,
            north=38.0)
    with pytest.raises(GridMismatchError):
        write_gleam(
            tmp_path, version="3.8a", variable="SMsurf", year=2019, values=soil_moisture(2, 3, 3), west=126.1,
            north=38.0)
    assert list(tmp_path.iterdir()) == []


def test_smap_window(tmp_path: Path) -> None:
    surface, rootzone = soil_moisture(2, 5, 7)
    path = write_smap_l4(
        tmp_path, when=dt.datetime(2025, 6, 1, 1, 30), surface=surface, rootzone=rootzone, rows=slice(330, 335),
        cols=slice(3260, 3267))
    assert path.name == "SMAP_L4_SM_gph_20250601T013000_Vv8010_001.h5"
    with h5py.File(path) as file:
        field = file["Geophysical_Data/sm_surface"]
        assert (field.shape, field.dtype) == ((1624, 3856), np.float32)
        assert field.attrs["_FillValue"] == field.attrs["missing_value"] == -9999
        assert field.attrs["units"] == b"m3 m-3"
        stored = field[330:335, 3260:3267]
        assert np.array_equal(np.where(stored == -9999, np.nan, stored), surface, equal_nan=True)
        assert np.array_equal(file["Geophysical_Data/sm_rootzone"][331], np.pad(
            np.where(np.isnan(rootzone[1]), -9999, rootzone[1]), (3260, 3856 - 3267), constant_values=-9999))
        assert np.count_nonzero(field[:] != -9999) == 5 * 7 - 1
        to_metres = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform
        x, y = to_metres(file["cell_lon"][330, 3260], file["cell_lat"][330, 3260])
        assert (x, y) == pytest.approx((file["x"][3260], file["y"][330]), abs=2)
        assert np.ptp(file["cell_lat"][330]) == 0
        assert np.ptp(file["cell_lon"][:, 3260]) == 0
        assert file["x"][1] - file["x"][0] == pytest.approx(9008.055210146)
        for axis in ("x", "y"):
            assert file[axis][0] == pytest.approx(-file[axis][-1], abs=1e-3)
        # 25 years of 365.25 days, give or take, after the epoch
        assert file["time"][0] / 86400 / 365.25 == pytest.approx(25.41, abs=0.01)
    assert path.stat().st_size < 1_000_000


def test_smap_refuses_arrays_that_do_not_fill_the_window(tmp_path: Path) -> None:
    surface, rootzone = soil_moisture(2, 5, 7)
    with pytest.raises(GridMismatchError):
        write_smap_l4(
            tmp_path, when=dt.datetime(2025, 6, 1, 1, 30), surface=surface, rootzone=rootzone, rows=slice(330, 336),
            cols=slice(3260, 3267))
