"""Whether enough has come in since a region was trained, for training it again."""

from __future__ import annotations

import datetime as dt
import logging
import math

import pandas as pd
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from pydantic import ConfigDict, Field

from sm_core.domain import LAYERS, Layer, Record, Region
from sm_core.errors import ModelNotFoundError
from sm_core.publishing import SOIL_MOISTURE_1KM, read_cogs
from sm_core.validation import at_stations, station_metrics
from sm_core.validation.metrics import Number
from tasks.adapters.registry import Training
from tasks.clock import utc_now
from tasks.policy import sm_task
from tasks.register import KNOWN, KnownStations
from tasks.training.records import TrainingRequest
from tasks.training.stations import station_days
from tasks.wiring import services

EVENT = "sm-daily.stations.accumulated"
_log = logging.getLogger(__name__)


class Thresholds(Record):
    """What makes a region due. Counted is what came in since its last finished training, whatever came of that."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    station_days: int = 10_000
    """Admitted days of stations: some seven weeks of a network of 218."""
    stations: int = 10
    """Stations that were not known before."""
    drift_m3: float = 0.01
    """By which ubRMSE at unseen stations may exceed what the models in service were judged to have [m3 m-3]."""
    live_days: int = 60
    """Published days that the live skill is taken from."""
    least_live_days: int = 20
    """Fewest of them at a station."""
    rest_days: int = 14
    """After a training, before drift alone makes the region due again."""


class StationsRequest(Record):
    """Look whether a region is due. ``every_days`` is handed to its training; ``as_of`` None: now."""

    region_id: str = Field(description="Region to look at.")
    as_of: dt.datetime | None = Field(default=None, description="Count what was known then (UTC); empty: now.")
    every_days: int = Field(default=5, ge=1, description="The training takes every n-th day.")
    thresholds: Thresholds = Field(default=Thresholds(), description="What makes the region due.")


class LiveSkill(Record):
    """ubRMSE of what was published at stations the models never saw, beside that of their judgement [m3 m-3]."""

    layer: Layer
    stations: int
    judged: Number
    live: Number


class Standing(Record):
    """What came in since the last training of a region; ``reasons`` is empty while it is not due."""

    region_id: str
    as_of: dt.datetime
    trained_as_of: dt.datetime | None
    station_days: int
    stations: int
    live: tuple[LiveSkill, ...]
    reasons: tuple[str, ...]
    training: TrainingRequest


@sm_task
def take_stock(request: StationsRequest) -> Standing:
    """Count what is known now beyond what the last training knew, and score what was published since."""
    here = services()
    as_of = request.as_of or utc_now()
    region = here.region(request.region_id)
    training = TrainingRequest(region_id=region.region_id, every_days=request.every_days, as_of=as_of)
    past = here.registry.trainings(region.region_id)
    if not past:
        _log.warning("region %s was never trained: sm-daily train --region %s", region.region_id, region.region_id)
        return Standing(region_id=region.region_id, as_of=as_of, trained_as_of=None, station_days=0, stations=0,
                        live=(), reasons=(), training=training)
    found, before = station_days(region, here.archive.station_files(as_of)), _known(past[0])
    known, table = before.days, found.table
    grown = {name: days - known.get(name, 0) for name, days in found.known.items() if name not in before.refused}
    standing = Standing(
        region_id=region.region_id, as_of=as_of, trained_as_of=past[0].as_of,
        station_days=sum(days for days in grown.values() if days > 0), stations=len(grown.keys() - known.keys()),
        live=live_skill(region, table, as_of, request.thresholds), reasons=(), training=training,
    )
    return standing.model_copy(update={"reasons": due(standing, past[0].as_of, request.thresholds)})


@sm_task
def announce(standing: Standing) -> None:
    """Emit the event that the automation of ``deployments/prefect.yaml`` answers with a training."""
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"sm-daily.stations.{standing.region_id}", "region": standing.region_id},
        payload={"request": standing.training.model_dump(mode="json"), "reasons": list(standing.reasons),
                 "station_days": standing.station_days, "stations": standing.stations},
    )


@sm_task
def report_standing(standing: Standing, thresholds: Thresholds) -> None:
    """Leave the counts as an artifact of the flow run."""
    key = f"stations-{standing.region_id}".replace("_", "-").lower()
    create_markdown_artifact(standing_text(standing, thresholds), key=key, description=f"as of {standing.as_of}")


def due(standing: Standing, trained: dt.datetime, thresholds: Thresholds) -> tuple[str, ...]:
    """Why a region is to be trained again; empty when it is not."""
    reasons = []
    if standing.station_days >= thresholds.station_days:
        reasons.append(f"{standing.station_days} new station-days, {thresholds.station_days} make it due")
    if standing.stations >= thresholds.stations:
        reasons.append(f"{standing.stations} new stations, {thresholds.stations} make it due")
    if standing.as_of - trained >= dt.timedelta(days=thresholds.rest_days):
        reasons += [
            f"{skill.layer}: ubRMSE {skill.live:.3f} at {skill.stations} unseen stations, judged {skill.judged:.3f}"
            for skill in standing.live if skill.live > skill.judged + thresholds.drift_m3
        ]
    return tuple(reasons)


def standing_text(standing: Standing, thresholds: Thresholds) -> str:
    """The counts in markdown."""
    if standing.trained_as_of is None:
        return f"{standing.region_id} was never trained. First: `sm-daily train --region {standing.region_id}`."
    lines = [
        f"{standing.region_id}, as of {standing.as_of:%Y-%m-%d %H:%M}; last trained with what was known at "
        f"{standing.trained_as_of:%Y-%m-%d %H:%M}.", "",
        "| since then | found | due at |", "|---|---|---|",
        f"| station-days | {standing.station_days} | {thresholds.station_days} |",
        f"| stations | {standing.stations} | {thresholds.stations} |",
        *(f"| {skill.layer} ubRMSE, live at {skill.stations} unseen stations | {skill.live:.3f} | "
          f"{skill.judged + thresholds.drift_m3:.3f} |" for skill in standing.live), "",
        f"Training asked for: {'; '.join(standing.reasons)}." if standing.reasons else "Not due.",
    ]
    return "\n".join(lines)


def live_skill(
    region: Region, table: pd.DataFrame, as_of: dt.datetime, thresholds: Thresholds
) -> tuple[LiveSkill, ...]:
    """What was published in the last days, at stations that the models in service never saw.

    ``table``: station_id, lon, lat, day, sm_surface, sm_rootzone [m3 m-3]. Nothing where nothing serves or is scored.
    """
    here = services()
    try:
        serving = here.registry.in_service(region.region_id)
    except ModelNotFoundError:
        return ()
    unseen = {name for model in serving.models for name in model.held_out_stations}
    first = as_of.date() - dt.timedelta(days=thresholds.live_days)
    days = [day for day in here.store.days(SOIL_MOISTURE_1KM.product_id, region.region_id)
            if first <= day <= as_of.date()]
    observed = table[table["station_id"].isin(unseen)]
    published = [rows for day in days if len(rows := _published(region, observed, day))]
    if not published:
        return ()
    metrics = station_metrics(pd.concat(published), observed, min_days=thresholds.least_live_days)
    found = []
    for layer in LAYERS:
        scores = metrics.loc[layer, "ubrmsd"].dropna()
        judged = serving.metrics.get(f"stations.corrected.{layer}.ubrmsd", math.nan)
        if len(scores):
            found.append(LiveSkill(layer=layer, stations=len(scores), judged=judged, live=float(scores.mean())))
    return tuple(found)


def _known(training: Training) -> KnownStations:
    try:
        text = services().registry.document(training.run_id, KNOWN).read_text(encoding="utf-8")
    except ModelNotFoundError:
        return KnownStations(days={}, refused=())
    return KnownStations.model_validate_json(text)


def _published(region: Region, observed: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    store = services().store
    item = store.latest(SOIL_MOISTURE_1KM.product_id, region.region_id, day)
    today = observed[observed["day"] == pd.Timestamp(day)]
    if item is None or today.empty:
        return today.iloc[:0]
    fields = read_cogs(store.directory(item), SOIL_MOISTURE_1KM, item, region.grid, LAYERS)
    return at_stations(fields.expand_dims(time=[pd.Timestamp(day)]), today, region.grid)
