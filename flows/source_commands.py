"""``sm-daily fetch``, ``sources`` and ``ledger``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from flows.entry import DataOption, RegionOption, enter, optional_day, out, progress
from tasks.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from tasks.source_table import SourceRow

WINDOW = dt.timedelta(days=30)
"""Stations are fetched again so far back: their values are revised."""
LEAST_WIDTH = 145
"""The table keeps its columns where there is no terminal, or a narrow one."""
STATE_STYLES = {"fresh": "green", "late": "yellow", "degraded": "bold red", "ended": "dim", "unseen": "magenta"}

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger of editions and observations.")


def fetch(
    region: RegionOption = "korea",
    data: DataOption = None,
    first: Annotated[str | None, typer.Option(help="First day to make [default: 30 days before the last].")] = None,
    last: Annotated[str | None, typer.Option(help="Last day to make [default: today, UTC].")] = None,
) -> None:
    """Fetch what is new, revised or withdrawn from all providers, now. Exit status 2 if one is in trouble."""
    end = optional_day(last) or utc_now().date()
    begin = optional_day(first) or end - WINDOW
    region_id = enter(region, None, data)
    with progress(f"Fetching for {region_id}; first start of Prefect takes a moment"):
        from flows.sources import fetch as flow
        from tasks.sync import FetchRequest

        record = flow(FetchRequest(region_id=region_id, first=begin, last=end))
    from tasks.report_fetch import fetch_text

    out.print(fetch_text(record.sources), markup=False, highlight=False, soft_wrap=True)
    if any(report.error_code for report in record.sources):
        raise typer.Exit(2)


def sources(
    region: RegionOption = "korea",
    data: DataOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/sources.md instead.")] = False,
) -> None:
    """Tell how every source stands: newest data, last contact, fresh, late, degraded or ended, and what to do."""
    if markdown:
        from sm_core.sources.page import sources_page

        out.file.write(sources_page())
        return
    region_id = enter(region, None, data)
    from tasks.source_table import source_rows
    from tasks.wiring import services

    here = services()
    rows = source_rows(here.region(region_id), here.ledger, here.sources.ended_sources, utc_now())
    Console(width=max(out.width, LEAST_WIDTH)).print(_table(rows))
    for row in rows:
        if row.remedy:
            out.print(f"{row.source_id}: {row.remedy}", highlight=False, soft_wrap=True)


@ledger_app.command()
def upgrade(data: DataOption = None) -> None:
    """Bring the ledger's tables to this version; every command does so when it opens the ledger."""
    from tasks.settings import export, load_settings
    from tasks.wiring import services

    settings = load_settings(data=data)
    export(settings)
    out.print(f"The ledger's tables are of version {services().ledger.version}.", highlight=False)


def _table(rows: Sequence[SourceRow]) -> Table:
    from rich.table import Table

    table = Table("source", "role", "every", "newest day", "published", "latency", "last contact", "state", "failures")
    for row in rows:
        published, contact = (f"{when:%Y-%m-%d %H:%M}" if when else "–"
                              for when in (row.newest_published, row.last_contact))
        failures = f"{row.failures} {row.error_code}" if row.failures else "0"
        table.add_row(
            row.source_id, row.role, f"{row.cadence_days} d", str(row.newest_day or "–"), published,
            _latency(row), contact,
            f"[{STATE_STYLES[row.state]}]{row.state}[/]", failures,
        )
    return table


def _latency(row: SourceRow) -> str:
    """As measured, and as declared."""
    seen, said = (f"{days:g}" if days is not None else "–" for days in (
        row.latency_days if row.latency_days is None else round(row.latency_days, 1), row.declared_latency_days))
    return f"{seen} ({said}) d" if (seen, said) != ("–", "–") else "–"
