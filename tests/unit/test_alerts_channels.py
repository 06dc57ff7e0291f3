"""The outbox and its channels, against real servers."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from defusedxml.ElementTree import parse
from pydantic import SecretStr
from sqlalchemy.dialects import postgresql

from sm_core.alerts import AlertEvent, Decision
from sm_core.errors import DeliveryError, DeliveryRefusedError
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.ledger.alerts import AlertBook, Decided
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.tables import alert_delivery, metadata
from tasks.adapters.notify import outbox
from tasks.adapters.notify.channel import MOST_REFUSALS, Channel, ChannelReport, deliver
from tasks.adapters.notify.folder import AtomFile, CapFiles, GeoJsonFile
from tasks.adapters.notify.mail import Mail, MailOptions
from tasks.adapters.notify.office import AlertOffice
from tasks.adapters.notify.outbox import Batch, Outbox
from tasks.adapters.notify.webhook import Webhook, WebhookOptions
from tests.unit.alert_cases import ISSUER, REGION, RULES, UNIT, date, unit_day
from tests.unit.alert_receivers import SECRET, Mailbox, Subscriber, certificate, listening, mail_server, only_me

ATOM = "{http://www.w3.org/2005/Atom}"
UNITS = {name: UNIT.model_copy(update={"unit_id": name}) for name in ("u1", "u2", "u3")}
HOUR = dt.timedelta(hours=1)
POSTGRES = os.environ.get("SM_TEST_POSTGRES")


@dataclass
class World:
    """A ledger, a folder and a clock that a test moves."""

    folder: Path
    database: Database
    now: dt.datetime = dt.datetime(2026, 5, 1, 6, tzinfo=dt.UTC)
    pauses: list[float] = field(default_factory=list)

    @property
    def book(self) -> AlertBook:
        return AlertBook(self.database)

    def office(self, *channels: Channel, owner: str = "me") -> AlertOffice:
        return AlertOffice(self.database, channels, (RULES,), ISSUER, owner, self.folder / ".sending",
                           lambda: self.now)

    def send(self, *channels: Channel, owner: str = "me") -> tuple[ChannelReport, ...]:
        return deliver(Outbox(self.database), channels, "test", owner, lambda: self.now, self.folder / ".sending")

    def drought(self, *channels: Channel, days: int = 3, first: int = 0) -> None:
        """So many days of drought in all units; messages arise on the third day, and go nowhere yet."""
        silent = [Silent(channel.name, channel.most) for channel in channels]
        for number in range(first, first + days):
            known = [unit_day(number, "1", unit_id=name) for name in UNITS]
            self.office(*silent).issue("test", REGION, date(number), known, UNITS)

    def webhook(self, url: str) -> Webhook:
        options = WebhookOptions(name="one", url=SecretStr(url), secret=SecretStr(SECRET), timeout_s=2)
        return Webhook(options, lambda: self.now, Patience(3, self.pauses.append, random.Random(1), DeliveryError))


@dataclass
class Silent:
    """Takes the place of a channel of this name and leaves all for later."""

    name: str
    most: int
    resends: bool = True

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        raise DeliveryError("later")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db", durable=True)
    database.upgrade()
    yield World(tmp_path, database)
    database.close()


def mail(port: int, **more: object) -> Mail:
    options = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "alerts@example.org",
               "recipients": ("a@example.org", "b@example.org"), "timeout_s": 2}
    return Mail(MailOptions.model_validate(options | more))


def wait(world: World) -> None:
    world.now += 12 * HOUR


def test_what_stands_and_what_waits_is_told(world: World) -> None:
    world.drought(CapFiles(world.folder))
    office = world.office(CapFiles(world.folder))
    assert [(one.unit.unit_id, one.number) for one in office.in_force("test")] == [("u1", 1), ("u2", 1), ("u3", 1)]
    outbox_of = Outbox(world.database)
    batch = outbox_of.claim("cap", "test", "me", world.now + HOUR, HOUR, 1)
    assert batch is not None
    outbox_of.doubt(batch, world.now)
    late = outbox_of.claim("cap", "test", "other", world.now + HOUR, HOUR, 1)
    assert late is not None
    outbox_of.give_up(late, "SM706", "not wanted", world.now)
    assert [(one.event.unit.unit_id, one.state) for one in office.pending("test")] == [
        ("u1", "in doubt"), ("u2", "given up"), ("u3", "waiting")]
    wait(world)
    office.deliver("test")
    assert [(one.event.unit.unit_id, one.state, one.error_code) for one in office.pending("test")] == [
        ("u2", "given up", "SM706")]
    world.now += 60 * 24 * HOUR
    assert office.in_force("test") == ()


def test_two_measures_of_a_unit_are_told_apart(world: World) -> None:
    upland = RULES.model_copy(update={"rules_id": "upland", "measure": "upland_stage"})
    office = AlertOffice(world.database, [CapFiles(world.folder)], (RULES, upland), ISSUER, "me",
                         world.folder / ".sending", lambda: world.now)
    headlines: list[str] = []
    for number in range(8):
        stages = (30.0, 0.0, 70.0, 0.0, 0.0) if number < 4 else (100.0, 0.0, 0.0, 0.0, 0.0)
        one = unit_day(number, "1", unit_id="u1").model_copy(update={"stage_percent": stages})
        headlines += office.issue("test", REGION, date(number), [one], UNITS).headlines
    assert headlines == ["Drought in Alpha & Co: dry (L1)", "Drought in Alpha & Co: very dry (L2)",
                         "Drought in Alpha & Co has ended"]
    told = world.book.events("test")
    assert [event.measure for event in told] == ["drought_class", "upland_stage", "upland_stage"]
    assert len({event.episode for event in told}) == 2
    assert [event.measure for event in office.in_force("test")] == ["drought_class"]


def test_files_are_written_and_marked(world: World) -> None:
    channels = (CapFiles(world.folder), AtomFile(world.folder, world.book),
                GeoJsonFile(world.folder, world.book, lambda: world.now))
    for number in range(3):
        known = [unit_day(number, "1", unit_id=name) for name in UNITS]
        report = world.office(*channels).issue("test", REGION, date(number), known, UNITS)
    assert len(report.headlines) == 3
    assert [(one.channel, one.sent, one.waiting) for one in report.channels] == [
        ("cap", 3, 0), ("atom", 3, 0), ("geojson", 3, 0)]
    identifiers = {event.identifier for event in world.book.events("test")}
    assert {path.stem for path in (world.folder / "test" / "cap").glob("*.xml")} == identifiers
    assert len(parse(world.folder / "test" / "alerts.atom").findall(f"{ATOM}entry")) == 3
    assert len(json.loads((world.folder / "test" / "alerts.geojson").read_text())["features"]) == 3
    before = {path: path.read_bytes() for path in world.folder.rglob("*.xml")}
    again = world.office(*channels).issue("test", REGION, date(2), known, UNITS)
    assert again.headlines == () and [one.sent for one in again.channels] == [0, 0, 0]
    assert {path: path.read_bytes() for path in world.folder.rglob("*.xml")} == before


def test_a_webhook_call_is_signed_and_has_its_key(world: World) -> None:
    subscriber = Subscriber()
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        wait(world)
        assert world.send(hook)[0].sent == 3
    events = world.book.events("test")
    assert subscriber.calls == [event.key for event in events]
    assert {json.loads(body)["data"]["id"] for body in subscriber.taken.values()} == {e.identifier for e in events}
    assert subscriber.headers[0]["webhook-timestamp"] == str(int(world.now.timestamp()))
    assert subscriber.headers[0]["content-type"] == "application/json"


def test_a_wrong_secret_is_refused_by_the_subscriber(world: World) -> None:
    subscriber = Subscriber()
    with listening(subscriber) as url:
        hook = world.webhook(url)
        hook._options = hook._options.model_copy(update={"secret": SecretStr("another one entirely")})
        world.drought(hook)
        wait(world)
        (report,) = world.send(hook)
    assert (report.sent, report.waiting, report.error_code) == (0, 3, "SM705") and "401" in str(report.error)
    assert subscriber.calls == []


def test_a_subscriber_that_asks_for_a_pause_gets_it(world: World) -> None:
    subscriber = Subscriber()
    subscriber.replies = [(503, {"Retry-After": "7"}), (429, {})]
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        wait(world)
        assert world.send(hook)[0].sent == 3
    assert world.pauses[0] == 7 and 1 <= world.pauses[1] <= 3
    assert len(subscriber.calls) == 5 and len(set(subscriber.calls)) == 3


def test_a_subscriber_that_is_down_keeps_the_order(world: World) -> None:
    subscriber = Subscriber()
    subscriber.replies = [(500, {})] * 3
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        wait(world)
        (report,) = world.send(hook)
        assert (report.sent, report.waiting, report.error_code) == (0, 3, "SM705")
        assert world.send(hook)[0].sent == 0, "it is left alone for a while"
        assert len(subscriber.calls) == 3, "no other message was tried"
        wait(world)
        assert world.send(hook)[0].sent == 3
    assert list(subscriber.taken) == [event.key for event in world.book.events("test")]


def test_a_message_that_is_refused_does_not_stop_the_others(world: World) -> None:
    subscriber = Subscriber()
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        for _ in range(MOST_REFUSALS):
            wait(world)
            subscriber.replies = [(422, {})]
            report = world.send(hook)[0]
    assert (report.waiting, report.error_code) == (0, "SM706")
    events = world.book.events("test")
    assert set(subscriber.taken) == {event.key for event in events[1:]}
    assert subscriber.calls.count(events[0].key) == MOST_REFUSALS


def test_no_message_shows_the_address_that_may_hold_a_key(world: World) -> None:
    hook = world.webhook("http://127.0.0.1:1/hook?token=t0ken")
    world.drought(hook)
    wait(world)
    (report,) = world.send(hook)
    assert report.error_code == "SM705" and "t0ken" not in str(report)
    for url in ("nonsense", "ftp://x/y", "http://"):
        with pytest.raises(DeliveryRefusedError):
            world.webhook(url)._post("k", b"")


def test_a_seen_key_is_a_receipt_and_a_redirect_is_none(world: World) -> None:
    subscriber = Subscriber()
    subscriber.replies = [(409, {}), *[(302, {"Location": "http://127.0.0.1:1/"})] * 3]
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        wait(world)
        (report,) = world.send(hook)
    assert (report.sent, report.waiting) == (1, 2) and "302" in str(report.error)


def test_one_mail_tells_all(world: World) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        world.drought(mail(port))
        wait(world)
        assert world.send(mail(port))[0].sent == 3
        assert world.send(mail(port))[0].sent == 0
    (only,) = mailbox.mails
    assert only["Subject"] == "[Test] Drought, Testland, 3 May 2026: 3 new"
    assert only["From"] == "Office <alerts@example.org>" and only["Auto-Submitted"] == "auto-generated"
    assert "a@example.org" not in str(only["To"]) and mailbox.recipients == ["a@example.org", "b@example.org"]
    text = only.get_content()
    assert all(text.count(event.identifier) == 2 for event in world.book.events("test"))
    assert "알파 가뭄: 건조 (L1)" in text


def test_mail_over_tls_with_a_login(world: World) -> None:
    cert, key = certificate(world.folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    mailbox = Mailbox()
    secured = {"security": "starttls", "user": "me", "password": "pa55", "ca_bundle": cert}
    with mail_server(mailbox, tls_context=context, require_starttls=True, authenticator=only_me,
                     auth_required=True) as port:
        world.drought(mail(port))
        for wrong in ({**secured, "ca_bundle": None}, {**secured, "password": "w0rd"}, {"security": "none"}):
            wait(world)
            (report,) = world.send(mail(port, **wrong))
            assert (report.sent, report.waiting, report.error_code) == (0, 3, "SM705"), "a wrong setting loses nothing"
            assert "w0rd" not in str(report)
        wait(world)
        assert world.send(mail(port, **secured))[0].sent == 3
    assert len(mailbox.mails) == 1


def test_a_mail_server_that_is_busy_gets_the_same_mail_later(world: World) -> None:
    mailbox = Mailbox()
    mailbox.replies = ["451 greylisted"]
    with mail_server(mailbox) as port:
        world.drought(mail(port))
        wait(world)
        assert "451" in str(world.send(mail(port))[0].error)
        world.drought(mail(port), days=8, first=3)
        wait(world)
        assert world.send(mail(port))[0].sent == 6
    first, second = mailbox.mails
    assert (first["Subject"].endswith("3 new"), second["Subject"].endswith("3 continuing")) == (True, True)


def test_recipients_that_are_unknown(world: World) -> None:
    mailbox = Mailbox()
    mailbox.unknown = {"a@example.org"}
    with mail_server(mailbox) as port:
        world.drought(mail(port))
        wait(world)
        assert world.send(mail(port))[0].sent == 3
        assert mailbox.recipients == ["b@example.org"]
        mailbox.unknown.add("b@example.org")
        world.drought(mail(port), days=8, first=3)
        wait(world)
        (report,) = world.send(mail(port))
    assert (report.waiting, report.error_code) == (3, "SM706")


@pytest.mark.parametrize(("policy", "mails"), [(True, 2), (False, 1)])
def test_a_mail_in_doubt_is_sent_again_under_its_name_or_held(world: World, policy: bool, mails: int) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        post = mail(port, resends=policy)
        world.drought(post)
        wait(world)
        box = Outbox(world.database)
        batch = box.claim("mail", "test", "me", world.now, HOUR, 100)
        assert batch is not None
        post.deliver(batch, lambda: box.doubt(batch, world.now))     # and the process dies before it is marked
        wait(world)
        (report,) = world.send(post)
    assert (report.sent, report.waiting) == ((3, 0) if policy else (0, 0))
    assert len(mailbox.mails) == mails and len(mailbox.distinct) == 1
    assert (report.error_code is None) is policy, "what is held is told"


def test_what_died_before_the_mail_was_handed_over_is_in_no_doubt(world: World) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        post = mail(port, resends=False)
        world.drought(post)
        wait(world)
        assert Outbox(world.database).claim("mail", "test", "me", world.now, HOUR, 100) is not None
        assert world.send(post)[0].sent == 3
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("policy", [True, False])
def test_a_connection_that_breaks_before_the_answer_leaves_a_doubt(world: World, policy: bool) -> None:
    mailbox = Mailbox()
    mailbox.breaks = True
    with mail_server(mailbox) as port:
        post = mail(port, resends=policy)
        world.drought(post)
        wait(world)
        (report,) = world.send(post)
        assert (report.sent, report.waiting, report.error_code) == (0, 3, "SM705")
        mailbox.breaks = False
        wait(world)
        assert world.send(post)[0].sent == (3 if policy else 0)
    assert (len(mailbox.mails), len(mailbox.distinct)) == (2 if policy else 1, 1)


def test_an_answer_leaves_no_doubt(world: World) -> None:
    mailbox = Mailbox()
    mailbox.replies = ["421 going away"]
    with mail_server(mailbox) as port:
        post = mail(port, resends=False)
        world.drought(post)
        wait(world)
        assert world.send(post)[0].waiting == 3
        wait(world)
        assert world.send(post)[0].sent == 3
    assert len(mailbox.mails) == 1


def test_what_another_installation_has_claimed_is_left_to_it(world: World) -> None:
    subscriber = Subscriber()
    with listening(subscriber) as url:
        hook = world.webhook(url)
        world.drought(hook)
        wait(world)
        assert Outbox(world.database).claim(hook.name, "test", "other", world.now, HOUR, 1) is not None
        assert world.send(hook)[0].sent == 2
        world.now += HOUR
        assert world.send(hook)[0].sent == 1
    assert len(subscriber.calls) == 3


def test_a_channel_that_comes_later_gets_only_what_comes_later(world: World) -> None:
    world.drought(CapFiles(world.folder))
    wait(world)
    assert world.send(CapFiles(world.folder / "x"), AtomFile(world.folder, world.book))[1].sent == 0


def test_regions_are_apart(world: World) -> None:
    world.drought(CapFiles(world.folder))
    wait(world)
    box = Outbox(world.database)
    assert box.claim("cap", "elsewhere", "me", world.now, HOUR, 1) is None
    assert box.waiting("cap", "elsewhere") == 0 and box.waiting("cap", "test") == 3


def test_a_folder_that_cannot_be_written_is_told_and_tried_again(world: World) -> None:
    blocked = world.folder / "blocked"
    blocked.write_text("a file where a folder should be")
    world.drought(CapFiles(blocked))
    wait(world)
    (report,) = world.send(CapFiles(blocked))
    assert (report.sent, report.waiting, report.error_code) == (0, 3, "SM705")
    blocked.unlink()
    wait(world)
    assert world.send(CapFiles(blocked))[0].sent == 3


def test_the_book_keeps_what_was_known_when(world: World) -> None:
    book, later = world.book, world.now + 24 * HOUR
    assert book.record("test", [unit_day(0, "1"), unit_day(1, "1")], world.now) == 2
    assert book.record("test", [unit_day(0, "1")], later) == 0
    assert book.record("test", [unit_day(0, "0")], later) == 1
    assert book.days("test", world.now)["u1"] == (unit_day(0, "1"), unit_day(1, "1"))
    assert book.days("test")["u1"] == (unit_day(0, "0"), unit_day(1, "1"))
    assert book.days("elsewhere") == {}


def test_two_processes_that_decide_at_once_tell_once(world: World) -> None:
    world.drought(CapFiles(world.folder))
    events: list[AlertEvent] = list(world.book.events("test"))
    for name in ("u1", "u2"):
        assert world.book.standings("test")[name].references == tuple(
            event.reference for event in events if event.unit.unit_id == name)
    stale = Decided(standing_id="u1", before=world.book.standings("test")["u2"].model_copy(update={"told": 2}),
                    decision=Decision(standing=world.book.standings("test")["u1"].model_copy(update={"told": 0})))
    assert world.book.commit("test", [stale], ["cap"]) == ((), ("u1",))
    assert world.book.events("test") == tuple(events)


def test_every_statement_compiles_for_postgresql() -> None:
    dialect = postgresql.dialect()
    ready = outbox._ready("cap", "test", "me", dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    text = str(ready.with_for_update(of=alert_delivery, skip_locked=True).compile(dialect=dialect))
    assert text.endswith("FOR UPDATE OF alert_delivery SKIP LOCKED")


@pytest.mark.skipif(not POSTGRES, reason="needs SM_TEST_POSTGRES, the URL of a database that may be emptied")
def test_alerts_on_postgresql(tmp_path: Path) -> None:
    engine = sa.create_engine(POSTGRES or "")
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("drop table if exists alembic_version")
    engine.dispose()
    with closing(Database(POSTGRES or "")) as database:
        database.upgrade()
        here = World(tmp_path, database)
        files = CapFiles(tmp_path)
        here.drought(files)
        wait(here)
        with ThreadPoolExecutor(4) as pool:
            claims = list(pool.map(
                lambda name: Outbox(database).claim("cap", "test", name, here.now, HOUR, 1), ("a", "b", "c", "d")))
        taken = [claim.event_ids for claim in claims if claim]
        assert taken and len(set(taken)) == len(taken), "nothing is claimed twice"
        here.now += HOUR
        assert here.send(files)[0].sent == 3
        here.drought(files, days=8, first=3)
        wait(here)
        assert (here.send(files)[0].sent, len(list((tmp_path / "test" / "cap").iterdir()))) == (3, 6)
