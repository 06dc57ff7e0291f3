"""What the hosts give away: a simulated world's granules are made when they are asked for; large folders are fast."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from sm_core.domain import Grid, Region
from sm_core.sources import decode
from sm_core.twin.archive import create
from sm_core.twin.spec import TwinSpec
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts

Search = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    grid = Grid.from_origin("tiny", west=127.5, north=36.5, resolution=0.01, width=20, height=20)
    region = Region.model_validate({
        "region_id": "tiny", "title": "A tiny region", "grid": grid, "tiles": ("h28v05",), "statics": {},
        "roles": {"lst_fine": ("MOD11A1.061",), "ssm_coarse": ("GLEAM_v4.2a.SMs",)},
    })
    spec = TwinSpec(region=region, start=dt.date(2018, 4, 1), end=dt.date(2018, 4, 30),
                    record_start=dt.date(2017, 1, 1), seed=7, stations=2)
    return create(spec, tmp_path_factory.mktemp("twin")).directory


def test_granules_are_made_when_they_are_listed_and_published(
    serve: Any, search: Search, session: requests.Session, twin: Path, clock: Clock, tmp_path: Path
) -> None:
    clock.move_to(dt.datetime(2018, 4, 10, 23, tzinfo=dt.UTC))
    hosts = serve(Fault(kind="revised", path="MOD11A1.A2018098*", days=1), root=twin)
    assert not (twin / "MOD11A1.061").exists()
    assert search(hosts, ("temporal", "2018-04-08T00:00:00Z,2018-04-30T00:00:00Z")).headers["CMR-Hits"] == "2"
    made = sorted(path.name[:16] for path in (twin / "MOD11A1.061" / "2018").iterdir())
    assert made == ["MOD11A1.A2018098", "MOD11A1.A2018099", "MOD11A1.A2018100"]  # 8 to 10 April, the last unpublished
    recent = search(hosts, ("revision_date[]", "2018-04-10T00:00:00Z,")).json()
    names = [item["umm"]["GranuleUR"][:16] for item in recent["items"]]
    assert sorted(names) == made[:2]  # 8 April by its revision
    assert search(hosts).headers["CMR-Hits"] == "9"
    item = recent["items"][0]
    url = next(entry["URL"] for entry in item["umm"]["RelatedUrls"] if entry["Type"] == "GET DATA")
    answer = session.get(url, headers={"Authorization": f"Bearer {hosts.token()}"}, timeout=10)
    copy = tmp_path / url.rpartition("/")[2]
    copy.write_bytes(answer.content)
    assert "lst_day" in decode(copy)


def test_same_world_and_script_give_the_same_listing(serve: Any, search: Search, twin: Path, clock: Clock) -> None:
    clock.move_to(dt.datetime(2018, 4, 20, tzinfo=dt.UTC))
    faults = (Fault(kind="duplicate", probability=0.3), Fault(kind="withdrawn", probability=0.3),
              Fault(kind="revised", probability=0.3))
    texts = [[item["umm"]["GranuleUR"] + item["meta"]["revision-date"]
              for item in search(serve(*faults, root=twin, seed=seed), ("page_size", "100")).json()["items"]]
             for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_archive_of_stations_is_served_by_both_networks(serve: Any, session: requests.Session, twin: Path) -> None:
    hosts = serve(root=twin)
    site_list = session.get(f"{hosts.urls.rda}/getObsrSpotList", timeout=10, params={
        "serviceKey": hosts.accounts.rda_key, "Page_No": "1", "Page_Size": "10"})
    assert site_list.text.count("<item>") == 2
    assert session.get(f"{hosts.urls.uscrn}/hourly02/2018/", timeout=10).text.count('href="CRNH0203-2018-KR_TW00') == 2


def test_a_thousand_granules_are_listed_well_under_a_second(
    search: Search, session: requests.Session, tmp_path: Path, clock: Clock
) -> None:
    clock.move_to(dt.datetime(2023, 1, 1, tzinfo=dt.UTC))
    for number in range(1000):
        day = dt.date(2019, 1, 1) + dt.timedelta(days=number)
        name = f"MOD11A1.A{day:%Y%j}.h28v05.061.{day + dt.timedelta(days=1):%Y%j}090000.hdf"
        (tmp_path / name).write_bytes(name.encode() * 100)
    with SimulatedHosts(tmp_path, clock) as hosts:
        assert len(search(hosts, ("page_size", "2000")).json()["items"]) == 1000
        begun = time.perf_counter()
        answer = search(hosts, ("page_size", "2000"))
        assert time.perf_counter() - begun < 1.0
        assert len(answer.json()["items"]) == 1000
