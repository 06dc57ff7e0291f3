import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sm_core.domain import Grid
from sm_core.errors import GridMismatchError
from sm_core.grid import Nesting
from sm_core.validation import SkillTable, at_stations, station_metrics, station_skill, truth_skill

DAYS = pd.date_range("2021-05-01", periods=12, freq="D")
WAVE = 0.05 * np.sin(np.arange(12.0))
GRID = Grid.from_origin("g", west=126.0, north=38.0, resolution=0.5, width=4, height=2)


def table(offsets, amplitude=1.0):
    frames = [
        pd.DataFrame({"station_id": name, "lon": 126.1, "lat": 37.9, "day": DAYS.date,
                      "sm_surface": 0.3 + offset + amplitude * WAVE, "sm_rootzone": 0.35 + offset})
        for name, offset in offsets.items()
    ]
    return pd.concat(frames, ignore_index=True)


def fields(surface):
    values = np.asarray(surface, np.float32)
    days = pd.date_range("2021-05-01", periods=len(values))
    variables = {"sm_surface": (("time", "y", "x"), values), "sm_rootzone": (("time", "y", "x"), values + 0.1)}
    return xr.Dataset(variables, {"time": days, "y": GRID.y, "x": GRID.x}, {"grid_id": "g"})


def test_scores_are_averaged_over_stations_not_pooled():
    # offsets +.1 and -.1 at two stations: per-station r stays 1, rmsd .1 each, the mean bias cancels
    skill = station_skill({"a": table({"s": 0.1, "t": -0.1})}, table({"s": 0.0, "t": 0.0}))
    row = skill.row("a", "sm_surface")
    assert row.pearson_r.value == pytest.approx(1.0)
    assert row.rmsd.value == pytest.approx(0.1)
    assert row.ubrmsd.value == pytest.approx(0.0, abs=1e-9)
    assert row.bias.value == pytest.approx(0.0, abs=1e-12)
    assert (row.places, row.pairs) == (2, 24)
    assert (row.bias.lower, row.bias.upper) == (None, None)  # two stations say nothing about others


def test_interval_of_few_stations_reaches_from_the_worst_to_the_best():
    skill = station_skill({"a": table({"s": 0.1, "t": -0.1, "u": 0.0})}, table({"s": 0.0, "t": 0.0, "u": 0.0}))
    score = skill.row("a", "sm_surface").bias
    assert (score.lower, score.upper) == (pytest.approx(-0.1), pytest.approx(0.1))


def test_correlation_of_a_constant_layer_is_unknown_not_zero():
    row = station_skill({"a": table({"s": 0.1})}, table({"s": 0.0})).row("a", "sm_rootzone")
    assert math.isnan(row.pearson_r.value)
    assert row.bias.value == pytest.approx(0.1)


def test_short_records_do_not_count():
    observed = table({"s": 0.0, "t": 0.0})
    observed.loc[observed["station_id"].eq("t") & (observed.index % 12 >= 9), ["sm_surface", "sm_rootzone"]] = np.nan
    estimate = table({"s": 0.1, "t": 0.5})
    assert station_skill({"a": estimate}, observed).row("a", "sm_surface").bias.value == pytest.approx(0.1)
    metrics = station_metrics(estimate, observed)
    assert metrics.loc[("sm_surface", "t"), "status"] == 1
    assert station_skill({"a": estimate}, observed, min_days=9).row("a", "sm_surface").places == 2


def test_stages_are_compared_on_the_same_pairs():
    # stage b knows only station s: t's error in stage a must not enter
    skill = station_skill(
        {"a": table({"s": 0.0, "t": 0.4}), "b": table({"s": 0.1})}, table({"s": 0.0, "t": 0.0})
    )
    assert skill.row("a", "sm_surface").rmsd.value == pytest.approx(0.0, abs=1e-12)
    assert skill.row("b", "sm_surface").rmsd.value == pytest.approx(0.1)


def test_no_common_station_gives_an_empty_score_not_an_error():
    row = station_skill({"a": table({"x": 0.0})}, table({"s": 0.0})).row("a", "sm_surface")
    assert (row.places, row.pairs, math.isnan(row.rmsd.value)) == (0, 0, True)


