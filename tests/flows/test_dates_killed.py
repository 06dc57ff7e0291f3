"""Two weeks of sweeps with misbehaving hosts, in which fetching and making are killed at any moment, end as without.

Real are hosts, ledger, decision, locks and store; what a day holds is drawn from its inputs' checksum, so that the
weeks take seconds.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sm_core.domain import DailyRequest, GateResult, ProductItem, Region, RoleSources, Upkeep
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, draft, identity_after, made_from, write_cogs
from sm_core.sources.matching import match_inputs
from tasks.adapters.ledger import Ledger
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.runs import RunBook
from tasks.adapters.locks import locked
from tasks.due import Known, PastRun, Shown, decide, holdings
from tasks.hosts.faults import Fault, random_faults
from tests.flows.small_world import DAY, FIRST, GRANULES, Daemon, living, make_archive, noon
from tests.unit.published_day import MODEL, SMALL, fields

DAYS = 12
PRODUCT = SOIL_MOISTURE_1KM
REGION = Region(
    region_id="small", title="Small", grid=SMALL, tiles=("h28v05",), statics=(),
    upkeep=Upkeep(window_days=20, refresh_days=(2,), retry_hours=(0.1,)),
    roles=(RoleSources(role="lst_fine", sources=("MOD11A1.061",)),
           RoleSources(role="lst_coarse", sources=("VJ121A1D.002",))),
)
NEEDED = {"lst_fine", "lst_coarse"}
PUBLISHED = (
    Fault(kind="revised", path="MOD11A1.A2019154*", days=3), Fault(kind="withdrawn", path="MOD11A1.A2019156*", days=4),
    Fault(kind="duplicate", path="MOD11A1.A2019157*", days=2),
)
"""Of the data themselves, with and without faults."""


class Life:
    """A daemon and everything that it leaves; every step is a process of its own, which may be killed."""

    def __init__(self, daemon: Daemon, kills: random.Random | None) -> None:
        self.daemon, self._kills = daemon, kills
        self.killed: Counter[str] = Counter()
        self.store = ProductStore(daemon.data / "products")
        (daemon.data / "locks").mkdir()

    @property
    def now(self) -> dt.datetime:
        return self.daemon.clock.now()

    def sweep(self, kill: bool = True) -> int:
        """One sweep; how many dates were due."""
        self._step("fetch", self._fetch, kill=kill)
        due = [day for day in self._days() if self._due(day)]
        for day in due:
            self._step("make", self._make, day, self.now, kill=kill)
        return len(due)

    def _fetch(self) -> None:
        Daemon(self.daemon.data, self.daemon.hosts).fetch(*GRANULES)        # with connections of its own

    def _days(self) -> list[dt.date]:
        return [FIRST + n * DAY for n in range((self.now.date() - FIRST).days + 1)]

    def book(self) -> RunBook:
        return RunBook(Database(f"sqlite:///{self.daemon.data}/ledger.db"))

    def _due(self, day: dt.date) -> bool:
        runs = self.book().of_days("small", [day])[day]
        item = self.store.latest(PRODUCT.product_id, "small", day)
        shown = Shown(item_id=item.item_id, revision=item.revision, maturity=item.maturity) if item else None
        held = holdings(REGION, self.daemon.ledger.granules(self.now), [day], self.now)[day]
        known = Known(day=day, runs=runs, shown=shown, held=held, code_version="1")
        return decide(known, REGION.upkeep, self.now).due

    def _make(self, day: dt.date, as_of: dt.datetime) -> None:
        """As the daily flow does: alone, resolve, publish unless it is there, record."""
        data = self.daemon.data
        with locked(data / "locks" / f"{day}.lock"):
            granules = Ledger(f"sqlite:///{data}/ledger.db", data / "observations").granules(as_of)
            inputs = match_inputs(DailyRequest(region_id="small", day=day, as_of=as_of), REGION, granules)
            wanted = {slot.role for slot in inputs.slots if slot.status != "present"} & NEEDED
            item = None if wanted else self._published(inputs, granules)
            self.book().add("small", PastRun(
                run_id=os.urandom(6).hex(), day=day, as_of=as_of, finished=as_of, code_version="1",
                outcome="published" if item else "waiting", reason="", missing=tuple(sorted(wanted)),
                held=holdings(REGION, granules, [day], as_of)[day], item_id=item.item_id if item else None,
                maturity=inputs.maturity if item else None))

    def _published(self, inputs, granules) -> ProductItem:
        shown = self.store.latest(PRODUCT.product_id, "small", inputs.day)
        if shown and made_from(shown, PRODUCT.algorithm_version, inputs.fingerprint, (MODEL,)):
            return shown
        made = draft(PRODUCT, inputs, (MODEL,), GateResult(results=()), inputs.as_of)
        before = self.store.revisions(PRODUCT.product_id, "small", inputs.day)
        made = made.model_copy(update={"item_id": identity_after(made, before)})
        content = fields(SMALL, int(inputs.fingerprint[:6], 16) % 1000)
        return self.store.publish(made, PRODUCT, SMALL, lambda folder, item: write_cogs(
            content, PRODUCT, folder, item=item, grid=SMALL))

    def _step(self, name: str, what: Callable[..., object], *arguments: object, kill: bool = True) -> None:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                what(*arguments)
                code = 0
            finally:
                os._exit(code)
        if kill and self._kills is not None and self._kills.random() < 0.5:
            time.sleep(self._kills.expovariate(3.0))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        self.killed[name] += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, name


def live(archive: Path, data: Path, share: float, kills: random.Random | None) -> Life:
    data.mkdir()
    with living(archive, data, (*PUBLISHED, *random_faults(share)), seed=5, now=noon(0)) as daemon:
        life = Life(daemon, kills)
        for day in range(1, DAYS + 1):
            if day in (5, 6, 7):                                        # the machine is off
                continue
            for hour in (1, 9):
                daemon.clock.move_to(noon(day) + dt.timedelta(hours=hour))
                life.sweep()
        for day in range(3):                                            # and a quiet end
            daemon.clock.move_to(noon(DAYS + 4 + 2 * day))
            life.sweep(kill=False)
        daemon.clock.advance(dt.timedelta(hours=1))
        assert life.sweep(kill=False) == 0
    return life


@pytest.mark.endurance
def test_weeks_in_which_everything_is_killed_end_as_weeks_in_which_nothing_is(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", DAYS)
    plain = live(archive, tmp_path / "plain", 0.0, None)
    hard = live(archive, tmp_path / "hard", 0.1, random.Random(3))
    assert hard.killed["fetch"] >= 2 and hard.killed["make"] >= 5
    days = plain.store.days(PRODUCT.product_id, "small")
    assert len(days) >= DAYS - 3
    assert hard.store.days(PRODUCT.product_id, "small") == days
    for day in days:
        first, second = (life.store.latest(PRODUCT.product_id, "small", day) for life in (plain, hard))
        assert (first.fingerprint, first.maturity) == (second.fingerprint, second.maturity), day
        for life in (plain, hard):
            in_order(life, day)
    for life in (plain, hard):
        assert life.daemon.leftovers() == []
        assert not list((life.daemon.data / "products").rglob(".tmp-*"))


def in_order(life: Life, day: dt.date) -> None:
    """Each revision once, listed once, undamaged, and the ledger knows the last one."""
    items = life.store.revisions(PRODUCT.product_id, "small", day)
    assert [item.revision for item in items] == list(range(1, len(items) + 1))
    assert all(one.fingerprint != other.fingerprint for one, other in itertools.pairwise(items))
    assert not any(life.store.damaged(item) for item in items)
    listed = [one.revision for one in life.store.changes(PRODUCT.product_id, "small") if one.day == day]
    assert listed == [item.revision for item in items[1:]]
    last = life.book().last("small", day)
    assert last is not None
    assert last.item_id == items[-1].item_id
