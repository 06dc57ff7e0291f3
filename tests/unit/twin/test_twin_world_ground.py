from __future__ import annotations

import numpy as np
import pytest

from sm_core.domain import Grid
from sm_core.errors import ConfigError
from sm_core.twin import terrain as ground
from sm_core.twin.soil import soil_of
from sm_core.twin.terrain import cell_lonlat, is_land, make_terrain
from sm_core.twin.world import World


@pytest.mark.parametrize(
    ("sand", "clay", "wilting", "capacity", "saturation", "mm_per_hour"),
    [  # table 3 of Saxton & Rawls (2006): sandy loam, loam, silt loam, clay loam; 2.5 % organic matter
        (65, 10, 0.08, 0.18, 0.45, 50.3), (40, 20, 0.14, 0.28, 0.46, 15.5), (20, 15, 0.11, 0.31, 0.48, 16.1),
        (30, 35, 0.22, 0.36, 0.48, 4.3),
    ],
)
def test_published_soils(
    sand: float, clay: float, wilting: float, capacity: float, saturation: float, mm_per_hour: float
) -> None:
    soil = soil_of(np.array([sand], np.float32), np.array([clay], np.float32))
    assert soil.wilting_point[0] == pytest.approx(wilting, abs=0.006)
    assert soil.field_capacity[0] == pytest.approx(capacity, abs=0.006)
    assert soil.saturation[0] == pytest.approx(saturation, abs=0.006)
    assert soil.conductivity[0] / 24.0 == pytest.approx(mm_per_hour, rel=0.02)


def test_real_coast() -> None:
    places = {"Daejeon": (127.38, 36.35), "Yellow Sea": (124.8, 36.0), "Jeju": (126.55, 33.38), "strait": (128.5, 34.3)}
    lon, lat = (np.array(values) for values in zip(*places.values(), strict=True))
    assert is_land(lon, lat).tolist() == [True, False, True, False]


def test_cell_centres_of_a_projected_grid() -> None:
    grid = Grid(grid_id="utm", crs="EPSG:32652", transform=(1000.0, 0.0, 300000.0, 0.0, -1000.0, 4000000.0),
                width=3, height=2)
    lon, lat = cell_lonlat(grid)
    assert lon.shape == lat.shape == (2, 3)
    assert lon[0, 0] == pytest.approx(126.78, abs=0.05)
    assert lat[0, 0] == pytest.approx(36.12, abs=0.05)


def test_water_gathers_in_the_valley() -> None:
    slope = np.repeat(np.array([[30.0, 20.0, 10.0]], np.float32), 3, axis=0)
    slope[1] -= 5.0
    cells = ground._flow_accumulation(slope, np.argsort(-slope, axis=None).astype(np.int64))
    assert cells.tolist() == [[1.0, 1.0, 1.0], [1.0, 4.0, 9.0], [1.0, 1.0, 1.0]]


def test_terrain_is_complete_on_land_and_empty_on_water() -> None:
    grid = Grid.from_origin("coast", west=126.3, north=36.6, resolution=0.01, width=50, height=40)
    terrain = make_terrain(grid, 3)
    assert 0.2 < terrain.land.mean() < 0.95
    for name in ("elevation", "slope", "southness", "wetness", "clay", "sand", "fertility"):
        values = getattr(terrain, name)
        assert np.isfinite(values[terrain.land]).all(), name
        assert np.isnan(values[~terrain.land]).all(), name
    assert set(terrain.land_cover[~terrain.land]) == {ground.WATER}
    assert (terrain.clay[terrain.land] + terrain.sand[terrain.land] <= 90.001).all()


def test_no_land_is_an_error() -> None:
    grid = Grid.from_origin("sea", west=124.0, north=36.0, resolution=0.01, width=20, height=20)
    with pytest.raises(ConfigError, match="no land"):
        make_terrain(grid, 1)


def test_forest_stands_higher_than_crops_and_the_east_higher_than_the_west(world: World) -> None:
    terrain = world.terrain
    forest = np.isin(terrain.land_cover, (ground.DECIDUOUS, ground.EVERGREEN, ground.MIXED))
    crops = terrain.land_cover == ground.CROP
    assert terrain.slope[forest].mean() > 2.0 * terrain.slope[crops].mean()
    big = make_terrain(Grid.from_origin("wide", west=126.8, north=36.5, resolution=0.02, width=80, height=40), 1)
    assert np.nanmean(big.elevation[:, 40:]) > 1.3 * np.nanmean(big.elevation[:, :40])
