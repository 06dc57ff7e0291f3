"""The steps of the flow that check and publish a day, on a small region with made-up fields."""

import datetime as dt
import json

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml

from sm_core.domain import DailyInputs, GriddedGranule, GriddedInputs, InputSlot
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.adapters.scratch import Scratch, identity_of
from tasks.assess import assess_day
from tasks.fuse import _age
from tasks.publish import already_published, publish_day
from tasks.reissue import weigh_day
from tasks.wiring import services
from tests.unit.published_day import DAY, MODEL, SMALL, fields, granule
from tests.unit.stac_rules import OfflineValidator, broken_links

ROLES = ("ndvi_fine", "ndvi_coarse", "lst_fine", "lst_coarse", "ssm_coarse", "rzsm_coarse")


@pytest.fixture
def region(tmp_path, monkeypatch):
    """A region of its own: all land, one unit."""
    profile = {"driver": "GTiff", "height": SMALL.height, "width": SMALL.width, "count": 1, "dtype": "float32",
               "crs": SMALL.crs, "transform": rasterio.Affine(*SMALL.transform)}
    (tmp_path / "archive").mkdir()
    for name, value in (("land", 1.0), ("land_cover", 12.0)):
        with rasterio.open(tmp_path / "archive" / f"{name}.tif", "w", **profile) as file:
            file.write(np.full(SMALL.shape, value, np.float32), 1)
    declared = {
        "region_id": "small", "title": "Small", "grid": SMALL.model_dump(mode="json"), "tiles": ["h28v05"],
        "roles": {role: ["MOD11A1.061"] for role in ROLES}, "statics": {n: f"{n}.tif" for n in ("land", "land_cover")},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(declared))
    for name, value in {"DATA": tmp_path / "data", "ARCHIVE": tmp_path / "archive", "REGION_FILE": path}.items():
        monkeypatch.setenv(f"SM_{name}", str(value))
    return "small"


def inputs(day=DAY, sha="12"):
    slots = tuple(InputSlot(role=role, status="present", source_id="MOD11A1.061", granules=(granule(sha=sha),))
                  for role in ROLES)
    return DailyInputs(region_id="small", day=day, as_of=dt.datetime(2019, 6, 20, tzinfo=dt.UTC), slots=slots)


def made(seed=1):
    """A day without sea: every cell is known and without flags."""
    whole = fields(SMALL, seed).assign_attrs(conservation_error=1e-8)
    for declared in SOIL_MOISTURE_1KM.variables:
        values = whole[declared.variable.name].values
        values[:, :2] = values[:, 2:4]
    whole["qa_flags"].values[:] = 0
    return services().scratch("small").store("fields", "20190615", identity_of([str(seed)]), lambda: whole)


def gridded():
    """Coarse cells of three by five."""
    lattice = xr.Dataset({"sm_surface": (("time", "y", "x"), np.full((1, 2, 4), 0.3, np.float32))},
                         {"y": 37.75 - 0.5 * np.arange(2), "x": 126.15 + 0.3 * np.arange(4)}, {"crs": SMALL.crs})
    ref = services().scratch("small").store("coarse", "20190615", identity_of(["coarse"]), lambda: lattice)
    return GriddedInputs(rasters=(GriddedGranule(role="ssm_coarse", source_id="GLEAM_v4.2a.SMs", start=DAY, end=DAY,
                                                 raster=ref),))


def publish(seed=1, **known):
    ref = made(seed)
    gate = assess_day.fn(inputs(**known), gridded(), ref)
    assert gate.passed, gate
    return publish_day.fn(inputs(**known), (MODEL,), ref, gate)


def test_a_day_is_published_whole(region):
    item = publish()
    folder = services().store.directory(item)
    stem = "soil_moisture_1km_small_20190615_r01"
    assert {path.name for path in folder.iterdir()} == {
        *(f"{stem}_{v.variable.name}.tif" for v in SOIL_MOISTURE_1KM.variables), f"{stem}.nc", f"{stem}.json",
        "drought.json", "drought.csv", "drought.geojson", "drought.md", "item.json", "SHA256SUMS"}
    described = json.loads((folder / f"{stem}.json").read_text())
    OfflineValidator().check(described)
    assert described["assets"]["netcdf"]["type"] == "application/netcdf"
    assert broken_links(services().store.root) == []
    assert json.loads((folder / "drought.json").read_text())["total"]["assessed_percent"] == 100.0
    with xr.open_dataset(folder / f"{stem}.nc") as day:
        assert day.attrs["item_id"] == item.item_id


