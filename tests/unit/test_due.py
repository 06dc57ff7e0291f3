"""Which dates are due: cases by hand, and that no order, delay or repetition of sweeps changes the end."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.domain import Granule, Grid, Held, Region, RoleSources, Upkeep
from tasks.due import DAY, Known, PastRun, Shown, _mark, decide, helps, holdings, news, tries

DATE = dt.date(2019, 6, 10)
POLICY = Upkeep()
REGION = Region(
    region_id="r", title="R", tiles=("h28v05",), statics=(),
    grid=Grid.from_origin(grid_id="g", crs="EPSG:4326", west=127.0, north=37.0, resolution=0.01, width=10, height=10),
    roles=(RoleSources(role="lst_fine", sources=("MOD11A1.061",)),
           RoleSources(role="ssm_coarse", sources=("GLEAM_v4.2a.SMs", "SPL4SMGP.008"))),
)


def at(days: float, hour: int = 12) -> dt.datetime:
    return dt.datetime.combine(DATE, dt.time(hour), dt.UTC) + dt.timedelta(days=days)


def held(lst: int = 10, coarse: int = 8, mark: str = "a", of_day: str = "") -> tuple[Held, ...]:
    return (Held(role="lst_fine", files=lst, digest=f"{mark}{lst}", of_day=""),
            Held(role="ssm_coarse", files=coarse, digest=f"{mark}{coarse}", of_day=of_day))


def past(outcome: str = "published", when: dt.datetime | None = None, **more) -> PastRun:
    when = when or at(1)
    made = {"maturity": "provisional", "item_id": "i1"} if outcome in ("published", "unchanged") else {}
    return PastRun.model_validate({
        "run_id": f"{when:%j%H%M%S}", "day": DATE, "as_of": when, "finished": when, "outcome": outcome,
        "reason": "because", "held": held(), "serving": "m1", "code_version": "1", **made, **more})


def stand(*runs: PastRun, now: float = 2, policy: Upkeep = POLICY, **more):
    shown = Shown(item_id="i1", revision=1, maturity="provisional") if any(run.item_id for run in runs) else None
    known = Known.model_validate({"day": DATE, "runs": runs, "shown": shown, "held": held(), "serving": "m1",
                                  "code_version": "1", **more})
    found = decide(known, policy, at(now))
    return found.state, found.due


def failed(when: float, **more) -> PastRun:
    return past("failed", at(when), error_code="SM201", transient=True, **more)


@pytest.mark.parametrize(("runs", "now", "more", "expected"), [
    ((), 0.9, {}, ("early", False)),                                    # before noon of the next day
    ((), 1.0, {}, ("due", True)),
    ((), 40.0, {}, ("due", True)),                                      # three days off, or forty
    ((), 2.0, {"running": True}, ("running", False)),
    ((past(),), 2.0, {}, ("provisional", False)),
    ((past(),), 2.0, {"held": held(lst=11)}, ("changed", False)),       # one more image: at the age of 3 days
    ((past(),), 3.0, {"held": held(lst=11)}, ("changed", True)),
    ((past(when=at(3)),), 7.4, {"held": held(lst=12)}, ("changed", False)),
    ((past(when=at(17)),), 17.5, {"held": held(lst=20)}, ("changed", True)),     # beyond the last age: at once
    ((past(),), 2.0, {"held": held(lst=9)}, ("changed", True)),         # withdrawn: at once
    ((past(),), 2.0, {"held": held(mark="b")}, ("changed", True)),      # revised: at once
    ((past(),), 2.0, {"shown": None}, ("unhealthy", True)),
    ((past(),), 2.0, {"shown": Shown(item_id="i1", revision=1, maturity="final", damaged="x")}, ("unhealthy", True)),
    ((past(),), 400.0, {"shown": Shown(item_id="i1", revision=1, maturity="final")}, ("final", False)),
    ((past(),), 2.0, {"serving": "m2"}, ("provisional", False)),        # new models: not by this policy
    ((past("waiting", missing=("ssm_coarse",)),), 2.0, {"held": held(lst=20)}, ("waiting", False)),
    ((past("waiting", missing=("ssm_coarse",)),), 2.0, {"held": held(coarse=9)}, ("waiting", False)),   # other days'
    ((past("waiting", missing=("ssm_coarse",)),), 2.0, {"held": held(coarse=9, of_day="b")}, ("changed", True)),
    ((past("waiting", missing=("lst_fine",)),), 2.0, {"held": held(lst=11)}, ("changed", True)),
    ((past("waiting", missing=("ssm_coarse",)),), 2.0, {"serving": "m2"}, ("changed", True)),   # a substitute fits now
    ((past("waiting", missing=("lst_fine",)),), 9.4, {}, ("waiting", False)),
    ((past("waiting", missing=("lst_fine",)),), 9.5, {}, ("due", True)),        # images are waited for ten days
    ((past("waiting", at(10), missing=("lst_fine",)),), 11.0, {}, ("waiting", False)),   # it was not that then
    ((past("waiting", missing=("lst_fine", "ssm_coarse")),), 20.0, {}, ("waiting", False)),
    ((past("withheld"),), 2.0, {}, ("withheld", False)),
    ((past("withheld"),), 2.0, {"held": held(lst=11)}, ("changed", True)),
    ((past("interrupted"),), 1.001, {}, ("failed", True)),
    ((failed(1),), 1.03, {}, ("failed", False)),                        # 43 minutes later
    ((failed(1),), 1.05, {}, ("failed", True)),
    ((failed(1), failed(1.1)), 1.2, {}, ("failed", False)),             # the second pause is 3 hours
    ((failed(1), failed(1.1)), 1.2, {"held": held(lst=11)}, ("failed", True)),   # but something has come
    (tuple(failed(n) for n in range(1, 9)), 100.0, {}, ("given up", False)),
    (tuple(failed(n) for n in range(1, 9)), 100.0, {"code_version": "2"}, ("failed", True)),
    (tuple(failed(n) for n in range(1, 9)), 100.0, {"serving": "m2"}, ("failed", True)),
    ((past("failed", transient=False),), 1.4, {}, ("failed", False)),   # 12 hours where waiting helps little
    ((past("failed", transient=False),), 1.6, {}, ("failed", True)),
])
def test_states(runs, now, more, expected):
    assert stand(*runs, now=now, **more) == expected


def test_new_models_where_the_policy_says_so():
    policy = POLICY.model_copy(update={"reissue": "window"})
    assert stand(past(), serving="m2", policy=policy) == ("changed", True)
    assert stand(past(), serving=None, policy=policy) == ("provisional", False)
    assert stand(past(when=at(50)), now=60, serving="m2", policy=policy) == ("provisional", False)


def test_waiting_since_the_first_of_the_row():
    runs = past("waiting", at(1), missing=("ssm_coarse",)), past("waiting", at(4), missing=("ssm_coarse",))
    known = Known(day=DATE, runs=(past("failed", at(0.5)), *runs), held=held(), code_version="1")
    assert decide(known, POLICY, at(5)).since == at(1)


def test_runs_that_were_cut_off_are_no_tries():
    runs = failed(1), past("interrupted", at(1.5)), failed(2)
    assert tries(Known(day=DATE, runs=runs, code_version="1")) == 2
    assert tries(Known(day=DATE, runs=(failed(1), failed(2, held=held(lst=11))), code_version="1")) == 1


def test_an_older_view_decides_nothing():
    """A sweep that comes late with what was known long ago."""
    assert stand(past(when=at(5)), now=4, held=held(lst=1, mark="z")) == ("provisional", False)


def test_the_key_is_that_of_the_work():
    base = Known(day=DATE, held=held(), serving="m1", code_version="1")
    others = [base.model_copy(update=change) for change in (
        {"held": held(lst=11)}, {"serving": "m2"}, {"runs": (past(),)}, {"day": DATE + DAY}, {"code_version": "2"})]
    keys = [decide(known, POLICY, at(9)).key for known in (base, *others)]
    assert len(set(keys)) == len(keys)
    assert decide(base, POLICY, at(12)).key == keys[0]


def test_news_in_words():
    assert news(held(), held()) == ("", True)
    assert news(held(), held(lst=12)) == ("lst_fine: 2 more", True)
    assert news(held(), held(lst=9, coarse=9)) == ("lst_fine: others; ssm_coarse: 1 more", False)
    assert helps(held(), held(lst=9, of_day="b"), ("ssm_coarse",)) == "ssm_coarse: something has come"


def granule(start: int, source: str = "MOD11A1.061", days: int = 1, **more) -> Granule:
    begin = DATE + start * DAY
    return Granule(source_id=source, start=begin, end=begin + (days - 1) * DAY, uri=f"/{source}/{start}", size=1,
                   sha256=f"{source}{start}", tile="h28v05" if source.startswith("MOD") else "", **more)


LATER = at(900)


def counted(granules, day=DATE, as_of=LATER):
    found = holdings(REGION, granules, [day], as_of)[day]
    return {one.role: one.files for one in found}


def test_holdings_count_what_lies_in_the_window_of_each_role():
    assert counted([granule(n) for n in range(-40, 41)]) == {"lst_fine": 33, "ssm_coarse": 0}    # 16 days each way
    coarse = [granule(n, "SPL4SMGP.008") for n in range(-40, 41)]
    assert counted(coarse) == {"lst_fine": 0, "ssm_coarse": 11}                                  # 10 days back
    year = granule(-160, "GLEAM_v4.2a.SMs", days=365)
    assert counted([year])["ssm_coarse"] == 1
    assert counted([year], DATE + 300 * DAY)["ssm_coarse"] == 0
    on_day, beside = ({one.role: one for one in holdings(REGION, coarse, [day], LATER)[day]}["ssm_coarse"].of_day
                      for day in (DATE, DATE + 45 * DAY))
    assert (on_day, beside) == (f"{_mark(granule(0, 'SPL4SMGP.008')):016x}", "0" * 16)
    assert counted([granule(0).model_copy(update={"tile": "h27v05"}), granule(0, "C3S-SM")]) == {
        "lst_fine": 0, "ssm_coarse": 0}
    produced = granule(0, produced="2019170000000")                     # 19 June
    assert counted([produced], as_of=at(5))["lst_fine"] == 0
    assert counted([produced], as_of=at(10))["lst_fine"] == 1


@given(st.lists(st.tuples(st.integers(-60, 60), st.sampled_from(["MOD11A1.061", "SPL4SMGP.008"])), unique=True),
       st.lists(st.integers(-30, 30), min_size=1, unique=True), st.randoms())
def test_holdings_of_many_dates_are_those_of_each(told, offsets, random):
    granules = [granule(start, source) for start, source in told]
    days = [DATE + n * DAY for n in offsets]
    together = holdings(REGION, granules, days, at(900))
    random.shuffle(granules)
    for day in days:
        assert together[day] == holdings(REGION, granules, [day], at(900))[day]
    if granules:
        fewer = holdings(REGION, granules[1:], days, at(900))
        near = {day for day in days if fewer[day] != together[day]}
        reach = dt.timedelta(days=16)
        assert near <= {day for day in days if abs(day - granules[0].start) <= reach}


class Life:
    """One date, files that come and go, and runs that use what is there."""

    def __init__(self, arrivals: dict[float, str], outages: list[tuple[float, float]]) -> None:
        self.arrivals, self.outages = arrivals, outages
        self.runs: list[PastRun] = []
        self.number = itertools.count()

    def there(self, now: float) -> tuple[Held, ...]:
        come = sorted(mark for when, mark in self.arrivals.items() if when <= now)
        return (Held(role="lst_fine", files=len(come), digest="".join(come), of_day=""),)

    def sweep(self, now: float) -> bool:
        """Returns whether the date was due."""
        known = Known(day=DATE, runs=self.runs, held=self.there(now), code_version="1", shown=self.shown())
        if not decide(known, POLICY, at(now)).due:
            return False
        down = any(begin <= now < end for begin, end in self.outages)
        outcome = "failed" if down else "published" if self.there(now)[0].files else "waiting"
        self.runs.append(past(
            outcome, at(now), run_id=str(next(self.number)), held=self.there(now), transient=down, serving=None,
            missing=("lst_fine",) if outcome == "waiting" else (),
            item_id=self.there(now)[0].digest if outcome == "published" else None))
        self.runs.sort(key=lambda run: (run.as_of, int(run.run_id)))
        return True

    def shown(self) -> Shown | None:
        made = [run for run in self.runs if run.item_id]
        return Shown(item_id=made[-1].item_id, revision=1, maturity="provisional") if made else None


DAYS = st.floats(0, 60, allow_nan=False).map(lambda value: round(value, 2))


@given(arrivals=st.dictionaries(DAYS, st.sampled_from("abcdefghij"), max_size=8),
       outages=st.lists(st.tuples(DAYS, DAYS).map(sorted), max_size=3),
       sweeps=st.lists(st.tuples(DAYS, st.integers(1, 3)), max_size=40))
def test_any_order_delay_and_repetition_of_sweeps_ends_alike(arrivals, outages, sweeps):
    """``sweeps`` come as listed: early after late, doubled, or none for weeks. Two late ones settle everything."""
    life = Life(arrivals, outages)
    for when, times in sweeps:
        for _ in range(times):
            life.sweep(when)
    for late in (200.0, 210.0):
        life.sweep(late)
    assert not life.sweep(220.0)
    assert life.runs[-1].held == life.there(220.0)
    shown = life.shown()
    assert (shown.item_id if shown else "") == life.there(220.0)[0].digest
    published = [run.item_id for run in life.runs if run.outcome == "published"]
    assert all(one != other for one, other in itertools.pairwise(published))      # each revision once


@given(outages=st.just([[0.0, 300.0]]), step=st.floats(0.01, 2.0))
def test_a_date_that_always_fails_is_tried_so_often_and_given_up(outages, step):
    life, now = Life({0.0: "a"}, outages), 1.0
    while now < 60:
        life.sweep(now)
        now += step
    assert len(life.runs) == len(POLICY.retry_hours) + 1
    gaps = [(later.as_of - sooner.as_of).total_seconds() / 3600 for sooner, later in itertools.pairwise(life.runs)]
    assert all(gap >= pause for gap, pause in zip(gaps, POLICY.retry_hours, strict=True))
    life.arrivals[60.0] = "b"
    assert life.sweep(60.5)
