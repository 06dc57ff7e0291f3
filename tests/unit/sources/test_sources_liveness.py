"""Fresh, late, degraded, ended: from what was seen."""

from __future__ import annotations

import datetime as dt

import pytest

from sm_core.sources import source
from sm_core.sources.liveness import liveness

SEEN = dt.date(2026, 6, 10)
MODIS = source("MOD11A1.061")


def test_daily_source_is_due_four_days_after_its_last_day() -> None:
    assert MODIS.due_after_days == 4
    assert liveness(MODIS, SEEN, SEEN).due == dt.date(2026, 6, 14)


@pytest.mark.parametrize(("today", "state"), [
    (dt.date(2026, 6, 11), "fresh"), (dt.date(2026, 6, 14), "fresh"),
    (dt.date(2026, 6, 15), "late"), (dt.date(2026, 6, 19), "late"),
    (dt.date(2026, 6, 20), "degraded"), (dt.date(2027, 6, 20), "degraded"),
])
def test_silence_makes_it_late_and_then_degraded_but_never_ended(today: dt.date, state: str) -> None:
    assert liveness(MODIS, SEEN, today).state == state


def test_the_operator_is_asked_after_fifteen_days_and_his_word_ends_it() -> None:
    told = liveness(MODIS, SEEN, dt.date(2026, 6, 30))
    assert (told.state, "SM_ENDED_SOURCES" in told.remedy, MODIS.successor in told.remedy) == ("degraded", True, True)
    assert "SM_ENDED_SOURCES" not in liveness(MODIS, SEEN, dt.date(2026, 6, 29)).remedy
    assert liveness(MODIS, SEEN, dt.date(2026, 6, 30), ended=True).state == "ended"


def test_a_declared_end_counts_only_when_it_was_seen() -> None:
    viirs = source("VNP21A1D.002")
    assert viirs.ends == dt.date(2026, 11, 1)
    later = dt.date(2026, 12, 24)
    assert liveness(viirs, dt.date(2026, 11, 1), later).state == "ended"
    assert liveness(viirs, dt.date(2026, 10, 30), later).state == "degraded"
    assert liveness(viirs, dt.date(2026, 12, 22), later).state == "fresh"  # it went on, whatever was announced


def test_what_was_never_seen_is_neither_fresh_nor_late() -> None:
    assert liveness(MODIS, None, SEEN).state == "unseen"


def test_files_that_people_bring_are_never_due() -> None:
    assert liveness(source("ISMN"), dt.date(2001, 1, 1), SEEN).state == "fresh"


def test_composite_is_due_after_the_next_period() -> None:
    assert liveness(source("MOD13A2.061"), SEEN, SEEN + dt.timedelta(days=24)).state == "fresh"
    assert liveness(source("MOD13A2.061"), SEEN, SEEN + dt.timedelta(days=25)).state == "late"
