"""What judging the models in service needs: days that they did not learn from, and stations by what they saw."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from sm_core.domain import ModelVersion
from sm_core.errors import ArchiveNotFoundError, InsufficientInputsError, TooFewSamplesError
from sm_core.sources import identify
from sm_core.sources.matching import wanted_periods
from sm_core.validation import Split
from sm_core.validation.frozen import FrozenSplit, unseen_by
from tasks.adapters.mirror import STATION_SOURCES
from tasks.policy import sm_task
from tasks.training.plan import GAP_DAYS
from tasks.training.records import DaysRef, StationTable, TrainingPlan
from tasks.training.stations import BUFFER_KM, frozen_split, station_days
from tasks.wiring import services


@sm_task
def find_station_files(named: Path) -> tuple[Path, ...]:
    """The station files in a folder, or the one that is named.

    Raises
    ------
    ArchiveNotFoundError   SM105, there is none.
    """
    paths = sorted(path for path in named.rglob("*") if path.is_file()) if named.is_dir() else [named]
    files = tuple(path for path in paths if path.is_file() and (what := identify(path)) is not None
                  and what.source_id in STATION_SOURCES)
    if not files:
        raise ArchiveNotFoundError(f"no station file: {named}")
    return files


@sm_task
def plan_accuracy(
    region_id: str, models: tuple[ModelVersion, ...], start: dt.date | None, end: dt.date | None, every_days: int,
    as_of: dt.datetime,
) -> TrainingPlan:
    """Every n-th day after what the models learned from, and what these days look at brought into the archive.

    Raises
    ------
    InsufficientInputsError   SM301, no day is left.
    """
    here = services()
    region = here.region(region_id)
    first, last = here.archive.coverage(region.sources_for("lst_fine"))
    learned = max(model.trained_until for model in models) + dt.timedelta(days=GAP_DAYS)
    begin, finish = max(first, start or learned), min(last, end or last)
    days = tuple(begin + dt.timedelta(days=n) for n in range(0, (finish - begin).days + 1, every_days))
    if not days:
        raise InsufficientInputsError("no day to judge", region=region_id, first=begin, last=finish)
    here.archive.prepare([period for day in days for period in wanted_periods(region, day, stand_ins=())],
                         tiles=region.tiles, as_of=as_of)
    return TrainingPlan(region_id=region_id, as_of=as_of, training_days=(), judged_days=days)


@sm_task
def stations_of(
    plan: TrainingPlan, days: DaysRef, named: tuple[Path, ...] | None
) -> tuple[StationTable, StationTable]:
    """Daily values of stations that the models never saw, and of those they learned from; each as held out.

    ``named``: station files; None: the archive's. A station that no training knew counts as unseen unless it stands
    within the buffer of one that taught.

    Raises
    ------
    TooFewSamplesError   SM504, no station reports on the plan's days.
    """
    here = services()
    region = here.region(plan.region_id)
    files = here.archive.station_files(plan.as_of) if named is None else named
    found = station_days(region, files, days)
    table = found.table[found.table["day"].isin(pd.to_datetime(list(plan.judged_days)))]
    if table.empty:
        raise TooFewSamplesError("no station reports on these days", region=region.region_id, files=len(files))
    known = frozen_split(plan.region_id, table)
    split = unseen_by(known.stations if known else (), table.itertuples(), buffer_km=BUFFER_KM)
    path = here.settings.data / "scratch" / region.region_id / "accuracy.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    unseen = StationTable(
        uri=str(path), split=split, frozen=known or FrozenSplit(stations=()), files=len(files),
        rejected_share=found.rejected / max(found.readings, 1), refused=found.refused, known=found.known,
    )
    taught = Split(training=split.held_out, held_out=split.training, dropped=split.dropped)
    return unseen, unseen.model_copy(update={"split": taught})
