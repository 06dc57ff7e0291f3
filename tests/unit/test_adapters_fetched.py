"""The archive that fetches: what it brings, what a request knows of it, how its sources stand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sm_core.domain import Granule, Rejection, load_region
from sm_core.errors import InsufficientInputsError
from tasks.adapters.fetched import Fetched
from tasks.adapters.quarantine import Quarantine
from tasks.hosts.faults import Fault
from tasks.source_table import source_rows
from tests.flows.small_world import DAY, FIRST, Daemon, living, make_archive, noon

ROOT = Path(__file__).resolve().parents[2]
MODIS, SMAP = "MOD11A1.061", "SPL4SMGP.008"
WEEK = [(MODIS, FIRST, FIRST + 6 * DAY), (MODIS, FIRST + 3 * DAY, FIRST + 9 * DAY)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("world") / "archive", 20)


@pytest.fixture
def daemon(world: Path, tmp_path: Path) -> Iterator[Daemon]:
    fault = Fault(kind="revised", path="*A2019155*", days=8)
    with living(world, tmp_path / "data", [fault]) as running:
        yield running


@pytest.fixture
def archive(daemon: Daemon, tmp_path: Path) -> Fetched:
    return Fetched(tmp_path, daemon.ledger, daemon.synchroniser, Quarantine(tmp_path / "quarantine"), ("h28v05",),
                   daemon.clock.now)


def test_overlapping_periods_are_asked_as_one(daemon: Daemon, archive: Fetched) -> None:
    archive.prepare(WEEK)
    assert sorted(granule.start.day for granule in archive.granules()) == list(range(1, 11))
    searches = [one for one in daemon.hosts.exchanges if one.path.endswith("granules.umm_json")]
    assert len(searches) == 1


def test_only_the_wanted_tiles_are_fetched(archive: Fetched) -> None:
    archive.prepare(WEEK, tiles=("h27v05",))
    assert archive.granules() == ()


def test_a_request_knows_what_was_fetched_for_it_and_a_replay_fetches_nothing(
    daemon: Daemon, archive: Fetched
) -> None:
    asked = daemon.clock.now()
    daemon.clock.advance(dt.timedelta(minutes=1))
    archive.prepare(WEEK, as_of=asked)
    daemon.clock.advance(dt.timedelta(minutes=1))
    first = archive.granules(asked)
    assert len(first) == 10
    assert archive.granules(asked - dt.timedelta(minutes=1)) == ()
    daemon.clock.move_to(noon(14))
    archive.prepare(WEEK)
    now = {granule.sha256 for granule in archive.granules()}
    assert len(now - {granule.sha256 for granule in first}) == 1, "4 June was revised"
    requests = len(daemon.hosts.exchanges)
    archive.prepare(WEEK, as_of=asked)
    assert len(daemon.hosts.exchanges) == requests
    assert archive.granules(asked) == first


def test_coverage_is_what_the_provider_lists_without_downloads(daemon: Daemon, archive: Fetched) -> None:
    assert archive.coverage(["GLASS06A01.V01", MODIS]) == (FIRST - DAY, FIRST + 9 * DAY)
    assert not any(one.host == "signed" for one in daemon.hosts.exchanges)
    with pytest.raises(InsufficientInputsError, match="C3S-SM"):
        archive.coverage(["C3S-SM"])


def test_a_granule_that_cannot_be_read_makes_way_for_the_edition_before(
    daemon: Daemon, archive: Fetched, tmp_path: Path
) -> None:
    archive.prepare(WEEK)
    before = {granule.uri for granule in archive.granules()}
    daemon.clock.move_to(noon(14))
    archive.prepare(WEEK)
    revised, = (granule for granule in archive.granules() if granule.uri not in before)
    Quarantine(tmp_path / "quarantine").reject(Rejection(granule=revised, error_code="SM205", message="cut off"))
    archive.prepare(WEEK)
    daemon.clock.advance(dt.timedelta(minutes=1))
    assert {granule.uri for granule in archive.granules()} == before


def test_station_files_are_those_of_the_prepared_period(daemon: Daemon, archive: Fetched) -> None:
    archive.prepare(WEEK)
    names = {path.name for path in archive.station_files()}
    assert {name.partition("_2019")[0] for name in names} >= {"rda"}
    assert any(name.startswith("CRNH0203-2019") for name in names)
    assert len(daemon.observations()) > 0
    assert all(isinstance(granule, Granule) and granule.source_id == MODIS for granule in archive.granules())


def test_table_tells_how_sources_stand(daemon: Daemon, archive: Fetched, tmp_path: Path) -> None:
    declared = yaml.safe_load((ROOT / "deployments" / "regions" / "demo.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(declared | {"roles": {
        "lst_fine": [MODIS, "MYD11A1.061"], "lst_coarse": ["GLASS08B31.V40"], "ssm_coarse": [SMAP],
        "rzsm_coarse": [SMAP],
    }}, sort_keys=False))
    archive.prepare([*WEEK, (SMAP, FIRST, FIRST + 9 * DAY)])
    archive.station_files()
    daemon.clock.move_to(noon(30))
    daemon.hosts.script.replace([Fault(kind="down", host="glass")])
    archive.prepare([("GLASS08B31.V40", FIRST, FIRST + 9 * DAY)])
    rows = {row.source_id: row for row in source_rows(load_region(path), daemon.ledger, ["MYD11A1.061"], noon(30))}
    assert rows[SMAP].role == "ssm_coarse 1, rzsm_coarse 1"
    assert (rows[MODIS].state, rows[MODIS].newest_day) == ("degraded", FIRST + 9 * DAY)
    assert rows["MYD11A1.061"].state == "ended"
    glass = rows["GLASS08B31.V40"]
    assert (glass.state, glass.failures, glass.error_code, glass.last_contact) == ("unseen", 1, "SM201", noon(30))
    assert "sm-daily sources" in glass.remedy
    assert rows["RDA"].newest_day in (FIRST + 8 * DAY, FIRST + 9 * DAY), "the last reading, not the file's last day"
    assert rows["CSV"].state == "unseen"
