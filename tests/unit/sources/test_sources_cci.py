from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5netcdf
import numpy as np
import pytest

from sm_core.errors import SchemaDriftError, UnitsError
from sm_core.sources import decode

NAME = "C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20170701000000-ICDR-v201706.0.0.nc"
DAY = 17348  # 2017-07-01 since 1970-01-01


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_image(values: np.ndarray, flag: np.ndarray, *, day: int = DAY, fill: float | None = -9999.0) -> Path:
        path = tmp_path / NAME
        with h5netcdf.File(path, "w") as file:
            for name, centres in (("time", [day]), ("lat", 44.875 - 0.25 * np.arange(values.shape[0])),
                                  ("lon", 120.125 + 0.25 * np.arange(values.shape[1]))):
                file.dimensions[name] = len(centres)
                file.create_variable(name, (name,), data=np.asarray(centres, np.float64))
            file.variables["time"].attrs["units"] = "days since 1970-01-01 00:00:00 UTC"
            dims = ("time", "lat", "lon")
            declared = {} if fill is None else {"fillvalue": np.float32(fill)}
            variable = file.create_variable("sm", dims, data=values[None].astype(np.float32), **declared)
            variable.attrs["valid_range"] = np.array([0, 1], np.float32)
            file.create_variable("flag", dims, data=flag[None].astype(np.int8))
        return path
    return write_image


def test_values_are_kept_where_the_flag_is_zero(write: Callable[..., Path]) -> None:
    values, flag = np.array([[0.3, 0.3, -9999.0]] * 2), np.array([[0, 1, 0]] * 2)
    ds = decode(write(values, flag))
    np.testing.assert_allclose(ds["sm_surface"].values[0], [[0.3, np.nan, np.nan]] * 2, rtol=1e-6)
    assert (ds.attrs["source_id"], ds.attrs["start"], ds.attrs["resolution"]) == ("C3S-SM", "2017-07-01", 0.25)


def test_undeclared_fill_is_unknown(write: Callable[..., Path]) -> None:
    ds = decode(write(np.array([[0.3, -9999.0]] * 2), np.zeros((2, 2)), fill=None))
    assert np.isnan(ds["sm_surface"].values[0, :, 1]).all()


def test_image_of_another_day_is_drift(write: Callable[..., Path]) -> None:
    with pytest.raises(SchemaDriftError, match="other days"):
        decode(write(np.full((2, 2), 0.3), np.zeros((2, 2)), day=DAY + 1))


def test_per_cent_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(UnitsError, match="excludes every stored value"):
        decode(write(np.full((20, 20), 30.0), np.zeros((20, 20))))


def test_area(write: Callable[..., Path]) -> None:
    ds = decode(write(np.full((40, 40), 0.3), np.zeros((40, 40))), bounds=(125.0, 37.0, 126.0, 38.0))
    assert ds["sm_surface"].shape == (1, 6, 6)
