"""How good a training is at each station that it never saw."""

from __future__ import annotations

import pandas as pd

from sm_core.domain import LAYERS
from sm_core.validation import station_metrics

SCORES = "station_skill.csv"
"""Document of a training: scores of the corrected field, a line for each unseen station and layer."""


def each_station(points: pd.DataFrame) -> str:
    """The document's text, from values at unseen stations.

    Parameters
    ----------
    points
        Columns station_id, day, the layers as observed, and ``corrected.<layer>`` [m3 m-3].

    Returns
    -------
    CSV: station_id, layer, days, pearson_r [1], ubrmsd, bias [m3 m-3]; scores are empty with fewer than ten days.
    """
    made = points[["station_id", "day"]].assign(**{layer: points[f"corrected.{layer}"] for layer in LAYERS})
    found = station_metrics(made, points).reset_index().rename(columns={"n_obs": "days"})
    found = found[found["days"] > 0].sort_values(["station_id", "layer"])
    columns = ["station_id", "layer", "days", "pearson_r", "ubrmsd", "bias"]
    return str(found[columns].to_csv(index=False, float_format="%.4f", lineterminator="\n"))
