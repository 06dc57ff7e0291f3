"""The ``sm-daily`` command. Thin: every sub-command is one flow or one call of the core, imported when it runs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.backfill_command import backfill
from flows.entry import (
    ArchiveOption,
    DataOption,
    RegionOption,
    day_begun,
    enter,
    enter_archive,
    err,
    moment,
    optional_day,
    out,
    progress,
    to_day,
)
from flows.model_commands import accuracy, deploy, models_app
from flows.operation_commands import backup, doctor, housekeeping, metrics, restore, up
from flows.product_commands import alerts, climatology_app
from flows.serve_command import serve
from flows.source_commands import fetch, ledger_app, sources
from flows.status_command import status, sweep
from flows.twin_commands import make_twin, simulated_providers, twin_app
from flows.watch_command import watch
from sm_core.errors import SmError
from tasks.clock import utc_now

if TYPE_CHECKING:
    from sm_core.domain import RunRecord
    from tasks.training.records import TrainingRecord

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Daily 1-km soil moisture and drought from MODIS, GLASS, GLEAM and stations.\n\n"
    "Start with `sm-daily demo`: it makes a simulated archive, trains the models and publishes one day. "
    "With an archive of your own: `sm-daily train`, then `sm-daily run DAY`.",
)
app.command()(fetch)
app.command()(sources)
app.command()(accuracy)
app.command()(deploy)
app.command()(up)
app.command()(doctor)
app.command()(housekeeping)
app.command()(metrics)
app.command()(backup)
app.command()(restore)
app.command()(serve)
app.command()(status)
app.command()(sweep)
app.command()(watch)
app.command()(backfill)
app.command()(alerts)
app.add_typer(models_app, name="models")
app.add_typer(climatology_app, name="climatology")
app.add_typer(twin_app, name="twin")
app.add_typer(ledger_app, name="ledger")

DEMO_STATIONS = 80
"""As dense as the agricultural weather network of South Korea: 218 sites on 100 000 km²."""
DEMO_EVERY_DAYS = 10
"""The demo trains on fewer days than `train` takes by itself, to be over in a few minutes."""


def main() -> None:
    """Entry point: a coded error becomes two lines and exit status 1, never a stack trace."""
    try:
        app()
    except SmError as error:
        err.print(f"[bold red]{error.code}[/] {error}", highlight=False)
        err.print(f"[dim]What to do:[/] {error.remedy}", highlight=False)
        raise SystemExit(1) from None


@app.command()
def run(
    day: Annotated[str, typer.Argument(help="UTC day, YYYY-MM-DD.")],
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    as_of: Annotated[str | None, typer.Option(help="Use only what was known then (UTC, YYYY-MM-DDTHH:MM).")] = None,
) -> None:
    """Make and publish one day from an archive, by the daily Prefect flow."""
    wanted, known_at = day_begun(day), moment(as_of)
    _show_run(_run_day(enter_archive(region, archive, data), wanted, known_at))


@app.command()
def train(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    start: Annotated[str | None, typer.Option(help="First day [default: the archive's first].")] = None,
    end: Annotated[str | None, typer.Option(help="Last day [default: the archive's last].")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th day.")] = 5,
) -> None:
    """Train downscaling, station correction and climatology, judge them on unseen stations, put them in service."""
    first, last = optional_day(start), optional_day(end)
    record = _train(enter_archive(region, archive, data), first, last, every)
    out.print(record.report, markup=False)


@app.command()
def substitutes(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    start: Annotated[str | None, typer.Option(help="First day; what is missing since is fetched [default: what "
                                                   "the archive holds].")] = None,
    end: Annotated[str | None, typer.Option(help="Last day [default: the archive's last].")] = None,
) -> None:
    """Fit what stands in for late or ended sources, judge it on the last year, put it in service if it helps."""
    first, last = optional_day(start), optional_day(end)
    region_id = enter_archive(region, archive, data)
    with progress(f"Fitting substitutes for {region_id}"):
        from flows.substitutes import fit_substitutes
        from tasks.fit_substitutes import SubstitutesRequest

        record = fit_substitutes(SubstitutesRequest(region_id=region_id, start=first, end=last, as_of=utc_now()))
    out.print(record.report, markup=False)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A granule, a station file or a product.")],
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Tell what a file holds: kind, date, tile or station, bounds, variables with units and figures."""
    from sm_core.sources import describe

    description = describe(file)
    out.print(description.model_dump_json(indent=1) if json else description.text(), markup=False, highlight=False,
              soft_wrap=True)


