"""``sm-daily watch``."""

from __future__ import annotations

import typer

from flows.entry import ArchiveOption, DataOption, RegionOption, enter, out, progress


def watch(region: RegionOption = "korea", archive: ArchiveOption = None, data: DataOption = None) -> None:
    """Check what readers get, what comes in, and the machine; tell troubles. Exit status 2 if there are any."""
    region_id = enter(region, archive, data)
    with progress(f"Looking after {region_id}; first start of Prefect takes a moment"):
        from flows.watch import watch as flow
        from tasks.watch.look import watch_text
        from tasks.watch.records import WatchRequest

        report = flow(WatchRequest(region_id=region_id))
    out.print(watch_text(report), markup=False, highlight=False, soft_wrap=True)
    if not report.well:
        raise typer.Exit(2)
