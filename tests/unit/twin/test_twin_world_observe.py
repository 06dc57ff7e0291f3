from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from sm_core.errors import DayOutOfRangeError
from sm_core.grid import sinusoidal
from sm_core.twin import observe
from sm_core.twin.clouds import cloud_share
from sm_core.twin.coarse import Gleam, ease_window, glass_lst, glass_ndvi, smap_day
from sm_core.twin.observe import AQUA, NOAA_20, TERRA, TilePixels
from sm_core.twin.world import World

DAYS = [dt.date(2018, 3, 20) + dt.timedelta(days=n) for n in range(73)]


@pytest.fixture(scope="module")
def pixels(world: World) -> TilePixels:
    return observe.tile_pixels(world, "h28v05")


def test_pixels_see_the_cell_at_their_centre(world: World, pixels: TilePixels) -> None:
    west, _, _, north = sinusoidal.tile_bounds("h28v05")
    x = west + (pixels.column + 0.5) * sinusoidal.CELL_M
    y = north - (pixels.row + 0.5) * sinusoidal.CELL_M
    lon, lat = sinusoidal.to_lonlat(x, y)
    assert len(pixels.cell) > 1500  # 0.16 square degrees of 0.86 square kilometres
    assert np.abs(world.lon[pixels.cell] - lon).max() <= 0.005 + 1e-6
    assert np.abs(world.lat[pixels.cell] - lat).max() <= 0.005 + 1e-6
    assert len(observe.tile_pixels(world, "h10v03").cell) == 0


def test_image_has_pixels_in_their_places(pixels: TilePixels) -> None:
    image = pixels.image(np.arange(len(pixels.cell), dtype=np.float32), np.nan)
    assert image.shape == (1200, 1200)
    assert np.isfinite(image).sum() == len(pixels.cell)
    assert image[pixels.row[5], pixels.column[5]] == 5.0


@pytest.mark.parametrize(("sensor", "overpass", "nominal"), [
    (TERRA, "day", 10.5), (TERRA, "night", 22.5), (AQUA, "day", 13.5), (AQUA, "night", 1.5)])
def test_view_time_keeps_to_the_swath(sensor: observe.Sensor, overpass: observe.Pass, nominal: float) -> None:
    hours = np.stack([observe.view_hour(sensor, overpass, day, np.array([127.5])) for day in DAYS])
    assert np.abs(hours - nominal).max() <= 0.87 + 1e-6
    assert np.ptp(hours) > 1.2
    assert np.array_equal(hours[0], hours[16])


def test_lst_is_the_truth_of_clear_pixels_within_noise(world: World, pixels: TilePixels) -> None:
    errors = []
    for day in DAYS:
        image = observe.lst_image(world, pixels, TERRA, "day", day)
        cloudy = world.cloud_margin(day, "MOD day")[pixels.cell] < 0
        assert np.array_equal(np.isnan(image.lst), cloudy)
        truth = world.lst(day, observe.view_hour(TERRA, "day", day, world.lon))[pixels.cell]
        errors.append((image.lst - truth)[~cloudy])
    departure = np.concatenate(errors)
    assert abs(np.median(departure)) < 0.15
    assert np.percentile(np.abs(departure), 68) == pytest.approx(1.0, abs=0.25)
    assert 0.005 < (departure < -4.5).mean() < 0.025  # unseen clouds
    assert (departure > 6.0).mean() < 0.002


def test_viirs_has_hot_outliers(world: World, pixels: TilePixels) -> None:
    hot = []
    for day in DAYS:
        image = observe.lst_image(world, pixels, NOAA_20, "day", day)
        truth = world.lst(day, observe.view_hour(NOAA_20, "day", day, world.lon))[pixels.cell]
        hot.append((image.lst - truth)[np.isfinite(image.lst)] > 7.0)
    assert 0.001 < np.concatenate(hot).mean() < 0.006


