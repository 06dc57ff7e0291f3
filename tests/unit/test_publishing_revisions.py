"""The list of what was revised, when and why."""

import datetime as dt

import numpy as np
import pytest

from sm_core.errors import PublishError
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, write_cogs
from sm_core.publishing.revisions import differences, from_csv, reasons, revision_of, to_csv
from tests.unit.published_day import DAY, MODEL, SMALL, fields, granule, item

LATER = dt.datetime(2020, 4, 17, 9, 0, tzinfo=dt.UTC)


def model(**changes):
    return MODEL.model_copy(update=changes)


@pytest.mark.parametrize(("before", "now", "words"), [
    ({"maturity": "provisional"}, {"maturity": "final"}, ["provisional to final"]),
    ({}, {"algorithm_version": "9.0.0"}, ["algorithm 1.2.0 to 9.0.0"]),
    ({}, {"models": (model(version=4, sha256="ef" * 32),)}, ["model korea-downscaler 3 to 4"]),
    ({}, {"models": (MODEL, model(name="korea-corrector", version=1))}, ["model korea-corrector 1 added"]),
    ({"models": (MODEL, model(name="smap-mapping"))}, {}, ["model smap-mapping no longer used"]),
    ({}, {"inputs": (granule(sha="34"),)}, ["1 file of MOD11A1.061 reprocessed"]),
    ({"inputs": (granule(source="SPL4SMGP.008"),)}, {"inputs": (granule(source="GLEAM_v4.2a.SMs"),)},
     ["1 file of GLEAM_v4.2a.SMs added", "1 file of SPL4SMGP.008 no longer used"]),
    ({}, {"inputs": (granule(), *(granule().model_copy(update={"tile": f"h27v0{n}"}) for n in (4, 5)))},
     ["2 files of MOD11A1.061 added"]),
    ({}, {}, []),
])
def test_reasons_in_words(before, now, words):
    assert list(reasons(item(**before), item(**now))) == words


def test_differences_by_hand():
    before = fields(SMALL)
    now = before.copy(deep=True)
    now["sm_surface"].values[:, 6:] += 0.02                             # 6 of the 10 columns of land
    now["sm_rootzone"].values[:] = np.nan
    now["drought_class"].values[0, 2:] = 9
    found = differences(before, now)
    assert found["sm_surface_change"] == pytest.approx(0.012, abs=1e-5)
    assert found["sm_rootzone_change"] is None
    assert found["drought_class_changed"] == 10.0                       # 1 of the 10 rows


def test_a_table_and_back():
    listed = [revision_of(item(), item(revision=3, created=LATER, maturity="final", models=()), None),
              revision_of(item(), item(revision=4, created=LATER, maturity="final"), (fields(SMALL), fields(SMALL, 2)))]
    text = to_csv(listed)
    assert from_csv(text) == tuple(listed)
    assert text.splitlines()[0].startswith("published,day,revision,maturity_before,maturity,reasons,")
    assert "provisional to final; model korea-downscaler no longer used" in text


@pytest.mark.parametrize("text", ["published,day\nyesterday,2019-06-15\n", "a,b\n1,2\n"])
def test_a_damaged_table_is_named(text):
    with pytest.raises(PublishError, match="list of changes"):
        from_csv(text)


def publish(store, item_id, seed=1, day=DAY, **changes):
    def write(folder, one):
        return write_cogs(fields(SMALL, seed), SOIL_MOISTURE_1KM, folder, item=one, grid=SMALL)

    return store.publish(item(item_id=item_id, revision=0, day=day, **changes), SOIL_MOISTURE_1KM, SMALL, write)


@pytest.fixture
def store(tmp_path):
    """A day published three times, its neighbour once."""
    store = ProductStore(tmp_path)
    publish(store, "a")
    publish(store, "b", 2, created=LATER, maturity="final")
    publish(store, "x", day=DAY + dt.timedelta(1))
    publish(store, "c", 2, created=LATER + dt.timedelta(1), maturity="final", algorithm_version="9.0.0")
    return store


def test_the_store_lists_what_was_published_again(store):
    first, second = store.changes("soil_moisture_1km", "korea")
    assert (first.day, first.revision, first.published, first.item_id) == (DAY, 2, LATER, "b")
    assert (first.maturity_before, first.maturity, first.reasons) == ("provisional", "final", "provisional to final")
    expected = differences(fields(SMALL), fields(SMALL, 2))
    assert first.sm_surface_change == pytest.approx(expected["sm_surface_change"], abs=1e-4)
    assert (second.revision, second.reasons, second.sm_surface_change) == (3, "algorithm 1.2.0 to 9.0.0", 0.0)
    assert store.changes("soil_moisture_1km", "demo") == ()


def test_an_edited_list_is_made_again_from_the_records(store):
    path = store.root / "soil_moisture_1km/korea/CHANGES.csv"
    good = path.read_text()
    path.write_text("published;day\n")
    publish(store, "c", 2, created=LATER + dt.timedelta(1), maturity="final", algorithm_version="9.0.0")
    assert path.read_text() == good


def test_a_damaged_predecessor_is_listed_without_figures(store):
    before = store.latest("soil_moisture_1km", "korea", DAY + dt.timedelta(1))
    (store.directory(before) / before.assets[0].uri).write_bytes(b"damaged")
    publish(store, "y", 2, day=DAY + dt.timedelta(1), created=LATER + dt.timedelta(2))
    *_, last = store.changes("soil_moisture_1km", "korea")
    assert (last.item_id, last.sm_surface_change) == ("y", None)
