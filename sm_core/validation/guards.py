"""Leaks: ways in which a model may have seen what it is judged on. Each guard raises SM505 or says nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from sm_core.domain import LAYERS, Layer, Record
from sm_core.errors import LeakError
from sm_core.grid.points import EARTH_RADIUS_KM, chord_to_km, unit_vectors
from sm_core.validation.designs import Division

if TYPE_CHECKING:
    from sm_core.validation.accuracy import AccuracyTable

Floats = NDArray[np.float64]
TELLS_STATIONS_APART = 0.8
"""Share of the stations' entropy from which a feature counts as an identifier."""
ONE_PLACE_KM = 0.1
FLOOR: Mapping[Layer, float] = {"sm_surface": 0.035, "sm_rootzone": 0.03}
"""RMSE [m3 m-3] against single sensors that a square kilometre's mean can hardly go below, whoever estimates it."""
_DEGREE_KM = float(np.deg2rad(1)) * EARTH_RADIUS_KM


class FeatureIdentity(Record):
    """How much a feature alone says about which station a row is of: 0 nothing, 1 all."""

    feature: str
    information: float
    constant: bool


class LeakWarning(Record):
    """A figure at unseen stations that is too good to be believed before someone has looked."""

    stage: str
    layer: Layer
    design: str
    rmsd: float
    floor: float

    def __str__(self) -> str:
        return (f"{self.stage}, {self.layer}, {self.design}: RMSE {self.rmsd:.3f} at unseen stations is below "
                f"{self.floor:.3f}, what single sensors differ from their square kilometre by: look for a leak")


def feature_identities(features: pd.DataFrame, station: ArrayLike, *, seed: int = 0) -> tuple[FeatureIdentity, ...]:
    """How far each feature tells the stations apart.

    Parameters
    ----------
    features
        One column for each feature, one row for each station-day.
    station
        Whose row it is. (rows,)
    seed
        Of the permutations that say what chance alone would tell.

    Returns
    -------
    Mutual information of feature and station over the entropy of the stations, both less what chance gives: the
    feature is cut into up to four classes of equal size for each station, or taken by its values where they are few.

    References
    ----------
    .. [1] Vinh et al. (2010), Information theoretic measures for clusterings comparison (adjusted for chance).
    """
    codes, ids = pd.factorize(np.asarray(station).astype(str))
    rng = np.random.default_rng(seed)
    found = []
    for name in features.columns:
        values = features[name].to_numpy(np.float64)
        classes = _classes(values, len(ids))
        chance = float(np.mean([_information(classes, rng.permutation(codes)) for _ in range(3)]))
        entropy = _information(codes, codes)
        told = (_information(classes, codes) - chance) / (entropy - chance) if entropy - chance > 1e-9 else 0.0
        spread = pd.Series(values).groupby(codes).agg(lambda own: own.max() - own.min())
        found.append(FeatureIdentity(feature=str(name), information=round(max(told, 0.0), 6),
                                     constant=bool(spread.max() == 0)))
    return tuple(found)


def check_features(
    features: pd.DataFrame, station: ArrayLike, *, physical: Collection[str] = (), most: float = TELLS_STATIONS_APART,
) -> None:
    """No feature may stand for the station: an id, a row number, a coordinate, a station's mean.

    Parameters
    ----------
    features, station
        As :func:`feature_identities` takes them.
    physical
        Features that are known statics of the land (elevation, slope, texture …): they differ between stations and
        may. That a model does not memorise stations by them is what leaving stations out shows.
    most
        Largest share of information allowed.

    Raises
    ------
    LeakError   SM505, with the features and their shares.
    """
    others = features[[name for name in features.columns if name not in physical]]
    leaks = {one.feature: round(one.information, 2) for one in feature_identities(others, station)
             if one.information > most}
    if leaks:
        raise LeakError("features that identify stations", **leaks)


def check_patches(table: pd.DataFrame, division: Division, *, radius_cells: int, cell_km: float) -> None:
    """No cell may lie in the patches of both a training and a judged station.

    Parameters
    ----------
    table
        Columns station_id, lon, lat [degrees]; the rows that the division divides.
    division
        One that shares stations between its sides has nothing to check.
    radius_cells
        Cells that a patch reaches from the station's own.
    cell_km
        Side of a cell [km].

    Raises
    ------
    LeakError   SM505, with the nearest pair, their distance [km] along the axes and the distance needed.
    """
    if not division.separates_stations:
        return
    needed = (2 * radius_cells + 1) * cell_km
    sides = [_places(table, mask) for mask in (division.training, division.judged)]
    middle = float(np.mean(np.concatenate([side["lat"] for side in sides])))
    points = [np.stack([side["lon"] * np.cos(np.deg2rad(middle)), side["lat"]], axis=1) * _DEGREE_KM for side in sides]
    distance, nearest = KDTree(points[0]).query(points[1], p=np.inf)
    worst = int(np.argmin(distance))
    if distance[worst] < needed:
        raise LeakError(
            "patches of training and judged stations overlap", division=division.name,
            training=sides[0]["station_id"].iloc[nearest[worst]], judged=sides[1]["station_id"].iloc[worst],
            apart_km=round(float(distance[worst]), 2), needed_km=round(needed, 2),
        )


