from __future__ import annotations

import datetime as dt

import pytest

from sm_core.domain import Layer
from tasks.accumulation import LiveSkill, Standing, Thresholds, due, standing_text
from tasks.training.records import TrainingRequest

TRAINED = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
LIMITS = Thresholds(station_days=1000, stations=5, drift_m3=0.01, rest_days=14)


def standing(
    station_days: int = 0, stations: int = 0, live: float | None = None, days_later: int = 30,
    layer: Layer = "sm_surface",
) -> Standing:
    as_of = TRAINED + dt.timedelta(days=days_later)
    skill = () if live is None else (LiveSkill(layer=layer, stations=7, judged=0.040, live=live),)
    return Standing(region_id="r", as_of=as_of, trained_as_of=TRAINED, station_days=station_days, stations=stations,
                    live=skill, reasons=(), training=TrainingRequest(region_id="r", as_of=as_of))


@pytest.mark.parametrize(("found", "reason"), [
    (standing(station_days=1000), "1000 new station-days"),
    (standing(stations=5), "5 new stations"),
    (standing(live=0.051), "sm_surface: ubRMSE 0.051 at 7 unseen stations"),
    (standing(live=0.051, layer="sm_rootzone"), "sm_rootzone: ubRMSE"),
])
def test_each_threshold_makes_due_by_itself(found: Standing, reason: str) -> None:
    assert [text[:len(reason)] for text in due(found, TRAINED, LIMITS)] == [reason]


@pytest.mark.parametrize("found", [
    standing(station_days=999), standing(stations=4), standing(live=0.049), standing(live=float("nan")),
    standing(live=0.2, days_later=13), standing(),
])
def test_below_the_thresholds_nothing_is_due(found: Standing) -> None:
    assert due(found, TRAINED, LIMITS) == ()


def test_counts_do_not_wait_for_the_rest_after_a_training() -> None:
    assert due(standing(station_days=2000, days_later=1), TRAINED, LIMITS)


def test_text_names_counts_limits_and_what_follows() -> None:
    found = standing(station_days=1200, live=0.03)
    text = standing_text(found.model_copy(update={"reasons": due(found, TRAINED, LIMITS)}), LIMITS)
    for words in ("| station-days | 1200 | 1000 |", "0.030 | 0.050", "Training asked for: 1200 new station-days"):
        assert words in text
    assert "Not due." in standing_text(standing(), LIMITS)
    assert "sm-daily train" in standing_text(standing().model_copy(update={"trained_as_of": None}), LIMITS)
