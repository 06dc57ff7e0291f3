from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from sm_core.domain import FileRef, Station
from sm_core.errors import LedgerError
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.ledger import Ledger, editions, observations
from tasks.adapters.ledger.database import insert
from tasks.adapters.ledger.tables import contact, day_mean, edition, metadata

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = (dt.date(2019, 1, 1), dt.date(2019, 12, 31))
SOURCE = "MOD11A1.061"
POSTGRES = os.environ.get("SM_TEST_POSTGRES")


def listed(day: int) -> Listed:
    name = f"MOD11A1.A2019{day:03d}.h28v05.061.2020001000000.hdf"
    return Listed(source_id=SOURCE, name=name, revision="1", published=NOW, url="http://host/")


def rows(day: int) -> pd.DataFrame:
    times = pd.date_range(f"2025-01-{day:02d}", periods=24, freq="h")
    return pd.DataFrame({"station_id": "a", "layer": "x", "time": times,
                         "value": 0.25, "flag": "", "provider_flag": ""})


def test_migrations_lead_to_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
    engine.dispose()


def test_opening_an_existing_ledger_keeps_what_it_holds(tmp_path: Path) -> None:
    for expected in (1, 0):
        ledger = Ledger(f"sqlite:///{tmp_path}/deeper/ledger.db", tmp_path / "raw")
        assert ledger.record([listed(1)], NOW) == expected
        ledger.close()


@pytest.mark.parametrize("url", ["", "nonsense", "nosuchdatabase://x", "sqlite:////proc/no/ledger.db"])
def test_a_ledger_that_cannot_be_opened_is_a_coded_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        Ledger(url, tmp_path / "raw")


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as raised:
        Ledger("postgresql://user:hunter2@127.0.0.1:1/none", tmp_path / "raw")
    assert "hunter2" not in str(raised.value)


def test_a_foreign_database_is_a_coded_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("this is no database at all, it only has its name. " * 20)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(f"sqlite:///{path}", tmp_path / "raw")


def test_processes_that_open_a_new_ledger_at_once_do_no_harm(tmp_path: Path) -> None:
    code = ("import sys; from pathlib import Path; from tasks.adapters.ledger import Ledger\n"
            "print('ready', flush=True); sys.stdin.readline(); Ledger(sys.argv[1], Path(sys.argv[2]))")
    arguments = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/ledger.db", str(tmp_path / "raw")]
    started = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for process in started:
        assert process.stdout and process.stdout.readline()
    for process in started:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
        assert process.returncode == 0