def check_tuning(table: pd.DataFrame, division: Division, tuned_on: pd.DataFrame) -> None:
    """Whatever was chosen by looking at rows (parameters, rounds, features) was chosen on training rows alone.

    Parameters
    ----------
    table
        Columns station_id, day; the rows that the division divides.
    tuned_on
        Columns station_id, day: all rows that any choice looked at.

    Raises
    ------
    LeakError   SM505, with how many of them are judged, and how many are neither judged nor training rows.
    """
    used = _keys(tuned_on).unique()
    rows = _keys(table)
    judged = int(used.isin(rows[division.judged]).sum())
    outside = int((~used.isin(rows[division.training])).sum()) - judged
    if judged or outside:
        raise LeakError("tuned on rows outside training", division=division.name, judged=judged, neither=outside)


def check_same_station(
    table: pd.DataFrame, division: Division, *, within_km: float = ONE_PLACE_KM, rmsd: float = 0.01,
    pearson: float = 0.99, min_days: int = 10,
) -> None:
    """No station may stand on both sides under two ids.

    Parameters
    ----------
    table
        Columns station_id, lon, lat [degrees], day, sm_surface, sm_rootzone [m3 m-3].
    division
        One that shares stations between its sides has nothing to check.
    within_km
        Farthest apart that two records of one place are.
    rmsd, pearson
        Two series at one place are the same if, on their common days, they differ by less or correlate by more.
    min_days
        With fewer common days they cannot be told apart and count as the same.

    Raises
    ------
    LeakError   SM505, with the two ids.
    """
    if not division.separates_stations:
        return
    training, judged = (_places(table, mask) for mask in (division.training, division.judged))
    points = [unit_vectors(side["lon"], side["lat"]) for side in (training, judged)]
    near = KDTree(points[0]).query_ball_point(points[1], 2 * np.sin(within_km / EARTH_RADIUS_KM / 2))
    for row, columns in enumerate(near):
        for column in columns:
            ids = str(training["station_id"].iloc[column]), str(judged["station_id"].iloc[row])
            if any(_same(*pair, rmsd, pearson, min_days) for pair in _common(table, *ids)):
                apart = float(chord_to_km(np.linalg.norm(points[0][column] - points[1][row])))
                raise LeakError("one station under two ids on both sides", division=division.name, training=ids[0],
                                judged=ids[1], apart_m=round(1000 * apart))


def floor_warnings(
    accuracy: AccuracyTable, *, floor: Mapping[Layer, float] = FLOOR, stages: Iterable[str] | None = None
) -> tuple[LeakWarning, ...]:
    """Figures at unseen stations that are better than a square kilometre's mean can be expected to be.

    Parameters
    ----------
    accuracy
        As :func:`~sm_core.validation.accuracy.evaluate` makes it.
    floor
        Smallest credible RMSE [m3 m-3] by layer.
    stages
        To look at; all by default.
    """
    wanted = None if stages is None else set(stages)
    return tuple(
        LeakWarning(stage=row.stage, layer=row.layer, design=row.design, rmsd=row.rmsd.value, floor=floor[row.layer])
        for row in accuracy.rows
        if row.design in ("stations", "both") and row.over == "station-days" and row.rmsd.value < floor[row.layer]
        and (wanted is None or row.stage in wanted)
    )


def _classes(values: Floats, stations: int) -> NDArray[np.int64]:
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    if len(distinct) <= 4 * stations:
        return np.asarray(codes, np.int64)
    count = max(stations, min(4 * stations, len(values) // 5))
    known = np.isfinite(values)
    limits = np.unique(np.quantile(values[known], np.linspace(0, 1, count + 1)[1:-1]))
    return np.asarray(np.where(known, np.searchsorted(limits, values, side="right"), len(limits) + 1), np.int64)


def _information(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    joint = pd.factorize(a * (int(b.max(initial=0)) + 1) + b)[0]
    return _entropy(a) + _entropy(b) - _entropy(joint.astype(np.int64))


def _entropy(codes: NDArray[np.int64]) -> float:
    count = np.bincount(codes)
    share = count[count > 0] / codes.size
    return float(-(share * np.log(share)).sum())


def _places(table: pd.DataFrame, mask: NDArray[np.bool_]) -> pd.DataFrame:
    return table.loc[mask, ["station_id", "lon", "lat"]].drop_duplicates("station_id")


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    days = pd.DatetimeIndex(pd.to_datetime(table["day"])).normalize().as_unit("ns")
    return pd.MultiIndex.from_arrays([table["station_id"].astype(str), days])


def _common(table: pd.DataFrame, one: str, other: str) -> Iterator[tuple[Floats, Floats]]:
    ids = table["station_id"].astype(str)
    series = [table[ids == name].drop_duplicates("day").set_index("day")[list(LAYERS)] for name in (one, other)]
    days = series[0].index.intersection(series[1].index)
    for layer in LAYERS:
        pair = [part.loc[days, layer].to_numpy(np.float64) for part in series]
        if all(part[layer].notna().any() for part in series):
            known = np.isfinite(pair[0]) & np.isfinite(pair[1])
            yield pair[0][known], pair[1][known]


def _same(one: Floats, other: Floats, rmsd: float, pearson: float, min_days: int) -> bool:
    if one.size < min_days:
        return True
    if float(np.sqrt(np.mean((one - other) ** 2))) < rmsd:
        return True
    return bool(np.ptp(one) > 0 and np.ptp(other) > 0 and np.corrcoef(one, other)[0, 1] > pearson)
