"""Files of the product: Cloud-optimised GeoTIFF with everything a reader needs."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
import xarray as xr
from rio_cogeo import cog_validate

from sm_core.domain import Grid
from sm_core.errors import GridMismatchError, NonFiniteError, PublishError, StoreUnavailableError, UnitsError
from sm_core.publishing import SOIL_MOISTURE_1KM, file_name, read_cogs, write_cogs
from tests.unit.published_day import GRID, fields, item

ITEM = item()


@pytest.fixture(scope="module", name="fields")
def fields_of_a_day():
    return fields(GRID)


@pytest.fixture(scope="module")
def written(fields, tmp_path_factory):
    directory = tmp_path_factory.mktemp("r02")
    return directory, write_cogs(fields, SOIL_MOISTURE_1KM, directory, item=ITEM, grid=GRID)


def path_of(written, variable):
    return written[0] / file_name(ITEM, variable)


def test_one_file_for_each_variable_under_its_name(written):
    directory, files = written
    assert [file.uri for file in files] == [
        f"soil_moisture_1km_korea_20190615_r02_{v.variable.name}.tif" for v in SOIL_MOISTURE_1KM.variables
    ]
    for file in files:
        content = (directory / file.uri).read_bytes()
        assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize("declared", SOIL_MOISTURE_1KM.variables, ids=lambda v: v.variable.name)
def test_every_file_is_a_valid_cog(written, declared):
    path = path_of(written, declared.variable.name)
    valid, errors, warnings = cog_validate(path, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as file:
        assert (file.dtypes, file.nodata) == ((declared.encoding.dtype,), declared.encoding.nodata)
        assert file.compression.name == "deflate"
        assert file.overviews(1) == [2, 4]
        assert file.block_shapes == [(256, 256)]
        assert file.crs.to_epsg() == 4326
        assert tuple(file.transform)[:6] == pytest.approx(GRID.transform)


def test_values_come_back(written, fields):
    back = read_cogs(written[0], SOIL_MOISTURE_1KM, ITEM, GRID)
    assert list(back) == [v.variable.name for v in SOIL_MOISTURE_1KM.variables]
    for declared in SOIL_MOISTURE_1KM.variables:
        name, scale = declared.variable.name, declared.encoding.scale
        if name in ("drought_class", "qa_flags"):
            np.testing.assert_array_equal(back[name], fields[name])
            assert back[name].dtype == fields[name].dtype
        else:
            np.testing.assert_allclose(back[name], fields[name], atol=0.5001 * scale, equal_nan=True)
    assert back.attrs == {"grid_id": "korea_001", "crs": "EPSG:4326"}
    np.testing.assert_array_equal(back.y, GRID.y)
    np.testing.assert_array_equal(back.x, GRID.x)


def test_some_variables_only(written):
    assert list(read_cogs(written[0], SOIL_MOISTURE_1KM, ITEM, GRID, ["sm_rootzone"])) == ["sm_rootzone"]


def test_a_gis_sees_scaled_values(written, fields):
    with rasterio.open(path_of(written, "sm_surface")) as file:
        scaled = file.read(1, masked=True) * file.scales[0] + file.offsets[0]
        assert file.units == ("1",)
        assert file.descriptions == ("Surface soil moisture, 0 to 10 cm",)
    expected = fields["sm_surface"].values
    np.testing.assert_array_equal(scaled.mask, np.isnan(expected))
    np.testing.assert_allclose(scaled.compressed(), expected[np.isfinite(expected)], atol=0.51e-4)


def test_tags_tell_what_it_is(written):
    with rasterio.open(path_of(written, "sm_rootzone")) as file:
        tags, band = file.tags(), file.tags(1)
    assert tags["AREA_OR_POINT"] == "Area"
    assert {key: tags[key] for key in ("day", "maturity", "revision", "item_id", "region", "inputs_sha256")} == {
        "day": "2019-06-15", "maturity": "provisional", "revision": "2", "item_id": ITEM.item_id, "region": "korea",
        "inputs_sha256": "cd" * 32,
    }
    assert tags["models"] == "korea-downscaler 3 abababababab"
    assert band["standard_name"] == "volume_fraction_of_condensed_water_in_soil"
    assert band["long_name"] == "Root-zone soil moisture, 0 to 100 cm"
    assert float(band["STATISTICS_VALID_PERCENT"]) == pytest.approx(100 * 500 / 600, abs=0.1)


def test_classes_are_shown_in_their_colours(written, fields):
    with rasterio.open(path_of(written, "drought_class")) as file:
        colours, band = file.colormap(1), file.tags(1)
        assert file.colorinterp[0].name == "palette"
        overview = file.read(1, out_shape=(350, 300))
    assert [colours[value][:3] for value in range(6)] == [
        (255, 255, 255), (255, 255, 0), (252, 211, 127), (255, 170, 0), (230, 0, 0), (115, 0, 0),
    ]
    assert band["flag_values"] == "0 1 2 3 4 5"
    assert band["flag_meanings"].split()[5] == "D4_exceptional_drought"
    assert set(np.unique(overview)) <= {0, 1, 2, 3, 4, 5, 255}


def test_bits_are_named_and_never_averaged(written, fields):
    with rasterio.open(path_of(written, "qa_flags")) as file:
        band = file.tags(1)
        overview = file.read(1, out_shape=(350, 300))
    assert band["flag_masks"].split()[:3] == ["1", "2", "4"]
    assert len(band["flag_masks"].split()) == len(band["flag_meanings"].split()) == 16
    blocks = fields["qa_flags"].values.reshape(350, 2, 300, 2).transpose(0, 2, 1, 3).reshape(350, 300, 4)
    assert (overview[..., None] == blocks).any(axis=-1).all()


def test_overviews_follow_the_kind_of_layer(written, fields):
    """Half the resolution: means of continuous values, the most frequent class; compared where all four are known."""
    def blocks(name):
        return fields[name].values.reshape(350, 2, 300, 2).transpose(0, 2, 1, 3).reshape(350, 300, 4)

    for name in ("sm_surface", "sm_rootzone_lower_90", "available_water_ratio", "observation_age"):
        with rasterio.open(path_of(written, name)) as file:
            overview, scale = file.read(1, out_shape=(350, 300)), file.scales[0]
        known = np.isfinite(blocks(name)).all(axis=-1)
        np.testing.assert_allclose(overview[known] * scale, blocks(name)[known].mean(axis=-1), atol=1.01 * scale)
    with rasterio.open(path_of(written, "drought_class")) as file:
        overview = file.read(1, out_shape=(350, 300))
    counts = (blocks("drought_class")[..., None] == np.arange(6)).sum(axis=-2)
    in_order = np.sort(counts, axis=-1)
    clear = in_order[..., -1] > in_order[..., -2]
    assert (counts.max(axis=-1)[clear] == 2).sum() > 1000               # two alike and two others
    np.testing.assert_array_equal(overview[clear], counts.argmax(axis=-1)[clear])


gdal = pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="the command line tools of GDAL are not installed")


def gdalinfo(path):
    told = subprocess.run(["gdalinfo", "-json", str(path)], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


@gdal
def test_gdal_reads_classes_in_their_colours(written):
    band = gdalinfo(path_of(written, "drought_class"))["bands"][0]
    assert (band["type"], band["colorInterpretation"], band["noDataValue"]) == ("Byte", "Palette", 255)
    assert band["colorTable"]["entries"][:6] == [
        [255, 255, 255, 255], [255, 255, 0, 255], [252, 211, 127, 255], [255, 170, 0, 255], [230, 0, 0, 255],
        [115, 0, 0, 255]]
    assert band["metadata"][""]["flag_meanings"].split()[1] == "D0_abnormally_dry"


@gdal
@pytest.mark.parametrize("declared", SOIL_MOISTURE_1KM.variables, ids=lambda v: v.variable.name)
def test_gdal_reads_scale_units_and_place_as_meant(written, declared):
    told = gdalinfo(path_of(written, declared.variable.name))
    band, encoding = told["bands"][0], declared.encoding
    assert (band.get("scale", 1.0), band.get("offset", 0.0), band["noDataValue"]) == (
        encoding.scale, encoding.offset, encoding.nodata)
    assert (band["unit"], band["description"]) == (declared.variable.units, declared.variable.long_name)
    assert [overview["size"] for overview in band["overviews"]] == [[300, 350], [150, 175]]
    assert told["stac"]["proj:epsg"] == 4326
    assert told["cornerCoordinates"]["upperLeft"] == [124.0, 43.0]
    assert told["metadata"][""]["maturity"] == "provisional"


@gdal
def test_gdal_unscales_values(written, fields):
    """The value at a place, as gdallocationinfo gives it, times the scale."""
    row, column = 350, 300
    told = subprocess.run(["gdallocationinfo", "-valonly", str(path_of(written, "sm_rootzone")), str(column), str(row)],
                          capture_output=True, text=True, check=True)
    assert float(told.stdout) * 1e-4 == pytest.approx(float(fields["sm_rootzone"].values[row, column]), abs=0.51e-4)


def test_the_same_input_gives_the_same_bytes(written, fields, tmp_path):
    again = write_cogs(fields, SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=GRID)
    assert again == written[1]


def small(value, name="sm_surface"):
    grid = Grid.from_origin("s", west=0.0, north=1.0, resolution=0.1, width=5, height=5)
    values = {v.variable.name: (("y", "x"), np.ones((5, 5))) for v in SOIL_MOISTURE_1KM.variables}
    ds = xr.Dataset(values, attrs={"grid_id": "s"})
    ds[name].values[2, 2] = value
    return ds, grid


@pytest.mark.parametrize(("name", "value"), [
    ("sm_surface", -0.001), ("sm_surface", 6.5535), ("sm_surface", 7.0), ("drought_class", 256), ("qa_flags", 70_000),
])
def test_a_value_that_does_not_fit_is_refused(tmp_path, name, value):
    ds, grid = small(value, name)
    with pytest.raises(UnitsError, match=name):
        write_cogs(ds, SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=grid)


def test_infinity_is_refused(tmp_path):
    ds, grid = small(np.inf)
    with pytest.raises(NonFiniteError, match="sm_surface"):
        write_cogs(ds, SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=grid)


def test_a_missing_variable_is_refused(tmp_path):
    ds, grid = small(0.3)
    with pytest.raises(PublishError, match="qa_flags"):
        write_cogs(ds.drop_vars("qa_flags"), SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=grid)


def test_another_grid_is_refused(tmp_path):
    ds, _ = small(0.3)
    with pytest.raises(GridMismatchError):
        write_cogs(ds, SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=GRID)


def test_a_projected_grid(tmp_path):
    grid = Grid.from_origin("utmk", west=900_000, north=1_900_000, resolution=1000, width=5, height=5, crs="EPSG:5179")
    ds = small(0.3)[0].assign_attrs(grid_id="utmk")
    write_cogs(ds, SOIL_MOISTURE_1KM, tmp_path, item=ITEM, grid=grid)
    back = read_cogs(tmp_path, SOIL_MOISTURE_1KM, ITEM, grid, ["sm_surface"])
    assert back.attrs["crs"] == "EPSG:5179"
    np.testing.assert_array_equal(back.x, grid.x)


def test_reading_what_is_not_there_or_elsewhere(written, tmp_path):
    with pytest.raises(StoreUnavailableError, match="sm_surface"):
        read_cogs(tmp_path, SOIL_MOISTURE_1KM, ITEM, GRID)
    with pytest.raises(GridMismatchError, match="another grid"):
        read_cogs(written[0], SOIL_MOISTURE_1KM, ITEM, GRID.model_copy(update={"grid_id": "other"}))
