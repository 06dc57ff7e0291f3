"""The state of a unit, day by day."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.alerts import Change, UnitState, load_rules, replay, usable
from sm_core.alerts.machine import changes, clipped
from sm_core.errors import AlertRulesError
from tests.unit.alert_cases import RULES, date, series, unit_day

ROOT = Path(__file__).resolve().parents[2]


def history(signs: str, until: int | None = None) -> list[tuple[int, int]]:
    last = len(signs) - 1 if until is None else until
    found, _ = replay(series(signs), RULES, date(last))
    return [((change.day - date(0)).days, change.level) for change in found]


@pytest.mark.parametrize(("signs", "expected"), [
    ("11", []),                                   # three days are needed
    ("111", [(2, 1)]),
    ("222", [(2, 2)]),                            # both levels count from the first day
    ("112221", [(2, 1), (4, 2)]),
    ("1101111", [(5, 1)]),                        # a day without drought: counting starts anew
    ("11~111", [(5, 1)]),                         # so does one between the two thresholds
    ("11x1", [(3, 1)]),                           # a gap-filled day is no day
    ("11.1", [(3, 1)]),                           # nor is a missing one
    ("11...111", [(7, 1)]),                       # after more than three days the count is worth nothing
    ("1110000", [(2, 1), (6, 0)]),                # four days to leave
    ("111000~000", [(2, 1)]),                     # a quarter of the land is too much to leave
    ("111000~0000", [(2, 1), (10, 0)]),
    ("2221111", [(2, 2), (6, 1)]),                # from the worse level to the milder one
    ("2220000", [(2, 2), (6, 0)]),
    ("F", [(0, 1)]),                              # a flash drought counts at once
    ("0F", [(1, 1)]),
])
def test_changes_of_level(signs: str, expected: list[tuple[int, int]]) -> None:
    assert history(signs) == expected


def test_without_a_usable_day_an_alert_lapses() -> None:
    assert history("111" + "x" * 8) == [(2, 1)]
    assert history("111" + "x" * 9) == [(2, 1), (11, 0)]
    assert history("111" + "." * 12 + "1", 15) == [(2, 1), (11, 0)]
    assert history("111", until=11) == [(2, 1), (11, 0)]


def test_after_a_lapse_counting_starts_anew() -> None:
    assert history("111" + "." * 12 + "111") == [(2, 1), (11, 0), (17, 1)]


@pytest.mark.parametrize("known", [
    {"gap_filled_percent": 95.0}, {"gap_filled_percent": None}, {"assessed_percent": 49.9},
    {"class_percent": (0.0, 0.0, 0.0)},
])
def test_days_that_are_no_evidence(known: dict[str, object]) -> None:
    assert usable(unit_day(0, "1"), RULES)
    assert not usable(unit_day(0, "1").model_copy(update=known), RULES)


def test_days_out_of_season_are_no_evidence() -> None:
    assert not usable(unit_day(0, "1"), RULES.model_copy(update={"months": (6, 7)}))


@given(st.text("0~12xF.", max_size=60), st.randoms(use_true_random=False))
def test_history_is_the_same_in_any_order_and_without_the_unusable_days(signs: str, rng: object) -> None:
    days = series(signs)
    expected = replay(days, RULES, date(len(signs)))
    rng.shuffle(days)  # type: ignore[attr-defined]
    assert replay(days, RULES, date(len(signs))) == expected
    assert replay([day for day in days if usable(day, RULES)], RULES, date(len(signs))) == expected


@given(st.text("0~12x.", max_size=80))
def test_levels_are_entered_and_left_with_patience(signs: str) -> None:
    found, state = replay(series(signs), RULES, date(len(signs)))
    assert isinstance(state, UnitState)
    assert (found[-1].level if found else 0) == state.level
    levels = [0, *(change.level for change in found)]
    assert all(a != b for a, b in pairwise(levels))
    used = {day.day for day in series(signs) if usable(day, RULES)}
    for before, change in zip([None, *found], found, strict=False):
        rises = change.level > (before.level if before else 0)
        needed = RULES.levels[0].enter_days if rises else RULES.levels[0].leave_days
        if rises and (before is None or before.level == 0):
            assert sum(date(0) <= day <= change.day for day in used) >= needed
        if not rises and change.day in used:
            assert before is not None and sum(before.day < day <= change.day for day in used) >= needed


@given(st.text("0~12xF.", max_size=40), st.integers(0, 40))
def test_the_past_does_not_depend_on_the_future(signs: str, cut: int) -> None:
    full, _ = replay(series(signs), RULES, date(len(signs)))
    part, _ = replay(series(signs)[:], RULES, date(min(cut, len(signs))))
    assert part == tuple(change for change in full if change.day <= date(min(cut, len(signs))))


def test_histories_that_differ() -> None:
    one, other = (Change(day=date(1), level=1),), (Change(day=date(3), level=1),)
    assert not changes(one, one) and changes(one, other) and changes(one, ())
    assert not changes(one, other, tolerance_days=2) and changes(one, other, tolerance_days=1)


def test_a_history_clipped_begins_with_what_held() -> None:
    whole = tuple(Change(day=date(n), level=level) for n, level in ((1, 1), (5, 0), (9, 2)))
    assert clipped(whole, date(3)) == (Change(day=date(3), level=1), *whole[1:])
    assert clipped(whole, date(5)) == whole[2:]
    assert clipped(whole, date(0)) == whole


def test_rules_that_come_with_the_project() -> None:
    rules, upland = load_rules(ROOT / "deployments" / "alerts.yaml")
    assert (rules.measure, upland.measure, upland.months) == ("drought_class", "upland_stage", tuple(range(4, 11)))
    assert [(level.name, level.from_class) for level in upland.levels] == [("U2", 2), ("U3", 3), ("U4", 4)]
    assert [(level.name, level.from_class, level.enter_days) for level in rules.levels] == [
        ("D1", 2, 5), ("D2", 3, 5), ("D3", 4, 5), ("D4", 5, 5)]
    renamed = rules.model_copy(update={"event": rules.event.model_copy(update={"en": "Dryness"})})
    assert renamed.fingerprint == rules.fingerprint
    assert rules.model_copy(update={"lapse_days": 20}).fingerprint != rules.fingerprint


@pytest.mark.parametrize(("change", "named"), [
    ("lapse_days: 21", "lapse_days: soon"), ("renew_days: 7", "renew_dayz: 7"),
    ("leave_percent: 20", "leave_percent: 31"), ("from_class: 3", "from_class: 2"), ("levels:", "levels: ["),
])
def test_wrong_rules_are_named(tmp_path: Path, change: str, named: str) -> None:
    text = (ROOT / "deployments" / "alerts.yaml").read_text(encoding="utf-8")
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(change, named, 1), encoding="utf-8")
    with pytest.raises(AlertRulesError, match=r"rules\.yaml"):
        load_rules(path)


def test_two_documents_of_one_measure_are_refused(tmp_path: Path) -> None:
    text = (ROOT / "deployments" / "alerts.yaml").read_text(encoding="utf-8")
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace("measure: upland_stage", "measure: drought_class"), encoding="utf-8")
    with pytest.raises(AlertRulesError, match="one document for each measure"):
        load_rules(path)


def test_upland_stages_move_their_own_state() -> None:
    rules = RULES.model_copy(update={"measure": "upland_stage"})
    dry = [unit_day(n, "0").model_copy(update={"stage_percent": (40.0, 20.0, 40.0, 0.0, 0.0)}) for n in range(4)]
    assert replay(dry, rules, date(3)) == ((Change(day=date(2), level=2),), replay(dry, rules, date(3))[1])
    assert replay(dry, RULES, date(3))[0] == ()
    no_fields = [one.model_copy(update={"stage_percent": None}) for one in dry]
    assert not any(usable(one, rules) for one in no_fields)
    flash = [unit_day(0, "F").model_copy(update={"stage_percent": (40.0, 20.0, 40.0, 0.0, 0.0)})]
    assert replay(flash, rules, date(0))[0] == ()


def test_rules_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(AlertRulesError):
        load_rules(tmp_path / "none.yaml")
