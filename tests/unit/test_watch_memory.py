"""A trouble is told once when it begins and once when it is over, whatever comes in between."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tasks.watch.memory import compare, notice_of, read_memory, sampled, write_memory
from tasks.watch.records import Finding, Memory, Pending, Sample, Trouble

START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
KEYS = ("disk", "day", "source")


def finding(key: str, message: str = "") -> Finding:
    return Finding(key=key, code="SM800", message=message or key, remedy="mend it")


def test_a_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    first = compare((), [finding("disk")], START, 1)
    assert [one.key for one in first.began] == ["disk"]
    again = compare(first.troubles, [finding("disk", "worse")], START + HOUR, 1)
    assert (again.began, again.ended) == ((), ())
    assert again.troubles == (Trouble(finding=finding("disk", "worse"), since=START),)
    over = compare(again.troubles, [], START + 2 * HOUR, 1)
    assert over.troubles == () and [(one.finding.key, one.since) for one in over.ended] == [("disk", START)]


def test_a_trouble_that_comes_and_goes_is_one_trouble() -> None:
    known, began, ended = (), 0, 0
    for number, there in enumerate([1, 0, 1, 0, 1, 0, 0, 1]):
        change = compare(known, [finding("disk")] if there else [], START + number * HOUR, 2)
        known, began, ended = change.troubles, began + len(change.began), ended + len(change.ended)
    assert (began, ended) == (2, 1)                                    # absent twice in a row ended the first


@given(st.lists(st.sets(st.sampled_from(KEYS)), max_size=30), st.integers(1, 3))
def test_beginnings_and_ends_alternate_and_match_what_stands(runs: list[set[str]], quiet: int) -> None:
    known: tuple[Trouble, ...] = ()
    told: dict[str, list[str]] = {key: [] for key in KEYS}
    for number, keys in enumerate(runs):
        change = compare(known, [finding(key) for key in sorted(keys)], START + number * HOUR, quiet)
        for one in change.began:
            told[one.key].append("begin")
        for trouble in change.ended:
            told[trouble.finding.key].append("end")
        known = change.troubles
        assert keys <= {one.finding.key for one in known}
    for key, events in told.items():
        assert events == (["begin", "end"] * len(events))[:len(events)]
        assert (events[-1:] == ["begin"]) == any(one.finding.key == key for one in known)


def test_the_same_change_has_the_same_notice_and_another_another() -> None:
    change = compare((), [finding("disk")], START, 1)
    assert notice_of("r", change, START) == notice_of("r", change, START)
    keys = {one.key for one in (notice_of("r", change, START), notice_of("q", change, START),
                                notice_of("r", change, START + HOUR)) if one}
    assert len(keys) == 3
    assert notice_of("r", compare(change.troubles, [finding("disk")], START, 1), START) is None


def test_samples_are_one_a_day_for_thirty_days() -> None:
    samples: tuple[Sample, ...] = ()
    for hour in range(24 * 40):
        samples = sampled(samples, Sample(taken=START + hour * HOUR, free=hour, databases={}))
    assert [one.free for one in samples] == [24 * day for day in range(10, 40)]
    assert samples[-1].taken.date() - samples[0].taken.date() == 29 * DAY


def test_what_is_remembered_is_read_again_and_damage_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "watch" / "r.json"
    assert read_memory(path) == Memory()
    notice = notice_of("r", compare((), [finding("disk")], START, 1), START)
    assert notice is not None
    memory = Memory(troubles=(Trouble(finding=finding("disk"), since=START),), reread_until=START.date(),
                    pending=(Pending(notice=notice, channels=("mail",)),))
    write_memory(path, memory)
    assert read_memory(path) == memory
    path.write_text(path.read_text()[:-20])
    assert read_memory(path) == Memory()
