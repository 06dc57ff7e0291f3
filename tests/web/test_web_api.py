"""The endpoints over real HTTP: what they answer, and what they refuse."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from rasterio.io import MemoryFile

from tests.web.conftest import DAYS, FIRST, GRID, REVISED, values_of

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # a PNG has none
DAY = "2019-05-05"
SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options")


def get(site, path, **parameters):
    return requests.get(site.url + path, params=parameters, timeout=30)


def told(site, path, **parameters):
    answer = get(site, path, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"title", "status", "detail", "code", "remedy"} and body["status"] == answer.status_code
    return answer.status_code, body["code"]


def tile_over(lon, lat, zoom):
    """Column and row of the tile that holds a place (Web Mercator)."""
    column = int((lon + 180) / 360 * 2**zoom)
    row = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom)
    return column, row


def test_regions_and_days(site):
    assert told(site, "/api/regions") == [{
        "region_id": "tiny", "title": "Tiny", "korean": "한반도", "bounds": [127.0, 36.4, 127.8, 37.0],
        "first": "2019-05-01", "last": "2019-05-16", "days": DAYS,
    }]
    days = told(site, "/api/regions/tiny/days")
    assert days["days"][0] == str(FIRST) and len(days["days"]) == DAYS
    assert days["revision"][days["days"].index(str(REVISED))] == 2 and sum(days["revision"]) == DAYS + 1
    assert days["provisional"] == [False] * (DAYS - 3) + [True] * 3


def test_a_day_tells_what_it_was_made_from_but_no_path_of_the_machine(site):
    answer = get(site, f"/api/regions/tiny/days/{REVISED}")
    day = answer.json()
    assert (day["revision"], [one["revision"] for one in day["revisions"]]) == (2, [1, 2])
    assert {one["source_id"]: (one["files"], one["tiles"]) for one in day["inputs"]} == {
        "GLEAM_v4.2a.SMs": (1, []), "MOD11A1.061": (2, ["h27v05", "h28v05"]), "MOD13A2.061": (1, ["h28v05"])}
    assert [(one["kind"], one["version"]) for one in day["models"]] == [
        ("downscaler", 3), ("corrector", 3), ("climatology", 3)]
    assert "secret" not in answer.text and "item.json" not in answer.text
    assert told(site, f"/api/regions/tiny/days/{REVISED}", revision=1)["revision"] == 1


def test_point_is_what_was_published(site):
    row, column, number = 30, 40, 4
    values = values_of(number)
    point = told(site, f"/api/regions/tiny/days/{DAY}/point", lon=127.402, lat=36.698)
    assert (point["lon"], point["lat"]) == (127.405, 36.695)
    for name in ("sm_surface", "sm_rootzone", "percentile_sm_rootzone"):
        assert point["values"][name] == pytest.approx(values[name][row, column], abs=1e-4)
    assert point["values"]["drought_class"] == 0 and point["flags"] == []
    water = told(site, f"/api/regions/tiny/days/{DAY}/point", lon=127.01, lat=36.99)
    assert water["values"]["sm_surface"] is None
    assert water["flags"] == ["land surface temperature gap-filled", "more than half water"] or water["flags"] == [
        "more than half water"]


def test_series_with_band_and_the_station_near(site):
    series = told(site, "/api/regions/tiny/series/sm_surface", lon=127.405, lat=36.695)
    expected = np.array([0.16 + 0.002 * number for number in range(DAYS)])
    expected[8] = 0.16 + 0.002 * 9                                      # the revision's value
    assert series["values"] == pytest.approx(expected, abs=1e-4)
    assert series["lower"] == pytest.approx(expected - 0.0329, abs=2e-4)
    assert series["upper"] == pytest.approx(expected + 0.0329, abs=2e-4)
    near = series["station"]
    assert (near["station_id"], near["distance_km"], near["common_days"]) == ("N_S1", 0.0, DAYS)
    assert near["values"] == pytest.approx([0.16 + 0.002 * number for number in range(DAYS)], abs=1e-3)
    assert near["bias"] == pytest.approx(0.0, abs=1e-3) and near["pearson_r"] > 0.99


def test_series_far_from_stations_and_of_a_part(site):
    asked = {"lon": 127.2, "lat": 36.95, "start": "2019-05-03", "end": "2019-05-05"}
    series = told(site, "/api/regions/tiny/series/sm_rootzone", **asked)
    assert series["days"] == ["2019-05-03", "2019-05-04", "2019-05-05"] and series["station"] is None
    percentile = told(site, "/api/regions/tiny/series/percentile_sm_rootzone", lon=127.405, lat=36.695)
    assert percentile["lower"] == [] and percentile["values"][0] == pytest.approx(41.0)


def test_series_as_a_table(site):
    answer = get(site, "/api/regions/tiny/series/sm_surface.csv", lon=127.405, lat=36.695)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == DAYS and rows[4]["day"] == DAY and float(rows[4]["sm_surface"]) == pytest.approx(0.168)
    assert float(rows[4]["station N_S1"]) == pytest.approx(0.168, abs=1e-3)


def test_units_and_their_history(site):
    units = told(site, "/api/regions/tiny/units")
    assert [one["properties"]["unit_id"] for one in units["features"]] == ["west", "east"]
    assert units["features"][0]["properties"]["name_ko"] == "West 도"
    west = told(site, "/api/regions/tiny/units/west/history")
    assert west["days"] == told(site, "/api/regions/tiny/days")["days"]
    assert [sum(shares) for shares in west["class_percent"]] == pytest.approx([100] * DAYS, abs=0.1)
    whole = told(site, "/api/regions/tiny/units/region/history", start=DAY, end=DAY)
    assert len(whole["days"]) == 1 and whole["mean_percentile"][0] > west["mean_percentile"][4]


def test_stations_with_their_roles_and_the_skill(site):
    answer = told(site, "/api/regions/tiny/stations")
    assert {one["station_id"]: one["role"] for one in answer["stations"]} == {"N_S1": "training", "N_S2": "unseen"}
    corrected = next(row for row in answer["skill"] if (row["stage"], row["layer"]) == ("corrected", "sm_surface"))
    assert (corrected["pearson_r"], corrected["stations"]) == (0.86, 20)
    taught, unseen = (one["skill"] for one in sorted(answer["stations"], key=lambda one: one["station_id"]))
    assert taught == []
    assert unseen == [
        {"layer": "sm_rootzone", "days": 8, "pearson_r": None, "ubrmsd": None, "bias": None},
        {"layer": "sm_surface", "days": 40, "pearson_r": 0.8123, "ubrmsd": 0.0391, "bias": -0.012}]
    series = told(site, "/api/regions/tiny/stations/N_S2/series")
    assert series["sm_surface"] == pytest.approx([0.17 + 0.002 * number for number in range(DAYS)], abs=1e-3)
    assert series["sm_rootzone"] == pytest.approx(series["sm_surface"], abs=1e-4)


def test_tile_has_the_colours_of_the_legend(site):
    layers = {one["name"]: one for one in told(site, "/api/layers")}
    column, row = tile_over(127.405, 36.695, 9)
    answer = get(site, f"/tiles/tiny/{DAY}/1/drought_class/9/{column}/{row}.png")
    assert answer.headers["content-type"] == "image/png" and "immutable" in answer.headers["cache-control"]
    colours = {entry["colour"] for entry in layers["drought_class"]["classes"]}
    with MemoryFile(answer.content) as memory, memory.open() as image:
        index, palette = image.read(1), image.colormap(1)
    assert index.shape == (512, 512)
    shown = {palette[value] for value in np.unique(index)}
    opaque = {"#{:02x}{:02x}{:02x}".format(*colour[:3]) for colour in shown if colour[3]}
    assert opaque and opaque <= {colour.lower() for colour in colours}
    assert all(colour[3] in (0, 255) for colour in shown)


def test_tile_pixel_is_the_cell_under_it(site):
    """Surface soil moisture grows by 0.002 a row from north to south: so must the palette's entries."""
    zoom = 9
    column, row = tile_over(127.405, 36.695, zoom)
    answer = get(site, f"/tiles/tiny/{DAY}/1/sm_surface/{zoom}/{column}/{row}.png")
    with MemoryFile(answer.content) as memory, memory.open() as image:
        index = image.read(1)
    per_tile = 360 / 2**zoom
    x = int(((127.405 + 180) % per_tile) / per_tile * 512)
    north = (1 - np.arcsinh(np.tan(np.radians(36.695))) / np.pi) / 2 * 2**zoom
    y = int((north - row) * 512)
    assert index[y, x] == pytest.approx(254 * 0.168 / 0.6, abs=1)


