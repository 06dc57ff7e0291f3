"""The product store: immutable, atomic, shared."""

import datetime as dt
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sm_core.domain import FileRef, GateResult, Grid, ProductItem
from sm_core.errors import ItemConflictError, PublishError, StoreUnavailableError
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, file_stem

GRID = Grid.from_origin("g", west=124.0, north=43.0, resolution=0.5, width=4, height=4)
DAY = dt.date(2019, 6, 15)
PRODUCT, REGION = "soil_moisture_1km", "korea"
FORK = multiprocessing.get_context("fork")


def draft(item_id, day=DAY):
    return ProductItem(
        item_id=item_id, product_id=PRODUCT, algorithm_version="1.0.0", region_id=REGION, day=day, revision=0,
        maturity="final", created=dt.datetime(2019, 6, 17, tzinfo=dt.UTC), assets=(), inputs=(), fingerprint="f",
        models=(), gate=GateResult(results=()), directory="",
    )


def writer(text):
    """Writes one file of this text; its name tells the revision, as the rasters' names do."""
    def write(folder, item):
        name, content = f"{file_stem(item)}_sm_surface.tif", f"{text} r{item.revision}".encode()
        (folder / name).write_bytes(content)
        return [FileRef(uri=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))]
    return write


def publish(store, item_id, text="first", day=DAY):
    return store.publish(draft(item_id, day), SOIL_MOISTURE_1KM, GRID, writer(text))


@pytest.fixture
def store(tmp_path):
    return ProductStore(tmp_path / "products")


def folder_of(store, day=DAY):
    return store.root / PRODUCT / REGION / f"{day:%Y/%m/%d}"


def leftovers(store):
    return [path.name for path in store.root.rglob(".tmp-*")]


def test_a_first_item(store):
    item = publish(store, "a")
    assert (item.revision, item.supersedes) == (1, None)
    assert item.directory == "soil_moisture_1km/korea/2019/06/15/r01"
    names = sorted(path.name for path in store.directory(item).iterdir())
    assert names == ["SHA256SUMS", "item.json", "soil_moisture_1km_korea_20190615_r01.json",
                     "soil_moisture_1km_korea_20190615_r01_sm_surface.tif"]
    assert ProductItem.model_validate_json((store.directory(item) / "item.json").read_text()) == item
    stac = json.loads((store.directory(item) / "soil_moisture_1km_korea_20190615_r01.json").read_text())
    assert stac["assets"]["sm_surface"]["file:checksum"] == "1220" + item.assets[0].sha256
    assert leftovers(store) == []


def test_checksums_are_those_of_sha256sum(store):
    item = publish(store, "a")
    check = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=store.directory(item),
                           capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout.count(": OK")) == (0, 3)


def test_latest_points_to_it(store):
    item = publish(store, "a")
    for pointer in (folder_of(store) / "latest.json", folder_of(store).parents[2] / "latest.json"):
        content = json.loads(pointer.read_text())
        assert (content["item_id"], content["revision"], content["day"]) == ("a", 1, "2019-06-15")
        assert (store.root / content["directory"] / "item.json").is_file()
        assert (store.root / content["stac"]).is_file()
    assert store.latest(PRODUCT, REGION) == store.latest(PRODUCT, REGION, DAY) == store.find("a") == item


def test_the_same_again_is_unchanged(store):
    first = publish(store, "a")
    before = {path: path.stat().st_mtime_ns for path in store.directory(first).iterdir()}
    assert publish(store, "a") == first
    assert {path: path.stat().st_mtime_ns for path in store.directory(first).iterdir()} == before
    assert len(store.revisions(PRODUCT, REGION, DAY)) == 1
    assert leftovers(store) == []


def test_another_item_is_the_next_revision(store):
    first, second = publish(store, "a"), publish(store, "b", "second")
    assert (second.revision, second.supersedes) == (2, "a")
    assert store.latest(PRODUCT, REGION, DAY) == second
    assert store.revisions(PRODUCT, REGION, DAY) == (first, second)
    assert store.find("a") == first
    assert (store.directory(first) / first.assets[0].uri).read_text() == "first r1"


def test_an_older_item_again_changes_nothing(store):
    first, second = publish(store, "a"), publish(store, "b", "second")
    assert publish(store, "a") == first
    assert store.latest(PRODUCT, REGION, DAY) == second


