"""What providers do wrong, and what the daemon does about it; docs/misbehaviour.md lists these tests."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path

import pytest

from tasks.adapters.fetch.settle import REFUSED_RUNS
from tasks.hosts.faults import Fault
from tests.flows.small_world import DAY, FIRST, Daemon, living, make_archive, noon

ROOT = Path(__file__).resolve().parents[2]
MODIS, SMAP, GLASS, GLEAM = "MOD11A1.061", "SPL4SMGP.008", "GLASS08B31.V40", "GLEAM_v4.2a.SMs"
ONE = "*A2019155*"
"""One granule of MOD11A1, 4 June."""
HALF_A_DAY = dt.timedelta(hours=12)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("world") / "archive", 20)


def published(archive: Path, pattern: str = "MOD11A1.*", days: int = 10) -> dict[str, str]:
    """sha256 by name of what MOD11A1 has out on the morning after the last of so many days."""
    last = f"A{FIRST + (days - 1) * DAY:%Y%j}"
    paths = (path for path in archive.glob(pattern) if path.name.split(".")[1] <= last)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def later(daemon: Daemon, by: dt.timedelta = HALF_A_DAY) -> None:
    daemon.clock.advance(by)


def requests(daemon: Daemon, host: str, day: str = "") -> int:
    return sum(one.host == host and day in one.path for one in daemon.hosts.exchanges)


@pytest.mark.parametrize("fault", [
    Fault(kind="throttled", host="data", times=1, seconds=7), Fault(kind="throttled", host="cmr", times=1, seconds=7),
])
def test_throttled(archive: Path, tmp_path: Path, fault: Fault) -> None:
    with living(archive, tmp_path / "data", [fault]) as daemon:
        report = daemon.fetch(MODIS)[MODIS]
        assert (report.failed, report.error_code) == (0, None)
        assert daemon.contents() == published(archive)
        assert max(daemon.pauses) >= 7


@pytest.mark.parametrize("kind", ["error_500", "error_503"])
def test_server_error(archive: Path, tmp_path: Path, kind: str) -> None:
    with living(archive, tmp_path / "data", [Fault(kind=kind, times=1)]) as daemon:
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)
        assert daemon.pauses


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_body_ends_early(archive: Path, tmp_path: Path, kind: str) -> None:
    with living(archive, tmp_path / "data", [Fault(kind=kind, host="signed", path=ONE, times=1)]) as daemon:
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)
        statuses = [one.status for one in daemon.hosts.exchanges if one.host == "signed" and "A2019155" in one.path]
        assert statuses == [200, 206], "the second request goes on where the first ended"


def test_web_page_instead_of_a_file_once(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="html", host="data", path=ONE, times=1)]) as daemon:
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)


def test_web_page_twice_in_a_row_makes_no_permanent_hole(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="html", host="data", path=ONE, times=2)]) as daemon:
        report = daemon.fetch(MODIS)[MODIS]
        assert (report.failed, report.quarantined, report.error_code) == (1, 0, "SM205")
        assert daemon.ledger.health(MODIS, daemon.clock.now()).failures == 0, "one file says nothing of the host"
        later(daemon)
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)
        assert daemon.leftovers() == []


def test_web_page_for_ever_is_given_up_after_three_runs(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="html", host="data", path=ONE)]) as daemon:
        for run in range(1, REFUSED_RUNS + 1):
            report = daemon.fetch(MODIS)[MODIS]
            assert (report.failed, report.quarantined) == (int(run < REFUSED_RUNS), int(run == REFUSED_RUNS))
            later(daemon, DAY / 4)
        asked = requests(daemon, "data", "A2019155")
        assert daemon.fetch(MODIS)[MODIS].error_code is None
        assert requests(daemon, "data", "A2019155") == asked
        assert len(daemon.contents()) == len(published(archive)) - 1
        kept = [path.suffix for path in daemon.leftovers()]
        assert sorted(kept) == ["", ".json"], "what came is kept, with the reason"


@pytest.mark.parametrize("fault", [
    Fault(kind="wrong_checksum", path=ONE), Fault(kind="corrupted", host="signed", path=ONE),
])
def test_wrong_checksum(archive: Path, tmp_path: Path, fault: Fault) -> None:
    with living(archive, tmp_path / "data", [fault]) as daemon:
        report = daemon.fetch(MODIS)[MODIS]
        assert (report.failed, report.error_code) == (1, "SM205")
        assert "A2019155" not in " ".join(daemon.contents())
        assert len(daemon.contents()) == len(published(archive)) - 1
        daemon.hosts.script.replace([])
        later(daemon)
        daemon.fetch(MODIS)
        assert daemon.contents() == published(archive), "a corrected checksum or copy heals it"


def test_two_production_stamps(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="duplicate", path=ONE, days=2)]) as daemon:
        daemon.fetch(MODIS)
        used = [name for name in daemon.contents() if "A2019155" in name]
        assert len(used) == 1
        assert used != [name for name in published(archive) if "A2019155" in name], "the later production serves"
        assert len(daemon.contents()) == len(published(archive))


def test_listed_but_not_there(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="not_found", host="signed", path=ONE, until=noon(11))
    with living(archive, tmp_path / "data", [fault]) as daemon:
        report = daemon.fetch(MODIS)[MODIS]
        assert (report.failed, report.fetched, report.error_code) == (1, 10, "SM204")
        daemon.clock.move_to(noon(11))
        daemon.fetch(MODIS)
        assert daemon.contents() == published(archive, days=11)


def test_revised_granule(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="revised", path=ONE, days=8)]) as daemon:
        daemon.fetch(MODIS)
        before, then = daemon.contents(), daemon.clock.now()
        assert before == published(archive)
        daemon.clock.move_to(noon(14))
        daemon.fetch(MODIS)
        changed = [name for name in before if daemon.contents()[name] != before[name]]
        assert [name[:16] for name in changed] == ["MOD11A1.A2019155"]
        replayed = {Path(one.uri).name: one.sha256 for one in daemon.ledger.granules(then)}
        assert replayed == before, "what was known then is still known"
        assert all(Path(one.uri).is_file() for one in daemon.ledger.granules(then))


def test_old_granule_revised_long_after_its_window(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="revised", path=ONE, days=34)], now=noon(20)) as daemon:
        daemon.fetch(MODIS)
        daemon.clock.move_to(noon(40))
        report = daemon.fetch(MODIS)[MODIS]
        assert report.listed == 1, "asked by date of revision, not of observation"


def test_withdrawn_granule(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="withdrawn", path=ONE, days=8)]) as daemon:
        daemon.fetch(MODIS)
        then = daemon.clock.now()
        daemon.clock.move_to(noon(14))
        daemon.fetch(MODIS)
        assert "A2019155" not in " ".join(daemon.contents())
        assert "A2019155" in " ".join(one.uri for one in daemon.ledger.granules(then))


def test_expired_token_is_renewed(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="expired_token", host="data", path=ONE, times=1)]) as daemon:
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)
        assert requests(daemon, "login") == 2


def test_expired_token_without_password_stops_its_provider_alone(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="expired_token", host="data")
    with living(archive, tmp_path / "data", [fault], earthdata_user="", earthdata_token="gone") as daemon:
        reports = daemon.fetch(MODIS, SMAP, GLASS)
        assert [reports[name].error_code for name in (MODIS, SMAP, GLASS)] == ["SM202", "SM202", None]
        assert "token" in (reports[MODIS].remedy or "")
        assert reports[GLASS].fetched > 0
        assert requests(daemon, "data") < 3 * 8, "it is not asked for every file"
        daemon.hosts.script.replace([])
        daemon.settings = daemon.settings.model_copy(update={"earthdata_token": type(daemon.settings.rda_key)(
            daemon.hosts.token())})
        daemon.fetch(MODIS)
        assert daemon.contents(MODIS) == published(archive), "at once, once it is renewed"


def test_licence_not_accepted(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="eula", host="data", path="*MOD11A1*")
    with living(archive, tmp_path / "data", [fault]) as daemon:
        reports = daemon.fetch(MODIS, SMAP)
        assert (reports[MODIS].error_code, reports[MODIS].fetched) == ("SM203", 0)
        assert reports[MODIS].failed <= 8, "the rest is not tried"
        assert (reports[SMAP].error_code, reports[SMAP].failed) == (None, 0)


def test_slow_drip(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="slow", host="signed", path=ONE, times=1, seconds=30)
    with living(archive, tmp_path / "data", [fault], minimum_rate=20_000, patience_s=0.2) as daemon:
        assert daemon.fetch(MODIS)[MODIS].failed == 0
        assert daemon.contents() == published(archive)
        assert requests(daemon, "signed", "A2019155") == 2, "broken off, and gone on with"


def test_host_down_for_days(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="down", host="glass", until=noon(12))
    with living(archive, tmp_path / "data", [fault]) as daemon:
        for day in (10, 11):
            daemon.clock.move_to(noon(day))
            reports = daemon.fetch(MODIS, GLASS)
            assert [reports[name].error_code for name in (MODIS, GLASS)] == [None, "SM201"]
        health = daemon.ledger.health(GLASS, daemon.clock.now())
        assert (health.failures, health.error_code, health.last_success) == (2, "SM201", None)
        daemon.clock.move_to(noon(13))
        assert daemon.fetch(GLASS)[GLASS].fetched > 0
        assert daemon.ledger.health(GLASS, daemon.clock.now()).failures == 0


def test_station_values_revised(archive: Path, tmp_path: Path) -> None:
    fault = Fault(kind="values_revised", path="*/2019-06-05", days=6)
    with living(archive, tmp_path / "data", [fault]) as daemon:
        assert daemon.fetch("RDA")["RDA"].observations > 0
        before, then = daemon.observations(), daemon.clock.now()
        daemon.clock.move_to(noon(14))
        daemon.fetch("RDA")
        old = before.set_index(["station_id", "layer", "time"])["value"]
        new = daemon.observations().set_index(["station_id", "layer", "time"])["value"].reindex(old.index)
        changed = old.index[(old != new).to_numpy()]
        assert {f"{time + dt.timedelta(hours=9):%Y-%m-%d}" for _, _, time in changed} == {"2019-06-05"}
        known_then = daemon.ledger.observations(then)["value"]
        assert known_then.tolist() == before["value"].tolist()


@pytest.mark.parametrize(("host", "name"), [("cmr", MODIS), ("rda", "RDA")])
def test_silent_page_cut(archive: Path, tmp_path: Path, host: str, name: str) -> None:
    with living(archive, tmp_path / "cut", [Fault(kind="page_cut", host=host, times=1)]) as daemon:
        assert daemon.fetch(name)[name].error_code is None
        cut = daemon.contents() if name == MODIS else daemon.observations().to_dict()
    with living(archive, tmp_path / "whole") as daemon:
        daemon.fetch(name)
        assert cut == (daemon.contents() if name == MODIS else daemon.observations().to_dict())


def test_catalogue_ran_out_of_time(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="timed_out", host="cmr", times=1)]) as daemon:
        assert daemon.fetch(MODIS)[MODIS].error_code is None
        assert daemon.contents() == published(archive)


def test_another_host_key(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="bad_host_key", host="gleam")]) as daemon:
        reports = daemon.fetch(GLEAM, MODIS)
        assert (reports[GLEAM].error_code, reports[GLEAM].fetched) == ("SM211", 0)
        assert reports[MODIS].failed == 0


def test_daily_quota_used_up(archive: Path, tmp_path: Path) -> None:
    with living(archive, tmp_path / "data", [Fault(kind="quota", host="rda", until=noon(11))]) as daemon:
        reports = daemon.fetch("RDA", MODIS)
        assert (reports["RDA"].error_code, reports[MODIS].failed) == ("SM209", 0)
        daemon.clock.move_to(noon(11))
        assert daemon.fetch("RDA")["RDA"].observations > 0


def test_table_in_docs_names_every_test_and_no_other() -> None:
    text = (ROOT / "docs" / "misbehaviour.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)", "\n".join(line for line in text.splitlines() if line.startswith("| ")))
    here = {name for name in globals() if name.startswith("test_") and name != "test_table_in_docs_names_every_test_"
            "and_no_other"}
    elsewhere = {"test_sixty_days_with_faults_end_as_sixty_days_without", "test_killed_at_random_moments"}
    assert set(named) == here | elsewhere
