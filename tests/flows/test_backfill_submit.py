"""A part of a backfill is submitted to a real Prefect server once, and again only when its run has ended."""

from __future__ import annotations

import datetime as dt

from prefect.client.orchestration import get_client
from prefect.states import Crashed, Running
from prefect.testing.utilities import prefect_test_harness

from flows.backfill import days, submit
from tasks.backfill import BackfillRequest, divide

AS_OF = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def test_a_part_is_under_way_once_and_asked_for_again_when_it_was_cut_off() -> None:
    asked = BackfillRequest(region_id="r", first=dt.date(2019, 6, 1), last=dt.date(2019, 6, 10), order="oldest")
    other, first = divide(asked, AS_OF, (), 4)[:2]
    settled = {*other.days, *first.days[:2]}
    later = divide(asked, AS_OF + dt.timedelta(days=1), settled, 4)[0]               # the same part, half of it done
    assert later.days == first.days[2:] != ()
    with prefect_test_harness(server_startup_timeout=240), get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(days), "days")
        run = submit(first, 4)
        assert submit(first, 4) == submit(later, 4) == run
        assert submit(other, 4) != run
        client.set_flow_run_state(run, Running(), force=True)
        assert submit(first, 4) == run
        client.set_flow_run_state(run, Crashed(), force=True)
        again = submit(later, 4)
        assert again != run and submit(later, 4) == again
        made = client.read_flow_run(again)
    assert made.name == f"days-{later.name}" and "backfill" in made.tags
    assert made.parameters["request"]["days"] == [f"{day}" for day in later.days]
