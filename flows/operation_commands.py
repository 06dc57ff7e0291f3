"""``sm-daily up``, ``doctor``, ``housekeeping``, ``metrics``, ``backup``, ``restore``: the daemon on its machine."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.entry import DataOption, RegionOption, enter, err, out
from sm_core.errors import SettingsError
from tasks.clock import utc_now
from tasks.settings import Settings, export, load_settings

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}
PortOption = typer.Option(min=1, max=65535)


def up(
    data: DataOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at; only this machine by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Prefect's server and user interface.")] = 4200,
    mlflow_port: Annotated[int, PortOption] = 5000,
    page_port: Annotated[int, PortOption] = 8050,
    metrics_port: Annotated[int, PortOption] = 9108,
    name: Annotated[list[str] | None, typer.Option(help="Host name that requests may be for; may be repeated.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="server, mlflow, page, metrics or worker; may be repeated "
                                                   "[default: all that the settings do not say is elsewhere].")] = None,
) -> None:
    """Bring up server, MLflow, map page, metrics, worker and deployments, and keep them alive; stop it with Ctrl-C.

    What SM_PREFECT_API_URL and SM_MLFLOW_URI say is elsewhere is not started: on a second machine this is a worker of
    the first.
    """
    from flows.up import LOOPBACK, SERVICES, UpRequest
    from flows.up import up as bring_up

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    if host not in LOOPBACK:
        err.print(f"[yellow]{host} can be reached from elsewhere, and Prefect and MLflow ask nobody for a password: "
                  "put a proxy with a login in front.[/]", highlight=False)
    if unknown := set(only or ()) - set(SERVICES):
        raise SettingsError(f"--only {', '.join(sorted(unknown))}: known are {', '.join(SERVICES)}")
    request = UpRequest.model_validate({
        "host": host, "port": port, "mlflow_port": mlflow_port, "page_port": page_port, "metrics_port": metrics_port,
        "names": tuple(name or ()), "only": tuple(only or ()),
    })
    bring_up(data, request, lambda text: out.print(text, markup=False, highlight=False, soft_wrap=True))


def doctor(
    region: RegionOption = "korea",
    data: DataOption = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look at settings, versions, disk, databases, models, credentials, hosts and clock; exit status 1 on a failure."""
    region_id = enter(region, None, data)
    from tasks.doctor import examine
    from tasks.wiring import services

    checks = examine(services(), region_id, utc_now)
    if json:
        from pydantic_core import to_json

        out.file.write(to_json(checks, indent=1).decode() + "\n")
    else:
        for check in checks:
            out.print(f"[{STYLES[check.state]}]{check.state:8}[/] {escape(f'{check.name}: {check.message}')}",
                      highlight=False, soft_wrap=True)
            if check.remedy:
                out.print(f"         {check.remedy}", markup=False, highlight=False, soft_wrap=True)
    if any(check.state == "failure" for check in checks):
        raise typer.Exit(1)


def housekeeping(
    data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
) -> None:
    """Cut back what grows: run records, scratch, quarantine, databases, trainings that never ended."""
    _enter(data)
    from flows.housekeeping import housekeeping as flow
    from tasks.housekeeping import HousekeepingRequest, housekeeping_text

    record = flow(HousekeepingRequest(dry_run=dry_run))
    out.print(housekeeping_text(record), markup=False, highlight=False, soft_wrap=True)


def metrics(
    data: DataOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at; only this machine by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 9108,
    once: Annotated[bool, typer.Option("--once", help="Write them to standard output instead.")] = False,
) -> None:
    """The daemon's state for Prometheus, at http://HOST:PORT/metrics; stop it with Ctrl-C."""
    from tasks.metrics import exposition, registry
    from tasks.wiring import Services

    here = Services(load_settings(data=data))
    if once:
        out.file.write(exposition(here, utc_now))
        return
    from prometheus_client import start_http_server

    server, thread = start_http_server(port, addr=host, registry=registry(here, utc_now))
    out.print(f"Serving http://{host}:{port}/metrics", highlight=False)
    try:
        thread.join()
    finally:
        server.shutdown()


def backup(
    to: Annotated[Path, typer.Argument(help="New or empty folder.")],
    data: DataOption = None,
) -> None:
    """Copy ledger, observations, models, run records and Prefect's database, with checksums; nothing need be stopped.

    Products and fetched files are not copied: they are files that never change.
    """
    settings = _enter(data)
    from tasks.backup import back_up

    made = back_up(settings, to, version("sm-daily"), utc_now())
    out.print(f"{len(made.files)} files, {sum(file.size for file in made.files) / 1e6:.1f} MB, in {to}",
              highlight=False, soft_wrap=True)
    for name, how in made.elsewhere.items():
        out.print(f"{name} is elsewhere: {how}", markup=False, highlight=False, soft_wrap=True)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="Folder that `backup` made.")],
    data: DataOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Move aside what is there.")] = False,
) -> None:
    """Verify a backup and put it into the data folder, on this machine or another."""
    settings = _enter(data)
    from tasks.backup import restore as put_back

    manifest, aside = put_back(source, settings, utc_now(), overwrite=overwrite)
    out.print(f"restored {len(manifest.files)} files of {manifest.created:%Y-%m-%d %H:%M} UTC into {settings.data}",
              highlight=False, soft_wrap=True)
    if aside:
        out.print(f"what was there lies in {aside}", highlight=False, soft_wrap=True)
    for name, how in manifest.elsewhere.items():
        out.print(f"{name} was elsewhere: {how}", markup=False, highlight=False, soft_wrap=True)


def _enter(data: Path | None) -> Settings:
    settings = load_settings(data=data)
    export(settings)
    return settings
