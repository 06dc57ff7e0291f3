"""How good each stage is: at stations, averaged over stations, and against a known truth, over all cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Layer, Record
from sm_core.grid import Nesting, check_on_grid
from sm_core.grid.points import cell_of
from sm_core.validation.anomalies import anomaly_r, spacing
from sm_core.validation.metrics import PairMetrics, bias, pair_metrics, pearson_r, rmsd, ubrmsd
from sm_core.validation.moments import Bootstrap, Score, resample, score

SCORES = ("pearson_r", "rmsd", "ubrmsd", "bias")
ANOMALY = ("anomaly_r", "anomaly_lower", "anomaly_upper")
HEADINGS = {"pearson_r": "PCC", "rmsd": "RMSE", "ubrmsd": "ubRMSE", "bias": "bias"}


class SkillRow(Record):
    """One stage and layer. ``places`` are stations or cells; ``within_cell_r`` is known only against a truth."""

    stage: str
    layer: Layer
    pearson_r: Score
    rmsd: Score
    ubrmsd: Score
    bias: Score
    within_cell_r: Score | None = None
    places: int
    pairs: int


class SkillTable(Record):
    """Scores by stage and layer; its text is a markdown table."""

    rows: tuple[SkillRow, ...]

    def row(self, stage: str, layer: Layer) -> SkillRow:
        """The scores of one stage and layer."""
        return next(row for row in self.rows if (row.stage, row.layer) == (stage, layer))

    def __str__(self) -> str:
        columns = ["stage", "layer", *HEADINGS.values(), "within-cell r", "places", "pairs"]
        lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        for row in self.rows:
            scores = [str(getattr(row, name)) for name in SCORES]
            within = str(row.within_cell_r or Score(value=math.nan))
            lines.append(f"| {' | '.join([row.stage, row.layer, *scores, within, str(row.places), str(row.pairs)])} |")
        return "\n".join(lines)


def at_stations(fields: xr.Dataset, stations: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The fields' values where and when stations observed.

    Parameters
    ----------
    fields
        (time, y, x) on ``grid`` with ``sm_surface`` and ``sm_rootzone`` [m3 m-3].
    stations
        Columns station_id, lon, lat, day (date or timestamp).

    Returns
    -------
    DataFrame with the rows of ``stations`` and the columns station_id, day and one per layer; NaN outside the grid
    and on days that the fields do not have.
    """
    check_on_grid(grid, fields)
    row, column = cell_of(stations["lon"], stations["lat"], grid)
    times = pd.DatetimeIndex(fields["time"].values).normalize()
    time = times.get_indexer(pd.DatetimeIndex(pd.to_datetime(stations["day"])).normalize())
    inside = (row >= 0) & (time >= 0)
    sampled = stations[["station_id", "day"]].copy()
    for layer in LAYERS:
        values = np.full(len(stations), np.nan, np.float32)
        values[inside] = fields[layer].values[time[inside], row[inside], column[inside]]
        sampled[layer] = values
    return sampled


def station_metrics(estimate: pd.DataFrame, stations: pd.DataFrame, *, min_days: int = 10) -> pd.DataFrame:
    """Scores of every station and layer over its days.

    Parameters
    ----------
    estimate, stations
        Columns station_id, day, sm_surface, sm_rootzone [m3 m-3]; matched by station and day.
    min_days
        Fewest common days of a station; below it its scores are NaN and its status says why.

    Returns
    -------
    DataFrame indexed by (layer, station_id) with the fields of :class:`PairMetrics` and the anomaly correlation
    (35-day moving mean) with its interval.
    """
    e, o = _by_day(estimate), _by_day(stations)
    rows = {}
    for layer in LAYERS:
        for station in sorted(set(o.index.get_level_values("station_id"))):
            reference = o[layer].xs(station)
            known = e[layer].xs(station) if station in e.index.get_level_values("station_id") else reference * np.nan
            rows[layer, station] = _daily_metrics(known, reference, min_days)
    index = pd.MultiIndex.from_tuples(rows, names=["layer", "station_id"])
    return pd.DataFrame(list(rows.values()), index=index, columns=[*PairMetrics.model_fields, *ANOMALY])