def test_tile_outside_is_clear_and_tilejson_leads_to_tiles(site):
    answer = get(site, f"/tiles/tiny/{DAY}/1/sm_surface/9/0/0.png")
    with MemoryFile(answer.content) as memory, memory.open() as image:
        assert {image.colormap(1)[value][3] for value in np.unique(image.read(1))} == {0}
    about = told(site, f"/tiles/tiny/{DAY}/1/sm_surface/tilejson.json")
    assert about["bounds"] == [127.0, 36.4, 127.8, 37.0]
    column, row = tile_over(127.405, 36.695, 9)
    url = about["tiles"][0].format(z=9, x=column, y=row)
    assert requests.get(url, timeout=30).status_code == 200


def test_downloads_are_the_published_bytes(site):
    day = told(site, f"/api/regions/tiny/days/{DAY}")
    raster = next(file for file in day["files"] if file["name"].endswith("_sm_surface.tif"))
    whole = get(site, raster["href"])
    assert hashlib.sha256(whole.content).hexdigest() == raster["sha256"] and len(whole.content) == raster["size"]
    part = requests.get(site.url + raster["href"], headers={"range": "bytes=0-15"}, timeout=30)
    assert (part.status_code, part.content) == (206, whole.content[:16])
    look = f"import rasterio; print(rasterio.open('/vsicurl/{site.url}{raster['href']}').shape)"
    remote = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True)
    assert remote.stdout.strip() == str(GRID.shape)
    assert get(site, f"/files/tiny/{DAY}/1/SHA256SUMS").status_code == 200


