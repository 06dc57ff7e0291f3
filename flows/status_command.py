"""``sm-daily status`` and ``sweep``."""

from __future__ import annotations

import json as text
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from flows.entry import ArchiveOption, DataOption, RegionOption, enter, moment, out, progress
from tasks.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.due import Standing

STYLES = {"final": "green", "provisional": "cyan", "due": "yellow", "changed": "yellow", "running": "blue",
          "waiting": "magenta", "withheld": "bold red", "failed": "red", "unhealthy": "bold red",
          "given up": "bold red", "early": "dim"}
LEAST_WIDTH = 120


def status(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    json: Annotated[bool, typer.Option("--json", help="For machines: every date.")] = False,
    all_dates: Annotated[bool, typer.Option("--all", help="Every date, not only those that are not settled and the "
                                                          "last week.")] = False,
) -> None:
    """Tell how every date stands: state, revision, why, since when, and when it is made again."""
    region_id = enter(region, archive, data)
    from tasks.survey import survey

    now = utc_now()
    standings = survey(region_id, now)
    if json:
        out.file.write(text.dumps([one.model_dump(mode="json") for one in standings], indent=1) + "\n")
        return
    shown = standings if all_dates else [
        one for one in standings
        if one.due or one.state not in ("final", "provisional", "early") or (now.date() - one.day).days <= 7
    ]
    _print(shown, standings)


def sweep(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    as_of: Annotated[str | None, typer.Option(help="Decide from what was known then (UTC, YYYY-MM-DDTHH:MM).")] = None,
) -> None:
    """See which dates are due and make them, here or by the Prefect server that is set. Again and again: no harm."""
    known_at = moment(as_of)
    region_id = enter(region, archive, data)
    with progress(f"Looking after {region_id}; first start of Prefect takes a moment"):
        from flows.sweep import sweep as flow
        from tasks.sweep import SweepRequest

        record = flow(SweepRequest(region_id=region_id, as_of=known_at))
    days = ", ".join(map(str, record.started))
    out.print(f"Started: {days}." if days else "Nothing is due.", highlight=False, soft_wrap=True)
    _print([one for one in record.standings if one.due or one.state in ("given up", "withheld")], record.standings)


def _print(shown: Iterable[Standing], standings: Sequence[Standing]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("date", "state", "revision", "why", "since", "next")
    for one in shown:
        revision = f"r{one.revision:02d} {one.maturity}" if one.revision else one.maturity or "–"
        state = f"{one.state} ({one.tries})" if one.tries else one.state
        since, then = (f"{when:%m-%d %H:%M}" if when else "–" for when in (one.since, one.next))
        table.add_row(str(one.day), f"[{STYLES[one.state]}]{state}[/]{' *' if one.due else ''}", revision, one.reason,
                      since, then)
    if table.row_count:
        Console(width=max(out.width, LEAST_WIDTH)).print(table)
    counts = Counter(one.state for one in standings)
    due = sum(one.due for one in standings)
    out.print(", ".join(f"{count} {state}" for state, count in counts.most_common()) + f"; {due} due (*)",
              highlight=False)
