import math

import numpy as np
import pandas as pd
import pytest

from sm_core.validation import (
    AccuracyTable,
    DesignParams,
    baseline_stages,
    divisions,
    effective_sample_size,
    evaluate,
    evaluate_strata,
    gains,
    pearson_r,
    rmsd,
    ubrmsd,
)

IDS = [f"s{number:02d}" for number in range(16)]
DAYS = pd.date_range("2020-01-01", periods=120, freq="6D")
PARAMS = DesignParams(folds=4, block_km=40, buffer_km=15, judged_days=240, gap_days=30)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    places = pd.DataFrame({"station_id": IDS, "lon": rng.uniform(126, 129, 16), "lat": rng.uniform(35, 38, 16),
                           "level": rng.uniform(0.2, 0.4, 16)})
    found = places.merge(pd.DataFrame({"day": DAYS}), how="cross")
    season = 0.06 * np.cos(2 * np.pi * found["day"].dt.day_of_year / 365)
    found["sm_surface"] = found["level"] + season + 0.02 * rng.standard_normal(len(found))
    found["sm_rootzone"] = found["level"] + 0.5 * season + 0.01 * rng.standard_normal(len(found))
    return found


@pytest.fixture(scope="module")
def parts(table):
    return divisions(table, PARAMS)


def moved(table, surface, rootzone=0.0):
    return table[["station_id", "day"]].assign(
        sm_surface=table["sm_surface"] + surface, sm_rootzone=table["sm_rootzone"] + rootzone)


def test_scores_pooled_and_averaged_are_those_of_the_judged_rows(table, parts):
    noise = 0.03 * np.random.default_rng(2).standard_normal(len(table))
    stage = moved(table, noise, 0.02)
    found = evaluate(table, parts, {"ours": stage})
    one = next(part for part in parts if part.design == "last_year")
    pair = {"estimate": stage["sm_surface"][one.judged], "reference": table["sm_surface"][one.judged]}
    pooled = found.row("last_year", "ours", "sm_surface")
    assert pooled.pearson_r.value == pytest.approx(pearson_r(**pair))
    assert pooled.rmsd.value == pytest.approx(rmsd(**pair))
    assert (pooled.places, pooled.pairs) == (16, one.judged.sum())
    own = [ubrmsd(estimate=stage["sm_surface"][one.judged & (table["station_id"] == name)],
                  reference=table["sm_surface"][one.judged & (table["station_id"] == name)]) for name in IDS]
    assert found.row("last_year", "ours", "sm_surface", "stations").ubrmsd.value == pytest.approx(np.mean(own))
    assert found.row("stations", "ours", "sm_rootzone").bias.value == pytest.approx(0.02)
    assert found.row("stations", "ours", "sm_rootzone").bias.upper == pytest.approx(0.02)


def test_independent_pairs_are_counted_by_station(table, parts):
    stage = moved(table, 0.03 * np.random.default_rng(2).standard_normal(len(table)))
    row = evaluate(table, parts, {"ours": stage}).row("stations", "ours", "sm_surface")
    expected = sum(
        effective_sample_size(estimate=stage["sm_surface"][own], reference=table["sm_surface"][own])
        for own in (table["station_id"] == name for name in IDS))
    assert row.n_eff == pytest.approx(expected)
    assert row.n_eff < 0.8 * row.pairs


def test_folds_are_judged_together_each_by_its_own_model(table, parts):
    folds = [part for part in parts if part.design == "stations"]
    stage = pd.concat([moved(table, 0.01 * number).assign(division=one.name) for number, one in enumerate(folds)])
    found = evaluate(table, folds, {"ours": stage}).row("stations", "ours", "sm_surface")
    rows = [one.judged.sum() for one in folds]
    assert (found.places, found.pairs) == (16, len(table))
    assert found.bias.value == pytest.approx(np.average(0.01 * np.arange(len(folds)), weights=rows))


def test_designs_without_predictions_have_no_rows(table, parts):
    stage = moved(table, 0.0).assign(division="last_year")
    assert {row.design for row in evaluate(table, parts, {"ours": stage}).rows} == {"last_year"}


