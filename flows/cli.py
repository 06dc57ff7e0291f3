"""The ``sm-daily`` command. Thin: every sub-command is one flow or one call of the core, imported when it runs."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sm_core.errors import DayOutOfRangeError, SmError
from tasks.clock import utc_now
from tasks.settings import Settings, export, load_settings

if TYPE_CHECKING:
    from rich.status import Status

    from sm_core.domain import RunRecord
    from tasks.train import TrainingRecord

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Daily 1-km soil moisture and drought from MODIS, GLASS, GLEAM and stations.\n\n"
    "Start with `sm-daily demo`: it makes a simulated archive, trains the models and publishes one day. "
    "With an archive of your own: `sm-daily train`, then `sm-daily run DAY`.",
)
out = Console()
err = Console(stderr=True)

DEMO_STATIONS = 80
"""As dense as the agricultural weather network of South Korea: 218 sites on 100 000 km²."""

RegionOption = Annotated[str, typer.Option("--region", help="Region id (deployments/regions) or a region YAML file.")]
ArchiveOption = Annotated[Path | None, typer.Option("--archive", help="Folder of native granules and station files.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Where everything is written [default: data].")]


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
    wanted, known_at = _day_begun(day), _moment(as_of)
    _show_run(_run_day(_enter_archive(region, archive, data), wanted, known_at))


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
    first, last = _optional_day(start), _optional_day(end)
    record = _train(_enter_archive(region, archive, data), first, last, every)
    out.print(record.report, markup=False)


@app.command()
def twin(
    directory: Annotated[Path, typer.Argument(help="Folder to make the simulated archive in.")],
    region: RegionOption = "demo",
    start: Annotated[str, typer.Option(help="First day with fine observations.")] = "2018-01-01",
    end: Annotated[str, typer.Option(help="Last day.")] = "2019-12-31",
    record_start: Annotated[str, typer.Option(help="First day of the long coarse record.")] = "1999-01-01",
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    stations: Annotated[int | None, typer.Option(min=1, help="Number of stations [default: by area].")] = None,
    everything: Annotated[bool, typer.Option(help="Write all granules now, not when they are wanted.")] = False,
) -> None:
    """Make a simulated world with a known 1-km truth, as an archive in the providers' native formats."""
    region_id = _enter(region, None, None)
    _make_twin(directory, region_id, _day(start), _day(end), _day(record_start), seed, stations)
    if everything:
        _materialise_all(directory, region_id, _day(start), _day(end))
    out.print(f"A simulated archive is in [bold]{directory}[/]. Next: sm-daily train --region {region} "
              f"--archive {directory}")


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

    out.print(hindcast_composite(series, _day(day), block, to), markup=False)


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
    """The whole chain on a simulated part of Korea: archive, training, one published day, and how good it is."""
    from sm_core.errors import ModelNotFoundError
    from tasks.wiring import services

    archive = data / "archive"
    if not (archive / "twin.yaml").is_file():
        _enter("demo", None, data)
        with _progress("Simulating 21 years of weather, soil and vegetation over 2° × 2°"):
            first, last, record = dt.date(2018, 1, 1), dt.date(2019, 12, 31), dt.date(1999, 1, 1)
            _make_twin(archive, "demo", first, last, record, seed, DEMO_STATIONS)
    region_id = _enter_archive("demo", archive, data)
    try:
        services().registry.champion(region_id, "climatology")
    except ModelNotFoundError:
        _train(region_id, None, None, 5)
    record = _run_day(region_id, _day_begun(day), None)
    _show_run(record)
    out.print((services().reports / region_id / "latest.md").read_text(encoding="utf-8"), markup=False)


def _enter(region: str, archive: Path | None, data: Path | None) -> str:
    """Settle the settings for this process and return the region's id."""
    region_file, region_id = None, region
    if region.endswith((".yaml", ".yml")):
        from sm_core.domain import load_region
        from sm_core.errors import UnknownRegionError

        region_file = Path(region)
        if not region_file.is_file():
            raise UnknownRegionError(f"no such region file: {region_file}")
        region_id = load_region(region_file).region_id
    settings: Settings = load_settings(archive=archive, data=data, region_file=region_file)
    export(settings)
    if region_file is None:
        from tasks.wiring import services

        services().region(region_id)
    return region_id


def _enter_archive(region: str, archive: Path | None, data: Path | None) -> str:
    """As ``_enter``, and make sure of the archive before anything slow starts."""
    from tasks.wiring import services

    region_id = _enter(region, archive, data)
    services().archive.granules()
    return region_id


def _run_day(region_id: str, day: dt.date, as_of: dt.datetime | None) -> RunRecord:
    from sm_core.domain import DailyRequest

    with _progress(f"Making {day} ({region_id}); first start of Prefect takes a moment"):
        from flows.daily import daily

        return daily(DailyRequest(region_id=region_id, day=day, as_of=as_of or utc_now()))


@contextmanager
def _progress(text: str) -> Iterator[None]:
    """A status line that follows what the tasks say of themselves; plain lines where there is no terminal."""
    logger = logging.getLogger("tasks")
    logger.setLevel(logging.INFO)
    with out.status(text) as status:
        handler = _Teller(status)
        handler.tell(text)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _Teller(logging.Handler):
    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.getMessage())

    def tell(self, text: str) -> None:
        if out.is_terminal:
            self._status.update(text)
        else:
            err.print(text, highlight=False)


def _train(region_id: str, start: dt.date | None, end: dt.date | None, every: int) -> TrainingRecord:
    with _progress(f"Training {region_id}; first start of Prefect takes a moment"):
        from flows.retrain import retrain
        from tasks.train import TrainingRequest

        return retrain(TrainingRequest(region_id=region_id, start=start, end=end, every_days=every, as_of=utc_now()))


def _make_twin(
    directory: Path, region_id: str, start: dt.date, end: dt.date, record: dt.date, seed: int,
    stations: int | None = None,
) -> None:
    from sm_core.twin.archive import create
    from sm_core.twin.spec import TwinSpec
    from tasks.wiring import services

    region = services().region(region_id)
    create(TwinSpec(region=region, start=start, end=end, record_start=record, seed=seed, stations=stations), directory)


def _materialise_all(directory: Path, region_id: str, start: dt.date, end: dt.date) -> None:
    from tasks.adapters.mirror import open_archive
    from tasks.wiring import services

    here = services()
    sources = {source_id for entry in here.region(region_id).roles for source_id in entry.sources}
    with _progress("Writing granules"):
        open_archive(directory, here.settings.processes).prepare([(s, start, end) for s in sorted(sources)])


def _show_run(record: RunRecord) -> None:
    from tasks.report import run_text

    out.print(run_text(record), markup=False, highlight=False, soft_wrap=True)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as cause:
        raise DayOutOfRangeError(f"{text!r} is no day") from cause


def _day_begun(text: str) -> dt.date:
    day = _day(text)
    if day > utc_now().date():
        raise DayOutOfRangeError(f"{day} lies in the future")
    return day


def _optional_day(text: str | None) -> dt.date | None:
    return None if text is None else _day(text)


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError as cause:
        raise DayOutOfRangeError(f"{text!r} is no moment; write YYYY-MM-DDTHH:MM") from cause
