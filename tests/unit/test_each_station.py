"""Scores at single stations, worked out by hand."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pandas as pd

from tasks.training.each_station import each_station


def test_scores_of_a_station_with_an_offset_and_of_one_with_few_days() -> None:
    days = pd.date_range("2020-05-01", periods=20)
    truth = 0.2 + 0.01 * np.tile([0.0, 1.0], 10)
    long = pd.DataFrame({"station_id": "A", "day": days, "sm_surface": truth, "sm_rootzone": np.nan,
                         "corrected.sm_surface": truth + 0.03, "corrected.sm_rootzone": 0.3})
    short = long.iloc[:5].assign(station_id="B")
    rows = list(csv.DictReader(StringIO(each_station(pd.concat([short, long], ignore_index=True)))))
    assert [(row["station_id"], row["layer"], row["days"]) for row in rows] == [
        ("A", "sm_surface", "20"), ("B", "sm_surface", "5")]
    assert (rows[0]["pearson_r"], rows[0]["ubrmsd"], rows[0]["bias"]) == ("1.0000", "0.0000", "0.0300")
    assert (rows[1]["pearson_r"], rows[1]["ubrmsd"], rows[1]["bias"]) == ("", "", "")
