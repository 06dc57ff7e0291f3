"""The day as one NetCDF file: the numbers of the GeoTIFFs, and what CF asks for."""

import numpy as np
import pytest
import rasterio
import xarray as xr

from sm_core.errors import GridMismatchError, UnitsError
from sm_core.publishing import SOIL_MOISTURE_1KM, file_name, write_cogs, write_netcdf
from tests.unit.published_day import DAY, PROJECTED, SMALL, fields, item

GRIDS = pytest.mark.parametrize("grid", [SMALL, PROJECTED], ids=["geographic", "projected"])


@pytest.fixture
def written(tmp_path):
    made = write_netcdf(fields(SMALL), SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=SMALL)
    return tmp_path / made.uri


def test_values_come_back(written):
    expected = fields(SMALL)
    with xr.open_dataset(written) as day:
        assert day["sm_surface"].dims == ("time", "lat", "lon")
        assert day.time.values.astype("datetime64[D]").tolist() == [DAY]
        np.testing.assert_array_equal(day.lat, SMALL.y)
        np.testing.assert_array_equal(day.lon, SMALL.x)
        for declared in SOIL_MOISTURE_1KM.variables:
            name, scale = declared.variable.name, declared.encoding.scale
            wanted = expected[name].values.astype(float)
            if name == "drought_class":
                wanted[wanted == 255] = np.nan
            np.testing.assert_allclose(day[name].values[0], wanted, atol=0.5001 * scale, err_msg=name)


def test_stored_numbers_are_those_of_the_geotiffs(written, tmp_path):
    write_cogs(fields(SMALL), SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=SMALL)
    with xr.open_dataset(written, mask_and_scale=False) as day:
        for declared in SOIL_MOISTURE_1KM.variables:
            with rasterio.open(tmp_path / file_name(item(), declared.variable.name)) as file:
                stored = file.read(1)
            np.testing.assert_array_equal(day[declared.variable.name].values[0].view(stored.dtype), stored)


def test_days_join_into_a_series(tmp_path):
    paths = []
    for offset in range(3):
        one = item(day=DAY.replace(day=15 + offset))
        made = write_netcdf(fields(SMALL, offset), SOIL_MOISTURE_1KM, tmp_path, item=one, grid=SMALL)
        paths.append(tmp_path / made.uri)
    days = [xr.open_dataset(path) for path in paths]
    series = xr.concat(days, "time", data_vars="minimal", coords="minimal", compat="override", join="exact",
                       combine_attrs="drop_conflicts")
    assert series["sm_rootzone"].sizes == {"time": 3, "lat": 10, "lon": 12}
    second = series["sm_rootzone"].sel(time="2019-06-16")
    np.testing.assert_allclose(second, fields(SMALL, 1)["sm_rootzone"], atol=5.1e-5)
    assert series.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    for day in days:
        day.close()


def test_what_a_reader_is_told(written):
    with xr.open_dataset(written, mask_and_scale=False, decode_cf=False) as raw:
        moisture, classes, bits = raw["sm_rootzone"], raw["drought_class"], raw["qa_flags"]
        assert moisture.attrs["standard_name"] == "volume_fraction_of_condensed_water_in_soil"
        assert (moisture.dtype, moisture.attrs["_FillValue"], moisture.attrs["scale_factor"]) == ("int16", -1, 1e-4)
        assert moisture.attrs["valid_range"].tolist() == [0, 6000]
        assert moisture.attrs["ancillary_variables"].split() == [
            "sm_rootzone_uncertainty", "sm_rootzone_lower_90", "sm_rootzone_upper_90", "qa_flags"]
        assert raw["depth_0_100_cm_bnds"].values.tolist() == [0.0, 1.0]
        assert moisture.attrs["coordinates"] == "depth_0_100_cm"
        assert classes.attrs["flag_values"].tolist() == [0, 1, 2, 3, 4, 5]
        assert classes.attrs["flag_meanings"].split()[1] == "D0_abnormally_dry"
        assert bits.attrs["flag_masks"].tolist() == [1 << bit for bit in range(16)]
        assert len(bits.attrs["flag_meanings"].split()) == 16
        assert raw["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
        assert raw["lat_bnds"].values[0].tolist() == [38.0, 37.9]
        assert raw["time_bnds"].values.tolist() == [[raw["time"].values[0], raw["time"].values[0] + 1]]
        about = raw.attrs
    assert (about["maturity"], about["revision"], about["product_version"]) == ("provisional", 2, "1.2.0 r02")
    assert (about["time_coverage_start"], about["date_created"]) == ("2019-06-15T00:00:00Z", "2019-06-17T09:00:00Z")
    assert about["models"] == "korea-downscaler 3 abababababab"
    assert (about["geospatial_lat_min"], about["geospatial_lon_max"]) == (37.0, 127.2)


@GRIDS
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_the_compliance_checker_has_nothing_to_say(grid, tmp_path):
    """CF 1.11 at the strictest level.

    The bounds of a scalar coordinate have one dimension (CF 7.1); the checker knows only those of axes.
    """
    from compliance_checker.runner import CheckSuite

    made = write_netcdf(fields(grid), SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=grid)
    suite = CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(tmp_path / made.uri))
    try:
        groups, errors = suite.run_all(dataset, ["cf:1.11"])["cf:1.11"]
    finally:
        dataset.close()
    found = [message for group in groups if group.value[0] < group.value[1] for message in group.msgs]
    assert errors == {}
    assert len(groups) > 20
    assert [message for message in found if not message.startswith("Boundary variable depth_")] == []


@GRIDS
def test_the_same_input_gives_the_same_bytes(grid, tmp_path):
    made = []
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        made.append(write_netcdf(fields(grid), SOIL_MOISTURE_1KM, tmp_path / name, item=item(), grid=grid))
    assert made[0] == made[1]


def test_a_projected_grid_is_placed_on_the_globe(tmp_path):
    made = write_netcdf(fields(PROJECTED), SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=PROJECTED)
    with xr.open_dataset(tmp_path / made.uri, decode_coords="all") as day:
        assert day["sm_surface"].dims == ("time", "y", "x")
        assert day["crs"].attrs["grid_mapping_name"] == "transverse_mercator"
        assert 37.0 < float(day["lat"][0, 0]) < 37.2
        assert 126.3 < float(day["lon"][0, 0]) < 126.5


def test_a_value_that_does_not_fit_is_refused(tmp_path):
    made = fields(SMALL)
    made["sm_surface"].values[2, 6] = 3.3                               # 33000 is beyond a signed 16-bit integer
    with pytest.raises(UnitsError, match="sm_surface"):
        write_netcdf(made, SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=SMALL)


def test_another_grid_is_refused(tmp_path):
    with pytest.raises(GridMismatchError):
        write_netcdf(fields(SMALL), SOIL_MOISTURE_1KM, tmp_path, item=item(), grid=PROJECTED)
