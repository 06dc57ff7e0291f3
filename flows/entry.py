"""What every command begins with: options, settings, days as text, and a line that tells what is going on."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sm_core.errors import DayOutOfRangeError
from tasks.clock import utc_now
from tasks.settings import Settings, export, load_settings

if TYPE_CHECKING:
    from rich.status import Status

out = Console()
err = Console(stderr=True)

RegionOption = Annotated[str, typer.Option("--region", help="Region id (deployments/regions) or a region YAML file.")]
ArchiveOption = Annotated[Path | None, typer.Option("--archive", help="Folder of native granules and station files.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Where everything is written [default: data].")]


def enter(region: str, archive: Path | None, data: Path | None) -> str:
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


def enter_archive(region: str, archive: Path | None, data: Path | None) -> str:
    """As ``_enter``, and make sure of the archive before anything slow starts."""
    from tasks.wiring import services

    region_id = enter(region, archive, data)
    services().archive.granules()
    return region_id


@contextmanager
def progress(text: str) -> Iterator[None]:
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


def to_day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as cause:
        raise DayOutOfRangeError(f"{text!r} is no day") from cause


def day_begun(text: str) -> dt.date:
    day = to_day(text)
    if day > utc_now().date():
        raise DayOutOfRangeError(f"{day} lies in the future")
    return day


def optional_day(text: str | None) -> dt.date | None:
    return None if text is None else to_day(text)


def moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError as cause:
        raise DayOutOfRangeError(f"{text!r} is no moment; write YYYY-MM-DDTHH:MM") from cause