def test_the_same_id_with_other_files_is_a_conflict(store):
    first = publish(store, "a")
    with pytest.raises(ItemConflictError, match="sm_surface") as caught:
        publish(store, "a", "other")
    assert caught.value.code == "SM701"
    assert (store.directory(first) / first.assets[0].uri).read_text() == "first r1"
    assert leftovers(store) == []


def test_days_and_the_newest(store):
    for offset in (0, 2, 1):
        publish(store, f"day {offset}", day=DAY + dt.timedelta(offset))
    assert store.days(PRODUCT, REGION) == tuple(DAY + dt.timedelta(offset) for offset in (0, 1, 2))
    assert store.latest(PRODUCT, REGION).item_id == "day 2"
    pointer = json.loads((folder_of(store).parents[2] / "latest.json").read_text())
    assert pointer["item_id"] == "day 2"                                # an older day published later does not move it


def test_nothing_published(store):
    assert store.latest(PRODUCT, REGION) is None
    assert store.latest(PRODUCT, REGION, DAY) is None
    assert store.find("a") is None
    assert (store.days(PRODUCT, REGION), store.revisions(PRODUCT, REGION, DAY)) == ((), ())


def test_find_where_it_is_known_to_be(store):
    item = publish(store, "a")
    assert store.find("a", product_id=PRODUCT, region_id=REGION, day=DAY) == item
    assert store.find("a", day=DAY + dt.timedelta(1)) is None
    assert store.find("a", region_id="demo") is None
    assert store.find("b") is None


def test_damage_is_noticed(store):
    item = publish(store, "a")
    assert store.damaged(item) == ()
    raster = store.directory(item) / item.assets[0].uri
    raster.write_bytes(b"first r2")
    assert store.damaged(item) == (raster.name,)
    raster.unlink()
    assert store.damaged(item) == (raster.name,)


@pytest.mark.parametrize("name", ["soil_moisture_1km_korea_20190615_r01_sm_surface.tif", "SHA256SUMS",
                                  "soil_moisture_1km_korea_20190615_r01.json"])
def test_publishing_a_damaged_item_again_restores_it(store, name):
    item = publish(store, "a")
    path = store.directory(item) / name
    good = path.read_bytes()
    path.unlink()
    assert store.damaged(item) == (name,)
    assert publish(store, "a") == item
    assert path.read_bytes() == good
    assert store.damaged(item) == ()


def test_a_damaged_record_is_named(store):
    item = publish(store, "a")
    (store.directory(item) / "item.json").write_text("{")
    with pytest.raises(PublishError, match=r"item\.json"):
        store.latest(PRODUCT, REGION)


def test_a_writer_that_fails_leaves_nothing(store):
    publish(store, "a")

    def fail(folder, item):
        (folder / "half.tif").write_bytes(b"half")
        raise ValueError("no raster today")

    with pytest.raises(ValueError, match="no raster today"):
        store.publish(draft("b"), SOIL_MOISTURE_1KM, GRID, fail)
    assert store.latest(PRODUCT, REGION, DAY).item_id == "a"
    assert leftovers(store) == []


def test_a_file_that_is_not_what_was_written(store):
    def lie(folder, item):
        (folder / "a.tif").write_bytes(b"other")
        return [FileRef(uri="a.tif", sha256="0" * 64, size=5)]

    with pytest.raises(StoreUnavailableError, match=r"a\.tif"):
        store.publish(draft("a"), SOIL_MOISTURE_1KM, GRID, lie)
    assert store.latest(PRODUCT, REGION) is None


def test_a_root_that_cannot_be_written(tmp_path):
    (tmp_path / "products").write_text("a file, not a folder")
    with pytest.raises(StoreUnavailableError) as caught:
        publish(ProductStore(tmp_path / "products"), "a")
    assert caught.value.transient
    assert isinstance(caught.value.__cause__, OSError)


def _publish_on_a_full_disk(root):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    try:
        publish(ProductStore(Path(root)), "b", "x" * 10_000)
    except StoreUnavailableError:
        sys.exit(42)


def test_a_full_disk(store):
    """The largest file that a process may write stands for a full disk: the write fails in the middle."""
    publish(store, "a")
    process = FORK.Process(target=_publish_on_a_full_disk, args=(str(store.root),))
    process.start()
    process.join(60)
    assert process.exitcode == 42
    assert store.latest(PRODUCT, REGION, DAY).item_id == "a"
    assert leftovers(store) == []


