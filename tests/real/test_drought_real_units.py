"""Real administrative units on the region grid."""

import os
from pathlib import Path

import numpy as np
import pytest

from sm_core.domain import Grid, Region
from sm_core.drought import load_units
from sm_core.drought.coverage import cell_area_km2

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]
GRID = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=700, height=1000)


def units_of(name, name_property):
    region = Region(region_id="korea", title="Korea", grid=GRID, tiles=(), roles=(), statics=(), admin_units=name,
                    name_property=name_property)
    return load_units(region, Path(os.environ["SM_REAL_DATA"]) / "admin")


def area_km2(units, name):
    return float((units.coverage @ cell_area_km2(GRID).ravel())[units.names.index(name)])


def test_provinces_have_their_area():
    units = units_of("skorea_provinces_geo_simple.json", "name_eng")
    assert len(units.names) == 17
    assert area_km2(units, "Jeju-do") == pytest.approx(1850, rel=0.03)
    assert area_km2(units, "Seoul") == pytest.approx(605, rel=0.03)


def test_municipalities_are_all_there_and_apart():
    units = units_of("skorea_municipalities_geo_simple.json", "name_eng")
    assert len(units.names) == len(set(units.names)) == 251
    assert (np.bincount(units.index[units.index >= 0], minlength=251) > 0).all()
    assert units.coverage.sum(axis=0).max() < 1.05


def test_both_countries():
    assert sorted(units_of("korea_kor_prk_ne10m.geojson", "name").names) == ["North Korea", "South Korea"]
