"""The catalogue's rules, each by a small answer over the loopback."""

import datetime as dt
import json

import pytest

from sm_core.errors import SchemaDriftError, SourceUnavailableError
from tasks.adapters.fetch.cmr import Catalogue
from tasks.adapters.fetch.protocol import Checksum, Query
from tasks.adapters.fetch.umm import instant, parse_granule

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SOURCE = "MOD11A1.061"
COLLECTION = "C1748058432-LPCLOUD"
QUERY = Query(source_id=SOURCE, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30), tiles=("h28v05", "h27v05"))


def ur(day=325, tile="h28v05", made="2026326091500"):
    return f"MOD11A1.A2026{day}.{tile}.061.{made}"


def item(name=None, revised="2026-11-22T09:15:00.123Z", **umm):
    name = name or ur()
    return {
        "meta": {"concept-id": "G1-LPCLOUD", "revision-date": revised, "revision-id": 1},
        "umm": {
            "GranuleUR": name,
            "DataGranule": {
                "Identifiers": [{"IdentifierType": "LocalVersionId", "Identifier": "061"},
                                {"IdentifierType": "ProducerGranuleId", "Identifier": f"{name}.hdf"}],
                "ArchiveAndDistributionInformation": [
                    {"Name": f"{name}.hdf", "SizeInBytes": 2101234, "Size": 2.0, "SizeUnit": "MB",
                     "Checksum": {"Value": "1220704766", "Algorithm": "POSIX"}}],
            },
            "RelatedUrls": [
                {"URL": f"s3://lp-prod-protected/MOD11A1.061/{name}/{name}.hdf", "Type": "GET DATA VIA DIRECT ACCESS"},
                {"URL": f"https://data.example.org/{name}/{name}.cmr.xml", "Type": "GET DATA"},
                {"URL": f"https://data.example.org/{name}/{name}.hdf", "Type": "GET DATA"},
                {"URL": f"https://data.example.org/{name}.jpg", "Type": "GET RELATED VISUALIZATION"},
            ],
        } | umm,
    }


class Answers:
    """Pages of granules under search-after tokens ``1``, ``2``…; deletions; one collection."""

    def __init__(self, reply, pages=(), deleted=(), hits=None, last_token=True, headers=None):
        self.reply, self.pages, self.deleted = reply, list(pages), list(deleted)
        self.hits = sum(map(len, self.pages)) if hits is None else hits
        self.last_token, self.headers = last_token, headers or {}

    def __call__(self, request):
        operation = request.path.rpartition("/")[2]
        if operation == "collections.umm_json":
            return self.json({"items": [{"meta": {"concept-id": COLLECTION}}]})
        if operation == "deleted-granules.json":
            return self.json(self.deleted)
        number = int(request.headers.get("cmr-search-after", "0"))
        page = self.pages[number] if number < len(self.pages) else []
        headers = {"CMR-Hits": str(self.hits), **self.headers}
        if page and (self.last_token or number + 1 < len(self.pages)):
            headers["CMR-Search-After"] = str(number + 1)
        return self.json({"hits": self.hits, "items": page}, headers)

    def json(self, content, headers=None):
        return self.reply(json.dumps(content).encode(), headers=headers or {})


@pytest.fixture
def catalogue(http, loopback, reply):
    def make(page_size=2, **answers):
        server = loopback(Answers(reply, **answers))
        return Catalogue(http, f"{server.url}/search", lambda: NOW, page_size), server
    return make


def granule_requests(server):
    return [request for request in server.requests if request.path.endswith("granules.umm_json")]


def test_listed(catalogue):
    client, _ = catalogue(pages=[[item()]])
    (listed,) = client.listed(QUERY)
    assert listed.name == f"{ur()}.hdf"
    assert listed.url == f"https://data.example.org/{ur()}/{ur()}.hdf"
    assert listed.size == 2101234
    assert listed.checksum == Checksum(algorithm="cksum", value="1220704766")
    assert listed.published == dt.datetime(2026, 11, 22, 9, 15, 0, 123000, dt.UTC)
    assert listed.revision == "20261122T091500.123000Z"
    assert not listed.withdrawn


def test_search_is_by_collection_tile_and_time(catalogue):
    client, server = catalogue(pages=[[item()]])
    since = dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC)
    list(client.listed(QUERY.model_copy(update={"changed_since": since})))
    list(client.listed(QUERY))
    collections = [request for request in server.requests if request.path.endswith("collections.umm_json")]
    assert [request.query for request in collections] == [
        {"short_name": "MOD11A1", "version": "061", "provider": "LPCLOUD"}]
    first, second = granule_requests(server)
    assert first.query == {
        "collection_concept_id": COLLECTION, "temporal": "2026-11-01T00:00:00Z,2026-11-30T23:59:59Z",
        "revision_date": "2026-11-18T06:00:00Z,", "readable_granule_name[]": "MOD11A1.A*.h27v05.*",
        "options[readable_granule_name][pattern]": "true", "page_size": "2",
    }
    assert "revision_date" not in second.query
    deleted = [request.query for request in server.requests if request.path.endswith("deleted-granules.json")]
    assert deleted == [
        {"revision_date": "2026-11-18T06:00:00Z", "parent_collection_id": COLLECTION},
        {"revision_date": "2025-11-24T12:00:00Z", "parent_collection_id": COLLECTION},
    ]


