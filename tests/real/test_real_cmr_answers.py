"""Recorded answers of NASA's catalogue, replayed over the loopback to the client that the daemon uses."""

import datetime as dt
import json
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from sm_core.errors import SchemaDriftError
from sm_core.sources import identify
from tasks.adapters.fetch.cmr import Catalogue
from tasks.adapters.fetch.http import Http, HttpOptions
from tasks.adapters.fetch.protocol import Query
from tasks.adapters.fetch.umm import parse_granule

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def recorded(name):
    return Path(os.environ["SM_REAL_DATA"]) / "api" / name


def cassette(name):
    """(query, search-after, headers, body) of each recorded exchange."""
    exchanges = []
    for entry in yaml.load(recorded(name).read_text(), yaml.CSafeLoader)["interactions"]:
        asked, answered = entry["request"], entry["response"]
        headers = {key: value[0] for key, value in answered["headers"].items()
                   if key.startswith("CMR-") or key == "Content-Type"}
        after = asked["headers"].get("cmr-search-after", [None])[0]
        query = dict(parse_qsl(urlsplit(asked["uri"]).query))
        exchanges.append((query, after, headers, answered["body"]["string"].encode()))
    return exchanges


@contextmanager
def catalogue(answer, page_size):
    """The production client before a server that answers by ``answer(path, query, search_after)``."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = urlsplit(self.path)
            after = self.headers.get("CMR-Search-After")
            asked.append((dict(parse_qsl(parts.query)), after))
            headers, body = answer(parts.path, asked[-1][0], after)
            self.send_response(200)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with Http(HttpOptions(read_timeout_s=20)) as http:
            yield Catalogue(http, f"http://127.0.0.1:{server.server_port}/search", lambda: NOW, page_size), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def replay(exchanges):
    """After what was recorded comes, as the catalogue does, an empty page without a token."""
    def answer(path, query, after):
        found = [(headers, body) for q, a, headers, body in exchanges if (q, a) == (query, after)]
        return found[0] if found else ({"CMR-Hits": "0"}, b'{"hits": 0, "took": 1, "items": []}')
    return answer


def items(exchanges):
    return [item for _, _, _, body in exchanges for item in json.loads(body)["items"]]


@pytest.mark.parametrize(("name", "page_size", "params", "requests", "granules"), [
    ("python_cmr/TestMultipleQueries.test_results_unparsed_format.yaml", 2, {"short_name": "MOD02QKM"}, 11, 20),
    ("earthaccess/TestResults.test_get_all_less_than_2k.yaml", 2000,
     {"short_name": "TELLUS_GRAC_L3_JPL_RL06_LND_v04"}, 1, 163),
    ("python_cmr/TestGranuleClass.test_revision_date.yaml", 62,
     {"short_name": "SWOT_L2_HR_RiverSP_reach_2.0", "revision_date[]": "2024-07-05T00:00:00Z,2024-07-05T23:59:59Z"},
     2, 62),
])
def test_recorded_search(name, page_size, params, requests, granules):
    exchanges = cassette(name)
    with catalogue(replay(exchanges), page_size) as (client, asked):
        found = client.granules(params)
    assert len(asked) == requests
    assert all(query == params | {"page_size": str(page_size)} for query, _ in asked)
    assert asked[0][1] is None
    assert all(after is not None for _, after in asked[1:])
    assert {granule.ur for granule in found} == {item["umm"]["GranuleUR"] for item in items(exchanges)}
    assert len(found) == granules
    for granule in found:
        assert granule.url(granule.names[0]).endswith("/" + granule.names[0])
        assert all(url.startswith("https://") for url in granule.urls)
        assert granule.revised.utcoffset() == dt.timedelta(0)


def test_checksums_and_sizes_of_real_granules():
    found = [parse_granule(item) for item in items(cassette("python_cmr/TestGranuleClass.test_revision_date.yaml"))]
    files = [granule.file(name) for granule in found for name in granule.names[:1]]
    assert {file.checksum.algorithm for file in files} == {"md5"}
    assert all(file.size > 0 for file in files)


def test_search_without_hits_is_empty():
    empty = [exchange for exchange in cassette("earthaccess/TestResults.test_get_all_less_than_2k.yaml")
             if exchange[0]["page_size"] == "0"]
    with catalogue(lambda *request: (empty[0][2], empty[0][3]), 10) as (client, asked):
        assert client.granules({"short_name": "TELLUS_GRAC_L3_JPL_RL06_LND_v04"}) == ()
    assert len(asked) == 2                                                # it speaks of 652 hits: asked once again


def test_other_format_of_the_catalogue_is_told():
    (_, _, headers, body), = cassette("python_cmr/TestMultipleQueries.test_zero_hits_query.yaml")
    with catalogue(lambda *request: (headers, body), 10) as (client, _), pytest.raises(SchemaDriftError):
        client.granules({"short_name": "MOD09GA"})


@pytest.mark.parametrize(("name", "file", "size"), [
    ("earthaccess/G1593453400-LAADS_umm.json", "MYD021KM.A2019051.0430.006.2019051235515.hdf", 69035465),
    ("earthaccess/NLDAS_NOAH0125_H_umm.json", "NLDAS_NOAH0125_H.A20190220.0000.002.grb", None),
])
def test_granule_of_another_archive(name, file, size):
    body = recorded(name).read_bytes()
    with catalogue(lambda *request: ({}, body), 10) as (client, _):
        (granule,) = client.granules({"short_name": "any"})
    assert granule.names[0] == file
    assert (granule.file(file).size, granule.file(file).checksum) == (size, None)
    assert granule.url(file).endswith("/" + file)


def as_umm(entry):
    links = [link["href"] for link in entry["links"] if link["rel"].endswith("/data#") and not link.get("inherited")]
    assert len(links) == 1
    return {
        "meta": {"concept-id": entry["id"], "revision-date": entry["updated"]},
        "umm": {"GranuleUR": entry["title"], "RelatedUrls": [{"URL": links[0], "Type": "GET DATA"}], "DataGranule": {
            "Identifiers": [{"IdentifierType": "ProducerGranuleId", "Identifier": entry["producer_granule_id"]}]}},
    }


@pytest.mark.parametrize("product", ["MOD13A2", "MYD13A2"])
def test_real_modis_granules_are_listed(product):
    feed = json.loads(recorded("cmr_granules_json_modis_modape.json").read_text())["feed"]
    entries = [entry for entry in feed["entry"] if entry["producer_granule_id"].startswith(product)]

    def answer(path, query, after):
        if path.endswith("collections.umm_json"):
            return {}, json.dumps({"items": [{"meta": {"concept-id": "C1-LPCLOUD"}}]}).encode()
        if path.endswith("deleted-granules.json"):
            return {}, b"[]"
        begin = int(after or 0)
        page = [as_umm(entry) for entry in entries[begin:begin + 50]]
        token = {"CMR-Search-After": str(begin + 50)} if page else {}
        return {"CMR-Hits": str(len(entries)), **token}, json.dumps({"items": page}).encode()

    query = Query(source_id=f"{product}.061", first=dt.date(2020, 2, 1), last=dt.date(2020, 3, 31), tiles=("h18v06",))
    with catalogue(answer, 50) as (client, asked):
        found = list(client.listed(query))
    expected = [entry["producer_granule_id"] for entry in entries if ".h18v06." in entry["producer_granule_id"]
                and entry["time_start"] < "2020-04-01" and entry["time_end"] >= "2020-02-01"]
    assert [listed.name for listed in found] == expected
    assert len(expected) in (4, 5)                                        # 16-day periods that touch 60 days
    assert len(asked) == 4                                                # collection, two pages, deletions
    assert all(identify(Path(listed.name)).tile == "h18v06" for listed in found)
    assert all(listed.url.endswith("/" + listed.name) for listed in found)
