"""Transfer learning: first the look of soil moisture everywhere, then its correction where stations stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sm_core.correction.design import CONTEXT, PAIR, context, context_columns, groups, own_columns
from sm_core.correction.mixed import MixedFit, fit_mixed
from sm_core.correction.model import LEVELS, CorrectionParams, Corrector, CorrectorConfig, LayerFit, new_network
from sm_core.correction.network import CorrectionNet, reproducible
from sm_core.correction.samples import CorrectionDay, Samples, collect
from sm_core.domain import LAYERS, Grid
from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation.guards import check_features
from sm_core.validation.splits import Located, spatial_folds

BATCH = 2048
PERIOD_DAYS = 30
"""Length of the stretches of days that are left out together."""
ALWAYS = -1
LAND_FEATURES = ("elevation", "slope", "clay", "sand", "forest", "cropland", "urban", "topographic_wetness")
"""Properties of the land: they differ from station to station, and may."""


@dataclass(frozen=True)
class _Table:
    """Station samples as the mixed model takes them: columns, station − downscaled [m3 m-3], whose and when."""

    columns: NDArray[np.float64]
    groups: tuple[str, ...]
    residual: NDArray[np.float64]
    station: NDArray[np.int64]
    day: NDArray[np.int64]
    places: NDArray[np.float64]


def train(
    days: Iterable[CorrectionDay], stations: pd.DataFrame, grid: Grid, params: CorrectionParams
) -> Corrector:
    """Pre-train on the downscaled field, then learn its difference to stations.

    Parameters
    ----------
    days
        Taken one at a time, in any order. Memory grows with station-days, by about 15 kB each at its peak.
    stations
        Columns station_id, lon, lat, day, sm_surface, sm_rootzone [m3 m-3, NaN = unknown]: training stations only.
    grid
        The region grid.
    params
        The same parameters, data and number of threads give the same corrector.

    Raises
    ------
    TooFewSamplesError     SM504, fewer than ``min_stations`` stations, or no known soil moisture.
    FeatureMismatchError   SM402, a feature is missing.
    GridMismatchError      SM302, a day on another grid.
    LeakError              SM505, a feature that is no known property of the land tells the stations apart.

    Notes
    -----
    Stage 1 trains a convolutional network to predict the downscaled field from the features over random crops of the
    region. Stage 2 keeps it as it is and finds the head's weights exactly, as those of a linear mixed model [1]_ for
    station − downscaled with a random offset per station: a station stands for a point and differs from its square
    kilometre by an offset that nothing tells at another place. How places differ (static features, the usual field)
    is weighed apart from how days differ (departures from the usual, their products, the network's activations), and
    each group is held back by a prior that the data choose. What a group cannot show at stations, it loses.

    Each layer's residuals are scored with its block of land and its stretch of days left out; their quantiles, each
    station weighing the same, are the half-widths (split-conformal [2]_). A layer whose unseen stations are met worse
    than without correction, by more than a standard error, is not corrected.

    References
    ----------
    .. [1] Simchoni and Rosset (2021), Using random effects to account for high-cardinality categorical features and
       repeated measures in deep neural networks, NeurIPS 34.
    .. [2] Lei et al. (2018), Distribution-free predictive inference for regression, doi:10.1080/01621459.2017.1307116
    """
    with reproducible(params.seed, params.num_threads):
        network = new_network(params)
        samples = collect(
            days, stations, grid, features=params.features, static=params.static, dynamic=params.dynamic,
            radius=network.radius, crop_cells=params.crop_cells, crops_per_day=params.crops_per_day, seed=params.seed,
        )
        _check_enough(samples, params)
        _check_features(samples, params)
        pretrain_rmsd = _pretrain(network, samples, params)
        columns, context_sd = _columns(network.eval(), samples, params)
    layers = [_layer(index, columns, samples, params) for index in range(len(LAYERS))]
    with torch.no_grad():
        weights = np.stack([weights for weights, _, _ in layers]).astype(np.float32)
        network.head.weight.copy_(torch.from_numpy(weights)[:, :, None, None])
    centre = samples.usual.features[:, samples.stations["row"].to_numpy(), samples.stations["column"].to_numpy()]
    offsets = np.stack([offsets for _, offsets, _ in layers], axis=1)
    config = CorrectorConfig(
        params=params, normalisation=samples.norm, lower=_limits(centre, "min"), upper=_limits(centre, "max"),
        station_ids=tuple(samples.stations["station_id"]), station_lon=tuple(samples.stations["lon"]),
        station_lat=tuple(samples.stations["lat"]), station_offsets=tuple(tuple(row) for row in offsets.tolist()),
        grid_id=grid.grid_id, context_sd=context_sd, trained_from=samples.days[0], trained_until=samples.days[-1],
        days=len(samples.days), pretrain_rmsd=pretrain_rmsd, fits=tuple(fit for _, _, fit in layers),
    )
    return Corrector(network, samples.usual, config)


def _check_enough(samples: Samples, params: CorrectionParams) -> None:
    if len(samples.stations) < params.min_stations:
        raise TooFewSamplesError(
            "too few stations to learn a correction from", stations=len(samples.stations), minimum=params.min_stations
        )


def _check_features(samples: Samples, params: CorrectionParams) -> None:
    middle = samples.patches.shape[-1] // 2
    row, column = (samples.stations[name].to_numpy()[samples.station] for name in ("row", "column"))
    static = samples.usual.features[samples.norm.static_index][:, row, column]
    values = np.concatenate([samples.patches[:, :, middle, middle].T, static])
    known = [*params.dynamic, *params.static]
    check_features(pd.DataFrame(dict(zip(known, values, strict=True))), samples.station, physical=LAND_FEATURES)


def _pretrain(network: CorrectionNet, samples: Samples, params: CorrectionParams) -> float:
    last = float("nan")
    if not network.channels or not params.pretrain_epochs:
        return last
    inputs = torch.from_numpy(samples.norm.inputs(samples.crops))
    known = torch.from_numpy(np.isfinite(samples.crop_fields))
    target = torch.from_numpy(samples.norm.fine(samples.crop_fields))
    optimiser = torch.optim.AdamW(network.parameters(), lr=params.pretrain_rate, weight_decay=params.weight_decay)
    batches = -(-len(inputs) // params.pretrain_batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=params.pretrain_rate, total_steps=params.pretrain_epochs * batches
    )
    unit = float(np.mean(np.hypot(samples.norm.fine_sd, samples.norm.fine_departure_sd)))
    for _ in range(params.pretrain_epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(inputs)), params.pretrain_batch):
            turn = int(torch.randint(4, ()))
            x, y, mask = (torch.rot90(part[rows], turn, (-2, -1)) for part in (inputs, target, known))
            error = (((network.field(x) - y) ** 2) * mask).sum() / mask.sum().clamp(min=1)
            optimiser.zero_grad()
            torch.autograd.backward(error)
            optimiser.step()
            schedule.step()
            total += float(error.detach()) * len(rows)
        last = (total / len(inputs)) ** 0.5 * unit
    return last


def _columns(
    network: CorrectionNet, samples: Samples, params: CorrectionParams
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """The columns of every sample, and the spread of the network's part."""
    rows, columns = (samples.stations[name].to_numpy()[samples.station] for name in ("row", "column"))
    middle = samples.patches.shape[-1] // 2
    own = own_columns(
        samples.patches[:, :, middle:middle + 1, middle:middle + 1], samples.fine[:, :, None, None],
        samples.usual.around(rows, columns, 0), samples.norm, pairs=params.pairs,
    )[:, :, 0, 0]
    if not network.channels:
        return own.astype(np.float64), ()
    raw = np.concatenate([
        context(network, samples.patches[part], samples.usual.around(rows[part], columns[part], middle).features,
                samples.norm)[:, :, 0, 0]
        for part in _batches(len(rows))
    ])
    sd = tuple(max(float(value), 1e-6) for value in raw.std(axis=0))
    scaled = context_columns(raw[:, :, None, None], sd)[:, :, 0, 0]
    return np.concatenate([own, scaled], axis=1).astype(np.float64), sd


def _batches(count: int) -> Iterator[slice]:
    return (slice(first, first + BATCH) for first in range(0, count, BATCH))


def _layer(
    index: int, columns: NDArray[np.float64], samples: Samples, params: CorrectionParams
) -> tuple[NDArray[np.float64], NDArray[np.float64], LayerFit]:
    """Weights of the columns, offsets of all stations, and how good they are."""
    residual = (samples.observed[:, index] - samples.fine[:, index]).astype(np.float64)
    known = np.isfinite(residual)
    places = unit_vectors(samples.stations["lon"], samples.stations["lat"])
    names = groups(len(params.static), len(params.dynamic), params.channels, pairs=params.pairs)
    table = _Table(columns[known], names, residual[known], samples.station[known], samples.day[known], places)
    offsets = np.zeros(len(places))
    present = np.unique(table.station)
    if len(present) < params.min_stations:
        return np.zeros(len(names)), offsets, _layer_fit(index, table, np.zeros_like(table.residual), None)
    fit, unseen = _fit(table, params), _unseen(table, samples, params)
    served = not _does_harm(table, unseen)
    offsets[present] = fit.offsets
    return fit.weights * served, offsets, _layer_fit(index, table, unseen * served, fit)


def _does_harm(table: _Table, unseen: NDArray[np.float64]) -> bool:
    """Whether the squared error over unseen stations grows, by more than a standard error."""
    growth = (table.residual - unseen) ** 2 - table.residual**2
    present, station = np.unique(table.station, return_inverse=True)
    by_station = np.bincount(station, growth) / np.bincount(station)
    return bool(by_station.mean() > by_station.std() / np.sqrt(len(present)))


def _fit(table: _Table, params: CorrectionParams, rows: NDArray[np.bool_] | None = None) -> MixedFit:
    chosen = np.ones(len(table.residual), bool) if rows is None else rows
    present, station = np.unique(table.station[chosen], return_inverse=True)
    return fit_mixed(
        table.columns[chosen], table.groups, table.residual[chosen], station, table.day[chosen],
        table.places[present], neighbour_km=params.neighbour_km, later_groups=(PAIR, CONTEXT),
    )


def _unseen(table: _Table, samples: Samples, params: CorrectionParams) -> NDArray[np.float64]:
    """The correction of every sample by a fit that saw neither its block of land nor its stretch of days."""
    periods = _periods(samples, params)[table.day]
    result = np.zeros_like(table.residual)
    for fold in _folds(samples, params):
        here = np.isin(table.station, fold)
        for period in np.unique(periods):
            judged = here & (periods == period)
            learned = ~here & ((periods != period) | (period == ALWAYS))
            if judged.any() and len(np.unique(table.station[learned])) >= params.min_stations:
                result[judged] = table.columns[judged] @ _fit(table, params, learned).weights
    return result


def _periods(samples: Samples, params: CorrectionParams) -> NDArray[np.int64]:
    """Which period each day is left out with; a record too short to do without some of it is one."""
    ordinal = np.array([day.toordinal() for day in samples.days])
    since = ordinal - ordinal[0]
    if since[-1] < PERIOD_DAYS * params.inner_periods:
        return np.full(len(since), ALWAYS)
    periods: NDArray[np.int64] = since // PERIOD_DAYS % params.inner_periods
    return periods


def _folds(samples: Samples, params: CorrectionParams) -> list[list[int]]:
    present = samples.stations
    points = unit_vectors(present["lon"], present["lat"])
    reach = float(chord_to_km(np.linalg.norm(points - points.mean(axis=0), axis=1)).max())
    folds = spatial_folds(
        cast(Iterable[Located], present.itertuples()), block_km=min(params.inner_block_km, max(reach / 2, 1e-3)),
        folds=params.inner_folds, seed=params.seed,
    )
    index = {name: position for position, name in enumerate(present["station_id"])}
    return [[index[name] for name in fold] for fold in folds]


def _limits(centre: NDArray[np.float32], which: str) -> tuple[float, ...]:
    reduce = np.fmin.reduce if which == "min" else np.fmax.reduce
    return tuple(float(value) for value in np.nan_to_num(reduce(centre, axis=1)))


def _layer_fit(index: int, table: _Table, unseen: NDArray[np.float64], fit: MixedFit | None) -> LayerFit:
    before, after = table.residual, table.residual - unseen
    nothing = float("nan")
    return LayerFit(
        layer=LAYERS[index], stations=len(np.unique(table.station)), station_days=len(before),
        inner_rmsd_before=_rms(table, before), inner_rmsd_after=_rms(table, after),
        half_widths_before=_half_widths(table, before), half_widths_after=_half_widths(table, after),
        residual_sd=fit.residual_sd if fit else nothing, offset_sd=fit.offset_sd if fit else nothing,
        prior_sd=fit.prior_sd if fit else {}, design_effect=fit.design_effect if fit else nothing,
        neighbour_r=fit.neighbour_r if fit else nothing,
    )


def _station_weight(table: _Table) -> NDArray[np.float64]:
    """Of every sample, so that all stations weigh the same."""
    weight: NDArray[np.float64] = 1 / np.bincount(table.station)[table.station]
    return weight


def _rms(table: _Table, error: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.average(error**2, weights=_station_weight(table)))) if len(error) else float("nan")


def _half_widths(table: _Table, error: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(error):
        return (float("nan"),) * len(LEVELS)
    stations = len(np.unique(table.station))
    return tuple(half_width(error, _station_weight(table), stations, level) for level in LEVELS)


def half_width(error: NDArray[np.float64], weight: NDArray[np.float64], stations: int, level: float) -> float:
    """Half-width that covers a share of residuals by weight, with split-conformal rounding up for so many stations."""
    order = np.argsort(np.abs(error))
    covered = np.cumsum(weight[order]) / weight.sum()
    wanted = min(1.0, level * (1 + 1 / stations))
    position = min(int(np.searchsorted(covered, wanted - 1e-12)), len(error) - 1)
    return float(np.abs(error)[order][position])