def test_stac_by_pages(site):
    pystac = pytest.importorskip("pystac")
    root = told(site, "/stac")
    assert any(link["rel"] == "child" for link in root["links"]) and root["conformsTo"]
    collection = told(site, "/stac/collections")["collections"][0]
    assert pystac.Collection.from_dict(collection).id == "soil_moisture_1km_tiny"
    url, seen = f"{site.url}/stac/collections/{collection['id']}/items?limit=7&datetime=2019-05-02T00:00:00Z/..", []
    while url:
        page = requests.get(url, timeout=30).json()
        seen += page["features"]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert [one["properties"]["datetime"][:10] for one in seen][:2] == ["2019-05-02", "2019-05-03"]
    assert len(seen) == DAYS - 1 == page["numberMatched"] + 2 * 7
    revised = pystac.Item.from_dict(next(one for one in seen if one["id"].endswith("20190509_r02")))
    assert requests.head(revised.assets["sm_surface"].href, timeout=30).status_code == 200
    before = next(link for link in revised.links if link.rel == "predecessor-version")
    assert requests.get(before.target, timeout=30).json()["id"].endswith("_r01")
    outside = told(site, f"/stac/collections/{collection['id']}/items", bbox="0,0,1,1")
    assert outside["features"] == [] and "/secret" not in json.dumps(seen)


def test_openapi_describes_every_route(site):
    paths = told(site, "/openapi.json")["paths"]
    assert {"/api/regions", "/api/regions/{region_id}/series/{layer}", "/stac/collections/{collection}/items",
            "/tiles/{region_id}/{day}/{revision}/{layer}/{z}/{x}/{y}.png"} <= set(paths)
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["description"] and "400" in operation["responses"], path
    assert "application/problem+json" in json.dumps(paths["/api/regions"])


