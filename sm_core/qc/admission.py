"""Which stations may teach a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sm_core.domain import Record
from sm_core.errors import StationFileError
from sm_core.qc.flags import check_series
from sm_core.qc.hourly import Mask
from sm_core.qc.layers import daily_layers
from sm_core.sources.stations import StationSeries

FROZEN_CODES = frozenset({"D01", "D02", "D03", "FROST"})
FROZEN_FLAGS = frozenset({"D01", "D02", "D03"})
URBAN, WATER = 13, 17


class AdmissionRules(Record):
    """What a station must be for its readings to enter training.

    Attributes
    ----------
    season_days
        Days with a value within one growing season: April to September, October to March in the south.
    good_share
        Share of the readings that pass quality control. Readings of frozen soil are left out of the count: frost is
        weather and no fault.
    correlation
        Of daily surface values with the reference's (a model's or a triple collocation's), and on how many days.
    excluded_cover
        Land cover of the station's cell, IGBP classes.
    paddies
        Whether stations in flooded or irrigated fields are admitted.
    """

    season_days: int = 120
    good_share: float = 0.8
    correlation: float = 0.3
    correlation_days: int = 60
    excluded_cover: tuple[int, ...] = (URBAN, WATER)
    paddies: bool = False


class Admission(NamedTuple):
    """Whether a station is admitted, and every reason why not."""

    admitted: bool
    reasons: tuple[str, ...]


def admissible(
    sensors: Sequence[StationSeries], *, reference: pd.Series | None = None, land_cover: int | None = None,
    paddy: bool = False, rules: AdmissionRules | None = None,
) -> Admission:
    """Judge one station.

    Parameters
    ----------
    sensors
        All its sensors, checked (:func:`~sm_core.qc.check_series`, better also
        :func:`~sm_core.qc.check_neighbours`) or not yet.
    reference
        What a model has at the station's cell, indexed by UTC day [m3 m-3]; without it the correlation is not judged.
    land_cover
        IGBP class of the cell, when known.
    paddy
        Whether the station stands in a flooded or irrigated field.
    rules
        Thresholds; the defaults when not given.

    Raises
    ------
    StationFileError   SM208, sensors of no or of several stations.
    """
    rules = rules or AdmissionRules()
    if len({(one.station.network, one.station.name) for one in sensors}) != 1:
        raise StationFileError("admission is judged station by station", sensors=len(sensors))
    checked = [one if "qc" in one.values else check_series(one) for one in sensors]
    table = daily_layers(checked)
    reasons = (
        _season(table, checked[0].station.lat, rules), _faults(checked, rules), _correlation(table, reference, rules),
        _place(land_cover, paddy, rules),
    )
    found = tuple(reason for reason in reasons if reason)
    return Admission(not found, found)


def _season(table: pd.DataFrame, lat: float, rules: AdmissionRules) -> str:
    day = table["day"]
    shifted = day if lat >= 0 else day + pd.DateOffset(months=6)
    growing = shifted.dt.month.between(4, 9)
    most = int(shifted[growing].dt.year.value_counts().max()) if growing.any() else 0
    if most >= rules.season_days:
        return ""
    return f"{most} days of a growing season, {rules.season_days} are needed"


def _faults(sensors: Sequence[StationSeries], rules: AdmissionRules) -> str:
    good = judged = 0
    for sensor in sensors:
        counted = ~_frozen(sensor.values) & np.isfinite(sensor.values["value"].to_numpy(np.float64))
        judged += int(counted.sum())
        good += int((counted & (sensor.values["qc"] == "").to_numpy(bool)).sum())
    share = good / judged if judged else 0.0
    if share >= rules.good_share:
        return ""
    return f"{100 * share:.0f} % of {judged} readings pass quality control, {100 * rules.good_share:.0f} % are needed"


def _frozen(table: pd.DataFrame) -> Mask:
    """Readings with no other mark than that of frost, the sensor's own or the network's."""
    pairs = (table["qc"].astype("str") + ";" + table["flag"].astype("str")).to_numpy(object).astype(str)
    distinct, position = np.unique(pairs, return_inverse=True)
    return np.array([_only_frost(*pair.split(";", 1)) for pair in distinct], np.bool_)[position]


def _only_frost(qc: str, flag: str) -> bool:
    codes, flags = frozenset(qc.split(",")), frozenset(flag.split(","))
    by_network = "N" not in codes or flags <= FROZEN_FLAGS
    return bool(qc) and codes <= FROZEN_CODES | {"N"} and by_network


def _correlation(table: pd.DataFrame, reference: pd.Series | None, rules: AdmissionRules) -> str:
    if reference is None:
        return ""
    own = table.set_index("day")["sm_surface"].dropna()
    both = pd.concat([own, reference.rename("reference")], axis=1, join="inner").dropna()
    if len(both) < rules.correlation_days:
        return f"{len(both)} days in common with the reference, {rules.correlation_days} are needed"
    spread = both.std()
    r = float(both["sm_surface"].corr(both["reference"])) if (spread > 0).all() else 0.0
    return "" if r >= rules.correlation else f"correlation {r:.2f} with the reference, {rules.correlation} is needed"


def _place(land_cover: int | None, paddy: bool, rules: AdmissionRules) -> str:
    if paddy and not rules.paddies:
        return "in a flooded or irrigated field"
    return f"land cover {land_cover} is excluded" if land_cover in rules.excluded_cover else ""
