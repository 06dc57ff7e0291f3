"""Administrative units on the grid."""

import json
from zipfile import ZipFile

import numpy as np
import pytest
import shapely
from pyogrio import raw
from pyproj import Transformer

from sm_core.domain import Grid, Region
from sm_core.drought import load_units
from sm_core.drought.coverage import cell_area_km2
from sm_core.errors import StaticLayerError

GRID = Grid.from_origin("g", west=126.0, north=37.0, resolution=0.1, width=10, height=10)
KOREA = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=700, height=1000)


def region(grid=GRID, **changes):
    return Region.model_validate({
        "region_id": "r", "title": "Somewhere", "grid": grid, "tiles": ["h28v05"], "roles": {}, "statics": {},
        "admin_units": "units.geojson", **changes,
    })


def box(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def write(folder, *units, **properties):
    features = [{"type": "Feature", "properties": {"name": name, **properties}, "geometry": shape}
                for name, shape in units]
    (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write_table(path, shapes, names, *, crs="EPSG:4326", driver, **options):
    wkb = np.array([shapely.to_wkb(shape) for shape in shapes], object)
    columns = [np.array(names, object)]
    raw.write(path, wkb, columns, ["name"], geometry_type="Polygon", crs=crs, driver=driver, **options)


def test_a_cell_belongs_to_units_by_area(tmp_path):
    write(tmp_path, ("west", box(126.0, 36.0, 126.34, 37.0)), ("east", box(126.34, 36.5, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("west", "east")
    west, east = (row.reshape(10, 10) for row in units.coverage.toarray())
    np.testing.assert_allclose(west, np.repeat([[1, 1, 1, 0.4, 0, 0, 0, 0, 0, 0]], 10, axis=0), atol=1e-12)
    np.testing.assert_allclose(east[:5], np.repeat([[0, 0, 0, 0.6, 1, 1, 1, 1, 1, 1]], 5, axis=0), atol=1e-12)
    assert (east[5:] == 0).all()
    assert units.index[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert units.index[9].tolist() == [0, 0, 0, 0, -1, -1, -1, -1, -1, -1]


def test_a_unit_smaller_than_a_cell_has_its_part(tmp_path):
    write(tmp_path, ("all", box(126.0, 36.0, 127.0, 37.0)), ("islet", box(126.01, 36.01, 126.02, 36.03)))
    units = load_units(region(), tmp_path)
    assert units.names == ("all", "islet")
    assert units.coverage[[1]].toarray().reshape(10, 10)[9, 0] == pytest.approx(0.02, abs=1e-12)
    assert units.coverage[[1]].sum() == pytest.approx(0.02, abs=1e-12)


def test_units_elsewhere_are_left_out(tmp_path):
    write(tmp_path, ("far", box(10, 10, 11, 11)), ("here", box(126.0, 36.0, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("here",)
    assert (units.index == 0).all()


def test_equal_names_stay_apart(tmp_path):
    write(tmp_path, ("Jung-gu", box(126.0, 36.0, 126.5, 37.0)), ("Jung-gu", box(126.5, 36.0, 127.0, 37.0)))
    units = load_units(region(), tmp_path)
    assert units.names == ("Jung-gu", "Jung-gu (2)")
    assert units.ids == ("jung-gu", "jung-gu-2")


def test_a_region_without_units_is_one(tmp_path):
    units = load_units(region(admin_units=None), tmp_path)
    assert units.names == ("Somewhere",)
    assert (units.coverage.toarray() == 1).all()


def test_a_projected_region_without_units_is_one(tmp_path):
    grid = Grid.from_origin("p", west=900_000, north=1_900_000, resolution=5_000, width=40, height=40, crs="EPSG:5179")
    assert (load_units(region(grid, admin_units=None), tmp_path).coverage.toarray() == 1).all()


def test_names_in_korean_and_ids(tmp_path):
    write(tmp_path, ("Jeju", box(126, 36, 127, 37)), name_ko="제주특별자치도", id="KR-49")
    units = load_units(region(), tmp_path)
    assert (units.ids, units.names, units.korean) == (("KR-49",), ("Jeju",), ("제주특별자치도",))


def test_another_name_property(tmp_path):
    feature = {"type": "Feature", "properties": {"name_eng": "Jeju-do"}, "geometry": box(126, 36, 127, 37)}
    (tmp_path / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert load_units(region(name_property="name_eng"), tmp_path).names == ("Jeju-do",)


def test_units_on_a_projected_grid(tmp_path):
    """The box 127-128 E, 36-37 N measures 89.6 by 111 km at its middle."""
    grid = Grid.from_origin("p", west=900_000, north=1_900_000, resolution=5_000, width=40, height=40, crs="EPSG:5179")
    write(tmp_path, ("box", box(127.0, 36.0, 128.0, 37.0)))
    units = load_units(region(grid), tmp_path)
    assert units.coverage.sum() * 25 == pytest.approx(89.6 * 111.0, rel=0.003)


@pytest.mark.parametrize(("name", "driver"), [("units.gpkg", "GPKG"), ("units.shp", "ESRI Shapefile")])
def test_other_formats_and_coordinates(tmp_path, name, driver):
    """Korean projected coordinates, as official files have them."""
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:5179", always_xy=True).transform
    shape = shapely.segmentize(shapely.box(126.0, 36.0, 126.5, 37.0), 0.02)
    metres = shapely.transform(shape, lambda xy: np.column_stack(to_metres(xy[:, 0], xy[:, 1])))
    write_table(tmp_path / name, [metres], ["서쪽"], crs="EPSG:5179", driver=driver, encoding="UTF-8")
    units = load_units(region(admin_units=name), tmp_path)
    assert units.names == ("서쪽",)
    west = units.coverage.toarray().reshape(10, 10)
    np.testing.assert_allclose(west[:, :5], 1, atol=1e-4)
    np.testing.assert_allclose(west[:, 5:], 0, atol=1e-4)


def test_a_shapefile_that_does_not_tell_its_encoding(tmp_path):
    write_table(tmp_path / "units.shp", [shapely.box(126, 36, 127, 37)], ["전라남도"], driver="ESRI Shapefile",
                encoding="CP949")
    (tmp_path / "units.cpg").unlink()
    assert load_units(region(admin_units="units.shp"), tmp_path).names == ("전라남도",)


def test_a_zipped_shapefile(tmp_path):
    write_table(tmp_path / "units.shp", [shapely.box(126, 36, 127, 37)], ["all"], driver="ESRI Shapefile")
    with ZipFile(tmp_path / "units.zip", "w") as archive:
        for path in tmp_path.glob("units.*"):
            if path.suffix != ".zip":
                archive.write(path, path.name)
    assert load_units(region(admin_units="units.zip"), tmp_path).names == ("all",)


def test_the_provinces_that_come_along(tmp_path):
    """Areas of official statistics [km2]; the source draws coasts to about a kilometre."""
    units = load_units(region(KOREA, admin_units="korea_provinces"), tmp_path)
    assert len(units.names) == len(set(units.ids)) == 28
    area = dict(zip(units.ids, units.coverage @ cell_area_km2(KOREA).ravel(), strict=True))
    assert units.korean[units.ids.index("KR-49")] == "제주특별자치도"
    assert "Natural Earth" in units.attribution
    for unit_id, official in (("KR-49", 1850), ("KR-11", 605), ("KR-47", 19030), ("KR-43", 7407), ("KP-10", 13880)):
        assert area[unit_id] == pytest.approx(official, rel=0.06)
    assert np.maximum(units.coverage.sum(axis=0) - 1, 0).sum() < 0.5    # cells counted twice along borders


@pytest.mark.parametrize("content", [
    None, "no json", "[]", '{"type": "FeatureCollection"}',
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"title": "x"}, '
    '"geometry": {"type": "Point", "coordinates": [126.5, 36.5]}}]}',
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "x"}, "geometry": null}]}',
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "x"}, '
    '"geometry": {"type": "Point", "coordinates": [126.5, 36.5]}}]}',
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "x"}, '
    '"geometry": {"type": "Shape"}}]}',
])
def test_unusable_files(tmp_path, content):
    if content is not None:
        (tmp_path / "units.geojson").write_text(content)
    with pytest.raises(StaticLayerError, match="admin units"):
        load_units(region(), tmp_path)


def test_projected_coordinates_without_a_system_are_refused(tmp_path):
    write(tmp_path, ("metres", box(950_000, 1_900_000, 960_000, 1_950_000)))
    with pytest.raises(StaticLayerError, match="degrees"):
        load_units(region(), tmp_path)


def test_no_unit_in_the_region(tmp_path):
    write(tmp_path, ("far", box(10, 10, 11, 11)))
    with pytest.raises(StaticLayerError, match="no admin unit"):
        load_units(region(), tmp_path)