def station_skill(
    estimates: Mapping[str, pd.DataFrame], stations: pd.DataFrame, *, min_days: int = 10, resamples: int = 1000,
    level: float = 0.95, seed: int = 0,
) -> SkillTable:
    """Scores per station, averaged over stations, of several stages on the same pairs.

    Parameters
    ----------
    estimates
        By stage: columns station_id, day, sm_surface, sm_rootzone [m3 m-3].
    stations
        The observations, same columns.
    min_days
        Fewest days of a station that counts.
    resamples, level, seed
        Of the bootstrap over stations: the interval says how the average would differ with other stations.

    Notes
    -----
    Only station-days that every stage knows are scored, so that stages can be compared. Averaging per-station scores
    keeps the spread among stations out of r and lets no long record dominate.
    """
    observed = _common_pairs(estimates, stations)
    bootstrap = Bootstrap(resamples=resamples, level=level, seed=seed)
    rows = []
    for stage, estimate in estimates.items():
        metrics = station_metrics(estimate, observed, min_days=min_days)
        for layer in LAYERS:
            scored = metrics.loc[layer] if layer in metrics.index else metrics.iloc[:0]
            scored = scored[np.isfinite(scored["rmsd"])]
            scores = {
                name: _bootstrap(scored[name].to_numpy(np.float64), bootstrap)
                for name in SCORES
            }
            pairs = int(scored["n_obs"].sum())
            rows.append(SkillRow(stage=stage, layer=layer, places=len(scored), pairs=pairs, **scores))
    return SkillTable(rows=tuple(rows))


def truth_skill(estimates: Mapping[str, xr.Dataset], truth: xr.Dataset, nesting: Nesting | None = None) -> SkillTable:
    """Scores of several stages against a known truth, pooled over all cells and days.

    Parameters
    ----------
    estimates
        By stage: (time, y, x) [m3 m-3], on the days and grid of ``truth``.
    truth
        (time, y, x) [m3 m-3]; NaN is left out.
    nesting
        Of the grid in the coarse lattice; adds the within-cell correlation: of the departures of estimate and truth
        from their own coarse-cell means, pooled. A stage that is constant in every cell has none.

    Notes
    -----
    Only cells and days that every stage knows are scored.
    """
    rows = []
    for layer in LAYERS:
        known = [np.isfinite(ds[layer].values) for ds in (truth, *estimates.values())]
        common = reduce(np.logical_and, known)
        for stage, estimate in estimates.items():
            rows.append(_truth_row(stage, layer, estimate[layer].values, truth[layer].values, common, nesting))
    return SkillTable(rows=tuple(rows))


def _truth_row(
    stage: str, layer: Layer, estimate: NDArray[np.float32], truth: NDArray[np.float32], common: NDArray[np.bool_],
    nesting: Nesting | None,
) -> SkillRow:
    pair = {"estimate": estimate[common], "reference": truth[common]}
    within = None
    if nesting is not None:
        within = Score(value=_pooled_r(_departures(estimate, common, nesting), _departures(truth, common, nesting)))
    return SkillRow(
        stage=stage, layer=layer, within_cell_r=within, places=int(common.any(axis=0).sum()), pairs=int(common.sum()),
        pearson_r=Score(value=pearson_r(**pair)), rmsd=Score(value=rmsd(**pair)), ubrmsd=Score(value=ubrmsd(**pair)),
        bias=Score(value=bias(**pair)),
    )


def _departures(fields: NDArray[np.float32], common: NDArray[np.bool_], nesting: Nesting) -> NDArray[np.float64]:
    parts = []
    for field, known in zip(fields, common, strict=True):
        masked = np.where(known, field, np.nan)
        parts.append((masked - nesting.replicate(nesting.aggregate(masked)))[known & (nesting.cell >= 0)])
    return np.concatenate(parts)


def _pooled_r(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread > 1e-9 * len(a) else math.nan


def _daily_metrics(estimate: pd.Series, reference: pd.Series, min_days: int) -> dict[str, object]:
    days = pd.date_range(reference.index.min(), reference.index.max(), freq="D")
    pair = {"estimate": estimate.reindex(days), "reference": reference.reindex(days)}
    lag = spacing(pd.DatetimeIndex(reference.dropna().index))
    scores = pair_metrics(**pair, min_obs=min_days, lag=lag)
    found = dict.fromkeys(ANOMALY, math.nan)
    if scores.n_obs >= min_days:
        anomalies = anomaly_r(**pair, lag=lag)
        found = dict(zip(ANOMALY, (anomalies.value, anomalies.lower, anomalies.upper), strict=True))
    return {**scores.model_dump(), **found}


def _by_day(table: pd.DataFrame) -> pd.DataFrame:
    days = pd.DatetimeIndex(pd.to_datetime(table["day"])).normalize()
    ids = table["station_id"].astype(str)
    indexed = table.loc[:, list(LAYERS)].set_axis(pd.MultiIndex.from_arrays([ids, days], names=["station_id", "day"]))
    return indexed[~indexed.index.duplicated()].sort_index()


def _common_pairs(estimates: Mapping[str, pd.DataFrame], stations: pd.DataFrame) -> pd.DataFrame:
    observed = _by_day(stations)
    for estimate in estimates.values():
        observed = observed.where(_by_day(estimate).reindex(observed.index).notna())
    return observed.reset_index()


def _bootstrap(values: NDArray[np.float64], bootstrap: Bootstrap) -> Score:
    values = values[np.isfinite(values)]
    if not values.size:
        return Score(value=math.nan)
    weights = resample(values.size, bootstrap)
    return score(float(values.mean()), weights @ values / values.size, values.size, bootstrap.level)
