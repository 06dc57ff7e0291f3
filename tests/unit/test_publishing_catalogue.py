"""The STAC catalogue over the store: valid, whole, readable by others' clients."""

import datetime as dt
import json
import typing

import numpy as np
import pytest
from pystac.errors import STACValidationError

from sm_core.domain import ModelKind, ModelVersion
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, read_cogs, write_cogs, write_netcdf
from sm_core.publishing.catalogue import model_item
from tests.unit.published_day import DAY, MODEL, SMALL, fields, granule, item
from tests.unit.stac_rules import OfflineValidator, broken_links, opened

MONTH_END = dt.date(2019, 6, 30)
NEXT_MONTH = dt.date(2019, 7, 1)
NEXT_YEAR = dt.date(2020, 1, 1)
CORRECTOR = ModelVersion(name="korea-corrector", kind="corrector", version=7, sha256="cd" * 32, uri="models:/7",
                         trained_until=dt.date(2018, 12, 31))


def publish(store, item_id, day=DAY, seed=1, region="korea", **changes):
    made = fields(SMALL, seed)

    def write(folder, one):
        return [*write_cogs(made, SOIL_MOISTURE_1KM, folder, item=one, grid=SMALL),
                write_netcdf(made, SOIL_MOISTURE_1KM, folder, item=one, grid=SMALL)]

    draft = item(item_id=item_id, day=day, revision=0, region_id=region, **changes)
    return store.publish(draft, SOIL_MOISTURE_1KM, SMALL, write)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Four days over a month's and a year's end, the first revised, and a second region."""
    store = ProductStore(tmp_path_factory.mktemp("products"))
    publish(store, "a")
    publish(store, "b", MONTH_END)
    publish(store, "c", NEXT_MONTH)
    publish(store, "d", NEXT_YEAR)
    publish(store, "e", seed=2, maturity="final", models=(MODEL, CORRECTOR), inputs=(granule(sha="34"),),
            created=dt.datetime(2020, 4, 17, 9, 0, tzinfo=dt.UTC))
    publish(store, "f", region="demo")
    return store


def descriptions(store):
    return [described for path in sorted(store.root.rglob("*.json"))
            if "stac_version" in (described := json.loads(path.read_text()))]


def test_everything_is_valid(store):
    """Core and extensions, by the schemas of their authors."""
    validator, checked = OfflineValidator(), set()
    for described in descriptions(store):
        checked |= set(validator.check(described))
    for extension in ("classification/v2.0.0", "file/v2.1.0", "mlm/v1.4.0", "processing/v1.2.0", "projection/v2.0.0",
                      "raster/v2.0.0", "version/v1.2.0"):
        assert f"https://stac-extensions.github.io/{extension}/schema.json" in checked
    kinds = [described["type"] for described in descriptions(store)]
    assert (kinds.count("Collection"), kinds.count("Catalog")) == (2, 2 + 2 + 1 + 3 + 1)


def test_every_link_leads_to_a_file(store):
    assert broken_links(store.root) == []


def test_nothing_names_the_machine(store):
    assert all("/archive" not in json.dumps(described) for described in descriptions(store))
    assert all(str(store.root) not in json.dumps(described) for described in descriptions(store))


def test_pystac_walks_from_the_root_to_the_newest_revisions(store):
    catalogue = opened(store.root)
    korea = catalogue.get_child("soil_moisture_1km_korea")
    assert [child.title for child in korea.get_children()] == ["2019", "2020"]
    assert [child.title for child in korea.get_child("soil_moisture_1km_korea_2019").get_children()] == [
        "2019-06", "2019-07"]
    assert [found.id for found in korea.get_items(recursive=True)] == [
        f"soil_moisture_1km_korea_{name}" for name in ("20190615_r02", "20190630_r01", "20190701_r01", "20200101_r01")]
    assert {found.id for found in catalogue.get_child("models").get_items()} == {
        "korea-downscaler_v3_abababab", "korea-corrector_v7_cdcdcdcd"}


def test_an_item_knows_where_it_belongs(store):
    newest = next(iter(opened(store.root).get_items("soil_moisture_1km_korea_20190615_r02", recursive=True)))
    assert newest.get_collection().id == newest.collection_id == "soil_moisture_1km_korea"
    assert newest.get_parent().title == "2019-06"
    (before,) = newest.get_stac_objects("predecessor-version")
    assert before.id == "soil_moisture_1km_korea_20190615_r01"
    assert before.properties["sm_daily:maturity"] == "provisional"
    (latest,) = before.get_stac_objects("latest-version")
    assert latest.id == newest.id
    assert latest.assets["sm_surface"].get_absolute_href() == newest.assets["sm_surface"].get_absolute_href()
    models = [link for link in newest.links if link.rel == "derived_from" and "/models/" in str(link.target)]
    assert [link.resolve_stac_object().target.properties["mlm:name"] for link in models] == [
        "korea-downscaler", "korea-corrector"]


def test_the_collection_says_what_there_is(store):
    korea = opened(store.root).get_child("soil_moisture_1km_korea")
    first, last = korea.extent.temporal.intervals[0]
    assert (first.date(), last.date()) == (DAY, NEXT_YEAR)
    assert korea.extent.spatial.bboxes == [[126.0, 37.0, 127.2, 38.0]]
    assert list(korea.item_assets) == [v.variable.name for v in SOIL_MOISTURE_1KM.variables]
    assert korea.license == "CC-BY-NC-4.0"
    lines = (store.root / "soil_moisture_1km/korea/CHANGES.csv").read_text().splitlines()
    assert (len(lines), korea.assets["changes"].href) == (2, "./CHANGES.csv")


def test_published_again_nothing_changes(store):
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    publish(store, "e", seed=2, maturity="final", models=(MODEL, CORRECTOR), inputs=(granule(sha="34"),),
            created=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_what_a_killed_publisher_left_undone_is_made_up_for(tmp_path):
    store = ProductStore(tmp_path)
    publish(store, "a")
    publish(store, "b", seed=2)
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    for name in ("catalog.json", "CHANGES.csv", "collection.json"):     # as if it had ended before these were written
        for path in store.root.rglob(name):
            path.unlink()
    publish(store, "b", seed=2)
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pystac_client_reads_it(store):
    from pystac_client import Client

    catalogue = Client.open(str(store.root / "catalog.json"))
    collection = catalogue.get_child("soil_moisture_1km_korea")
    assert [found.datetime.date() for found in collection.get_items(recursive=True)] == [
        DAY, MONTH_END, NEXT_MONTH, NEXT_YEAR]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")
def test_odc_stac_loads_the_values(store):
    from odc.stac import load

    items = list(opened(store.root).get_child("soil_moisture_1km_korea").get_items(recursive=True))
    loaded = load(items, bands=["sm_surface", "drought_class", "qa_flags"])
    assert dict(loaded.sizes) == {"latitude": 10, "longitude": 12, "time": 4}
    first = store.latest("soil_moisture_1km", "korea", DAY)
    expected = read_cogs(store.directory(first), SOIL_MOISTURE_1KM, first, SMALL)
    stored = loaded["sm_surface"].isel(time=0).values
    np.testing.assert_allclose(np.where(stored == 65535, np.nan, stored * 1e-4), expected["sm_surface"], atol=1e-7)
    np.testing.assert_array_equal(loaded["drought_class"].isel(time=0), expected["drought_class"])
    np.testing.assert_array_equal(loaded["qa_flags"].isel(time=0), expected["qa_flags"])


@pytest.mark.parametrize("kind", typing.get_args(ModelKind))
def test_every_kind_of_model_can_be_described(kind):
    described = model_item(MODEL.model_copy(update={"kind": kind}), SMALL)
    assert len(OfflineValidator().check(described)) == 4                # core, mlm, version, file


def test_a_wrong_field_is_noticed(store):
    described = next(d for d in descriptions(store) if d["type"] == "Feature" and "processing:level" in d["properties"])
    wrong = {
        "processing:level": 4, "processing:date": "2019-06-15", "proj:shape": [10], "version": 2, "license": 3,
    }
    for key, value in wrong.items():
        with pytest.raises(STACValidationError):
            OfflineValidator().check({**described, "properties": {**described["properties"], key: value}})
    asset = {**described["assets"]["sm_surface"], "file:checksum": "sha256 of it"}
    with pytest.raises(STACValidationError):
        OfflineValidator().check({**described, "assets": {"sm_surface": asset}})
