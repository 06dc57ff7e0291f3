"""Parts of the page's server by themselves."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.domain import Grid, QaFlag
from sm_core.errors import BusyError, NotPublishedError, RequestError
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.web.layers import CLEAR_INDEX, map_layers, quality_class
from tasks.web.page import STATIC, PageFiles
from tasks.web.rasters import cell_at, distance_km
from tasks.web.stac import to_bbox
from tasks.web.workers import BoundedCache, Workers

LAYERS = {layer.name: layer for layer in map_layers(SOIL_MOISTURE_1KM)}
VENDORED = {
    "maplibre-gl.mjs": "e02cb08c572fd0950a75343cd558099c2a1dbbaf67f26b0c96f115431962d1ae",
    "maplibre-gl-worker.mjs": "73d7a024a4efe1a46e49db193e18cfe33271e3ecc652ec7542c281a4ef5f0f04",
    "maplibre-gl.css": "a90798a1953017790e590f7e1bd35ff103a8a4263972cb47290b78adf86f8c20",
}


def test_every_variable_of_the_product_is_a_layer():
    assert set(LAYERS) == {declared.variable.name for declared in SOIL_MOISTURE_1KM.variables}
    for layer in LAYERS.values():
        assert layer.title and layer.korean
        assert layer.kind != "continuous" or len(layer.stops) >= 2


def test_palette_of_a_continuous_layer():
    layer = LAYERS["sm_surface"]
    index = layer.palette_index(np.array([0, 3000, 6000, 9000, 65535], np.uint16))
    assert index.tolist() == [0, 127, 254, 254, CLEAR_INDEX]
    assert layer.colours[0] == (0x7a, 0x3b, 0x06, 255) and layer.colours[254] == (0x0b, 0x25, 0x59, 255)
    assert layer.colours[CLEAR_INDEX][3] == 0 and len(layer.colours) == 256


def test_palette_of_classes():
    layer = LAYERS["drought_class"]
    assert layer.palette_index(np.array([0, 5, 255], np.uint8)).tolist() == [0, 5, 255]
    assert layer.colours[5] == (0x73, 0, 0, 255) and layer.colours[9][3] == 0


@pytest.mark.parametrize(("flags", "expected"), [
    (QaFlag(0), 0), (QaFlag.WATER | QaFlag.FROZEN, 1), (QaFlag.LST_GAP_FILLED, 7),
    (QaFlag.LST_GAP_FILLED | QaFlag.UNCORRECTED, 4), (QaFlag.STATE_SUBSTITUTE, 6),
])
def test_the_gravest_flag_is_shown(flags, expected):
    assert quality_class(np.array([int(flags)], np.uint16)).tolist() == [expected]


def test_stored_numbers_mean_values():
    assert LAYERS["sm_surface"].value(2150) == pytest.approx(0.215)
    assert LAYERS["sm_surface"].value(65535) is None and LAYERS["drought_class"].value(255) is None


def test_cell_at_the_edges():
    grid = Grid.from_origin("g", west=127.0, north=37.0, resolution=0.5, width=4, height=2)
    assert cell_at(grid, 127.0, 37.0)[:2] == (0, 0)
    assert cell_at(grid, 128.99, 36.01) == (1, 3, 128.75, 36.25)
    for lon, lat in ((126.999, 36.5), (129.0, 36.5), (127.5, 36.0), (127.5, 37.001)):
        with pytest.raises(NotPublishedError):
            cell_at(grid, lon, lat)


def test_cell_on_another_projection():
    grid = Grid(grid_id="e", crs="EPSG:6933", transform=(9000.0, 0, 12_000_000.0, 0, -9000.0, 4_600_000.0), width=50,
                height=50)
    cell = cell_at(grid, 125.0, 38.0)
    assert abs(cell.lon - 125.0) < 0.06 and abs(cell.lat - 38.0) < 0.06


def test_distance_of_a_degree_on_the_equator():
    assert distance_km(0, 0, 1, 0) == pytest.approx(2 * np.pi * 6371 / 360, rel=1e-9)


def test_bbox_text():
    assert to_bbox(None) is None and to_bbox("124,33,131,43") == (124, 33, 131, 43)
    for text in ("", "1,2,3,4,5", "3,1,2,2", "a,b,c,d", "-200,0,0,0", "inf,0,inf,0"):
        with pytest.raises(RequestError):
            to_bbox(text)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), max_size=60))
def test_cache_never_holds_more_than_it_may(puts):
    cache: BoundedCache[int, bytes] = BoundedCache(64, len)
    for key, size in puts:
        cache.put(key, b"x" * size)
        assert cache.size <= 64
        assert cache.get(key) == b"x" * size
    assert cache.size == sum(len(cache.get(key) or b"") for key in range(10))


def test_a_value_larger_than_the_cache_is_not_kept():
    cache: BoundedCache[str, bytes] = BoundedCache(8, len)
    assert cache.put("a", b"123456789") == b"123456789" and cache.get("a") is None


def test_workers_send_away_whom_they_cannot_serve():
    async def crowd() -> list[object]:
        workers, gate = Workers(threads=1, waiting=2), threading.Event()
        waiting = [asyncio.create_task(workers.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await workers.run(int)
        gate.set()
        results = await asyncio.gather(*waiting)
        assert await workers.run(lambda: 7) == 7
        workers.close()
        return results

    assert asyncio.run(crowd()) == [True, True, True]


def test_page_asks_nobody_else():
    """No address of another host in the page's own files; the vendored library is what its package holds."""
    own = [path for path in STATIC.iterdir() if path.suffix in (".html", ".js", ".css", ".svg")]
    assert len(own) >= 9
    for path in own:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text, path.name
    for name, digest in VENDORED.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest
    assert "BSD" in (STATIC / "vendor" / "maplibre-gl.mjs").read_text(encoding="utf-8")[:300]
    assert "Redistribution" in (STATIC / "vendor" / "maplibre-gl.LICENSE.txt").read_text(encoding="utf-8")


def test_page_is_light():
    """As it travels: its own files below 30 kB, the map library below 550 kB."""
    files = PageFiles()
    own = [path.name for path in STATIC.iterdir() if path.is_file()]
    assert sum(len(files.get(name).compressed) for name in own) < 30_000
    assert sum(len(files.get(f"vendor/{name}").compressed) for name in VENDORED) < 550_000


def test_both_languages_say_the_same_things():
    import re

    text = (STATIC / "text.js").read_text(encoding="utf-8")
    blocks = re.findall(r"const (?:ENGLISH|KOREAN) = \{(.+?)\n\};", text, re.S)
    english, korean = (set(re.findall(r"(?:, |\n\s+)(\w+): \"", block)) for block in blocks)
    assert english == korean and len(english) > 60


def test_page_files_by_name_only(tmp_path: Path):
    (tmp_path / "index.html").write_text("<p>x")
    (tmp_path.parent / "secret.html").write_text("no")
    files = PageFiles(tmp_path)
    assert files.get("index.html").content == b"<p>x"
    for name in ("../secret.html", "", "/etc/passwd", "INDEX.html"):
        with pytest.raises(NotPublishedError):
            files.get(name)