def test_overpasses_share_most_clouds(world: World) -> None:
    morning, afternoon = (
        np.stack([world.cloud_margin(day, name) < 0 for day in DAYS]).mean(axis=1) for name in ("MOD day", "MYD day"))
    assert 0.6 < np.corrcoef(morning, afternoon)[0, 1] < 1.0


def test_clouds_of_a_day_need_no_other_day(world: World) -> None:
    alone = world.cloud_margin(DAYS[9], "MOD day")
    for day in DAYS[:12]:
        world.cloud_margin(day, "MYD night")
    assert np.array_equal(alone, world.cloud_margin(DAYS[9], "MOD day"))


def test_rain_brings_clouds() -> None:
    wet = np.array([True, False])
    for month in range(1, 13):
        rainy, dry = cloud_share(dt.date(2018, month, 15), wet)
        assert rainy > 0.9 > dry >= 0.05


def test_composite_prefers_clear_green_views(world: World, pixels: TilePixels) -> None:
    start = dt.date(2018, 5, 9)
    seen = observe.ndvi_composite(world, pixels, TERRA, start)
    clear = np.stack([
        world.cloud_margin(start + dt.timedelta(days=n), "MOD day")[pixels.cell] >= 0 for n in range(16)])
    truth = np.stack([world.ndvi(start + dt.timedelta(days=n))[pixels.cell] for n in range(16)])
    each = np.arange(len(pixels.cell))
    used = seen.rank < 3
    assert np.array_equal(used, clear.any(axis=0))
    assert clear[seen.day[used], each[used]].all()
    error = (seen.ndvi - truth[seen.day, each])[seen.rank == 0]
    assert error.mean() == pytest.approx(0.0, abs=0.02)
    assert error.std() == pytest.approx(0.02, abs=0.006)
    assert (~used).any()
    assert ((seen.ndvi - truth[8])[~used] < 0.0).all()


def test_outside_the_truth_is_an_error(world: World) -> None:
    world.soil_moisture("sm_surface", dt.date(2018, 3, 4))
    with pytest.raises(DayOutOfRangeError, match="2018-03-03"):
        world.soil_moisture("sm_surface", dt.date(2018, 3, 3))


def test_glass_is_gap_free_smooth_and_biased(world: World) -> None:
    day = dt.date(2018, 5, 1)
    lst, ndvi = glass_lst(world, day), glass_ndvi(world, day)
    fine = world.window.mean(world.lst(day, 14.0))
    known = np.isfinite(fine)
    assert lst.shape == world.window.shape
    assert np.array_equal(np.isfinite(lst), known)
    assert np.array_equal(np.isfinite(ndvi), known)
    assert np.corrcoef(lst[known], fine[known])[0, 1] > 0.5
    assert lst[known].std() < fine[known].std() + 1.0


def test_gleam_years_can_be_made_alone(world: World) -> None:
    both, alone = Gleam(world, "sm_surface", 2), Gleam(world, "sm_surface", 2)
    first, second = both.year(2017), both.year(2018)
    assert np.array_equal(alone.year(2018).values, second.values, equal_nan=True)
    assert first.values.shape == (365, 5, 5)  # the half degree around the region
    assert np.isnan(second.values[151:]).all()  # after 31 May
    known = np.isfinite(first.values)
    assert known.any(axis=0).sum() == 16  # 0.4 degrees along each side
    assert 0.02 < first.values[known].mean() < 0.5


def test_smap_cells_hold_the_regions_mean(world: World) -> None:
    window = ease_window(world)
    surface, rootzone = smap_day(world, window, dt.date(2018, 4, 4))
    assert surface.shape == (window.rows.stop - window.rows.start, window.columns.stop - window.columns.start)
    assert np.nanmean(surface) == pytest.approx(world.soil_moisture("sm_surface", dt.date(2018, 4, 4)).mean(), abs=0.1)
    assert np.isfinite(surface).sum() == np.isfinite(rootzone).sum() >= 16
