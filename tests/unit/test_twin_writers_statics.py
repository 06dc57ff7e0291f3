"""Static layers and administrative units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely.geometry import MultiPolygon, Polygon, box, shape

from sm_core.domain import Grid
from sm_core.errors import GridMismatchError
from sm_core.twin.writers import write_admin_units, write_static

GRID = Grid.from_origin("g", west=126.0, north=38.0, resolution=0.01, width=4, height=3)


def test_numbers_are_float_with_nan(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float64).reshape(3, 4)
    values[0, 0] = np.nan
    path = write_static(tmp_path / "static", name="elevation", values=values, grid=GRID, units="m")
    assert path == tmp_path / "static" / "elevation.tif"
    with rasterio.open(path) as dataset:
        assert (dataset.dtypes, dataset.crs.to_string()) == (("float32",), "EPSG:4326")
        assert tuple(dataset.transform)[:6] == GRID.transform
        assert np.isnan(dataset.nodata)
        assert (dataset.descriptions, dataset.units) == (("elevation",), ("m",))
        assert np.array_equal(dataset.read(1), values.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_classes_and_masks_are_bytes(tmp_path: Path, dtype: type) -> None:
    values = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    with rasterio.open(write_static(tmp_path, name="land", values=values, grid=GRID, units="")) as dataset:
        assert dataset.dtypes == ("uint8",)
        assert dataset.nodata is None
        assert np.array_equal(dataset.read(1), values.astype(np.uint8))


def test_layer_off_the_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GridMismatchError, match="clay"):
        write_static(tmp_path, name="clay", values=np.zeros((4, 3)), grid=GRID, units="%")


def test_same_bytes_again(tmp_path: Path) -> None:
    first, second = (
        write_static(tmp_path / folder, name="sand", values=np.ones((3, 4)), grid=GRID, units="%").read_bytes()
        for folder in ("a", "b"))
    assert first == second


def test_admin_units_follow_rfc_7946(tmp_path: Path) -> None:
    clockwise = Polygon([(126, 37), (126, 38), (127, 38), (127, 37)], [[(126.2, 37.2), (126.8, 37.2), (126.5, 37.8)]])
    islands = MultiPolygon([box(127, 37, 128, 38), box(129, 37, 130.1234567891, 38)])
    path = write_admin_units(
        tmp_path / "static" / "admin.geojson", names=["강원도", "Jeju"], polygons=[clockwise, islands])
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {"type", "features"}
    assert [feature["properties"]["name"] for feature in content["features"]] == ["강원도", "Jeju"]
    assert "강원도" in path.read_text(encoding="utf-8")
    outlines = [shape(feature["geometry"]) for feature in content["features"]]
    assert outlines[0].exterior.is_ccw
    assert not outlines[0].interiors[0].is_ccw
    assert outlines[0].equals(clockwise)
    assert outlines[1].bounds == (127.0, 37.0, 130.123457, 38.0)


def test_a_name_for_every_polygon(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_admin_units(tmp_path / "a.geojson", names=["one"], polygons=[])
