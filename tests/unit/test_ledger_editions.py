from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.domain import FileRef
from sm_core.errors import LedgerError
from tasks.adapters.fetch.protocol import Checksum, Listed
from tasks.adapters.ledger import Ledger

SOURCE = "MOD11A1.061"
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
ALWAYS = (dt.date(2000, 1, 1), dt.date(2030, 1, 1))


def at(day: int) -> dt.datetime:
    return BEGIN + dt.timedelta(days=day)


def listed(day: int = 1, produced: int = 1, revision: str = "1", **changes: object) -> Listed:
    name = f"MOD11A1.A2019{day:03d}.h28v05.061.2020{produced:03d}000000.hdf"
    return Listed(source_id=SOURCE, name=name, revision=revision, published=at(produced), url=f"http://host/{name}",
                  size=100, checksum=Checksum(algorithm="cksum", value="42")).model_copy(update=changes)


def file(mark: str = "a") -> FileRef:
    return FileRef(uri=f"/store/{mark}.hdf", sha256=mark * 64, size=100)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw")
    yield ledger
    ledger.close()


def to_fetch(ledger: Ledger, day: int) -> list[tuple[str, str]]:
    return [(one.name, one.revision) for one in ledger.pending([SOURCE], *ALWAYS, at(day))]


def statuses(ledger: Ledger, day: int) -> list[str]:
    return [one.status for one in ledger.editions(at(day))]


def test_listing_the_same_again_changes_nothing(ledger: Ledger) -> None:
    three = [listed(day) for day in (1, 2, 3)]
    assert ledger.record(three, at(1)) == 3
    before = ledger.editions(at(9))
    assert ledger.record(three, at(2)) == 0
    assert ledger.record([*three, listed(4)], at(3)) == 1
    assert ledger.editions(at(9))[:3] == before
    assert ledger.pending([SOURCE], *ALWAYS, at(3)) == (*three, listed(4))


def test_a_changed_address_is_taken_over_until_it_is_fetched(ledger: Ledger) -> None:
    ledger.record([listed(size=None, checksum=None)], at(1))
    moved = listed(url="http://elsewhere/x", size=7)
    assert ledger.record([moved], at(2)) == 0
    assert ledger.pending([SOURCE], *ALWAYS, at(2)) == (moved,)
    ledger.fetched(moved, file(), at(3))
    ledger.record([listed()], at(4))
    assert ledger.editions(at(4))[0].listed == moved


def test_only_wanted_days_and_sources_are_pending(ledger: Ledger) -> None:
    ledger.record([listed(day) for day in (1, 10, 20)], at(1))
    june = (dt.date(2019, 1, 10), dt.date(2019, 1, 19))
    assert [one.name for one in ledger.pending([SOURCE], *june, at(1))] == [listed(10).name]
    assert ledger.pending(["MYD11A1.061"], *ALWAYS, at(1)) == ()


def test_the_newest_edition_is_fetched_and_the_older_serves_until_then(ledger: Ledger) -> None:
    old, new = listed(produced=1), listed(produced=5)
    ledger.record([old], at(1))
    ledger.fetched(old, file("a"), at(2))
    ledger.record([new], at(5))
    assert to_fetch(ledger, 5) == [(new.name, "1")]
    assert statuses(ledger, 5) == ["fetched", "listed"]
    assert [granule.sha256 for granule in ledger.granules(at(6))] == ["a" * 64]
    ledger.fetched(new, file("b"), at(7))
    assert statuses(ledger, 7) == ["superseded", "fetched"]
    assert [granule.sha256 for granule in ledger.granules(at(7))] == ["b" * 64]
    assert [granule.sha256 for granule in ledger.granules(at(6))] == ["a" * 64]
    assert ledger.granules(at(1)) == ()


def test_an_older_edition_that_is_listed_later_is_not_wanted(ledger: Ledger) -> None:
    ledger.record([listed(produced=5)], at(1))
    ledger.record([listed(produced=1)], at(2))
    assert to_fetch(ledger, 2) == [(listed(produced=5).name, "1")]
    assert statuses(ledger, 2) == ["superseded", "listed"]


def test_the_later_production_is_newer_whatever_the_revisions(ledger: Ledger) -> None:
    ledger.record([listed(produced=1, revision="9"), *(listed(produced=5, revision=r) for r in "21")], at(1))
    assert to_fetch(ledger, 1) == [(listed(produced=5).name, "2")]


def test_a_granule_tells_what_its_name_says(ledger: Ledger) -> None:
    ledger.record([listed(day=32)], at(1))
    ledger.fetched(listed(day=32), file("c"), at(2))
    (granule,) = ledger.granules(at(2), [SOURCE])
    assert (granule.source_id, granule.tile, granule.start, granule.end) == (
        SOURCE, "h28v05", dt.date(2019, 2, 1), dt.date(2019, 2, 1))
    assert (granule.uri, granule.sha256, granule.size) == ("/store/c.hdf", "c" * 64, 100)


