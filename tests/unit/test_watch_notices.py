"""A whole watch against a real mail server and HTTP hosts: told once, told when over, the dead man only when well."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from tasks.settings import load_settings
from tasks.watch import look as looking
from tasks.watch.look import look, memory_of, watch_text
from tasks.watch.memory import read_memory
from tasks.watch.notices import text_of
from tasks.watch.records import WatchLimits, WatchReport, WatchRequest
from tasks.wiring import services
from tests.unit.alert_receivers import SECRET, Mailbox, Subscriber, listening, mail_server, served
from tests.unit.test_watch_checks import DAY, NOW, TODAY, publish

LIMITS = WatchLimits(quiet_runs=1, least_free_gb=0, least_free_days=0)


class Calls:
    """A host that answers every GET, and keeps the paths."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.status = 200


@contextmanager
def answering(calls: Calls) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.paths.append(self.path)
            self.send_response(calls.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with served(Handler) as address:
        yield f"{address}/ping/s3cret-key"


class World:
    """A data folder with four published days, a mailbox, a subscriber and a dead-man host."""

    def __init__(self) -> None:
        self.mailbox, self.subscriber, self.calls = Mailbox(), Subscriber(), Calls()
        self.hours = 0

    def watch(self) -> WatchReport:
        self.hours += 1
        request = WatchRequest(region_id="tiny", as_of=NOW + dt.timedelta(hours=self.hours), limits=LIMITS)
        return look.fn(request)

    def damage(self) -> Path:
        item = services().store.latest("soil_moisture_1km", "tiny")
        assert item is not None
        path = services().store.directory(item) / item.assets[0].uri
        shutil.move(path, path.with_suffix(".away"))
        return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    (tmp_path / "archive").mkdir()
    grid = {"grid_id": "g", "west": 124.0, "north": 43.0, "resolution": 0.5, "width": 4, "height": 4}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({
        "region_id": "tiny", "title": "Tiny", "grid": grid, "tiles": [], "roles": {}, "statics": {}}))
    with ExitStack() as stack:
        port = stack.enter_context(mail_server(world.mailbox))
        hook = stack.enter_context(listening(world.subscriber))
        dead_man = stack.enter_context(answering(world.calls))
        for name, value in {
            "SM_DATA": tmp_path, "SM_ARCHIVE": tmp_path / "archive", "SM_ALERT_SMTP_HOST": "127.0.0.1",
            "SM_ALERT_SMTP_PORT": port, "SM_ALERT_SMTP_SECURITY": "none", "SM_ALERT_MAIL_FROM": "sm@example.org",
            "SM_ALERT_MAIL_TO": "public@example.org", "SM_WATCH_MAIL_TO": "ops@example.org",
            "SM_WATCH_WEBHOOKS": json.dumps([{"name": "ops", "url": hook, "secret": SECRET}]),
            "SM_WATCH_DEAD_MAN_URL": dead_man, "SM_REGION_FILE": tmp_path / "tiny.yaml",
        }.items():
            monkeypatch.setenv(name, str(value))
        for back in range(4):
            publish(services().store, TODAY - back * DAY)
        yield world


def test_all_is_well_and_only_the_dead_man_hears_of_it(world: World) -> None:
    report = world.watch()
    assert report.well and report.dead_man == "called"
    assert report.checks == {"days": 4, "files": 4, "address": 0, "sources": 0, "alerts": 0, "space": 2, "expiry": 0,
                             "skill": 0}
    assert (world.calls.paths, world.mailbox.mails, world.subscriber.calls) == (["/ping/s3cret-key"], [], [])
    assert "all is well" in watch_text(report)


def test_a_trouble_is_told_once_through_each_channel_and_once_when_it_is_over(world: World) -> None:
    path = world.damage()
    first = world.watch()
    assert [one.finding.code for one in first.troubles] == ["SM804"] and first.dead_man == "not called"
    for _ in range(3):
        assert world.watch().began == 0
    (mail,) = world.mailbox.mails
    assert mail["Subject"] == "sm-daily tiny: 1 new: SM804"
    assert path.name in mail.get_content() and "What to do: Published files are missing" in mail.get_content()
    assert world.mailbox.recipients == ["ops@example.org"]             # not those who are warned of droughts
    (body,) = (json.loads(one) for one in world.subscriber.taken.values())
    assert [one["code"] for one in body["began"]] == ["SM804"] and body["type"] == "watch"
    shutil.move(path.with_suffix(".away"), path)
    over = world.watch()
    assert (over.ended, over.well, over.dead_man) == (1, True, "called")
    assert world.mailbox.mails[1]["Subject"] == "sm-daily tiny: 1 over"
    assert len(world.subscriber.taken) == 2
    world.watch()
    assert (len(world.mailbox.mails), len(world.calls.paths)) == (2, 2)


def test_a_notice_waits_for_its_channel_and_no_other_is_held_up(world: World) -> None:
    path = world.damage()
    world.mailbox.replies = ["451 later"]
    report = world.watch()
    assert len(report.undelivered) == 1 and report.undelivered[0].startswith("mail: SM705")
    assert (len(world.mailbox.mails), len(world.subscriber.calls)) == (0, 1)
    shutil.move(path.with_suffix(".away"), path)
    world.mailbox.replies = ["451 later"]
    report = world.watch()
    assert report.troubles == () and not report.well and report.dead_man == "not called"
    assert world.watch().well
    assert [mail["Subject"] for mail in world.mailbox.mails] == ["sm-daily tiny: 1 new: SM804",
                                                                 "sm-daily tiny: 1 over"]
    assert len(world.subscriber.calls) == 2


def test_a_watch_that_dies_while_sending_sends_again_under_the_same_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.damage()
    writes: list[int] = []
    genuine = looking.write_memory

    def dies_at_the_second(path: Path, memory: object) -> None:
        writes.append(1)
        if len(writes) == 2:
            raise KeyboardInterrupt
        genuine(path, memory)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(looking, "write_memory", dies_at_the_second)
        world.watch()
    assert world.watch().began == 0
    assert len(world.mailbox.mails) == 2 and len(world.mailbox.distinct) == 1
    assert len(world.subscriber.calls) == 2 and len(world.subscriber.taken) == 1
    assert read_memory(memory_of("tiny")).pending == ()


def test_a_check_that_cannot_be_made_is_a_trouble_and_the_others_are_made(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SM_LEDGER_URL", f"sqlite:///{tmp_path}/archive")         # a folder
    report = world.watch()
    assert {one.finding.key: one.finding.code for one in report.troubles} == {
        "check:alerts": "SM704", "check:space": "SM704"}
    assert report.checks["files"] == 4 and "could not be made" in report.troubles[0].finding.message


def test_secrets_are_in_no_report_or_memory(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.calls.status = 500
    report = world.watch()
    assert report.dead_man.startswith("SM810") and "127.0.0.1" in report.dead_man
    world.damage()
    world.subscriber.replies = [(500, {})] * 3
    report = world.watch()
    memory = read_memory(memory_of("tiny"))
    told = watch_text(report) + memory.model_dump_json() + text_of(memory.pending[0].notice) + caplog.text
    for secret in ("s3cret-key", "t0ken", SECRET):
        assert secret not in told
    assert load_settings().data.is_dir()
