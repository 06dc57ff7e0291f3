import math

import numpy as np
import pandas as pd
import pytest

from sm_core.validation import Status, StrataTable, strata, stratified_skill
from sm_core.validation.strata import texture_class


def test_labels_of_whatever_is_known():
    table = pd.DataFrame({
        "day": pd.to_datetime(["2021-01-15", "2021-07-15"]), "land_cover": [5, np.nan], "clay": [20.0, np.nan],
        "sand": [40.0, 10.0], "distance_km": [12.0, 0.0], "gap_filled": [True, False], "provisional": [None, True],
        "network": ["RDA", "KMA"],
    })
    found = strata(table)
    assert found.columns.tolist() == ["season", "land cover", "texture", "distance", "input", "maturity", "network"]
    assert found.iloc[0].tolist() == ["DJF", "forest", "loam", "10–25 km", "gap-filled", None, "RDA"]
    assert found.iloc[1].tolist() == ["JJA", None, None, "seen", "observed", "provisional", "KMA"]
    assert strata(table[["day"]]).columns.tolist() == ["season"]


@pytest.mark.parametrize(("clay", "sand", "name"), [
    (3, 92, "sand"), (5, 83, "loamy sand"), (12, 60, "sandy loam"), (5, 48, "sandy loam"), (5, 52, "sandy loam"),
    (20, 40, "loam"), (15, 20, "silt loam"), (5, 10, "silt"), (25, 60, "sandy clay loam"), (30, 35, "clay loam"),
    (30, 10, "silty clay loam"), (40, 50, "sandy clay"), (45, 5, "silty clay"), (60, 20, "clay"), (60, 60, None),
])
def test_corners_of_the_texture_triangle(clay, sand, name):
    assert texture_class([clay], [sand]).tolist() == [name]


def rows():
    """Four stations of 20 days; the estimate is .1 too wet in the first ten, right afterwards."""
    reference = np.tile(np.linspace(0.1, 0.4, 20), 4)
    wet = np.tile(np.arange(20) < 10, 4)
    return {"estimate": reference + 0.1 * wet, "reference": reference, "station": np.repeat(list("abcd"), 20)}, wet


def test_skill_inside_strata():
    values, wet = rows()
    labels = pd.DataFrame({"half": np.where(wet, "first", "second"), "nothing": None})
    table = stratified_skill(**values, labels=labels)
    assert [(row.covariate, row.stratum) for row in table.rows] == [("half", "first"), ("half", "second")]
    first, second = (table.row("half", name) for name in ("first", "second"))
    assert (first.bias.value, second.bias.value) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))
    assert (first.places, first.pairs) == (4, 40)
    assert first.bias.lower == pytest.approx(0.1)


def test_too_little_has_a_status_and_no_scores():
    values, _ = rows()
    few = np.where(values["station"] == "a", "one station", "three")
    few[[25, 45, 65, 66, 67]] = "five rows"
    table = stratified_skill(**values, labels={"size": few}, min_pairs=20)
    assert table.row("size", "one station").pairs == 20
    for name in ("one station", "five rows"):
        row = table.row("size", name)
        assert row.status is Status.NOT_ENOUGH_DATA
        assert math.isnan(row.rmsd.value)
    assert table.row("size", "three").status is Status.OK


def test_table_is_markdown_and_survives_json():
    values, wet = rows()
    table = stratified_skill(**values, labels={"half": np.where(wet, "first", "second")}, over="stations")
    assert "| half | first | 1.000 (1.000 to 1.000) | 0.100 (0.100 to 0.100) |" in str(table)
    assert str(StrataTable.model_validate_json(table.model_dump_json())) == str(table)
