"""``sm-daily models``, ``accuracy`` and ``deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.entry import ArchiveOption, DataOption, RegionOption, enter, enter_archive, optional_day, out, progress
from tasks.clock import utc_now

if TYPE_CHECKING:
    from tasks.adapters.registry import Training

models_app = typer.Typer(no_args_is_help=True, help="Trainings of a region: what serves, what did, and why.")
RunArgument = Annotated[str, typer.Argument(help="First characters of the training's id, as `models list` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Noted with the models.")]


@models_app.command("list")
def list_models(region: RegionOption = "korea", data: DataOption = None) -> None:
    """All finished trainings of a region, newest first."""
    from rich.table import Table

    region_id = enter(region, None, data)
    table = Table("training", "learned until", "known as of", "outcome", "serves", "versions")
    for one in _trainings(region_id):
        table.add_row(
            one.run_id[:8], str(one.models[0].trained_until), f"{one.as_of:%Y-%m-%d %H:%M}",
            one.tags.get("outcome", "–"), ", ".join(one.aliases) or "–",
            " ".join(f"{model.kind} {model.version}" for model in one.models),
        )
    out.print(table)


@models_app.command()
def show(run: RunArgument, region: RegionOption = "korea", data: DataOption = None) -> None:
    """What a training was, what was decided about it, and where its report is."""
    from tasks.wiring import services

    region_id = enter(region, None, data)
    one, registry = _named(region_id, run), services().registry
    out.print(f"training {one.run_id} of {region_id}: {one.tags.get('outcome', 'unknown outcome')}; "
              f"{', '.join(one.aliases) or 'not in service'}", highlight=False)
    out.print(one.tags.get("reasons", ""), markup=False, highlight=False, soft_wrap=True)
    for model in one.models:
        out.print(f"{model.name} version {model.version}, sha256 {model.sha256}, trained until {model.trained_until}",
                  markup=False, highlight=False, soft_wrap=True)
        if undone := registry.tags(model).get("rolled_back"):
            out.print(f"  rolled back: {undone}", markup=False, highlight=False, soft_wrap=True)
    for name, value in sorted(one.metrics.items()):
        out.print(f"{name} {value:.4f}", markup=False, highlight=False)
    out.print(f"report: {registry.document(one.run_id, 'report.html')}", markup=False, highlight=False, soft_wrap=True)


@models_app.command()
def rollback(reason: ReasonOption, region: RegionOption = "korea", data: DataOption = None) -> None:
    """Let the models that served before serve again, from the next run on."""
    from tasks.wiring import services

    region_id = enter(region, None, data)
    for model in services().registry.roll_back(region_id, reason):
        out.print(f"in service: {model.name} version {model.version}, trained until {model.trained_until}",
                  highlight=False, soft_wrap=True)


@models_app.command()
def serve(run: RunArgument, reason: ReasonOption, region: RegionOption = "korea", data: DataOption = None) -> None:
    """Put the models of a training in service by a person's word; `rollback` undoes it."""
    from tasks.wiring import services

    region_id = enter(region, None, data)
    registry = services().registry
    for model in _named(region_id, run).models:
        registry.fetch(model)
        registry.annotate(model.name, model.version, {"served_by_hand": reason})
    for model in _named(region_id, run).models:
        registry.promote(model)
        out.print(f"in service: {model.name} version {model.version}, trained until {model.trained_until}",
                  highlight=False, soft_wrap=True)


def accuracy(
    region: RegionOption = "korea",
    archive: ArchiveOption = None,
    data: DataOption = None,
    stations: Annotated[Path | None, typer.Option(help="Station file, or folder of them [default: the archive's]."
                                                  )] = None,
    start: Annotated[str | None, typer.Option(help="First day [default: 30 days after the models' last].")] = None,
    end: Annotated[str | None, typer.Option(help="Last day [default: the archive's last].")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th day.")] = 10,
    truth: Annotated[bool, typer.Option("--truth", help="Also against the truth of a simulated archive.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """How good the models in service are, at any stations: those they never saw, and those they learned from."""
    first, last = optional_day(start), optional_day(end)
    region_id = enter_archive(region, archive, data)
    with progress(f"Judging the models of {region_id}"):
        from flows.accuracy import AccuracyRequest, accuracy_text
        from flows.accuracy import accuracy as flow

        record = flow(AccuracyRequest(region_id=region_id, stations=stations, start=first, end=last, every_days=every,
                                      truth=truth, as_of=utc_now()))
    if json:
        out.file.write(record.model_dump_json(indent=1) + "\n")
    else:
        out.print(accuracy_text(record), markup=False, highlight=False, soft_wrap=True)


def deploy(data: DataOption = None) -> None:
    """Bring the deployments, queues and automations of `deployments/` to the Prefect server; harmless to repeat."""
    from tasks.settings import export, load_settings

    export(load_settings(data=data))
    from flows.deploy import deploy as apply

    for name in apply():
        out.print(f"deployed: {name}", highlight=False)


def _trainings(region_id: str) -> tuple[Training, ...]:
    from tasks.wiring import services

    return services().registry.trainings(region_id)


def _named(region_id: str, run: str) -> Training:
    from sm_core.errors import ModelNotFoundError

    found = [one for one in _trainings(region_id) if one.run_id.startswith(run)]
    if len(found) != 1:
        raise ModelNotFoundError(f"region {region_id} has {len(found)} trainings {run!r}; see sm-daily models list")
    return found[0]
