import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sm_core.domain import Grid
from sm_core.downscaling import FEATURE_NAMES, FEATURES, build_features, feature_hash, known_land
from sm_core.errors import GridMismatchError, InsufficientInputsError

GRID = Grid.from_origin("g", west=127.0, north=37.0, resolution=0.01, width=40, height=40)
DAY = dt.date(2021, 4, 2)


def on_grid(**layers):
    variables = {name: (("y", "x"), np.broadcast_to(np.float32(value), GRID.shape).copy())
                 for name, value in layers.items()}
    return xr.Dataset(variables, {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


def statics(**changes):
    layers = {"elevation": 100.0, "slope": 2.0, "clay": 20.0, "sand": 40.0, "land_cover": 12.0, "land": 1.0}
    return on_grid(**{**layers, **changes})


def coarse(surface, days=3, first="2021-03-31"):
    """4 × 4 cells of 0.1°, one value per day."""
    values = np.zeros((days, 4, 4), np.float32) + np.asarray(surface, np.float32)[:, None, None]
    times = pd.date_range(first, periods=days).as_unit("ns")
    axis = 0.1 * (np.arange(4) + 0.5)
    variables = {"sm_surface": (("time", "y", "x"), values), "sm_rootzone": (("time", "y", "x"), values + 0.1)}
    return xr.Dataset(variables, {"time": times, "y": 37.0 - axis, "x": 127.0 + axis}, {"crs": "EPSG:4326"})


FUSED = {"ndvi": 0.5, "lst_day": 300.0}


def test_every_declared_feature_is_built_with_its_unit():
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.3]), statics(), DAY, GRID)
    assert tuple(features.data_vars) == FEATURE_NAMES
    assert {name: features[name].attrs["units"] for name in FEATURE_NAMES} == {f.name: f.units for f in FEATURES}
    assert all(features[name].dtype == np.float32 for name in FEATURE_NAMES)
    assert features.attrs == {"grid_id": "g", "crs": "EPSG:4326", "day": "2021-04-02"}


def test_no_feature_tells_the_place():
    assert not {"lon", "lat", "x", "y", "longitude", "latitude"} & set(FEATURE_NAMES)


def test_nothing_is_known_off_land():
    land = np.ones(GRID.shape)
    land[:, :10] = 0
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.3]), statics(land=land), DAY, GRID)
    np.testing.assert_array_equal(known_land(features), land == 1)


def test_land_without_a_clear_view_is_still_land():
    fused = on_grid(ndvi=0.5, lst_day=np.nan)
    features = build_features(fused, coarse([0.1, 0.2, 0.3]), statics(), DAY, GRID)
    assert known_land(features).all()
    assert not np.isfinite(features["lst_anomaly"]).any()


def test_lst_anomaly_is_free_of_height_and_of_the_days_level():
    elevation = np.repeat(np.linspace(0, 1000, 40)[:, None], 40, axis=1)
    lst = 305.0 - 0.0065 * elevation
    lst[:, 20:] += 4.0
    features = build_features(on_grid(ndvi=0.5, lst_day=lst), coarse([0.1, 0.2, 0.3]), statics(elevation=elevation),
                              DAY, GRID)
    anomaly = features["lst_anomaly"].values
    np.testing.assert_allclose(anomaly[:, 2], -2.0, atol=1e-3)
    np.testing.assert_allclose(anomaly[:, -3], 2.0, atol=1e-3)
    warmer = build_features(on_grid(ndvi=0.5, lst_day=lst + 10), coarse([0.1, 0.2, 0.3]),
                            statics(elevation=elevation), DAY, GRID)
    np.testing.assert_allclose(warmer["lst_anomaly"].values, anomaly, atol=1e-3)


def test_cover_classes_become_indicators():
    cover = np.full(GRID.shape, 12.0)
    cover[0, :4] = [1, 5, 13, np.nan]
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.3]), statics(land_cover=cover), DAY, GRID)
    np.testing.assert_array_equal(features["forest"].values[0, :5], [1, 1, 0, np.nan, 0])
    np.testing.assert_array_equal(features["urban"].values[0, :5], [0, 0, 1, np.nan, 0])
    np.testing.assert_array_equal(features["cropland"].values[0, :5], [0, 0, 0, np.nan, 1])


def test_season_is_the_angle_of_the_year():
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.3]), statics(), DAY, GRID)
    # 2 April is day 92: 91 days after 1 January
    angle = 2 * math.pi * 91 / 365.25
    assert float(features["season_sin"][0, 0]) == pytest.approx(math.sin(angle))
    assert float(features["season_cos"][0, 0]) == pytest.approx(math.cos(angle))


def test_antecedent_is_the_mean_of_the_days_before_only():
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.4]), statics(), DAY, GRID)
    np.testing.assert_allclose(features["wetness_surface"].values, 0.4, rtol=1e-5)
    np.testing.assert_allclose(features["antecedent_surface"].values, 0.15, rtol=1e-5)
    np.testing.assert_allclose(features["antecedent_rootzone"].values, 0.25, rtol=1e-5)


