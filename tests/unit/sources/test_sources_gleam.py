from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest

from sm_core.errors import ForeignFileError, GranuleCorruptError, GridMismatchError, SchemaDriftError, UnitsError
from sm_core.sources import decode
from sm_core.sources.latlon import read_latlon
from sm_core.sources.native import Subset

DAYS = 5
LAT = np.arange(38.95, 35.0, -0.1)  # 40 rows
LON = np.arange(125.05, 128.0, 0.1)  # 30 columns
JAN = dt.date(2019, 1, 1)


def truth(times: int = DAYS) -> np.ndarray:
    """Values that tell day, row and column: 0.1 day + 0.002 row + 0.0001 column."""
    day, row, column = np.mgrid[0:times, 0:len(LAT), 0:len(LON)]
    return (0.1 * (day + 1) + 0.002 * row + 0.0001 * column).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_year(
        values: np.ndarray | None = None, *, name: str = "SMs_2019_GLEAM_v4.2a.nc",
        dims: tuple[str, ...] = ("time", "lat", "lon"), lat: np.ndarray = LAT, lon: np.ndarray = LON,
        time: np.ndarray | None = None, units: str = "days since 2019-01-01", fill: float = np.nan, **attrs: Any,
    ) -> Path:
        values = truth() if values is None else values
        time = np.arange(len(values)) if time is None else time
        coords = {"time": time, "lat": lat, "lon": lon}
        names = {"time": "time", "lat": dims[1] if "lat" in dims[1] else dims[2], "lon": "lon"}
        path = tmp_path / name
        with h5netcdf.File(path, "w") as file:
            for key, centres in coords.items():
                label = next((d for d in dims if d.startswith(key)), names[key])
                file.dimensions[label] = len(centres)
                file.create_variable(label, (label,), data=np.asarray(centres, np.float64))
            file.variables["time"].attrs["units"] = units
            order = [("time", "lat", "lon").index(next(k for k in coords if d.startswith(k))) for d in dims]
            variable = file.create_variable(
                name.split("_")[0], dims, data=values.transpose(order), fillvalue=np.float32(fill),
            )
            variable.attrs["units"] = "m3.m-3"
            for key, value in attrs.items():
                variable.attrs[key] = value
        return path
    return write_year


def test_days_and_area_are_cut_out(write: Callable[..., Path]) -> None:
    ds = decode(write(), days=(dt.date(2019, 1, 2), dt.date(2019, 1, 3)), bounds=(126.0, 36.0, 127.0, 37.0))
    assert [str(t)[:10] for t in ds["time"].values] == ["2019-01-02", "2019-01-03"]
    assert ds["sm_surface"].shape == (2, 12, 12)  # 10 cells a degree, one more on either side
    assert float(ds["x"][0]) == pytest.approx(125.95)
    assert float(ds["y"][0]) == pytest.approx(37.05)
    np.testing.assert_allclose(ds["sm_surface"].values, truth()[1:3, 19:31, 9:21], rtol=1e-6)
    assert ds.attrs["resolution"] == pytest.approx(0.1)
    assert (ds.attrs["start"], ds.attrs["end"], ds.attrs["crs"]) == ("2019-01-01", "2019-12-31", "EPSG:4326")
    assert ds["sm_surface"].attrs["units"] == "1"


