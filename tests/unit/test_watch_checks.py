"""What the watch finds: each check on things that are really so."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sm_core.domain import CheckResult, DailyRequest, FileRef, GateResult, Grid, Outcome, ProductItem, Region, RunRecord
from sm_core.errors import OutsideError
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, file_stem
from tasks.accumulation import LiveSkill
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.tables import alert_delivery, alert_event
from tasks.adapters.notify.outbox import Outbox, Overdue
from tasks.adapters.runs import RunLog
from tasks.settings import load_settings
from tasks.source_table import SourceRow
from tasks.watch.inflow import judge_outbox, judge_skill, judge_sources
from tasks.watch.machine import certificate_end, https_only, judge_expiry, judge_space, take_sample, token_end
from tasks.watch.products import check_address, check_days, check_files, turn
from tasks.watch.records import Finding, Sample, WatchLimits
from tests.unit.alert_receivers import certificate

TODAY = dt.date(2026, 5, 20)
NOW = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
GRID = Grid.from_origin("g", west=124.0, north=43.0, resolution=0.5, width=4, height=4)
TINY = Region(region_id="tiny", title="Tiny", grid=GRID, tiles=(), roles={}, statics={})


def publish(store: ProductStore, day: dt.date) -> ProductItem:
    draft = ProductItem(
        item_id=f"i{day}", product_id=SOIL_MOISTURE_1KM.product_id, algorithm_version="1", region_id="tiny", day=day,
        revision=0, maturity="final", created=NOW, assets=(), inputs=(), fingerprint="f", models=(),
        gate=GateResult(results=()), directory="",
    )

    def write(folder: Path, item: ProductItem) -> list[FileRef]:
        name, content = f"{file_stem(item)}_sm_surface.tif", f"{day}".encode()
        (folder / name).write_bytes(content)
        return [FileRef(uri=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))]

    return store.publish(draft, SOIL_MOISTURE_1KM, GRID, write)


def record(runs: RunLog, day: dt.date, outcome: Outcome, hour: int, **more: object) -> None:
    begun = dt.datetime.combine(day, dt.time(hour), dt.UTC)
    runs.write(RunRecord.model_validate({
        "run_id": f"{hour:02d}", "request": DailyRequest(region_id="tiny", day=day, as_of=begun), "outcome": outcome,
        "code_version": "1", "started": begun, "finished": begun, **more,
    }))


@pytest.fixture
def store(tmp_path: Path) -> ProductStore:
    return ProductStore(tmp_path / "products")


@pytest.fixture
def runs(tmp_path: Path) -> RunLog:
    return RunLog(tmp_path / "runs")


def keys(found: list[Finding]) -> list[str]:
    return [one.key for one in found]


def test_nothing_published_is_told(store: ProductStore, runs: RunLog) -> None:
    found, looked = check_days(store, runs, TINY, TODAY, WatchLimits())
    assert (keys(found), looked) == (["day.none"], 0)


def test_gaps_are_missing_but_what_is_not_due_yet_is_not(store: ProductStore, runs: RunLog) -> None:
    for back in (10, 9, 7, 4):
        publish(store, TODAY - back * DAY)
    found, looked = check_days(store, runs, TINY, TODAY, WatchLimits(oldest_days=4))
    assert keys(found) == [f"day.missing:{TODAY - back * DAY}" for back in (8, 6, 5)]
    assert looked == 11 and {one.code for one in found} == {"SM801"}
    assert keys(check_days(store, runs, TINY, TODAY, WatchLimits(oldest_days=3))[0])[0] == "day.stale"
    (last,) = check_days(store, runs, TINY, TODAY, WatchLimits(window_days=5))[0]
    assert last.key == f"day.missing:{TODAY - 5 * DAY}"


def test_the_last_run_of_a_day_tells_why(store: ProductStore, runs: RunLog) -> None:
    for back in (5, 1):
        publish(store, TODAY - back * DAY)
    check = CheckResult(check="range", severity="withhold", passed=False, measured=9, value=0.9, message="0.9")
    record(runs, TODAY - 4 * DAY, "withheld", 3, gate=GateResult(results=(check,)))
    record(runs, TODAY - 3 * DAY, "failed", 3, error_code="SM502", error="weights differ", remedy="restore them")
    record(runs, TODAY - 2 * DAY, "failed", 3, error_code="SM502", error="weights differ", remedy="restore them")
    record(runs, TODAY - 2 * DAY, "waiting", 4)
    record(runs, TODAY, "withheld", 1, gate=GateResult(results=(check,)))
    found, _ = check_days(store, runs, TINY, TODAY, WatchLimits())
    assert keys(found) == [f"day.withheld:{TODAY - 4 * DAY}", f"day.failed:{TODAY - 3 * DAY}",
                           f"day.missing:{TODAY - 2 * DAY}", f"day.withheld:{TODAY}"]
    assert "range" in found[0].message
    assert (found[1].code, found[1].remedy) == ("SM502", "restore them")


def test_damage_is_found_in_recent_days_at_once_and_in_old_ones_in_turn(store: ProductStore) -> None:
    items = [publish(store, TODAY - back * DAY) for back in range(20, -1, -1)]
    limits = WatchLimits(reread_days=5, reread_sample=4)
    for item in (items[-1], items[6]):
        (store.directory(item) / item.assets[0].uri).write_bytes(b"rot")
    found, looked, until = check_files(store, TINY, TODAY, None, limits)
    assert (keys(found), looked, until) == ([f"day.damaged:{items[-1].day}"], 9, items[3].day)
    found, _, until = check_files(store, TINY, TODAY, until, limits)
    assert sorted(keys(found)) == [f"day.damaged:{items[6].day}", f"day.damaged:{items[-1].day}"]
    seen = set()
    for _ in range(5):
        _, _, until = check_files(store, TINY, TODAY, until, limits)
        seen.add(until)
    assert len(seen) == 4                                              # 16 old days, 4 at a time: round in four


def test_the_turn_goes_round_and_takes_in_what_is_new() -> None:
    days = [TODAY + n * DAY for n in range(5)]
    assert turn(days, None, 2) == days[:2]
    assert turn(days, days[3], 2) == [days[4], days[0]]
    assert turn([*days, days[4] + DAY], days[4], 2) == [days[4] + DAY, days[0]]
    assert turn(days[:1], days[0], 3) == days[:1]


def test_a_pointer_to_another_day_and_a_lost_record_are_damage(store: ProductStore) -> None:
    items = [publish(store, TODAY - back * DAY) for back in (2, 1)]
    pointer = store.root / SOIL_MOISTURE_1KM.product_id / "tiny" / "latest.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"day": f"{items[0].day}"}))
    (store.directory(items[0]) / "item.json").write_text("{")
    found, _, _ = check_files(store, TINY, TODAY, None, WatchLimits())
    assert keys(found) == ["day.latest", f"day.damaged:{items[0].day}"]


def test_readers_must_get_the_newest_day_and_its_very_files(store: ProductStore) -> None:
    old, new = (publish(store, TODAY - back * DAY) for back in (2, 1))
    address = "https://data.example.org/products/"
    pointer = (store.root / SOIL_MOISTURE_1KM.product_id / "tiny" / "latest.json").read_bytes()

    def outside(url: str) -> bytes:
        return (store.root / url.removeprefix(address)).read_bytes()

    assert check_address(store, TINY, address, outside) == ([], 1)
    stale = json.dumps({"item_id": old.item_id, "day": f"{old.day}"}).encode()
    found, _ = check_address(store, TINY, address, lambda url: stale if url.endswith("latest.json") else b"")
    assert keys(found) == ["outside.latest"]
    found, _ = check_address(store, TINY, address, lambda url: pointer if url.endswith("latest.json") else b"page")
    assert keys(found) == ["outside.files"] and new.assets[0].uri in found[0].message


def row(name: str, **known: object) -> SourceRow:
    return SourceRow.model_validate({
        "source_id": name, "role": "lst_fine 1", "cadence_days": 1, "newest_day": TODAY - 3 * DAY,
        "newest_published": None, "latency_days": None, "declared_latency_days": None, "last_contact": NOW - DAY,
        "state": "fresh", "due": None, "failures": 0, "error_code": None, "remedy": "", **known,
    })


def test_sources_that_fail_or_are_silent_are_told_and_those_not_asked_are_not() -> None:
    rows = [row("fine"), row("late", state="late"), row("ended", state="ended", failures=99),
            row("never", state="unseen", last_contact=None), row("spare", state="degraded", last_contact=NOW - 9 * DAY),
            row("silent", state="degraded", remedy="Ask the provider."),
            row("failing", failures=5, error_code="SM202", remedy="Renew the token.")]
    found, asked = judge_sources(rows, NOW, WatchLimits())
    assert [(one.key, one.remedy) for one in found] == [("source.silent:silent", "Ask the provider."),
                                                        ("source.failing:failing", "Renew the token.")]
    assert asked == 5 and "SM202" in found[1].message
    late = [row("fine", last_contact=NOW - dt.timedelta(hours=49)), row("never", state="unseen", last_contact=None)]
    assert keys(judge_sources(late, NOW, WatchLimits())[0]) == ["source.contact"]
    assert keys(judge_sources([], NOW, WatchLimits())[0]) == ["source.contact"]


def test_alerts_that_wait_too_long_and_those_given_up_are_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.upgrade()
    with database.writing() as connection:
        for number, hours in enumerate((5, 7, 8)):
            sent = NOW - dt.timedelta(hours=hours)
            connection.execute(alert_event.insert().values(id=number, key=f"{number}", region_id="tiny", sent=sent,
                                                           content="{}"))
            connection.execute(alert_delivery.insert(), [
                {"event_id": number, "channel": "mail", "error_code": "SM705", "sent_at": None, "given_up_at": None},
                {"event_id": number, "channel": "cap", "error_code": None, "sent_at": sent, "given_up_at": None},
                {"event_id": number, "channel": "webhook:one", "error_code": "SM706", "sent_at": None,
                 "given_up_at": NOW - number * DAY},
            ])
    outbox = Outbox(database)
    found = outbox.overdue("tiny", NOW - dt.timedelta(hours=6), NOW - DAY)
    assert found == (Overdue(channel="mail", count=2, given_up=False, error_code="SM705"),
                     Overdue(channel="webhook:one", count=2, given_up=True, error_code="SM706"))
    assert outbox.overdue("other", NOW, NOW - DAY) == ()
    assert keys(judge_outbox(found, WatchLimits())) == ["alerts.waiting:mail", "alerts.given-up:webhook:one"]
    assert database.size() > 10_000
    database.close()


def test_room_on_the_disk_and_growth() -> None:
    limits = WatchLimits(least_free_gb=10, least_free_days=14, largest_database_gb=1, database_mb_per_day=50)
    before = Sample(taken=NOW - 2 * DAY, free=40_000_000_000, databases={"prefect": 100_000_000, "ledger": 5})
    same = Sample(taken=NOW, free=40_000_000_000, databases={"prefect": 150_000_000, "ledger": 5, "mlflow": 9**9})
    assert judge_space((before,), same, limits) == []
    full = Sample(taken=NOW, free=9_000_000_000, databases={"prefect": 1_100_000_000})
    assert keys(judge_space((before,), full, limits)) == ["space.disk", "space.trend", "database.size:prefect",
                                                          "database.growth:prefect"]
    filling = Sample(taken=NOW, free=34_000_000_000, databases={})     # 3 GB a day: full in 11 days
    assert keys(judge_space((before,), filling, limits)) == ["space.trend"]
    recent = before.model_copy(update={"taken": NOW - dt.timedelta(hours=2)})
    assert judge_space((recent,), filling, limits) == []               # two hours tell nothing


def test_a_sample_is_taken_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_bytes(b"x" * 1000)
    (tmp_path / "prefect" / "prefect.db-wal").write_bytes(b"x" * 500)
    sample = take_sample(load_settings(data=tmp_path), NOW)
    assert sample.databases["prefect"] == 1500 and set(sample.databases) == {"prefect", "ledger"}
    assert sample.free > 0


def jwt(**claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2ln"


def test_tokens_tell_their_end() -> None:
    assert token_end(jwt(exp=int((NOW + 3 * DAY).timestamp()))) == NOW + 3 * DAY
    assert token_end(jwt(uid="me")) is None
    assert token_end("opaque") is token_end("") is token_end("a.%%%.c") is token_end("a.W10.c") is None
    (soon,) = judge_expiry("the token", NOW + 3 * DAY, NOW, WatchLimits(expiry_days=14))
    assert (soon.code, soon.key) == ("SM807", "expiry:the token") and "ends soon" in soon.message
    (over,) = judge_expiry("the token", NOW - DAY, NOW, WatchLimits())
    assert "has ended" in over.message
    assert judge_expiry("the token", NOW + 15 * DAY, NOW, WatchLimits(expiry_days=14)) == []


@contextmanager
def secure_host(folder: Path) -> Iterator[tuple[int, Path]]:
    shown, key = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown, key)
    with closing(socket.create_server(("127.0.0.1", 0))) as plain:
        def answer() -> None:
            try:
                with closing(context.wrap_socket(plain.accept()[0], server_side=True)) as one:
                    one.recv(1)
            except OSError:
                pass

        thread = threading.Thread(target=answer)
        thread.start()
        yield plain.getsockname()[1], shown
        thread.join()


def test_certificates_tell_their_end_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    with secure_host(tmp_path) as (port, shown):
        end = certificate_end(f"https://127.0.0.1:{port}/products", shown)
    assert DAY < end - dt.datetime.now(dt.UTC) < 2 * DAY               # the certificate of the test lasts two days
    with secure_host(tmp_path) as (port, _), pytest.raises(OutsideError, match="certificate"):
        certificate_end(f"https://127.0.0.1:{port}/", None)
    assert https_only(["https://a.org/x", "https://a.org/y", "http://b.org", ""]) == ("https://a.org/y",)


def test_lost_skill_is_told() -> None:
    skill = [LiveSkill(layer="sm_surface", stations=4, judged=0.03, live=0.051),
             LiveSkill(layer="sm_rootzone", stations=4, judged=0.03, live=0.049)]
    assert keys(judge_skill(skill, WatchLimits(skill_loss_m3=0.02))) == ["skill:sm_surface"]
