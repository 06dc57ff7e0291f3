"""Skill by season, land cover, soil texture, distance to what was learned from, and kind of input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record
from sm_core.validation.metrics import Status
from sm_core.validation.moments import MIN_GROUPS, STANDARD, Bootstrap, Moments, Over, Score, grouped_scores

Labels = NDArray[np.object_]
DISTANCE_EDGES_KM = (0.0, 10.0, 25.0, 50.0, 100.0)
SEASONS = ("DJF", "MAM", "JJA", "SON")
LAND_COVER_GROUPS = {
    "forest": (1, 2, 3, 4, 5), "shrub": (6, 7), "savanna": (8, 9), "grass": (10,), "wetland": (11,),
    "cropland": (12, 14), "urban": (13,), "snow and ice": (15,), "barren": (16,), "water": (17,),
}
"""Of the IGBP classes."""
SCORES = ("pearson_r", "rmsd", "ubrmsd", "bias")


class StratumRow(Record):
    """Skill inside one stratum; scores are NaN where the status says that there is too little."""

    covariate: str
    stratum: str
    over: Over
    status: Status
    places: int
    pairs: int
    pearson_r: Score
    rmsd: Score
    ubrmsd: Score
    bias: Score


class StrataTable(Record):
    """Skill by stratum; its text is a markdown table."""

    rows: tuple[StratumRow, ...]

    def row(self, covariate: str, stratum: str) -> StratumRow:
        """The scores of one stratum."""
        return next(row for row in self.rows if (row.covariate, row.stratum) == (covariate, stratum))

    def __str__(self) -> str:
        head = ["covariate", "stratum", "PCC", "RMSE", "ubRMSE", "bias", "places", "pairs", "status"]
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for row in self.rows:
            cells = [row.covariate, row.stratum, *(str(getattr(row, name)) for name in SCORES), str(row.places),
                     str(row.pairs), row.status.name]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def strata(covariates: pd.DataFrame) -> pd.DataFrame:
    """Labels of the strata from whatever covariates there are.

    Parameters
    ----------
    covariates
        Any of the columns day; land_cover [IGBP 1 … 17]; clay and sand [%]; distance_km, to the nearest training
        station; gap_filled and provisional (boolean). Other columns are taken as labels themselves.

    Returns
    -------
    On the same index the columns season, land cover, texture, distance, input, maturity, and other columns by their
    names; None where unknown.
    """
    makers: dict[str, tuple[tuple[str, ...], Callable[..., Labels]]] = {
        "season": (("day",), season), "land cover": (("land_cover",), land_cover_group),
        "texture": (("clay", "sand"), texture_class), "distance": (("distance_km",), distance_bin),
        "input": (("gap_filled",), lambda mask: _either(mask, "gap-filled", "observed")),
        "maturity": (("provisional",), lambda mask: _either(mask, "provisional", "final")),
    }
    labels, used = {}, set()
    for name, (needed, maker) in makers.items():
        if set(needed) <= set(covariates.columns):
            labels[name] = maker(*(covariates[column] for column in needed))
            used |= set(needed)
    others = {name: covariates[name].to_numpy(object) for name in covariates.columns if name not in used}
    return pd.DataFrame({**labels, **others}, index=covariates.index, dtype=object)


def season(day: pd.Series) -> Labels:
    """Meteorological seasons by their months' first letters, on either hemisphere.

    >>> season(pd.Series(pd.to_datetime(["2021-12-31", "2021-03-01"]))).tolist()
    ['DJF', 'MAM']
    """
    month = pd.DatetimeIndex(pd.to_datetime(day)).month
    names: Labels = np.array(SEASONS, object)[np.asarray(month % 12 // 3)]
    return names


def land_cover_group(igbp: ArrayLike) -> Labels:
    """Groups of IGBP classes; None for other numbers.

    >>> land_cover_group([4, 12, 0]).tolist()
    ['forest', 'cropland', None]
    """
    classes = np.asarray(igbp, np.float64)
    labels = np.full(classes.shape, None, object)
    for name, members in LAND_COVER_GROUPS.items():
        labels[np.isin(classes, members)] = name
    return labels


def texture_class(clay: ArrayLike, sand: ArrayLike) -> Labels:
    """USDA soil texture class from clay and sand [%]; None where unknown or impossible.

    >>> texture_class([10, 20, 60, 34], [85, 40, 20, 60]).tolist()
    ['loamy sand', 'loam', 'clay', 'sandy clay loam']

    References
    ----------
    .. [1] Soil Survey Division Staff (1993), Soil Survey Manual, chapter 3.
    """
    c, s = np.asarray(clay, np.float64), np.asarray(sand, np.float64)
    silt = 100 - c - s
    classes = {
        "sand": silt + 1.5 * c < 15, "loamy sand": silt + 2 * c < 30, "silt": (silt >= 80) & (c < 12),
        "silt loam": (silt >= 50) & (c < 27), "silty clay": (c >= 40) & (silt >= 40), "clay": (c >= 40) & (s <= 45),
        "sandy clay": (c >= 35) & (s > 45), "silty clay loam": (c >= 27) & (s <= 20),
        "clay loam": (c >= 27) & (s <= 45), "sandy clay loam": (c >= 20) & (silt < 28) & (s > 45),
        "sandy loam": (s > 52) | ((c < 7) & (silt < 50)),
        "loam": c < 27,
    }
    possible = (c >= 0) & (s >= 0) & (silt >= 0)
    labels = np.full(c.shape, None, object)
    for name, inside in reversed(classes.items()):
        labels[inside & possible] = name
    return labels


def distance_bin(km: ArrayLike, edges: Sequence[float] = DISTANCE_EDGES_KM) -> Labels:
    """Bins of distance, each with its lower edge; stations that were learned from have a bin of their own.

    >>> distance_bin([0.0, 3.0, 10.0, 400.0, float("nan")]).tolist()
    ['seen', '0–10 km', '10–25 km', '≥ 100 km', None]
    """
    distance = np.asarray(km, np.float64)
    names = [f"{low:g}–{high:g} km" for low, high in pairwise(edges)] + [f"≥ {edges[-1]:g} km"]
    place = np.searchsorted(np.asarray(edges), distance, side="right") - 1
    labels = np.array([*names, None], object)[np.where(np.isfinite(distance) & (place >= 0), place, len(names))]
    labels[distance < 1e-6] = "seen"
    return labels


def stratified_skill(
    *, estimate: ArrayLike, reference: ArrayLike, station: ArrayLike, labels: pd.DataFrame | Mapping[str, ArrayLike],
    over: Over = "station-days", min_pairs: int = 30, min_stations: int = MIN_GROUPS, bootstrap: Bootstrap = STANDARD,
) -> StrataTable:
    """Scores inside each stratum of each covariate.

    Parameters
    ----------
    estimate, reference
        [m3 m-3], NaN = unknown. (rows,)
    station
        Whose row it is: the bootstrap draws stations. (rows,)
    labels
        By covariate the stratum of each row, None = unknown; as :func:`strata` gives it.
    over
        Pool all rows, or average over stations (those with a tenth of ``min_pairs``, at least 10).
    min_pairs, min_stations
        Fewest of a stratum; below, its status is NOT_ENOUGH_DATA and it has no scores.
    bootstrap
        Over stations.
    """
    e, o = np.asarray(estimate, np.float64), np.asarray(reference, np.float64)
    codes, ids = pd.factorize(np.asarray(station).astype(str))
    rows = []
    for covariate, stratum, inside in strata_of(labels):
        moments = Moments.of(estimate=e[inside], reference=o[inside], group=codes[inside], groups=len(ids))
        pairs, places = int(moments.pairs.sum()), int((moments.pairs > 0).sum())
        enough = pairs >= min_pairs and places >= min_stations
        scores = (
            grouped_scores(moments, over, min_pairs=max(10, min_pairs // 10), bootstrap=bootstrap) if enough
            else dict.fromkeys(SCORES, Score(value=float("nan")))
        )
        rows.append(StratumRow(
            covariate=covariate, stratum=stratum, over=over, pairs=pairs, places=places,
            status=Status.OK if enough else Status.NOT_ENOUGH_DATA, **{name: scores[name] for name in SCORES},
        ))
    return StrataTable(rows=tuple(rows))


def strata_of(labels: pd.DataFrame | Mapping[str, ArrayLike]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """(covariate, stratum, rows inside) of every stratum, in the order of names."""
    for covariate in labels:
        values = np.asarray(labels[covariate], object)
        for stratum in sorted({str(value) for value in values if value is not None and value == value}):
            yield str(covariate), stratum, np.array([str(value) == stratum for value in values], bool)


def _either(mask: pd.Series, yes: str, no: str) -> Labels:
    known = mask.notna().to_numpy(bool)
    labels = np.full(len(mask), None, object)
    labels[known] = np.where(mask[known].to_numpy(bool), yes, no)
    return labels
