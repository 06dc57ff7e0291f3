"""The simulated metadata repository keeps the rules of the real one."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tasks.hosts.checksums import posix_cksum
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault

Search = Callable[..., requests.Response]
REAL = os.environ.get("SM_REAL_DATA")


def urs(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["umm"]["GranuleUR"] for item in answer.json()["items"]]


def test_item_has_name_size_checksum_and_link(serve: Any, search: Search, archive: Path) -> None:
    hosts = serve()
    answer = search(hosts, ("version", "061"), ("temporal", "2019-06-09T00:00:00Z,2019-06-09T23:59:59Z"),
                    ("two_d_coordinate_system[]", "MODIS Tile SIN:28,5:27,4"))
    assert answer.headers["CMR-Hits"] == "1"
    item = answer.json()["items"][0]
    name = "MOD11A1.A2019160.h28v05.061.2019161090000.hdf"
    umm, meta = item["umm"], item["meta"]
    information = umm["DataGranule"]["ArchiveAndDistributionInformation"][0]
    assert meta["collection-concept-id"] == "C1748058432-LPCLOUD"
    assert (meta["revision-id"], meta["revision-date"]) == (1, "2019-06-10T09:00:00.000Z")
    assert umm["DataGranule"]["Identifiers"] == [{"Identifier": name, "IdentifierType": "ProducerGranuleId"}]
    assert information["SizeInBytes"] == (archive / name).stat().st_size
    printed = subprocess.run(["cksum", archive / name], capture_output=True, text=True, check=True).stdout
    assert information["Checksum"] == {"Value": printed.split()[0], "Algorithm": "POSIX"}
    assert umm["RelatedUrls"][0]["URL"] == (
        f"{hosts.urls.data}/lp-prod-protected/MOD11A1.061/{name.removesuffix('.hdf')}/{name}"
    )
    assert umm["TilingIdentificationSystem"]["Coordinate1"] == {"MinimumValue": 28.0}


@pytest.mark.parametrize(("content", "expected"), [(b"", 4294967295), (b"123456789", 930766865)])
def test_posix_cksum_of_known_texts(content: bytes, expected: int) -> None:
    assert posix_cksum(content) == expected


def test_granule_appears_when_it_is_produced(serve: Any, search: Search, clock: Clock) -> None:
    hosts = serve()
    clock.move_to(dt.datetime(2019, 6, 12, 8, 59, 59, tzinfo=dt.UTC))
    assert len(urs(search(hosts))) == 3
    clock.advance(dt.timedelta(seconds=1))
    assert len(urs(search(hosts))) == 4


def test_clock_is_set_over_http(serve: Any, search: Search, session: requests.Session, clock: Clock) -> None:
    hosts = serve()
    host = hosts.urls.cmr.removesuffix("/search")
    told = session.post(f"{hosts.urls.glass.removesuffix('/archive')}/_clock", json={"now": "2019-06-10T09:00:00Z"},
                        timeout=10)
    assert told.json() == {"now": "2019-06-10T09:00:00+00:00"}
    assert len(urs(search(hosts))) == 2
    session.post(f"{host}/_clock", json={"advance_s": 86400}, timeout=10)
    assert clock.now() == dt.datetime(2019, 6, 11, 9, tzinfo=dt.UTC)
    assert session.post(f"{host}/_clock", json={"now": "noon"}, timeout=10).status_code == 400


def test_pages_by_search_after_until_an_empty_one(serve: Any, search: Search) -> None:
    hosts = serve()
    found, headers = [], None
    for expected in (3, 1):
        answer = search(hosts, ("page_size", "3"), headers=headers)
        assert len(urs(answer)) == expected
        found += urs(answer)
        headers = {"CMR-Search-After": answer.headers["CMR-Search-After"]}
        assert re.fullmatch(r'\["lpcloud",\d+,\d+\]', headers["CMR-Search-After"])
    assert len(set(found)) == 4
    last = search(hosts, ("page_size", "3"), headers=headers)
    assert urs(last) == []
    assert "CMR-Search-After" not in last.headers
    assert last.headers["CMR-Hits"] == "4"
    assert "CMR-Search-After" not in search(hosts, ("page_size", "0")).headers


@pytest.mark.parametrize(("parameters", "count"), [
    ((("temporal", "2019-06-10T00:00:00Z,2019-06-11T00:00:00Z"),), 2),
    ((("temporal[]", ",2019-06-09T12:00:00Z"),), 2),
    ((("revision_date[]", "2019-06-11T09:00:00Z,2019-06-12T08:00:00Z"),), 1),
    ((("updated_since", "2019-06-11T00:00:00Z"),), 2),
    ((("grid[]", "MODIS Tile SIN:27,5"),), 1),
    ((("grid[]", "MODIS Tile SIN:27-28,4-5"),), 4),
    ((("grid[]", "WRS-2:1,1"),), 0),
    ((("readable_granule_name[]", "*.h28v05.*"), ("options[readable_granule_name][pattern]", "true")), 3),
    ((("readable_granule_name[]", "*.h28v05.*"),), 0),
    ((("readable_granule_name", "mod11a1.A2019160.h27v05.061.2019161090000"),), 1),
    ((("producer_granule_id", "MOD11A1.A2019160.h27v05.061.2019161090000.hdf"),), 1),
    ((("version", "006"),), 0),
    ((("collection_concept_id", "C1748058432-LPCLOUD"),), 4),
    ((("collection_concept_id", "C1-LPCLOUD"),), 0),
])
def test_parameters_select(serve: Any, search: Search, parameters: tuple[tuple[str, str], ...], count: int) -> None:
    assert len(urs(search(serve(), *parameters))) == count


def test_composite_is_found_on_every_day_it_overlaps(serve: Any, search: Search) -> None:
    hosts = serve()
    for day in ("2019-05-25", "2019-06-09"):
        assert len(urs(search(hosts, ("temporal", f"{day}T00:00:00Z,{day}T23:59:59Z"), short_name="MOD13A2"))) == 1
    assert urs(search(hosts, ("temporal", "2019-06-10T00:00:00Z,"), short_name="MOD13A2")) == []


@pytest.mark.parametrize(("parameters", "message"), [
    ([("colection", "x")], "colection"), ([("page_size", "2001"), ("short_name", "MOD11A1")], "page_size"),
    ([("temporal", "2019-06-09,")], "all collections"),
    ([("short_name", "MOD11A1"), ("temporal", "June,")], "datetime"),
])
def test_bad_searches_are_refused(serve: Any, session: requests.Session, parameters: Any, message: str) -> None:
    answer = session.get(f"{serve().urls.cmr}/granules.umm_json", params=parameters, timeout=10)
    assert answer.status_code == 400
    assert message in answer.json()["errors"][0]


def test_smap_is_named_with_its_extension_and_comes_after_two_and_a_half_days(
    serve: Any, search: Search, clock: Clock
) -> None:
    hosts = serve()
    assert urs(search(hosts, short_name="SPL4SMGP")) == ["SMAP_L4_SM_gph_20190609T013000_Vv8010_001.h5"]
    clock.move_to(dt.datetime(2019, 6, 11, 13, 29, tzinfo=dt.UTC))
    assert urs(search(hosts, short_name="SPL4SMGP")) == []


def test_tile_can_be_missing_from_metadata(serve: Any, search: Search) -> None:
    hosts = serve(Fault(kind="no_tiling", path="MOD11A1.*h28v05*"))
    assert len(urs(search(hosts, ("grid[]", "MODIS Tile SIN:28,5")))) == 0
    assert len(urs(search(hosts, ("readable_granule_name[]", "*.h28v05.*"),
                          ("options[readable_granule_name][pattern]", "true")))) == 3


def test_revision_keeps_the_name_and_changes_the_content(serve: Any, search: Search, clock: Clock) -> None:
    hosts = serve(Fault(kind="revised", path="*A2019160.h28v05*", days=3))
    since = ("revision_date[]", "2019-06-12T12:00:00Z,")
    clock.move_to(dt.datetime(2019, 6, 13, 8, tzinfo=dt.UTC))
    before = {item["umm"]["GranuleUR"]: item for item in search(hosts).json()["items"]}
    assert urs(search(hosts, since)) == []
    clock.move_to(dt.datetime(2019, 6, 13, 9, tzinfo=dt.UTC))
    (item,) = search(hosts, since).json()["items"]
    old = before[item["umm"]["GranuleUR"]]
    assert item["meta"]["concept-id"] == old["meta"]["concept-id"]
    assert (old["meta"]["revision-id"], item["meta"]["revision-id"]) == (1, 2)
    assert item["meta"]["revision-date"] == "2019-06-13T09:00:00.000Z"
    files = [entry["umm"]["DataGranule"]["ArchiveAndDistributionInformation"][0] for entry in (old, item)]
    assert files[0]["Checksum"] != files[1]["Checksum"]
    assert files[0]["SizeInBytes"] < files[1]["SizeInBytes"]


def test_one_tile_day_can_be_listed_with_two_production_stamps(serve: Any, search: Search) -> None:
    found = urs(search(serve(Fault(kind="duplicate", path="*A2019160.h28v05*", days=2))))
    assert len(found) == 5
    assert sorted(found)[1:3] == [
        "MOD11A1.A2019160.h28v05.061.2019161090000", "MOD11A1.A2019160.h28v05.061.2019163090000",
    ]


def test_withdrawn_granule_is_told_as_deleted(
    serve: Any, search: Search, session: requests.Session, clock: Clock
) -> None:
    hosts = serve(Fault(kind="withdrawn", path="MOD11A1.A2019160.h28v05*", days=5))
    deleted = f"{hosts.urls.cmr}/deleted-granules.json"
    clock.move_to(dt.datetime(2019, 6, 15, 8, tzinfo=dt.UTC))
    assert len(urs(search(hosts))) == 4
    assert session.get(deleted, params={"revision_date": "2019-06-01T00:00:00Z"}, timeout=10).json() == []
    clock.move_to(dt.datetime(2019, 6, 15, 10, tzinfo=dt.UTC))
    assert len(urs(search(hosts))) == 3
    answer = session.get(deleted, params={"revision_date": "2019-06-01T00:00:00Z"}, timeout=10)
    (gone,) = answer.json()
    assert gone["granule-ur"] == "MOD11A1.A2019160.h28v05.061.2019161090000"
    assert gone["revision-date"] == "2019-06-15T09:00:00.000Z"
    assert (gone["parent-collection-id"], gone["provider-id"]) == ("C1748058432-LPCLOUD", "LPCLOUD")
    assert answer.headers["CMR-Hits"] == "1"
    for refused in ("2018-01-01T00:00:00Z", "2019-06-01T00:00:00Z,2019-06-02T00:00:00Z"):
        assert session.get(deleted, params={"revision_date": refused}, timeout=10).status_code == 400


def test_wrong_checksum_is_listed(serve: Any, search: Search, archive: Path) -> None:
    for item in search(serve(Fault(kind="wrong_checksum"))).json()["items"]:
        stated = item["umm"]["DataGranule"]["ArchiveAndDistributionInformation"][0]
        assert stated["Checksum"]["Value"] != str(posix_cksum((archive / stated["Name"]).read_bytes()))


def test_time_out_is_told_and_partial(serve: Any, search: Search) -> None:
    hosts = serve(Fault(kind="timed_out", host="cmr", times=1))
    first, second = search(hosts), search(hosts)
    assert (first.headers["CMR-Time-Out"], len(urs(first)), first.headers["CMR-Hits"]) == ("true", 2, "4")
    assert ("CMR-Time-Out" in second.headers, len(urs(second))) == (False, 4)


def test_page_is_cut_without_a_word(serve: Any, search: Search) -> None:
    hosts = serve(Fault(kind="page_cut", host="cmr", times=1))
    first = search(hosts, ("page_size", "4"))
    assert len(urs(first)) == 2
    rest = search(hosts, ("page_size", "4"), headers={"CMR-Search-After": first.headers["CMR-Search-After"]})
    assert len(set(urs(first) + urs(rest))) == 4


def test_collections_are_found_by_short_name(serve: Any, session: requests.Session) -> None:
    answer = session.get(f"{serve().urls.cmr}/collections.umm_json",
                         params={"short_name": "SPL4SMGP", "version": "008"}, timeout=10).json()
    (item,) = answer["items"]
    assert item["meta"]["concept-id"] == "C3480440870-NSIDC_CPRD"
    assert item["umm"]["ShortName"] == "SPL4SMGP"


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="needs SM_REAL_DATA")
def test_items_have_the_shape_of_real_ones(serve: Any, search: Search) -> None:
    recorded = Path(str(REAL)) / "api" / "python_cmr" / "TestMultipleQueries.test_results_unparsed_format.yaml"
    response = yaml.safe_load(recorded.read_text())["interactions"][0]["response"]
    real, ours = json.loads(response["body"]["string"]), search(serve())
    assert set(ours.json()) == set(real)
    item, real_item = ours.json()["items"][0], real["items"][0]
    assert set(item["meta"]) == set(real_item["meta"])
    optional = {"PGEVersionClass", "Projects", "Platforms", "TilingIdentificationSystem"}
    assert set(item["umm"]) - optional == set(real_item["umm"]) - optional
    assert _types(item["umm"]["DataGranule"]) | _types(real_item["umm"]["DataGranule"]) == \
        _types(real_item["umm"]["DataGranule"]) | {("ArchiveAndDistributionInformation", "Format", "str")}
    assert ours.headers["Content-Type"] == response["headers"]["Content-Type"][0]
    assert isinstance(json.loads(response["headers"]["CMR-Search-After"][0]), list)


def _types(value: Any, *path: str) -> set[tuple[str, ...]]:
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in _types(inner, *path, key)}
    if isinstance(value, list):
        return {found for inner in value for found in _types(inner, *path)}
    return {(*path, type(value).__name__)}
