"""``sm-daily climatology`` and ``alerts``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.entry import ArchiveOption, DataOption, RegionOption, enter, enter_archive, optional_day, out, progress
from tasks.clock import utc_now

if TYPE_CHECKING:
    from sm_core.alerts import AlertEvent
    from sm_core.domain import ModelVersion
    from tasks.adapters.notify.outbox import Delivery

climatology_app = typer.Typer(no_args_is_help=True, help="What days are compared with: kept up to date.")


@climatology_app.command("update")
def update_climatology(region: RegionOption = "korea", data: DataOption = None) -> None:
    """Let the climatologies in service count the days that were published since."""
    region_id = enter(region, None, data)
    with progress(f"Updating what is usual in {region_id}"):
        from flows.climatology import update

        serving = update(region_id)
    for model in serving:
        _show_model(model)


@climatology_app.command("provisional")
def fit_provisional(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    start: Annotated[str | None, typer.Option(help="First day; what is missing since is fetched [default: what "
                                                   "the archive holds].")] = None,
    end: Annotated[str | None, typer.Option(help="Last day [default: the archive's last].")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th day.")] = 10,
) -> None:
    """Make past days as if they were provisional, and learn what is usual for such days."""
    first, last = optional_day(start), optional_day(end)
    region_id = enter_archive(region, archive, data)
    with progress(f"Making past days of {region_id} as provisional ones"):
        from flows.climatology import provisional
        from tasks.climatology import HindcastRequest

        model = provisional(HindcastRequest(region_id=region_id, start=first, end=last, every_days=every,
                                            as_of=utc_now()))
    _show_model(model)


def alerts(
    region: RegionOption = "korea",
    data: DataOption = None,
    deliver: Annotated[bool, typer.Option("--deliver", help="First send what waits.")] = False,
) -> None:
    """Alerts that stand, by unit, and messages that have not gone out."""
    from rich.table import Table

    region_id = enter(region, None, data)
    if deliver:
        with progress(f"Sending what waits for {region_id}"):
            from flows.alerts import deliver as send

            reports = send(region_id)
        for report in reports:
            trouble = f"; {report.error_code} {report.error}" if report.error else ""
            out.print(f"{report.channel}: {report.sent} sent, {report.waiting} waiting{trouble}", markup=False,
                      highlight=False, soft_wrap=True)
    from tasks.wiring import services

    office = services().alerts
    standing, pending = office.in_force(region_id), office.pending(region_id)
    for title, heads, rows in (
        ("standing alerts", ("unit", "level", "since", "day", "expires (UTC)", "rules"), map(_standing, standing)),
        ("not gone out", ("channel", "state", "tries", "next try (UTC)", "message", "trouble"), map(_pending, pending)),
    ):
        table = Table(*heads, title=title)
        for row in rows:
            table.add_row(*row)
        out.print(table if table.row_count else f"{title}: none", highlight=False)


def _standing(event: AlertEvent) -> tuple[str, ...]:
    level = event.level.name if event.level else "–"
    return (event.unit.name_en, level, str(event.onset or "–"), str(event.evidence.day),
            f"{event.expires:%Y-%m-%d %H:%M}", event.rules_id)


def _pending(delivery: Delivery) -> tuple[str, ...]:
    event = delivery.event
    retry = f"{delivery.retry_at:%Y-%m-%d %H:%M}" if delivery.retry_at and delivery.state != "given up" else "–"
    trouble = f"{delivery.error_code} {delivery.error}" if delivery.error_code else "–"
    message = f"{event.kind} {event.unit.name_en} {event.day}"
    return delivery.channel, delivery.state, str(delivery.tries), retry, message, trouble


def _show_model(model: ModelVersion) -> None:
    out.print(f"in service: {model.name} version {model.version}, trained until {model.trained_until}", highlight=False,
              soft_wrap=True)
