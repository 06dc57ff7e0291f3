"""What a request knows of the fetch that was made for it, and how often wrong content is tried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core.domain import FileRef
from tasks.adapters.fetch.protocol import Listed
from tasks.adapters.ledger import Ledger

NOW = dt.datetime(2026, 1, 1, 6, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAYS = (dt.date(2019, 1, 1), dt.date(2019, 12, 31))
SOURCE = "MOD11A1.061"
LISTED = Listed(source_id=SOURCE, name="MOD11A1.A2019160.h28v05.061.2019161090000.hdf", revision="1", published=NOW,
                url="http://host/")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw")
    yield opened
    opened.close()


def test_a_request_knows_what_its_own_fetch_brought_and_no_other_of_that_time(ledger: Ledger) -> None:
    ledger.record([LISTED], NOW + MINUTE)
    ledger.fetched(LISTED, FileRef(uri="/x", sha256="0", size=1), NOW + 2 * MINUTE)
    ledger.serve(NOW, NOW + 3 * MINUTE)
    assert ledger.known_until(NOW) == NOW + 3 * MINUTE
    assert len(ledger.granules(ledger.known_until(NOW))) == 1
    assert ledger.known_until(NOW + MINUTE) == NOW + MINUTE
    assert ledger.granules(ledger.known_until(NOW + MINUTE)) == ()


def test_wrong_content_is_in_quarantine_after_the_third_run(ledger: Ledger) -> None:
    ledger.record([LISTED], NOW)
    ledger.failed(LISTED, "SM201", "down", NOW, NOW)
    told = [ledger.refused(LISTED, "SM205", "a web page", NOW, NOW, most=3) for _ in range(3)]
    assert told == [False, False, True]
    assert ledger.pending([SOURCE], *DAYS, NOW) == ()
    assert [one.status for one in ledger.editions(NOW)] == ["quarantined"]
    assert ledger.release(SOURCE, LISTED.name) == 1
    assert ledger.refused(LISTED, "SM205", "a web page", NOW, NOW, most=3) is False


def test_content_that_cannot_be_read_makes_way_for_the_edition_before(ledger: Ledger) -> None:
    later = LISTED.model_copy(update={"revision": "2"})
    ledger.record([LISTED, later], NOW)
    for one, sha256 in ((LISTED, "a"), (later, "b")):
        ledger.fetched(one, FileRef(uri=f"/{sha256}", sha256=sha256, size=1), NOW)
    assert [one.sha256 for one in ledger.granules(NOW)] == ["b"]
    assert ledger.distrust("b", "SM205", "cut off", NOW + MINUTE) == 1
    assert [one.sha256 for one in ledger.granules(NOW + MINUTE)] == ["a"]
    assert ledger.distrust("b", "SM205", "cut off", NOW + MINUTE) == 0
