from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_core.errors import GridMismatchError, SchemaDriftError, UnitsError
from sm_core.sources import decode

NDVI_NAME = "GLASS13B01.V10.A2019001.2023068.hdf"
LST_NAME = "GLASS08B31.V40.A2019001.2021259.hdf"
TILE_NAME = "GLASS06A01.V01.A2019001.h28v05.2022021.hdf"
KOREA = (126.0, 36.0, 127.0, 37.0)
NDVI_ATTRIBUTES = {"_FillValue": -1, "scale_factor": 0.0001, "valid_range": [0, 10000]}
LST_ATTRIBUTES = {"_FillValue": 0, "scale_factor": 0.01}


def block(writers: Any, folder: Path, data: np.ndarray, name: str, field: str, attributes: dict[str, Any],
          corners: tuple[float, ...] | None = None) -> Path:
    """A file of a 0.05-degree block whose north-west corner is 126 E 37 N."""
    where = corners or (126.0, 37.0, 126.0 + 0.05 * data.shape[1], 37.0 - 0.05 * data.shape[0])
    struct = writers.struct_metadata("GLASS", data.shape, where, [field], "GCTP_GEO")
    return writers.hdf4(folder / name, {field: (data, attributes)}, {"StructMetadata.0": struct})


@pytest.fixture(scope="module")
def lst_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Data of a global field in 0.01 K: unknown south of the equator, else 250 K + 0.01 K per row + column share."""
    rows, columns = np.arange(3600, dtype=np.uint16)[:, None], np.arange(7200, dtype=np.uint16)
    data = np.where(rows < 1800, 25000 + rows + columns // 100, 0).astype(np.uint16)
    return tmp_path_factory.mktemp("glass"), data


def test_global_file_without_structmetadata_has_row_one_at_the_north_pole(
    writers: Any, lst_world: tuple[Path, np.ndarray]
) -> None:
    folder, data = lst_world
    path = writers.hdf4(folder / LST_NAME, {"LST": (data, LST_ATTRIBUTES)}, {})
    ds = decode(path, bounds=KOREA)
    assert ds.sizes == {"time": 1, "y": 22, "x": 22}  # 20 cells a degree, one more on either side
    assert float(ds["y"][0]) == pytest.approx(37.025)
    assert float(ds["x"][0]) == pytest.approx(125.975)
    row, column = round((90 - 37.025) / 0.05 - 0.5), round((125.975 + 180) / 0.05 - 0.5)
    assert float(ds["lst_day"][0, 0, 0]) == pytest.approx(data[row, column] * 0.01, abs=1e-4)
    assert (ds.attrs["crs"], ds.attrs["resolution"], ds.attrs["tile"]) == ("EPSG:4326", 0.05, "")


@pytest.mark.parametrize("corners", [
    (-180000000.0, 90000000.0, 180000000.0, -90000000.0), (-180.0, 90.0, 180.0, -90.0),
])
def test_global_file_with_packed_or_plain_degrees(
    writers: Any, lst_world: tuple[Path, np.ndarray], corners: tuple[float, ...]
) -> None:
    folder, data = lst_world
    path = block(writers, folder, data, LST_NAME.replace("2021259", "2021260"), "LST", LST_ATTRIBUTES, corners)
    ds = decode(path, bounds=KOREA)
    assert float(ds["lst_day"][0, 0, 0]) == pytest.approx(data[1059, 6119] * 0.01, abs=1e-4)


def test_ndvi_and_fill(tmp_path: Path, writers: Any) -> None:
    ds = decode(block(writers, tmp_path, np.array([[5000, -1], [0, 10000]], np.int16), NDVI_NAME, "NDVI",
                      NDVI_ATTRIBUTES))
    np.testing.assert_allclose(ds["ndvi"].values[0], [[0.5, np.nan], [0.0, 1.0]], atol=1e-6)
    assert (ds.attrs["start"], ds.attrs["end"]) == ("2019-01-01", "2019-01-08")
    np.testing.assert_allclose(ds["x"], [126.025, 126.075])
    np.testing.assert_allclose(ds["y"], [36.975, 36.925])


def test_single_field_under_another_name_is_taken(tmp_path: Path, writers: Any) -> None:
    data = np.full((4, 5), 29000, np.uint16)
    ds = decode(block(writers, tmp_path, data, LST_NAME, "lst_clear", LST_ATTRIBUTES))
    assert float(ds["lst_day"].mean()) == pytest.approx(290.0)


def test_several_fields_none_of_the_declared_name_is_drift(tmp_path: Path, writers: Any) -> None:
    field = (np.full((4, 5), 29000, np.uint16), LST_ATTRIBUTES)
    path = writers.hdf4(tmp_path / LST_NAME, {"a": field, "b": field}, {})
    with pytest.raises(SchemaDriftError, match=r"no field 'LST'.*'a', 'b'"):
        decode(path)


def test_file_that_does_not_say_where_it_lies_is_drift(tmp_path: Path, writers: Any) -> None:
    for name in (LST_NAME, TILE_NAME):
        path = writers.hdf4(tmp_path / name, {"LST": (np.full((4, 5), 29000, np.uint16), LST_ATTRIBUTES)}, {})
        with pytest.raises(SchemaDriftError, match="does not say where"):
            decode(path)


def test_other_resolution_is_drift(tmp_path: Path, writers: Any) -> None:
    data = np.full((4, 5), 29000, np.uint16)
    path = block(writers, tmp_path, data, LST_NAME, "LST", LST_ATTRIBUTES, (126.0, 37.0, 126.5, 36.6))
    with pytest.raises(SchemaDriftError, match=r"0\.1 x 0\.1 degrees"):
        decode(path)


@pytest.mark.parametrize("scale", [0.001, 0.02, 1.0])
def test_temperature_of_a_wrong_scale_is_refused(tmp_path: Path, writers: Any, scale: float) -> None:
    data = np.full((20, 20), 29000, np.uint16)
    with pytest.raises(UnitsError, match="lst_day"):
        decode(block(writers, tmp_path, data, LST_NAME, "LST", {"_FillValue": 0, "scale_factor": scale}))


def test_bounds_outside_the_file_are_refused(tmp_path: Path, writers: Any) -> None:
    path = block(writers, tmp_path, np.full((20, 20), 29000, np.uint16), LST_NAME, "LST", LST_ATTRIBUTES)
    with pytest.raises(GridMismatchError, match="does not reach"):
        decode(path, bounds=(10.0, 36.0, 11.0, 37.0))


def test_tile_of_one_kilometre(tmp_path: Path, writers: Any) -> None:
    data = np.full((1200, 1200), 29000, np.uint16)
    data[0, 0] = 0
    struct = writers.struct_metadata("GLASS06A01", data.shape, writers.tile_corners("h28v05"), ["LST"])
    path = writers.hdf4(tmp_path / TILE_NAME, {"LST": (data, LST_ATTRIBUTES)}, {"StructMetadata.0": struct})
    ds = decode(path)
    assert (ds.attrs["tile"], ds.sizes["y"], int(np.isnan(ds["lst_day"]).sum())) == ("h28v05", 1200, 1)
    assert float(ds["lst_day"].mean()) == pytest.approx(290.0)
