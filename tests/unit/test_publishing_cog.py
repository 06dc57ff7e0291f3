"""Files of the product: Cloud-optimised GeoTIFF with everything a reader needs."""

import datetime as dt
import hashlib

import numpy as np
import pytest
import rasterio
import xarray as xr
from rio_cogeo import cog_validate

from sm_core.domain import GateResult, Grid, ModelVersion, ProductItem
from sm_core.errors import GridMismatchError, NonFiniteError, PublishError, StoreUnavailableError, UnitsError
from sm_core.publishing import SOIL_MOISTURE_1KM, file_name, read_cogs, write_cogs

GRID = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=600, height=700)
MODEL = ModelVersion(name="korea-downscaler", kind="downscaler", version=3, sha256="ab" * 32, uri="models:/3",
                     trained_until=dt.date(2018, 12, 31))
ITEM = ProductItem(
    item_id="0c7a3b52-6d3c-5b8e-8f39-bb0d1f2f9f11", product_id="soil_moisture_1km", algorithm_version="1.0.0",
    region_id="korea", day=dt.date(2019, 6, 15), revision=2, maturity="provisional",
    created=dt.datetime(2019, 6, 17, 9, 0, tzinfo=dt.UTC), assets=(), inputs=(), fingerprint="cd" * 32,
    models=(MODEL,), gate=GateResult(results=()), directory="",
)


@pytest.fixture(scope="module")
def fields():
    """Smooth fields with sea in the west; half of them nearly constant."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:700, 0:600].astype(np.float32)
    moisture = 0.25 + 0.1 * np.sin(x / 80) * np.cos(y / 90) + 0.01 * rng.normal(size=GRID.shape)
    sea = x < 100
    moisture = np.where(sea, np.nan, moisture).astype(np.float32)
    percentile = np.where(sea, np.nan, np.clip(50 + 60 * np.sin(x / 40), 0.09, 99.91)).astype(np.float32)
    classes = np.where(sea, 255, np.digitize(-percentile, [-30, -20, -10, -5, -2])).astype(np.uint8)
    layers = {"sm_surface": moisture, "sm_rootzone": moisture, "sm_surface_uncertainty": 0.2 * moisture,
              "sm_rootzone_uncertainty": 0.2 * moisture, "percentile_sm_surface": percentile,
              "percentile_sm_rootzone": percentile, "drought_class": classes,
              "qa_flags": rng.integers(0, 1 << 15, GRID.shape).astype(np.uint16)}
    return xr.Dataset({name: (("y", "x"), values) for name, values in layers.items()}, {"y": GRID.y, "x": GRID.x},
                      {"grid_id": GRID.grid_id, "crs": GRID.crs})


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