def test_the_same_again_is_known(region):
    item = publish()
    assert already_published.fn("small", inputs(), (MODEL,)) == item
    (services().store.directory(item) / "drought.csv").unlink()
    assert already_published.fn("small", inputs(), (MODEL,)) is None
    assert publish() == item                                            # the damage is repaired by the same bytes
    assert already_published.fn("small", inputs(), (MODEL,)) == item


def test_other_inputs_make_the_next_revision_with_its_reason(region):
    publish()
    second = publish(seed=2, sha="34")
    (change,) = services().store.changes("soil_moisture_1km", "small")
    assert (second.revision, change.item_id) == (2, second.item_id)
    assert change.reasons == "1 file of MOD11A1.061 reprocessed"
    assert change.sm_surface_change > 0.001


def test_inputs_that_come_back_are_published_again(region):
    first, second = publish(), publish(seed=2, sha="34")
    third = publish()
    assert (third.revision, third.supersedes) == (3, second.item_id)
    assert third.item_id not in (first.item_id, second.item_id)
    assert already_published.fn("small", inputs(), (MODEL,)) == third
    assert already_published.fn("small", inputs(sha="34"), (MODEL,)) is None
    next(services().store.directory(third).glob("*_sm_surface.tif")).unlink()
    assert publish() == third                                           # restored, not published once more
    assert [one.revision for one in services().store.revisions("soil_moisture_1km", "small", DAY)] == [1, 2, 3]


def verdict(seed, **known):
    return weigh_day.fn(inputs(**known), (MODEL,), made(seed))


def test_a_change_is_weighed_against_the_regions_thresholds(region, tmp_path):
    assert verdict(1).reason == "first publication"
    shown = publish()
    same = verdict(1, sha="34")
    assert (same.publish, same.shown) == (False, shown)
    assert same.reason.startswith("sm_surface by 0 (0.01), sm_rootzone by 0 (0.01), drought class of 0 %")
    other = verdict(4, sha="34")
    assert other.publish
    assert other.reason.startswith("sm_surface by 0.1")
    path = tmp_path / "small.yaml"
    path.write_text(path.read_text() + "upkeep: {thresholds: {sm_surface: 1, sm_rootzone: 1, drought_class: 100}}\n")
    assert not verdict(4, sha="34").publish
    late = inputs(sha="34")
    late = late.model_copy(update={"slots": tuple(s.model_copy(update={"provisional": True}) for s in late.slots)})
    assert weigh_day.fn(late, (MODEL,), made(1)).reason == "final to provisional"
    next(services().store.directory(shown).glob("*_sm_surface.tif")).unlink()
    assert verdict(1, sha="34").reason == "what was published is damaged"


def test_the_day_before_is_compared_with(region):
    publish()
    gate = assess_day.fn(inputs(day=DAY + dt.timedelta(1)), gridded(), made(1))
    assert not gate.passed                                              # a copy of the day before
    assert {r.check for r in gate.results if not r.passed} == {"sm_surface_not_a_copy", "sm_rootzone_not_a_copy"}


def test_age_is_that_of_the_newest_clear_image_up_to_the_day(region, tmp_path):
    scratch, rasters = Scratch(tmp_path / "scratch"), []
    for offset, columns in ((-9, slice(None, 6)), (-2, slice(4, 8)), (0, slice(7, 8)), (3, slice(None))):
        clear = np.full((1, *SMALL.shape), np.nan, np.float32)
        clear[:, :, columns] = 300.0
        image = xr.Dataset({"lst_day": (("time", "y", "x"), clear)})
        start = DAY + dt.timedelta(offset)
        ref = scratch.store("lst", f"{start:%Y%m%d}", identity_of([str(offset)]), lambda image=image: image)
        rasters.append(GriddedGranule(role="lst_fine", source_id="MOD11A1.061", start=start, end=start, raster=ref))
    age = _age(GriddedInputs(rasters=tuple(rasters)), inputs())
    np.testing.assert_array_equal(age.values[0], [9, 9, 9, 9, 2, 2, 2, 0, *[np.nan] * 4])