def test_days_after_the_day_are_not_used():
    series = coarse([0.1, 0.2, 0.4, 0.9], days=4)
    features = build_features(on_grid(**FUSED), series, statics(), DAY, GRID)
    np.testing.assert_allclose(features["wetness_surface"].values, 0.4, rtol=1e-5)
    np.testing.assert_allclose(features["antecedent_surface"].values, 0.15, rtol=1e-5)


def test_without_days_before_antecedent_is_unknown():
    features = build_features(on_grid(**FUSED), coarse([0.4], days=1, first="2021-04-02"), statics(), DAY, GRID)
    assert not np.isfinite(features["antecedent_surface"]).any()
    assert np.isfinite(features["wetness_surface"]).all()


def test_wetness_does_not_give_the_cells_own_value_away():
    one_wet = coarse([0.2, 0.2, 0.2])
    one_wet["sm_surface"][2, 1, 1] = 0.4
    features = build_features(on_grid(**FUSED), one_wet, statics(), DAY, GRID)
    inside = features["wetness_surface"].values[10:20, 10:20]
    assert np.all(inside - 0.2 < 0.1 * (0.4 - 0.2))


def test_unknown_coarse_cells_take_the_wetness_around_them():
    holed = coarse([0.2, 0.2, 0.3])
    holed["sm_surface"][2, 0, :] = np.nan
    features = build_features(on_grid(**FUSED), holed, statics(), DAY, GRID)
    np.testing.assert_allclose(features["wetness_surface"].values, 0.3, rtol=1e-5)


def test_missing_day_and_foreign_grid_are_refused():
    with pytest.raises(InsufficientInputsError, match="2021-04-02"):
        build_features(on_grid(**FUSED), coarse([0.1, 0.2], days=2, first="2021-03-31"), statics(), DAY, GRID)
    with pytest.raises(GridMismatchError, match="found=other"):
        build_features(on_grid(**FUSED).assign_attrs(grid_id="other"), coarse([0.1, 0.2, 0.3]), statics(), DAY, GRID)


def test_differences_within_a_cell_are_all_contrast():
    pattern = 2.0 * (-1.0) ** np.add.outer(np.arange(40), np.arange(40))
    features = build_features(on_grid(ndvi=0.5 + 0.1 * pattern, lst_day=300.0), coarse([0.1, 0.2, 0.3]),
                              statics(clay=20 + pattern), DAY, GRID)
    np.testing.assert_allclose(features["clay_contrast"].values, pattern, atol=1e-4)
    np.testing.assert_allclose(features["ndvi_contrast"].values, 0.1 * pattern, atol=1e-5)
    np.testing.assert_allclose(features["sand_contrast"].values, 0, atol=1e-4)


def test_surroundings_follow_what_changes_across_the_region():
    wide = Grid.from_origin("g", west=127.0, north=37.0, resolution=0.01, width=240, height=20)
    gradient = np.broadcast_to(10 + 0.1 * np.arange(240), (20, 240))
    layers = {"elevation": 100.0, "slope": 2.0, "clay": gradient, "sand": 40.0, "land_cover": 12.0, "land": 1.0,
              **FUSED}
    fields = xr.Dataset({name: (("y", "x"), np.broadcast_to(np.float32(value), wide.shape)) for name, value in
                         layers.items()}, {"y": wide.y, "x": wide.x}, {"grid_id": "g", "crs": "EPSG:4326"})
    sm = np.full((1, 2, 24), 0.3, np.float32)
    lattice = {"time": pd.DatetimeIndex([pd.Timestamp(DAY)]).as_unit("ns"), "y": [36.95, 36.85],
               "x": 127.05 + 0.1 * np.arange(24)}
    series = xr.Dataset(dict.fromkeys(("sm_surface", "sm_rootzone"), (("time", "y", "x"), sm)), lattice,
                        {"crs": "EPSG:4326"})
    contrast = build_features(fields, series, fields, DAY, wide)["clay_contrast"].values
    # far from the ends; the coarse means of ten cells, interpolated, are the gradient itself
    np.testing.assert_allclose(contrast[:, 80:160], 0, atol=1e-3)


def test_sea_is_no_part_of_the_surroundings():
    land = np.ones(GRID.shape)
    land[:, 20:] = 0
    features = build_features(on_grid(**FUSED), coarse([0.1, 0.2, 0.3]),
                              statics(land=land, elevation=np.where(land == 1, 100.0, 0.0)), DAY, GRID)
    np.testing.assert_allclose(features["elevation_contrast"].values[:, :20], 0, atol=1e-4)


def test_a_contrast_is_unknown_where_its_field_is():
    lst = np.full(GRID.shape, 300.0)
    lst[:, :30] = np.nan
    features = build_features(on_grid(ndvi=np.nan, lst_day=lst), coarse([0.1, 0.2, 0.3]), statics(), DAY, GRID)
    assert np.isnan(features["lst_contrast"].values[:, 0]).all()
    assert np.isfinite(features["lst_contrast"].values[:, 35]).all()
    assert np.isnan(features["ndvi_contrast"].values).all()


def test_hash_changes_with_order_and_names():
    assert feature_hash(FEATURE_NAMES) != feature_hash(FEATURE_NAMES[::-1])
    assert feature_hash(FEATURE_NAMES) == feature_hash(list(FEATURE_NAMES))
    with pytest.raises(KeyError):
        feature_hash(("lon",))