def _publish_and_wait(root, ready, text):
    def write(folder, item):
        files = writer(text)(folder, item)
        ready.set()
        time.sleep(60)
        return files

    ProductStore(Path(root)).publish(draft("killed"), SOIL_MOISTURE_1KM, GRID, write)


@pytest.fixture
def killed(store):
    """A publisher killed after its files were written, before they became visible."""
    first = publish(store, "a")
    ready = FORK.Event()
    process = FORK.Process(target=_publish_and_wait, args=(str(store.root), ready, "half"))
    process.start()
    assert ready.wait(20)
    yield first, process
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_publisher_killed_in_the_middle(store, killed):
    first, process = killed
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(leftovers(store)) == 1
    assert store.latest(PRODUCT, REGION) == first                       # the last good one stays visible
    assert store.revisions(PRODUCT, REGION, DAY) == (first,)
    assert store.find("killed") is None
    assert store.damaged(first) == ()
    again = publish(store, "killed", "half")
    assert again.revision == 2
    assert leftovers(store) == []                                       # the next publisher clears up


def test_a_living_publisher_is_left_alone(store, killed):
    publish(store, "b", "second")
    assert len(leftovers(store)) == 1


def test_killed_between_files_and_pointer(store):
    """Renamed but not committed: not visible, and the next attempt commits it without writing it again."""
    publish(store, "a")
    second = publish(store, "b", "second")
    pointer = folder_of(store) / "latest.json"
    content = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({**content, "item_id": "a", "revision": 1}))
    assert store.latest(PRODUCT, REGION, DAY).item_id == "a"
    assert store.find("b") is None
    assert publish(store, "b", "second") == second
    assert store.latest(PRODUCT, REGION, DAY) == second


def test_another_publisher_takes_the_revision(store):
    """While one writes, another publishes: the first finds its number taken and goes on to the next."""
    revisions = []

    def write(folder, item):
        revisions.append(item.revision)
        if len(revisions) == 1:
            publish(store, "b", "second")
        return writer("first")(folder, item)

    item = store.publish(draft("a"), SOIL_MOISTURE_1KM, GRID, write)
    assert revisions == [1, 2]
    assert (item.revision, item.supersedes) == (2, "b")
    assert store.latest(PRODUCT, REGION, DAY) == item
    assert leftovers(store) == []


def test_another_publisher_publishes_the_same(store):
    calls = []

    def write(folder, item):
        calls.append(item.revision)
        if len(calls) == 1:
            publish(store, "a")
        return writer("first")(folder, item)

    item = store.publish(draft("a"), SOIL_MOISTURE_1KM, GRID, write)
    assert (item.revision, len(store.revisions(PRODUCT, REGION, DAY))) == (1, 1)


def _publish_many(root, start, ids):
    store = ProductStore(Path(root))
    start.wait(20)
    for item_id in ids:
        publish(store, item_id, f"text of {item_id}")


def test_many_publishers_at_once(store):
    start = FORK.Event()
    shared = [f"shared {i}" for i in range(4)]
    workers = [FORK.Process(target=_publish_many, args=(str(store.root), start, [*shared, f"own {n}"]))
               for n in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    revisions = store.revisions(PRODUCT, REGION, DAY)
    assert sorted(item.item_id for item in revisions) == sorted([*shared, *(f"own {n}" for n in range(4))])
    assert [item.revision for item in revisions] == list(range(1, 9))
    assert [item.supersedes for item in revisions] == [None, *(item.item_id for item in revisions[:-1])]
    assert all(store.damaged(item) == () for item in revisions)
    assert json.loads((folder_of(store) / "latest.json").read_text())["revision"] == 8
    assert leftovers(store) == []


def test_foreign_files_do_not_matter(store):
    item = publish(store, "a")
    (store.root / PRODUCT / REGION / "notes" / "x" / "y").mkdir(parents=True)
    (store.root / PRODUCT / REGION / "notes" / "x" / "y" / "latest.json").write_text("{}")
    (folder_of(store) / "r01 copy").mkdir()
    assert store.days(PRODUCT, REGION) == (DAY,)
    assert store.latest(PRODUCT, REGION) == item