def test_fetching_again_keeps_the_first_time(ledger: Ledger) -> None:
    ledger.record([listed()], at(1))
    ledger.fetched(listed(), file(), at(2))
    ledger.fetched(listed(), file(), at(8))
    assert len(ledger.granules(at(3))) == 1


def test_times_are_compared_in_utc_whatever_their_zone(ledger: Ledger) -> None:
    korea = dt.timezone(dt.timedelta(hours=9))
    ledger.record([listed()], at(1).astimezone(korea))
    ledger.fetched(listed(), file(), at(2).astimezone(korea))
    assert len(ledger.granules(at(2))) == 1
    assert ledger.granules(at(2) - dt.timedelta(seconds=1)) == ()
    with pytest.raises(LedgerError, match="without a zone"):
        ledger.record([listed(day=2)], dt.datetime(2020, 1, 1))


def test_a_quarantined_edition_does_not_hide_an_older_good_one(ledger: Ledger) -> None:
    old, new = listed(produced=1), listed(produced=5)
    ledger.record([old, new], at(1))
    ledger.quarantined(new, "SM205", "not the listed checksum", at(2))
    assert to_fetch(ledger, 2) == [(old.name, "1")]
    ledger.fetched(old, file(), at(3))
    assert statuses(ledger, 3) == ["fetched", "quarantined"]
    assert ledger.editions(at(3))[1].error_code == "SM205"


def test_a_fetched_file_found_bad_later_was_in_use_until_then(ledger: Ledger) -> None:
    ledger.record([listed()], at(1))
    ledger.fetched(listed(), file(), at(2))
    ledger.quarantined(listed(), "SM205", "cannot be decoded", at(5))
    assert len(ledger.granules(at(4))) == 1
    assert ledger.granules(at(5)) == ()
    assert to_fetch(ledger, 6) == []
    assert ledger.release(SOURCE, listed().name) == 1
    assert to_fetch(ledger, 6) == [(listed().name, "1")]


def test_a_failed_edition_waits_for_its_time(ledger: Ledger) -> None:
    ledger.record([listed()], at(1))
    ledger.failed(listed(), "SM204", "HTTP 404", at(1), retry_at=at(3))
    assert (to_fetch(ledger, 2), to_fetch(ledger, 3)) == ([], [(listed().name, "1")])
    ledger.failed(listed(), "SM204", "HTTP 404", at(3), retry_at=at(4))
    assert ledger.editions(at(4))[0].failures == 2
    ledger.fetched(listed(), file(), at(5))
    assert ledger.editions(at(5))[0].error_code is None


def test_a_withdrawn_edition_is_used_no_more_but_was(ledger: Ledger) -> None:
    ledger.record([listed(), listed(day=2)], at(1))
    ledger.fetched(listed(), file(), at(2))
    gone = listed(revision="2", withdrawn=True)
    assert ledger.record([gone], at(5)) == 2  # the note itself, and the edition
    assert ledger.record([gone], at(6)) == 0
    assert len(ledger.granules(at(4))) == 1
    assert ledger.granules(at(5)) == ()
    assert to_fetch(ledger, 6) == [(listed(day=2).name, "1")]


def test_withdrawal_of_the_very_edition_and_return_as_a_later_one(ledger: Ledger) -> None:
    ledger.record([listed()], at(1))
    assert ledger.record([listed(withdrawn=True)], at(2)) == 1
    assert to_fetch(ledger, 2) == []
    ledger.record([listed()], at(3))
    assert to_fetch(ledger, 3) == []
    ledger.record([listed(revision="2")], at(4))
    assert to_fetch(ledger, 4) == [(listed().name, "2")]


def test_an_edition_listed_after_its_withdrawal_stays_withdrawn(ledger: Ledger) -> None:
    ledger.record([listed(revision="2", withdrawn=True)], at(1))
    ledger.record([listed(revision="1")], at(2))
    assert to_fetch(ledger, 2) == []
    assert statuses(ledger, 2) == ["withdrawn", "withdrawn"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "setup.exe", "a\0b", "\ud800", "x" * 5000, ""])
def test_foreign_names_are_noted_but_never_fetched(ledger: Ledger, name: str) -> None:
    assert ledger.record([listed(name=name), listed()], at(1)) == 2
    assert ledger.record([listed(name=name)], at(2)) == 0
    assert to_fetch(ledger, 2) == [(listed().name, "1")]
    assert {one.status for one in ledger.editions(at(2))} == {"listed", "quarantined"}
    assert ledger.health(SOURCE, at(2)).quarantined == 1