@app.command()
def hindcast(
    series: Annotated[Path, typer.Argument(help="Folder with the NDVI composites (MOD13A2/MYD13A2) of one tile.")],
    day: Annotated[str, typer.Argument(help="Start date of the composite to predict, YYYY-MM-DD.")],
    to: Annotated[Path, typer.Option("--out", help="GeoTIFF to write.")],
    block: Annotated[int, typer.Option(min=2, help="Cells of a coarse block.")] = 5,
) -> None:
    """Predict one NDVI composite from those around it and compare with the true one.

    The coarse images are block means of the composites themselves, so that only the fusion is put to the test.
    """
    from tasks.hindcast import hindcast_composite

    out.print(hindcast_composite(series, to_day(day), block, to), markup=False)


@app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    help="Fuse any fine and coarse GeoTIFFs by ESTARFM: `sm-daily fuse --help`.",
)
def fuse(context: typer.Context) -> None:
    """Its options are argparse's: typer has none of two values that may be given twice."""
    from flows.fuse_command import request_and_target
    from tasks.fuse_files import fuse_files

    out.print(fuse_files(*request_and_target(context.args)), markup=False, soft_wrap=True)


@app.command()
def demo(
    data: Annotated[Path, typer.Option("--data", help="Where everything is written.")] = Path("data/demo"),
    day: Annotated[str, typer.Option(help="Day to publish.")] = "2019-06-15",
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
) -> None:
    """The whole chain on a simulated part of Korea: hosts, fetching, training, one published day, how good it is."""
    from tasks.wiring import services

    archive = data / "archive"
    enter("demo", None, data)
    if not (archive / "twin.yaml").is_file():
        with progress("Simulating 21 years of weather, soil and vegetation over 2° × 2°"):
            first, last, record = dt.date(2018, 1, 1), dt.date(2019, 12, 31), dt.date(1999, 1, 1)
            make_twin(archive, "demo", first, last, record, seed, DEMO_STATIONS)
    with simulated_providers(archive, services().settings.processes):
        region_id = enter("demo", None, data)
        _train_once(region_id)
        _show_run(_run_day(region_id, day_begun(day), None))
    out.print((services().reports / region_id / "latest.md").read_text(encoding="utf-8"), markup=False)


def _train_once(region_id: str) -> None:
    from sm_core.errors import ModelNotFoundError
    from tasks.wiring import services

    try:
        services().registry.champion(region_id, "climatology")
    except ModelNotFoundError:
        _train(region_id, None, None, DEMO_EVERY_DAYS)


def _run_day(region_id: str, day: dt.date, as_of: dt.datetime | None) -> RunRecord:
    from sm_core.domain import DailyRequest

    with progress(f"Making {day} ({region_id}); first start of Prefect takes a moment"):
        from flows.daily import daily

        return daily(DailyRequest(region_id=region_id, day=day, as_of=as_of or utc_now()))


def _train(region_id: str, start: dt.date | None, end: dt.date | None, every: int) -> TrainingRecord:
    with progress(f"Training {region_id}; first start of Prefect takes a moment"):
        from flows.retrain import retrain
        from tasks.training.records import TrainingRequest

        return retrain(TrainingRequest(region_id=region_id, start=start, end=end, every_days=every, as_of=utc_now()))


def _show_run(record: RunRecord) -> None:
    from tasks.report import run_text

    out.print(run_text(record), markup=False, highlight=False, soft_wrap=True)