def test_deletions_are_never_asked_for_beyond_a_year(catalogue):
    client, server = catalogue(pages=[[]])
    list(client.listed(QUERY.model_copy(update={"changed_since": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)})))
    assert server.requests[-1].query["revision_date"] == "2025-11-24T12:00:00Z"


@pytest.mark.parametrize(("sizes", "hits", "last_token", "requests"), [
    ((2, 2, 1), 5, True, 3),          # a short page is the last although it has a token
    ((2, 2), 4, True, 3),             # a full one may be the last: an empty one follows
    ((2, 2), 4, False, 2),            # no token: the end
    ((0,), 0, True, 1),
    ((1, 2, 2), 5, True, 5),          # cut short without a word: asked again, and gone on from there
    ((2, 2, 1), 9, True, 6),          # the count of hits is no promise: the empty page ends it
    ((2, 2, 1), 1, True, 3),
])
def test_pages(catalogue, sizes, hits, last_token, requests):
    days = iter(range(305, 335))
    pages = [[item(ur(next(days))) for _ in range(size)] for size in sizes]
    client, server = catalogue(pages=pages, hits=hits, last_token=last_token)
    assert len(list(client.listed(QUERY))) == sum(sizes)
    asked = granule_requests(server)
    assert len(asked) == requests
    assert {request.headers.get("cmr-search-after") for request in asked} <= {None, "1", "2", "3"}
    assert all(request.query == asked[0].query for request in asked)
    assert not any("page_num" in request.query for request in asked)


def test_pages_that_stand_still_are_told(http, loopback, reply):
    body = json.dumps({"items": [item(), item()]}).encode()
    server = loopback(lambda request: reply(body, headers={"CMR-Search-After": "1", "CMR-Hits": "9"}))
    with pytest.raises(SchemaDriftError, match="do not go on"):
        Catalogue(http, server.url, lambda: NOW, 2).granules({"short_name": "MOD11A1"})


def test_partial_answer_is_a_failure(catalogue):
    client, _ = catalogue(pages=[[item()]], headers={"CMR-Time-Out": "true"})
    with pytest.raises(SourceUnavailableError, match="out of time"):
        list(client.listed(QUERY))


def test_granule_that_comes_twice_is_listed_once_in_its_newest_revision(catalogue):
    older, newer = item(revised="2026-11-22T09:15:00Z"), item(revised="2026-11-23T01:00:00+0000")
    client, _ = catalogue(pages=[[older, newer], [older]])
    (listed,) = client.listed(QUERY)
    assert listed.published == dt.datetime(2026, 11, 23, 1, tzinfo=dt.UTC)


def test_two_production_stamps_are_two_granules(catalogue):
    client, _ = catalogue(pages=[[item(), item(ur(made="2026327101500"))]])
    assert len({listed.name for listed in client.listed(QUERY)}) == 2


def test_what_was_not_asked_for_is_left_out(catalogue):
    pages = [[item(ur(tile="h28v04")), item(ur(day=304))], [item(ur(day=335)), item("BROWSE.something")], [item()]]
    client, _ = catalogue(pages=pages)
    assert [listed.name for listed in client.listed(QUERY)] == [f"{ur()}.hdf"]


@pytest.mark.parametrize("name", ["../../etc/MOD11A1.A2026325.h28v05.061.2026326091500", "a/" + ur()])
def test_name_with_a_path_is_not_taken(catalogue, name):
    client, _ = catalogue(pages=[[item(name, RelatedUrls=[])]])
    assert list(client.listed(QUERY)) == []


def test_withdrawn(catalogue):
    deleted = [
        {"granule-ur": ur(), "revision-date": "2026-11-23T10:00:00+0000", "parent-collection-id": COLLECTION},
        {"granule-ur": ur(day=100), "revision-date": "2026-11-23T10:00:00.000Z"},
        {"granule-ur": "SC:MOD11A1.061:1", "revision-date": "2026-11-23T10:00:00.000Z"},
    ]
    client, _ = catalogue(pages=[[item()]], deleted=deleted)
    there, gone = client.listed(QUERY)
    assert (there.withdrawn, gone.withdrawn) == (False, True)
    assert gone.name == there.name
    assert gone.revision > there.revision