def test_a_claim_binds_others_until_it_ends(ledger: Ledger) -> None:
    both = (listed(1), listed(2))
    ledger.record(both, at(1))
    day = dt.timedelta(days=1)
    assert ledger.claim(both[:1], "one", at(1), day) == both[:1]
    assert ledger.claim(both, "two", at(1), day) == both[1:]
    assert ledger.claim(both, "one", at(1), day) == both[:1]
    assert ledger.claim(both, "two", at(2), day) == both
    ledger.failed(both[0], "SM201", "HTTP 503", at(2), at(2))
    ledger.fetched(both[1], file(), at(2))
    assert ledger.claim(both, "one", at(2), day) == both[:1]


def test_what_was_never_listed_cannot_be_fetched(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no such edition"):
        ledger.fetched(listed(), file(), at(1))


def test_health_tells_what_was_seen_and_how_the_provider_answers(ledger: Ledger) -> None:
    assert ledger.health(SOURCE, at(1)).newest_day is None
    gone = listed(day=9, produced=9, withdrawn=True)
    ledger.record([listed(day=5, produced=2), listed(day=4, produced=3), gone], at(1))
    ledger.fetched(listed(day=4, produced=3), file(), at(1))
    for day, error in ((1, None), (2, "SM201"), (3, "SM202")):
        ledger.note_contact(SOURCE, at(day), error)
    health = ledger.health(SOURCE, at(9))
    assert (health.newest_day, health.newest_published) == (dt.date(2019, 1, 5), at(3))
    assert (health.listed, health.fetched, health.quarantined) == (1, 1, 0)
    assert (health.last_success, health.last_failure, health.failures, health.error_code) == (at(1), at(3), 2, "SM202")
    ledger.note_contact(SOURCE, at(4))
    assert ledger.health(SOURCE, at(9)).model_dump(include={"failures", "error_code", "last_failure"}) == {
        "failures": 0, "error_code": None, "last_failure": at(3)}


def test_a_file_that_still_grows_is_not_newer_than_its_publication(ledger: Ledger) -> None:
    name = "SMs_2020_GLEAM_v4.2a.nc"
    yearly = Listed(source_id="GLEAM_v4.2a.SMs", name=name, revision="1", published=at(100), url="")
    ledger.record([yearly], at(100))
    assert ledger.health("GLEAM_v4.2a.SMs", at(100)).newest_day == at(100).date()


Event = tuple[str, int, int, str]
EVENTS = st.lists(
    st.tuples(st.sampled_from(["record", "withdraw", "fetched", "quarantined", "failed"]), st.integers(1, 2),
              st.integers(1, 3), st.sampled_from("12")),
    max_size=25,
)


def apply(ledger: Ledger, when: int, event: Event) -> None:
    kind, day, produced, revision = event
    one = listed(day, produced, revision)
    if kind in ("record", "withdraw"):
        ledger.record([one.model_copy(update={"withdrawn": kind == "withdraw"})], at(when))
        return
    try:
        if kind == "fetched":
            ledger.fetched(one, FileRef(uri="/x", sha256=f"{day}{produced}{revision}", size=1), at(when))
        elif kind == "quarantined":
            ledger.quarantined(one, "SM205", "bad", at(when))
        else:
            ledger.failed(one, "SM201", "down", at(when), at(when + 1))
    except LedgerError:
        pass


@settings(max_examples=40)
@given(EVENTS)
def test_any_past_day_is_replayed_as_it_was_known_then(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("replay")
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", folder / "raw")
    then = []
    for when, event in enumerate(events):
        apply(ledger, when, event)
        then.append((ledger.granules(at(when)), statuses(ledger, when)))
        keys = [(granule.start, granule.tile) for granule in then[-1][0]]
        assert len(keys) == len(set(keys))
    assert [(ledger.granules(at(when)), statuses(ledger, when)) for when in range(len(events))] == then
    ledger.close()


@settings(max_examples=25)
@given(st.permutations([listed(1, 1, "1"), listed(1, 1, "2", withdrawn=True), listed(1, 2), listed(2, 1, "1"),
                        listed(2, 1, "3"), listed(2, 1, "2", withdrawn=True)]), st.integers(1, 5))
def test_the_order_of_a_listing_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, listings: list[Listed], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", folder / "raw")
    ledger.record(listings[:cut], at(1))
    ledger.record(listings[cut:], at(1))
    assert to_fetch(ledger, 1) == [(listed(1, 2).name, "1"), (listed(2, 1).name, "3")]
    ledger.close()


def test_latency_is_measured_from_first_editions(ledger: Ledger) -> None:
    """Days 1 to 3 of 2019 are published 2, 4 and 9 days after their end; a reprocessing much later changes nothing."""
    def published(day: int, after: float, revision: str = "1") -> Listed:
        when = dt.datetime(2019, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day + after)
        return listed(day, revision=revision, published=when)

    assert ledger.health(SOURCE, at(9)).latency_days is None
    ledger.record([published(1, 2), published(2, 4), published(3, 9), published(3, 300, "2")], at(1))
    assert ledger.health(SOURCE, at(9)).latency_days == pytest.approx(4)