def test_values_are_taken_where_and_when_the_station_observed():
    ramp = np.arange(3)[:, None, None] * 0.1 + np.arange(8).reshape(2, 4) * 0.01
    stations = pd.DataFrame({
        "station_id": ["s", "s", "out", "late"], "lon": [127.6, 127.6, 120.0, 126.1], "lat": [37.3, 37.3, 37.0, 37.9],
        "day": [dt.date(2021, 5, 1), pd.Timestamp("2021-05-03"), dt.date(2021, 5, 1), dt.date(2021, 6, 1)],
    })
    sampled = at_stations(fields(ramp), stations, GRID)
    np.testing.assert_allclose(sampled["sm_surface"], [0.07, 0.27, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(sampled["sm_rootzone"][:2], [0.17, 0.37], rtol=1e-6)


def test_fields_of_another_grid_are_refused():
    with pytest.raises(GridMismatchError, match="expected=g"):
        at_stations(fields(np.zeros((1, 2, 4))).assign_attrs(grid_id="other"), table({"s": 0.0}), GRID)


def test_truth_scores_pool_cells_and_days():
    # errors 0 .2 | 0 .2 at two cells and two days of two cells each: mean .1, mean square .02
    truth = fields(np.tile([[0.1, 0.2, 0.3, 0.4]], (2, 2, 1)))
    estimate = fields(truth["sm_surface"].values + np.array([0.0, 0.2, 0.0, 0.2]))
    row = truth_skill({"a": estimate}, truth).row("a", "sm_surface")
    assert row.bias.value == pytest.approx(0.1)
    assert row.rmsd.value == pytest.approx(math.sqrt(0.02))
    assert row.within_cell_r is None
    assert (row.places, row.pairs) == (8, 16)


def test_within_cell_correlation_ignores_what_the_coarse_cell_knows():
    nesting = Nesting(np.array([[0, 0, 1, 1], [0, 0, 1, 1]]), np.ones((2, 4)), (1, 2))
    truth = fields([[[0.1, 0.2, 0.6, 0.7], [0.1, 0.2, 0.6, 0.7]]])
    wrong_pattern = fields([[[0.2, 0.1, 0.7, 0.6], [0.2, 0.1, 0.7, 0.6]]])
    flat = fields([[[0.15, 0.15, 0.65, 0.65]] * 2])
    skill = truth_skill({"right": truth, "wrong": wrong_pattern, "flat": flat}, truth, nesting)
    assert skill.row("right", "sm_surface").within_cell_r.value == pytest.approx(1.0)
    assert skill.row("wrong", "sm_surface").within_cell_r.value == pytest.approx(-1.0)
    assert skill.row("wrong", "sm_surface").pearson_r.value > 0.9
    assert math.isnan(skill.row("flat", "sm_surface").within_cell_r.value)


def test_unknown_cells_of_any_stage_are_left_out_for_all():
    truth = fields(np.full((1, 2, 4), 0.3) + np.arange(4) * 0.1)
    good = truth.copy(deep=True)
    holed = truth.copy(deep=True)
    holed["sm_surface"][0, 0, 0] = np.nan
    good["sm_surface"][0, 0, 0] = 9.0
    row = truth_skill({"good": good, "holed": holed}, truth).row("good", "sm_surface")
    assert (row.rmsd.value, row.pairs) == (pytest.approx(0.0), 7)


def test_table_prints_as_markdown_and_survives_json():
    places = {"s": 0.0, "t": 0.0, "u": 0.0}
    skill = station_skill({"a": table(dict.fromkeys(places, 0.1))}, table(places))
    lines = str(skill).splitlines()
    assert lines[0].split("|")[1:5] == [" stage ", " layer ", " PCC ", " RMSE "]
    assert "| a | sm_surface | 1.000 (1.000 to 1.000) | 0.100 (0.100 to 0.100) |" in lines[2]
    assert "| – |" in lines[3]
    again = SkillTable.model_validate_json(skill.model_dump_json())
    assert str(again) == str(skill)
