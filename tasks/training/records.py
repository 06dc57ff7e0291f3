"""What a training is asked for, what it made of each day, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from sm_core.domain import DailyInputs, GriddedInputs, Layer, ModelVersion, RasterRef, Record, Role
from sm_core.errors import TooFewSamplesError
from sm_core.validation import SkillTable, Split
from sm_core.validation.frozen import FrozenSplit
from tasks.adapters.scratch import identity_of
from tasks.training.promotion import PromotionDecision
from tasks.wiring import services

COARSE_ROLES: dict[Layer, Role] = {"sm_surface": "ssm_coarse", "sm_rootzone": "rzsm_coarse"}


class TrainingRequest(Record):
    """Train a region on every n-th day of a period, with what was known at ``as_of``."""

    region_id: str = Field(description="Region to train.")
    start: dt.date | None = Field(default=None, description="First day; empty: the archive's first.")
    end: dt.date | None = Field(default=None, description="Last day; empty: the archive's last.")
    every_days: int = Field(default=5, ge=1, description="Take every n-th day.")
    as_of: dt.datetime = Field(description="Only what was known then is learned from (UTC, with its zone).")


class TrainingPlan(Record):
    """Which days are learned from and which the result is judged on."""

    region_id: str
    as_of: dt.datetime
    training_days: tuple[dt.date, ...]
    judged_days: tuple[dt.date, ...]


class PreparedDay(Record):
    """One day ready for training: its inputs, fused fields and predictors."""

    inputs: DailyInputs
    gridded: GriddedInputs
    fused: RasterRef
    features: RasterRef
    downscaled: RasterRef | None = None
    corrected: RasterRef | None = None

    @property
    def day(self) -> dt.date:
        return self.inputs.day


class DaysRef(Record):
    """A stored list of prepared days, oldest first."""

    uri: str
    days: int


class StationTable(Record):
    """Daily station values in a file, which stations are held out, and why others do not teach.

    ``frozen`` holds every station that ever got a use, ``split`` those that report; ``known`` counts all admitted
    days by station, whether the plan looks at them or not.
    """

    uri: str
    split: Split
    frozen: FrozenSplit
    files: int
    rejected_share: float
    refused: dict[str, tuple[str, ...]]
    known: dict[str, int]


class TrainingRecord(Record):
    """What one training did."""

    run_id: str
    plan: TrainingPlan
    models: tuple[ModelVersion, ...]
    promoted: bool
    reason: str
    decision: PromotionDecision
    at_stations: SkillTable
    against_truth: SkillTable | None
    report: str


def store_days(region_id: str, days: Sequence[PreparedDay]) -> DaysRef:
    """Write prepared days down, under a name made from their content."""
    text = "\n".join(day.model_dump_json() for day in days)
    path = services().settings.data / "scratch" / region_id / "prepared" / f"{identity_of([text])[:16]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return DaysRef(uri=str(path), days=len(days))


def load_days(days: DaysRef) -> list[PreparedDay]:
    """The days of a stored list, in its order."""
    lines = Path(days.uri).read_text(encoding="utf-8").splitlines()
    return [PreparedDay.model_validate_json(line) for line in lines]


def learned_days(plan: TrainingPlan, days: DaysRef) -> list[PreparedDay]:
    """Those days that are learned from.

    Raises
    ------
    TooFewSamplesError   SM504, none of them has all its inputs.
    """
    learned = [day for day in load_days(days) if day.day in plan.training_days]
    if not learned:
        raise TooFewSamplesError("no training day has all its inputs", region=plan.region_id)
    return learned


def made(ref: RasterRef | None) -> RasterRef:
    """The raster of an earlier stage.

    Raises
    ------
    TooFewSamplesError   SM504, the day was not carried through it.
    """
    if ref is None:
        raise TooFewSamplesError("a day was not carried through the earlier stage")
    return ref
