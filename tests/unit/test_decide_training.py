"""Which stations and days decide between a champion and a challenger."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import LAYERS, ModelVersion
from sm_core.validation import Score, SkillRow, SkillTable
from tasks.register import decide_training
from tasks.training.examine import Champion, Examination
from tasks.training.records import DaysRef, TrainingPlan

DAYS = pd.date_range("2020-01-05", periods=40, freq="5D")
STATIONS = [f"N_S{n}" for n in range(6)]


def model(kind: str, version: int, training: tuple[str, ...] = (), held_out: tuple[str, ...] = ()) -> ModelVersion:
    return ModelVersion(
        name=f"r.{kind}", kind=kind, version=version, sha256="a", uri="u", trained_until=dt.date(2019, 12, 1),
        training_stations=training, held_out_stations=held_out,
    )


def champion(training: tuple[str, ...] = (), held_out: tuple[str, ...] = ("N_X",), days: bool = True) -> Champion:
    return Champion(run_id="old", models=(model("downscaler", 1), model("corrector", 1, training, held_out)),
                    days=DaysRef(uri="u", days=1) if days else None)


def skill() -> SkillTable:
    def row(stage: str, layer: str) -> SkillRow:
        good = stage == "corrected"
        return SkillRow(stage=stage, layer=layer, pearson_r=Score(value=0.8), bias=Score(value=0.0), places=6, pairs=9,
                        rmsd=Score(value=0.05, upper=0.06), ubrmsd=Score(value=0.03 if good else 0.04))

    return SkillTable(rows=tuple(row(stage, layer) for stage in ("coarse", "corrected") for layer in LAYERS))


@pytest.fixture
def examination(tmp_path: Path) -> Examination:
    """The challenger is better everywhere but at stations S4 and S5, and before March, where it is far worse."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"station_id": np.repeat(STATIONS, len(DAYS)), "day": np.tile(DAYS, len(STATIONS))})
    spoilt = table["station_id"].isin(STATIONS[4:]) | (table["day"] < "2020-03-01")
    for layer in LAYERS:
        truth = 0.25 + 0.08 * np.sin(np.arange(len(table)) / 3)
        table[layer] = truth
        table[f"champion.{layer}"] = truth + rng.normal(0, 0.03, len(table))
        table[f"corrected.{layer}"] = truth + rng.normal(0, np.where(spoilt, 0.2, 0.01))
    path = tmp_path / "points.parquet"
    table.to_parquet(path)
    return Examination(points=str(path), maps="", offsets="", checks=(), compared_from=dt.date(2020, 3, 1))


PLAN = TrainingPlan(region_id="r", as_of=dt.datetime(2020, 9, 1, tzinfo=dt.UTC), training_days=(dt.date(2019, 6, 1),),
                    judged_days=tuple(day.date() for day in DAYS))


def test_stations_and_days_that_the_champion_learned_from_do_not_count(examination: Examination) -> None:
    decided = decide_training(PLAN, (model("corrector", 2),), skill(), examination, champion(tuple(STATIONS[4:])))
    assert decided.outcome == "promoted"
    assert decided.judged_days == int((DAYS >= "2020-03-01").sum())
    assert {score.stations for score in decided.scores} == {4}
    assert decided.against == "old"
    everywhere = decide_training(PLAN, (model("corrector", 2),), skill(), examination, champion())
    assert everywhere.outcome != "promoted"


def test_learning_from_what_the_champion_held_out_rejects(examination: Examination) -> None:
    cheat = model("corrector", 2, training=("N_X", "N_Y"))
    decided = decide_training(PLAN, (cheat,), skill(), examination, champion(tuple(STATIONS[4:])))
    assert decided.outcome == "rejected"
    assert "kept_apart" in decided.reasons[0]


def test_without_a_champion_the_coarse_field_is_the_measure(examination: Examination) -> None:
    decided = decide_training(PLAN, (model("corrector", 1),), skill(), examination, None)
    assert (decided.outcome, decided.against, decided.champion) == ("promoted", None, ())


def test_champion_that_cannot_be_run_is_told_of(examination: Examination) -> None:
    decided = decide_training(PLAN, (model("corrector", 2),), skill(), examination, champion(days=False))
    assert decided.outcome == "promoted"
    assert "cannot be run" in decided.reasons[-1]
