"""``sm-daily backfill``."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.entry import ArchiveOption, DataOption, RegionOption, day_begun, enter_archive, moment, out, progress, to_day


def backfill(
    first: Annotated[str, typer.Argument(help="First UTC day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(help="Last UTC day.")],
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    order: Annotated[str, typer.Option(help="newest or oldest first.")] = "newest",
    as_of: Annotated[str | None, typer.Option(help="Use only what was known then (UTC, YYYY-MM-DDTHH:MM).")] = None,
    days_per_run: Annotated[int, typer.Option(min=1, max=366, help="Dates that one run makes.")] = 30,
    everything: Annotated[bool, typer.Option("--everything", help="Also dates published as final.")] = False,
) -> None:
    """Make every day of a range: by a server's workers, or without one by SM_PROCESSES processes of this machine."""
    begin, end, known_at = to_day(first), day_begun(last), moment(as_of)
    if order not in ("newest", "oldest") or begin > end:
        raise typer.BadParameter("--order is newest or oldest, and the first day is not after the last")
    region_id = enter_archive(region, archive, data)
    with progress(f"Making {begin} to {end} ({region_id}); first start of Prefect takes a moment"):
        from flows.backfill import backfill as flow
        from tasks.backfill import BackfillRequest, progress_text

        done = flow(BackfillRequest(region_id=region_id, first=begin, last=end, order=order,  # type: ignore[arg-type]
                                    as_of=known_at, days_per_run=days_per_run, everything=everything))
    if done is None:
        out.print(f"{begin} to {end}: every day is published as final.")
        return
    out.print(progress_text(done), markup=False, highlight=False, soft_wrap=True)
    if done.done < done.total:
        out.print(f"The workers go on. Progress: artifact backfill-{region_id} in the Prefect UI.")
