"""What is told, and when."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.alerts import AlertEvent, Change, Issuer, Text
from sm_core.errors import StaticLayerError
from tests.unit.alert_cases import RULES, SCHEME, UNIT, date, live, series, tell, unit_day


def told(events: list[AlertEvent]) -> list[tuple[int, str, str, int]]:
    return [((event.day - date(0)).days, event.kind, event.message_type, event.number) for event in events]


def test_a_drought_from_its_first_message_to_its_last() -> None:
    _, events = live("0111112220000" + "0")
    assert told(events) == [
        (3, "issue", "Alert", 1), (8, "update", "Update", 2), (12, "cancel", "Cancel", 0),
    ]
    issue, update, cancel = events
    assert [event.onset for event in events] == [date(3)] * 3
    assert len({event.episode for event in events}) == 1
    assert (issue.references, update.references, cancel.references) == (
        (), (issue.reference,), (issue.reference, update.reference))
    assert update.previous and update.previous.name == "L1" and cancel.level is None
    assert issue.expires == dt.datetime(2026, 5, 20, tzinfo=dt.UTC)      # 4 May, 7 + 8 days, the end of the day


def test_a_second_drought_is_another_episode() -> None:
    _, events = live("1110000" + "000" + "111")
    assert [event.kind for event in events] == ["issue", "cancel", "issue"]
    assert events[2].references == () and events[2].episode != events[0].episode


def test_an_alert_in_force_is_renewed_on_usable_days() -> None:
    _, events = live("111" + "1" * 14)
    assert told(events) == [(2, "issue", "Alert", 1), (9, "renewal", "Update", 1), (16, "renewal", "Update", 1)]
    _, events = live("1111111" + "xxx" + "1")
    assert told(events)[1:] == [(10, "renewal", "Update", 1)]


def test_an_alert_that_eases_is_renewed_later() -> None:
    _, events = live("1111111" + "000" + "1")
    assert told(events)[1:] == [(10, "renewal", "Update", 1)]
    _, events = live("1111110" + "x" * 3 + "0")
    assert told(events)[1:] == [(10, "renewal", "Update", 1)], "eight days after the last message it would lapse"


def test_nothing_is_told_on_gap_filled_days_alone() -> None:
    standing, events = live("xxxxxxxxxx")
    assert (standing, events) == (None, [])
    _, events = live("111" + "x" * 20)
    assert told(events) == [(2, "issue", "Alert", 1)]


def test_what_lapsed_is_told_anew() -> None:
    _, events = live("111" + "." * 20 + "111")
    assert told(events) == [(2, "issue", "Alert", 1), (25, "issue", "Alert", 1)]
    assert events[1].onset == date(25)


def test_a_message_still_valid_is_taken_back_after_a_lapse() -> None:
    _, events = live("111" + "." * 10 + "0")
    assert told(events) == [(2, "issue", "Alert", 1), (13, "cancel", "Cancel", 0)]


def test_the_past_before_the_first_day_is_taken_as_told() -> None:
    standing, event = tell(None, series("1110000000"), date(9))
    assert event is None
    assert standing is not None and (standing.told, standing.since, standing.through) == (0, date(9), date(9))


def test_an_alert_in_force_is_told_at_the_first_time() -> None:
    _, event = tell(None, series("1111111"), date(6))
    assert event is not None and event.kind == "issue" and event.onset == date(2)


def test_late_final_values_that_change_the_past_are_a_correction() -> None:
    standing, events = live("0111110")
    assert [event.kind for event in events] == ["issue"]
    final = [*series("0"), *(unit_day(n, "0", provisional=False) for n in (1, 2, 3, 4)), *series("0111110")[5:]]
    after, event = tell(standing, final, date(3))
    assert event is not None and after is not None
    assert (event.kind, event.message_type, event.number, event.day) == ("correction", "Cancel", 0, date(6))
    assert event.told == (Change(day=date(3), level=1),) and event.known == ()
    assert event.references == (events[0].reference,)
    assert tell(after, final, date(3)) == (after, None)


def test_a_correction_may_move_an_alert_in_force() -> None:
    standing, _ = live("0111111")
    _, event = tell(standing, series("1111111"), date(0))
    assert event is not None
    assert (event.kind, event.message_type, event.number, event.onset) == ("correction", "Update", 1, date(2))


def test_an_alert_that_should_have_been_is_told_as_past() -> None:
    standing, events = live("0011000000")
    assert events == []
    _, event = tell(standing, series("0111000000"), date(1))
    assert event is not None
    assert (event.kind, event.message_type, event.number, event.references) == ("correction", "Alert", 0, ())
    assert [(change.day, change.level) for change in event.known] == [(date(3), 1), (date(7), 0)]


def test_a_drought_found_late_and_still_there_opens_an_episode() -> None:
    standing, events = live("0101011")
    assert events == []
    _, event = tell(standing, series("0101111"), date(4))
    assert event is not None and (event.kind, event.message_type, event.number) == ("correction", "Alert", 1)


def test_final_values_of_the_same_classes_are_no_news() -> None:
    standing, _ = live("0111111")
    final = [day.model_copy(update={"provisional": False, "mean_percentile": 14.0}) for day in series("0111111")]
    assert tell(standing, final, date(3))[1] is None


def test_a_revision_without_evidence_waits_for_the_next_usable_day() -> None:
    standing, _ = live("0111111")
    final = [*series("0111111")[:3], unit_day(3, "x"), unit_day(4, "0"), *series("0111111")[5:]]
    assert tell(standing, final, date(3)) == (standing, None)
    _, event = tell(standing, final, date(4))
    assert event is not None and event.kind == "correction"


def test_small_shifts_are_no_correction_if_the_rules_say_so() -> None:
    lenient = SCHEME.model_copy(update={"rules": RULES.model_copy(update={"tolerance_days": 1})})
    standing, _ = live("0111111", lenient)
    assert tell(standing, series("1111111"), date(0), lenient)[1] is None


def test_other_rules_do_not_correct_but_go_on() -> None:
    standing, _ = live("0111111")
    stricter = RULES.model_copy(update={"min_assessed_percent": 90})
    laxer = SCHEME.model_copy(update={"rules": RULES.model_copy(update={"longest_gap_days": 4})})
    assert tell(standing, series("0000011"), date(6), laxer)[1].kind == "cancel"  # type: ignore[union-attr]
    assert tell(standing, series("01111110"), date(7), SCHEME.model_copy(update={"rules": stricter}))[1] is None


def test_old_changes_are_taken_as_told() -> None:
    short = SCHEME.model_copy(update={"rules": RULES.model_copy(update={"correct_days": 10})})
    standing, _ = live("1110000" + "0" * 20, short)
    assert tell(standing, series("0" * 27), date(1), short)[1] is None
    assert tell(*[live("1110000" + "0" * 20)[0]], series("0" * 27), date(1))[1].kind == "correction"  # type: ignore[union-attr]


def test_a_key_is_made_of_the_content_alone() -> None:
    _, first = tell(None, series("111"), date(2))
    _, again = tell(None, list(reversed(series("111"))), date(2))
    _, other = tell(None, series("222"), date(2))
    assert first and again and other
    assert first.key == again.key != other.key
    later = first.model_copy(update={"sent": first.sent + dt.timedelta(hours=3)})
    assert later.key == first.key and first.identifier == f"sm-20260503-{first.key[:32]}"


@given(st.text("0~12xF.", min_size=1, max_size=50))
def test_asked_again_there_is_nothing_more_to_tell(signs: str) -> None:
    standing, events = live(signs)
    days = series(signs)
    for day in days:
        assert tell(standing, days, day.day) == (standing, None)
    keys = [event.key for event in events]
    assert len(set(keys)) == len(keys)


@given(st.text("0~12xF.", min_size=1, max_size=50))
def test_messages_are_a_story_that_holds_together(signs: str) -> None:
    level, sent = 0, []
    for event in live(signs)[1]:
        assert event.kind != "correction", "no day was revised"
        assert (event.message_type == "Alert") == (event.references == ())
        assert event.previous_number == (level if event.message_type != "Alert" else 0)
        if event.message_type != "Alert":
            assert event.references == tuple(sent)
        sent = [*event.references, event.reference]
        level = event.number


@given(st.text("012x", min_size=8, max_size=40), st.data())
def test_after_any_revision_the_told_level_is_the_known_one(signs: str, data: st.DataObject) -> None:
    standing, _ = live(signs)
    position = data.draw(st.integers(0, len(signs) - 1))
    revised = signs[:position] + data.draw(st.sampled_from("012")) + signs[position + 1:]
    after, _ = tell(standing, series(revised), date(position))
    assert after is not None
    final, event = tell(after, series(revised), date(position))
    assert event is None and final == after
    current = [change.level for change in after.history]
    assert after.told == (current[-1] if current else 0)


def test_an_outline_that_is_none_is_told() -> None:
    for geometry in ('{"type":"Point","coordinates":[1,2]}', "nonsense", '{"type":"Polygon","coordinates":[]}'):
        with pytest.raises(StaticLayerError):
            tell(None, series("111"), date(2), unit=UNIT.model_copy(update={"geometry": geometry}))


@pytest.mark.parametrize("sender", ["", "two words", "a,b", "a<b", "a&b"])
def test_a_sender_that_cap_forbids(sender: str) -> None:
    with pytest.raises(ValueError, match="comma"):
        Issuer(sender=sender, name=Text(en="x", ko="x"))
