"""Administrative units on the grid."""

import json

import numpy as np
import pytest

from sm_core.domain import Grid, Region
from sm_core.drought import load_units
from sm_core.errors import StaticLayerError

GRID = Grid.from_origin("g", west=126.0, north=37.0, resolution=0.1, width=10, height=10)


def region(grid=GRID, **changes):
    return Region.model_validate({
        "region_id": "r", "title": "Somewhere", "grid": grid, "tiles": ["h28v05"], "roles": {}, "statics": {},
        "admin_units": "units.geojson", **changes,
    })


def box(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def write(folder, *units):
    features = [{"type": "Feature", "properties": {"name": name}, "geometry": shape} for name, shape in units]
    (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def test_a_cell_belongs_to_the_unit_of_its_centre(tmp_path):
    write(tmp_path, ("west", box(126.0, 36.0, 126.34, 37.0)), ("east", box(126.34, 36.5, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("west", "east")
    expected = np.full((10, 10), -1)
    expected[:, :3] = 0                                                 # the centre 126.35 of the fourth column is east
    expected[:5, 3:] = 1
    np.testing.assert_array_equal(units.index, expected)


def test_a_unit_smaller_than_a_cell_has_one(tmp_path):
    write(tmp_path, ("all", box(126.0, 36.0, 127.0, 37.0)), ("islet", box(126.01, 36.01, 126.02, 36.02)))
    units = load_units(region(), tmp_path)
    assert units.names == ("all", "islet")
    assert np.argwhere(units.index == 1).tolist() == [[9, 0]]


def test_units_elsewhere_are_left_out(tmp_path):
    write(tmp_path, ("far", box(10, 10, 11, 11)), ("here", box(126.0, 36.0, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("here",)
    assert (units.index == 0).all()


def test_equal_names_stay_apart(tmp_path):
    write(tmp_path, ("Jung-gu", box(126.0, 36.0, 126.5, 37.0)), ("Jung-gu", box(126.5, 36.0, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("Jung-gu", "Jung-gu (2)")
    assert (units.index == 0).sum() == (units.index == 1).sum() == 50


def test_a_region_without_units_is_one(tmp_path):
    units = load_units(region(admin_units=None), tmp_path)
    assert units.names == ("Somewhere",)
    assert (units.index == 0).all()


def test_another_name_property(tmp_path):
    feature = {"type": "Feature", "properties": {"name_eng": "Jeju-do"}, "geometry": box(126, 36, 127, 37)}
    (tmp_path / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert load_units(region(name_property="name_eng"), tmp_path).names == ("Jeju-do",)


def test_units_on_a_projected_grid(tmp_path):
    """The box 127-128 E, 36-37 N measures 89.6 by 111 km at its middle."""
    grid = Grid.from_origin("p", west=900_000, north=1_900_000, resolution=5_000, width=40, height=40, crs="EPSG:5179")
    write(tmp_path, ("box", box(127.0, 36.0, 128.0, 37.0)))
    units = load_units(region(grid), tmp_path)
    covered = (units.index == 0).sum() * 25
    assert covered == pytest.approx(89.6 * 111.0, rel=0.03)


@pytest.mark.parametrize("content", [
    None, "no json", "[]", '{"type": "FeatureCollection"}',
    '{"features": [{"properties": {"title": "x"}, "geometry": {"type": "Point", "coordinates": [126.5, 36.5]}}]}',
    '{"features": [{"properties": {"name": "x"}, "geometry": null}]}',
    '{"features": [{"properties": {"name": "x"}, "geometry": {"type": "Shape"}}]}',
])
def test_unusable_files(tmp_path, content):
    if content is not None:
        (tmp_path / "units.geojson").write_text(content)
    with pytest.raises(StaticLayerError, match="admin units"):
        load_units(region(), tmp_path)


def test_projected_coordinates_are_refused(tmp_path):
    write(tmp_path, ("metres", box(950_000, 1_900_000, 960_000, 1_950_000)))
    with pytest.raises(StaticLayerError, match="degrees"):
        load_units(region(), tmp_path)


def test_no_unit_in_the_region(tmp_path):
    write(tmp_path, ("far", box(10, 10, 11, 11)))
    with pytest.raises(StaticLayerError, match="no admin unit"):
        load_units(region(), tmp_path)