def test_only_what_is_asked_is_read(write: Callable[..., Path]) -> None:
    """A broken chunk elsewhere in the file does not matter."""
    path = write()
    with h5py.File(path, "a") as file:
        del file["SMs"]
        file.create_dataset("SMs", data=truth(), chunks=(1, 10, 10), compression="gzip")
        for axis, label in enumerate(("time", "lat", "lon")):
            file["SMs"].dims[axis].attach_scale(file[label])
        info = file["SMs"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[info.byte_offset:info.byte_offset + info.size] = b"\xff" * info.size
    path.write_bytes(content)
    second = (dt.date(2019, 1, 2), dt.date(2019, 1, 2))
    assert np.isfinite(decode(path, days=second)["sm_surface"].values).all()
    with pytest.raises(GranuleCorruptError):
        decode(path)


@pytest.mark.parametrize("dims", [("time", "lat", "lon"), ("time", "lon", "lat"), ("lon", "time", "lat"),
                                  ("time", "latitude", "longitude")])
def test_dimensions_count_by_name_not_by_position(write: Callable[..., Path], dims: tuple[str, ...]) -> None:
    ds = decode(write(name="SMsurf_2019_GLEAM_v3.8a.nc", dims=dims))
    np.testing.assert_allclose(ds["sm_surface"].values, truth(), rtol=1e-6)
    assert ds.attrs["source_id"] == "GLEAM_v3.8a.SMsurf"


def test_latitudes_may_ascend(write: Callable[..., Path]) -> None:
    ds = decode(write(truth()[:, ::-1], lat=LAT[::-1]), bounds=(126.0, 36.0, 127.0, 37.0))
    assert (np.diff(ds["y"]) < 0).all()
    np.testing.assert_allclose(ds["sm_surface"].values, truth()[:, 19:31, 9:21], rtol=1e-6)


@pytest.mark.parametrize("fill", [-999.0, -9999.0, np.nan])
def test_fill_declared_or_not_is_unknown(write: Callable[..., Path], fill: float) -> None:
    values = truth()
    values[0, 0, 0], values[0, 0, 1] = fill, -999.0
    ds = decode(write(values, fill=fill))
    assert np.isnan(ds["sm_surface"].values[0, 0, :2]).all()
    assert int(np.isnan(ds["sm_surface"]).sum()) == 2


def test_undeclared_fill_of_the_sea_is_unknown(write: Callable[..., Path]) -> None:
    values = truth()
    values[:, :20] = -9999.0
    ds = decode(write(values))
    assert np.isnan(ds["sm_surface"].values[:, :20]).all()
    np.testing.assert_allclose(ds["sm_surface"].values[:, 20:], truth()[:, 20:], rtol=1e-6)


def test_fill_and_missing_value_may_differ(write: Callable[..., Path]) -> None:
    values = truth()
    values[0, 0, 0] = 0.77
    ds = decode(write(values, fill=-999.0, missing_value=np.float32(0.77)))
    assert np.isnan(ds["sm_surface"].values[0, 0, 0])


@pytest.mark.parametrize(("units", "time", "first"), [
    ("days since 1970-01-01", np.arange(5) + 17897, "2019-01-01"),
    ("days since 2019-01-01 00:00:00", np.arange(5) + 0.5, "2019-01-01"),
    ("hours since 2019-01-01", np.arange(5) * 24, "2019-01-01"),
    ("days since 1858-11-17", np.arange(5) + 58484, "2019-01-01"),
])
def test_time_is_decoded_from_its_units(
    write: Callable[..., Path], units: str, time: np.ndarray, first: str
) -> None:
    ds = decode(write(units=units, time=time))
    assert str(ds["time"].values[0]) == f"{first}T00:00:00.000000000"


def test_days_the_file_lacks_are_absent(write: Callable[..., Path]) -> None:
    path = write(time=np.array([0, 1, 3, 4, 5]))
    ds = decode(path, days=(dt.date(2019, 1, 2), dt.date(2019, 1, 4)))
    assert [str(t)[:10] for t in ds["time"].values] == ["2019-01-02", "2019-01-04"]
    assert decode(path, days=(dt.date(2019, 1, 3), dt.date(2019, 1, 3))).sizes["time"] == 0
    before = (dt.date(2018, 12, 24), dt.date(2019, 1, 1))
    assert decode(path, days=before).sizes["time"] == 1


def test_year_in_the_name_must_be_that_of_the_days(write: Callable[..., Path]) -> None:
    with pytest.raises(SchemaDriftError, match="another year"):
        decode(write(units="days since 2018-01-01"))


@pytest.mark.parametrize(("values", "says"), [
    (truth() * 100, "sm_surface lie outside"), (truth() - 0.4, "sm_surface lie outside"),
    (truth() * 0.001, "scaled twice"),
])
def test_other_units_are_refused(write: Callable[..., Path], values: np.ndarray, says: str) -> None:
    with pytest.raises(UnitsError, match=says):
        decode(write(values))


def test_small_negatives_become_zero(write: Callable[..., Path]) -> None:
    values = truth()
    values[0, 0, :5] = -0.004
    assert (decode(write(values))["sm_surface"].values[0, 0, :5] == 0).all()


@pytest.mark.parametrize("change", [
    {"dims": ("time", "lat", "lev")}, {"lon": LON + 100.0}, {"lat": np.concatenate([LAT[:-1], [30.0]])},
    {"units": "fortnights since yesterday"}, {"units": "m"},
])
def test_other_layouts_are_drift(write: Callable[..., Path], change: dict[str, Any]) -> None:
    if "dims" in change:
        path = write()
        with h5py.File(path, "a") as file:
            del file["SMs"]
            file["SMs"] = truth()[0]
            file["SMs"].dims[0].attach_scale(file["lat"])
            file["SMs"].dims[1].attach_scale(file["lon"])
    else:
        path = write(**change)
    with pytest.raises(SchemaDriftError):
        decode(path)


def test_variable_of_another_name_is_drift(write: Callable[..., Path]) -> None:
    path = write(name="SMs_2019_GLEAM_v4.2a.nc")
    with pytest.raises(SchemaDriftError, match=r"lacks \['SMrz'\].*SMs"):
        decode(path.rename(path.with_name("SMrz_2019_GLEAM_v4.2a.nc")))


def test_plain_hdf5_file_is_drift(tmp_path: Path) -> None:
    path = tmp_path / "SMs_2019_GLEAM_v4.2a.nc"
    with h5py.File(path, "w") as file:
        file["SMs"] = truth()
    with pytest.raises(SchemaDriftError):
        decode(path)


def test_file_cut_short_or_foreign(write: Callable[..., Path]) -> None:
    path = write()
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])
    with pytest.raises(GranuleCorruptError):
        decode(path)
    path.write_bytes(b"CDF\x01" + content[4:])
    with pytest.raises(ForeignFileError):
        decode(path)


def test_area_elsewhere_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(GridMismatchError):
        decode(write(), bounds=(10.0, 36.0, 11.0, 37.0))


def test_month_end_stamps_and_other_variables_go_through_the_same_reader(write: Callable[..., Path]) -> None:
    path = write(truth() - 1.5, name="E_2004_GLEAM_v4.2a_MO.nc", units="days since 2004-01-31",
                 time=np.array([0, 29, 60, 90, 121]))
    field = read_latlon(path, "E", Subset())
    assert [f"{t:%m-%d}" for t in field.times] == ["01-31", "02-29", "03-31", "04-30", "05-31"]
    np.testing.assert_allclose(field.values, truth() - 1.5, rtol=1e-5)
    with pytest.raises(ForeignFileError):
        decode(path)