@pytest.mark.parametrize(("path", "status", "code"), [
    ("/api/regions/nowhere/days", 404, "SM101"),
    ("/api/regions/..%2f..%2f..%2fetc/days", 404, None),
    ("/api/regions/%2e%2e/days", 404, None),
    ("/api/regions/tiny/days/2019-02-30", 400, "SM104"),
    ("/api/regions/tiny/days/20190505", 400, "SM104"),
    ("/api/regions/tiny/days/2019-05-0%00", 400, "SM104"),
    ("/api/regions/tiny/days/1999-01-01", 404, "SM707"),
    ("/api/regions/tiny/days/2019-05-05?revision=7", 404, "SM707"),
    ("/api/regions/tiny/days/2019-05-05?revision=x", 400, "SM107"),
    ("/api/regions/tiny/days/2019-05-05/point?lon=nan&lat=36.7", 400, "SM107"),
    ("/api/regions/tiny/days/2019-05-05/point?lon=1e308&lat=36.7", 400, "SM107"),
    ("/api/regions/tiny/days/2019-05-05/point?lon=10&lat=10", 404, "SM707"),
    ("/api/regions/tiny/series/sm_surface?lon=127.4&lat=36.7&start=2010-01-01&end=2019-05-05", 400, "SM107"),
    ("/api/regions/tiny/series/sm_surface?lon=127.4&lat=36.7&start=2019-05-05&end=2019-05-01", 400, "SM107"),
    ("/api/regions/tiny/series/qa_flags?lon=127.4&lat=36.7", 404, "SM707"),
    ("/api/regions/tiny/series/nothing?lon=127.4&lat=36.7", 404, "SM707"),
    ("/api/regions/tiny/units/nobody/history", 404, "SM707"),
    ("/api/regions/tiny/stations/nobody/series", 404, "SM707"),
    ("/tiles/tiny/2019-05-05/1/sm_surface/3/9/0.png", 400, "SM107"),
    ("/tiles/tiny/2019-05-05/1/sm_surface/25/0/0.png", 400, "SM107"),
    ("/tiles/tiny/2019-05-05/1/sm_surface/-1/0/0.png", 400, "SM107"),
    ("/tiles/tiny/2019-05-05/1/..%2f..%2fitem/9/0/0.png", 404, None),
    ("/tiles/tiny/2019-05-05/0/sm_surface/9/0/0.png", 400, "SM107"),
    ("/files/tiny/2019-05-05/1/item.json", 404, "SM707"),
    ("/files/tiny/2019-05-05/1/..%2flatest.json", 404, None),
    ("/files/tiny/2019-05-05/1/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2flatest.json", 404, None),
    ("/page/..%2fapp.py", 404, "SM707"),
    ("/page/%2fetc%2fpasswd", 404, "SM707"),
    ("/page/../../../../etc/passwd", 404, None),
    ("/stac/collections/x/items", 404, "SM707"),
    ("/stac/collections/soil_moisture_1km_tiny/items?bbox=1,2,3", 400, "SM107"),
    ("/stac/collections/soil_moisture_1km_tiny/items?bbox=-1e9,-90,1e9,90", 400, "SM107"),
    ("/stac/collections/soil_moisture_1km_tiny/items?bbox=nan,nan,nan,nan", 400, "SM107"),
    ("/stac/collections/soil_moisture_1km_tiny/items?limit=100000", 400, "SM107"),
    ("/stac/collections/soil_moisture_1km_tiny/items?datetime=yesterday", 400, "SM107"),
    ("/stac/collections/soil_moisture_1km_tiny/items/soil_moisture_1km_tiny_20190505_r99", 404, "SM707"),
    ("/stac/collections/soil_moisture_1km_tiny/items/..%2f..%2fx_r01", 404, None),
    ("/nothing", 404, "SM107"),
    ("/" + "x" * 3000, 414, "SM107"),
])
def test_hostile_and_mistaken_requests(site, path, status, code):
    """Sent as written, without a client that tidies paths up."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    told_code = json.loads(body)["code"]
    assert told_code == code or (code is None and told_code.startswith("SM")), body
    assert "Traceback" not in answer and str(site.data) not in answer
    assert all(name in head.lower() for name in SECURITY)


def test_only_reading_is_allowed(site):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = requests.request(method, f"{site.url}/api/regions", data=b"x" * 100, timeout=30)
        assert problem(answer) == (405, "SM107")


def test_other_hosts_are_refused_on_loopback(site):
    answer = requests.get(f"{site.url}/api/regions", headers={"host": "evil.example"}, timeout=30)
    assert problem(answer) == (421, "SM107")


def test_page_is_compressed_and_known_again(site):
    first = get(site, "/")
    assert first.headers["content-type"].startswith("text/html") and first.headers["content-encoding"] == "gzip"
    again = requests.get(f"{site.url}/", headers={"if-none-match": first.headers["etag"]}, timeout=30)
    assert (again.status_code, again.content) == (304, b"")


def test_a_day_published_later_becomes_visible(site, world):
    """Without a restart; the last test that looks at the number of days."""
    import datetime as dt

    later = FIRST + dt.timedelta(days=DAYS)
    world.publish(later, values_of(DAYS), maturity="provisional", stations=("N_S1", "N_S2"))
    deadline = time.monotonic() + 10
    while told(site, "/api/regions/tiny/days")["days"][-1] != str(later):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_too_many_connections_are_told_so_and_silent_ones_are_closed(site):
    silent = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(80)]
    try:
        answers = [one.recv(2000) for one in silent[60:]]
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429") and b"SM708" in answer]
        assert len(refused) >= 15
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:                              # the silent ones go, others are served again
            try:
                if get(site, "/api/layers").status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        assert get(site, "/api/layers").status_code == 200
        assert silent[0].recv(100) == b""
    finally:
        for one in silent:
            one.close()


def test_many_at_once_are_served_or_told_to_wait(site):
    column, row = tile_over(127.405, 36.695, 9)

    def ask(number):
        day = f"2019-05-{1 + number % 12:02d}"
        answer = get(site, f"/tiles/tiny/{day}/1/sm_surface/9/{column}/{row}.png")
        return answer.status_code

    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(ask, range(200)))
    assert set(statuses) <= {200, 429} and statuses.count(200) > 150
    assert threading.active_count() < 120