def test_name_is_taken_from_the_address_when_nothing_else_tells_it(catalogue):
    told = item("LAADS:4389864073", DataGranule={}, RelatedUrls=[
        {"URL": f"https://data.example.org/{ur()}.hdf", "Type": "GET DATA"}])
    client, _ = catalogue(pages=[[told]])
    (listed,) = client.listed(QUERY)
    assert (listed.name, listed.size, listed.checksum) == (f"{ur()}.hdf", None, None)


def test_granule_without_an_address_is_not_there_yet(catalogue):
    client, _ = catalogue(pages=[[item(RelatedUrls=[])]])
    assert list(client.listed(QUERY)) == []


@pytest.mark.parametrize(("algorithm", "value", "expected"), [
    ("MD5", "D41D8CD98F00B204E9800998ECF8427E", ("md5", "d41d8cd98f00b204e9800998ecf8427e")),
    ("SHA-1", "a" * 40, ("sha1", "a" * 40)),
    ("SHA-256", "b" * 64, ("sha256", "b" * 64)),
    ("SHA-2", "b" * 64, ("sha256", "b" * 64)),
    ("SHA-2", "c" * 96, ("sha384", "c" * 96)),
    ("SHA-512", "d" * 128, ("sha512", "d" * 128)),
    ("POSIX", "4294967295", ("cksum", "4294967295")),
    ("POSIX", "d41d8c", None),
    ("SHA-256", "b" * 40, None),
    ("Adler-32", "03da0195", None),
    ("SM3", "b" * 64, None),
])
def test_checksums(algorithm, value, expected):
    files = [{"Name": f"{ur()}.hdf", "Checksum": {"Value": value, "Algorithm": algorithm}}]
    found = parse_granule(item(DataGranule={"ArchiveAndDistributionInformation": files})).files[0].checksum
    assert (found and (found.algorithm, found.value)) == expected


def test_of_several_files_the_named_one_is_taken(catalogue):
    files = [{"Name": f"{ur()}.tif", "SizeInBytes": 1}, {"Name": f"{ur()}.hdf", "SizeInBytes": 5}]
    urls = [{"URL": f"https://data.example.org/{ur()}.{end}", "Type": "GET DATA"} for end in ("tif", "hdf")]
    client, _ = catalogue(pages=[[item(DataGranule={"ArchiveAndDistributionInformation": files}, RelatedUrls=urls)]])
    (listed,) = client.listed(QUERY)
    assert (listed.name, listed.size, listed.url) == (f"{ur()}.hdf", 5, f"https://data.example.org/{ur()}.hdf")


def test_nothing_is_said_of_a_file_that_is_not_named():
    files = [{"Name": "a.jpg", "SizeInBytes": 1}, {"Name": "b.jpg", "SizeInBytes": 5}]
    granule = parse_granule(item(DataGranule={"ArchiveAndDistributionInformation": files}))
    assert (granule.file(f"{ur()}.hdf").size, granule.file("a.jpg").size) == (None, 1)


@pytest.mark.parametrize("broken", [
    {"meta": {}, "umm": {"GranuleUR": "a"}}, {"umm": {}}, [], None, item(GranuleUR=5), item(DataGranule=[]),
    item(RelatedUrls={"URL": "a"}), item(revised="yesterday"), item(revised="2026-11-22T09:15:00"),
])
def test_granule_of_another_shape_is_told(broken):
    with pytest.raises(SchemaDriftError):
        parse_granule(broken)


@pytest.mark.parametrize(("body", "error"), [
    (b"<html>maintenance</html>", SourceUnavailableError), (b'{"items": [', SourceUnavailableError),
    (b'{"feed": []}', SchemaDriftError), (b"[]", SchemaDriftError),
])
def test_answer_of_another_shape_is_told(http, loopback, reply, body, error):
    server = loopback(lambda request: reply(body))
    with pytest.raises(error):
        Catalogue(http, server.url, lambda: NOW).granules({"short_name": "MOD11A1"})


def test_unknown_collection_is_told(http, loopback, reply):
    server = loopback(lambda request: reply(b'{"items": []}'))
    with pytest.raises(SchemaDriftError, match="0 collections"):
        list(Catalogue(http, server.url, lambda: NOW).listed(QUERY))


def test_source_without_tiles_is_not_searched_by_tile(catalogue):
    client, server = catalogue(pages=[[]])
    list(client.listed(QUERY.model_copy(update={"source_id": "SPL4SMGP.008"})))
    assert "readable_granule_name[]" not in granule_requests(server)[0].query


def test_times_of_the_catalogue():
    expected = dt.datetime(2017, 9, 7, 18, 51, 39, tzinfo=dt.UTC)
    assert instant("2017-09-07T18:51:39+0000") == instant("2017-09-07T18:51:39.000Z") == expected
    assert instant("2017-09-08T03:51:39+09:00") == expected