def test_all_stages_are_scored_on_the_same_pairs(table, parts):
    holed = moved(table, 0.02)
    holed.loc[holed["station_id"].isin(IDS[:8]), "sm_surface"] = np.nan
    full = moved(table, np.where(table["station_id"].isin(IDS[:8]), 9.0, 0.01))
    found = evaluate(table, parts, {"holed": holed, "full": full})
    assert found.row("stations", "full", "sm_surface").bias.value == pytest.approx(0.01)
    assert found.row("stations", "full", "sm_surface").places == 8
    assert found.row("stations", "full", "sm_rootzone").places == 16


def test_a_season_without_weather_has_pcc_but_no_anomaly_pcc(table, parts):
    season = 0.3 + 0.06 * np.cos(2 * np.pi * table["day"].dt.day_of_year / 365)
    stage = table[["station_id", "day"]].assign(
        sm_surface=season + 0.005 * np.random.default_rng(5).standard_normal(len(table)), sm_rootzone=season)
    row = evaluate(table, parts, {"season": stage}).row("last_year", "season", "sm_surface", "stations")
    assert row.pearson_r.value > 0.7
    assert row.anomaly_r.value < 0.45


def test_gains_over_baselines(table, parts):
    season = 0.06 * np.cos(2 * np.pi * table["day"].dt.day_of_year / 365)
    coarse = table[["station_id", "day"]].assign(sm_surface=0.3 + season, sm_rootzone=0.3 + season / 2)
    stages = {"ours": moved(table, 0.02, 0.02), **baseline_stages(table, parts, nearest=coarse, bilinear=coarse)}
    found = gains(table, parts, stages, of=["ours"], baselines=["coarse nearest", "coarse + offset"])
    assert len(found.rows) == 4 * 2 * 2
    first = next(row for row in found.rows if (row.design, row.layer) == ("stations", "sm_surface"))
    accuracy = evaluate(table, parts, stages)
    ours, theirs = (accuracy.row("stations", name, "sm_surface") for name in ("ours", "coarse nearest"))
    assert first.gain.rmsd.value == pytest.approx(theirs.rmsd.value - ours.rmsd.value)
    assert first.gain.rmsd.lower > 0
    # where the station was seen, its offset takes the level away: hard to beat
    offset = {row.design: row.gain.rmsd.value for row in found.rows
              if (row.layer, row.baseline) == ("sm_surface", "coarse + offset")}
    assert offset["last_year"] < 0.01 < offset["stations"]
    assert "| unseen stations | sm_surface | ours | coarse nearest |" in str(found)


def test_strata_of_every_design(table, parts):
    covariates = pd.DataFrame({"gap_filled": table["day"].dt.month < 7}, index=table.index)
    stage = moved(table, np.where(covariates["gap_filled"], 0.05, 0.01))
    found = evaluate_strata(table, parts, {"ours": stage}, stage="ours", covariates=covariates)
    strata = found["stations", "sm_surface"]
    assert strata.row("input", "gap-filled").bias.value == pytest.approx(0.05)
    assert strata.row("input", "observed").bias.value == pytest.approx(0.01)
    assert {row.stratum for row in strata.rows if row.covariate == "distance"} <= {
        "10–25 km", "25–50 km", "50–100 km", "≥ 100 km"}
    assert {row.stratum for row in found["last_year", "sm_surface"].rows if row.covariate == "distance"} == {"seen"}


def test_same_seed_same_table_and_markdown_and_json(table, parts):
    stage = moved(table, 0.03 * np.random.default_rng(2).standard_normal(len(table)), 0.02)
    found = evaluate(table, parts, {"ours": stage})
    assert str(found) == str(evaluate(table, parts, {"ours": stage.sample(frac=1, random_state=3)}))
    text = str(found)
    assert "**random (diagnostic only)**" in text
    assert "| sm_rootzone | ours | station-days | 1.000 (1.000 to 1.000) |" in text
    assert str(AccuracyTable.model_validate_json(found.model_dump_json())) == text


def test_nothing_in_common_is_no_error(table, parts):
    found = evaluate(table, parts, {"ours": moved(table, np.nan, np.nan)}).row("both", "ours", "sm_surface", "stations")
    assert (found.places, found.pairs, math.isnan(found.rmsd.value)) == (0, 0, True)
