from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sm_core.domain import Grid, Region
from sm_core.twin.archive import create
from sm_core.twin.spec import TwinSpec
from sm_core.twin.world import World


def small_region(size: int = 40, north: float = 36.5) -> Region:
    grid = Grid.from_origin("small", west=127.5, north=north, resolution=0.01, width=size, height=size)
    layers = ("elevation", "slope", "clay", "sand", "land_cover", "land")
    return Region.model_validate({
        "region_id": "small", "title": "A small region", "grid": grid, "tiles": ("h28v05",),
        "roles": {
            "ndvi_fine": ("MOD13A2.061",), "ndvi_coarse": ("GLASS13B01.V10",), "lst_fine": ("MOD11A1.061",),
            "lst_coarse": ("GLASS08B31.V40",), "ssm_coarse": ("GLEAM_v4.2a.SMs",),
            "rzsm_coarse": ("GLEAM_v4.2a.SMrz",),
        },
        "statics": {name: f"static/{name}.tif" for name in layers}, "admin_units": "static/admin_units.geojson",
    })


@pytest.fixture(scope="session")
def region() -> Region:
    return small_region()


@pytest.fixture(scope="session")
def spec(region: Region) -> TwinSpec:
    """Ten weeks of spring after fourteen months of record."""
    return TwinSpec(region=region, start=dt.date(2018, 3, 20), end=dt.date(2018, 5, 31),
                    record_start=dt.date(2017, 1, 1), seed=7, stations=6)


@pytest.fixture(scope="session")
def world(spec: TwinSpec, tmp_path_factory: pytest.TempPathFactory) -> World:
    return create(spec, Path(tmp_path_factory.mktemp("world")))