def test_two_daemons_on_one_ledger_share_the_work_and_double_nothing(tmp_path: Path) -> None:
    everything = [listed(day) for day in range(1, 61)]
    ledgers = [Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw") for _ in range(2)]
    took: list[list[Listed]] = [[], []]
    kept = [0, 0]

    def work(number: int) -> None:
        ledger = ledgers[number]
        ledger.record(everything, NOW)
        for day in range(1, 6):
            kept[number] += ledger.add_observations(rows(day), NOW)
        for one in ledger.pending([SOURCE], *DAYS, NOW):
            for mine in ledger.claim([one], f"daemon {number}", NOW, dt.timedelta(hours=1)):
                took[number].append(mine)
                ledger.fetched(mine, FileRef(uri="/x", sha256="0", size=1), NOW)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert sorted(one.name for one in took[0] + took[1]) == [one.name for one in everything]
    assert sum(kept) == 5 * 24
    assert len(ledgers[0].granules(NOW)) == 60
    assert len(ledgers[0].observations(NOW)) == 5 * 24
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        assert database.execute("select count(*), sum(rows) from batch").fetchone() == (5, 120)
        assert database.execute("select count(*) from day_mean").fetchone() == (5,)
    database.close()
    for ledger in ledgers:
        ledger.close()


def test_transactions_that_read_before_they_write_wait_for_their_turn(tmp_path: Path) -> None:
    ledgers = [Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw") for _ in range(4)]

    def move(number: int) -> None:
        for lon in range(20):
            sensor = Station(station_id=f"s{number}", network="N", name="S", lon=lon, lat=0, depth_from_m=0,
                             depth_to_m=0)
            assert ledgers[number].add_station(sensor, NOW.date() + dt.timedelta(days=lon), NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(4)))
    assert [station.lon for station in ledgers[0].stations(NOW, NOW.date() + dt.timedelta(days=99))] == [19.0] * 4
    for ledger in ledgers:
        ledger.close()


def test_every_statement_compiles_for_postgresql() -> None:
    dialect = postgresql.dialect()
    statements = [
        *(CreateTable(table) for table in metadata.sorted_tables),
        *(CreateIndex(index) for table in metadata.sorted_tables for index in table.indexes),
        sa.select(editions.standing(NOW)), editions.pending([SOURCE], *DAYS, NOW), editions.relist(),
        editions.withdraw_earlier([SOURCE], NOW), editions.stations(NOW, NOW.date(), "a"),
        observations.batches(NOW, NOW, NOW), observations.known_means(NOW, ["a"], *DAYS),
        insert(edition, "postgresql").on_conflict_do_nothing(index_elements=["source_id"]).returning(edition.c.id),
        insert(contact, "postgresql").values(source_id="a", failures=1).on_conflict_do_update(
            index_elements=["source_id"], set_={"failures": contact.c.failures + 1}),
        insert(day_mean, "postgresql").on_conflict_do_update(
            index_elements=list(day_mean.primary_key.columns), set_={"value": 1.0}),
    ]
    for statement in statements:
        assert str(statement.compile(dialect=dialect))


@pytest.mark.skipif(not POSTGRES, reason="needs SM_TEST_POSTGRES, the URL of a database that may be emptied")
def test_a_life_on_postgresql(tmp_path: Path) -> None:
    engine = sa.create_engine(POSTGRES or "")
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("drop table if exists alembic_version")
    ledger = Ledger(POSTGRES or "", tmp_path / "raw")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    three = [listed(day) for day in (1, 2, 3)]
    assert [ledger.record(three, NOW), ledger.record(three, NOW)] == [3, 0]
    assert ledger.record([three[2].model_copy(update={"withdrawn": True, "revision": "2"}), listed(4)], NOW) == 3
    assert ledger.record([listed(5).model_copy(update={"name": "a\0b"})], NOW) == 1
    lease = dt.timedelta(hours=1)
    assert ledger.claim(ledger.pending([SOURCE], *DAYS, NOW), "me", NOW, lease) == (*three[:2], listed(4))
    assert ledger.claim(three[:1], "other", NOW, lease) == ()
    ledger.fetched(three[0], FileRef(uri="/x", sha256="0", size=1), NOW)
    ledger.failed(three[1], "SM201", "down", NOW, NOW + dt.timedelta(hours=1))
    ledger.quarantined(listed(4), "SM205", "bad", NOW)
    assert [granule.start.day for granule in ledger.granules(NOW)] == [1]
    assert ledger.pending([SOURCE], *DAYS, NOW) == ()
    for error in (None, "SM201", "SM201"):
        ledger.note_contact(SOURCE, NOW, error)
    health = ledger.health(SOURCE, NOW)
    assert (health.failures, health.listed, health.fetched, health.quarantined) == (2, 1, 1, 2)
    assert [ledger.add_observations(rows(1), NOW), ledger.add_observations(rows(1), NOW)] == [24, 0]
    assert ledger.add_observations(rows(1).assign(value=0.5), NOW) == 24
    assert ledger.daily(NOW)["value"].tolist() == [0.5]
    assert len(ledger.observations(NOW)) == 24
    station = Station(station_id="a", network="N", name="S", lon=127.0, lat=37.0, depth_from_m=0.05, depth_to_m=0.05)
    assert [ledger.add_station(station, NOW.date(), NOW) for _ in range(2)] == [True, False]
    assert ledger.stations(NOW) == (station,)
    ledger.close()
