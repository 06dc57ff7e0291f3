"""Transfer learning: first the look of soil moisture everywhere, then its correction where stations stand."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sm_core.correction.model import CorrectionParams, Corrector, CorrectorConfig, LayerFit
from sm_core.correction.network import CorrectionNet, reproducible
from sm_core.correction.samples import CorrectionDay, Normalisation, Samples, collect, normalisation
from sm_core.domain import LAYERS, Grid
from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation.splits import Located, spatial_folds

ONE_SIGMA = 0.6827


@dataclass(frozen=True)
class _Observations:
    """Station samples: early activations, own inputs, normalised field, scaled target, what is known, whose it is."""

    hidden: Tensor
    own: Tensor
    fine: Tensor
    target: Tensor
    known: Tensor
    station: Tensor

    def of(self, rows: Tensor) -> _Observations:
        return _Observations(
            self.hidden[rows], self.own[rows], self.fine[rows], self.target[rows], self.known[rows], self.station[rows]
        )


def train(
    days: Iterable[CorrectionDay], stations: pd.DataFrame, grid: Grid, params: CorrectionParams
) -> Corrector:
    """Pre-train on the downscaled field, then fine-tune on the difference to stations.

    Parameters
    ----------
    days
        Taken one at a time, in any order. What is kept grows with station-days: 6 kB each with default parameters.
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

    Notes
    -----
    Stage 1 predicts the downscaled field from the features over random crops of the region. Stage 2 keeps the early
    layers (with ``own_blocks`` = 0 the whole body) and trains a new head to predict station − downscaled. A station
    stands for a point: it differs from its square kilometre by an offset that nothing tells at another place.
    ``offset_share`` of each station's mean residual is therefore taken as its own and left out of the loss, as a
    random station effect would be [1]_; every station weighs the same, however long its record; ``ridge`` shrinks
    all but the constant towards none, the less the more stations there are. The number of epochs is where the loss
    at stations of unseen blocks, by cross-validation, is least, no correction being among the candidates; it leaves
    out each station's own offset too, which would drown the choice. The residuals there give the spread. The final
    head learns from all stations for that number of epochs.

    References
    ----------
    .. [1] Simchoni and Rosset (2021), Using random effects to account for high-cardinality categorical features and
       repeated measures in deep neural networks, NeurIPS 34.
    """
    with reproducible(params.seed, params.num_threads):
        network = CorrectionNet(len(params.features) + 1, params.channels, params.blocks, params.own_blocks)
        samples = collect(
            days, stations, grid, params.features, radius=network.radius, crop_cells=params.crop_cells,
            crops_per_day=params.crops_per_day, seed=params.seed,
        )
        _check_enough(samples, params)
        norm = normalisation(samples, params.features)
        pretrain_rmsd = _pretrain(network, samples, norm, params)
        observations = _observations(network, samples, norm, params)
        epochs, unseen = _cross_validate(network, observations, samples, params)
        if epochs:
            _tune(network, observations, params, epochs)
    centre = samples.centre
    config = CorrectorConfig(
        params=params, normalisation=norm, lower=_limits(centre, "min"), upper=_limits(centre, "max"),
        station_ids=tuple(samples.stations["station_id"]), station_lon=tuple(samples.stations["lon"]),
        station_lat=tuple(samples.stations["lat"]), trained_from=samples.days[0], trained_until=samples.days[-1],
        days=len(samples.days), pretrain_rmsd=pretrain_rmsd, epochs=epochs,
        fits=tuple(_layer_fit(index, samples, unseen) for index in range(len(LAYERS))),
    )
    return Corrector(network.eval(), config)


def _check_enough(samples: Samples, params: CorrectionParams) -> None:
    if len(samples.stations) < params.min_stations:
        raise TooFewSamplesError(
            "too few stations to learn a correction from", stations=len(samples.stations), minimum=params.min_stations
        )


def _pretrain(network: CorrectionNet, samples: Samples, norm: Normalisation, params: CorrectionParams) -> float:
    inputs = torch.from_numpy(norm.inputs(samples.crops))
    known = torch.from_numpy(np.isfinite(samples.crop_fields))
    target = torch.from_numpy(norm.fine(samples.crop_fields))
    optimiser = torch.optim.AdamW(network.parameters(), lr=params.pretrain_rate, weight_decay=params.weight_decay)
    batches = -(-len(inputs) // params.pretrain_batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=params.pretrain_rate, total_steps=max(1, params.pretrain_epochs * batches)
    )
    last = float("nan")
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
        last = (total / len(inputs)) ** 0.5 * float(np.mean(norm.fine_sd))
    return last


@torch.no_grad()
def _observations(
    network: CorrectionNet, samples: Samples, norm: Normalisation, params: CorrectionParams
) -> _Observations:
    hidden = torch.cat([
        network.early(torch.from_numpy(norm.inputs(part))) for part in np.array_split(samples.patches, 16) if len(part)
    ])
    difference = samples.observed - samples.fine
    known = np.isfinite(difference)
    return _Observations(
        hidden=hidden, own=torch.from_numpy(norm.inputs(samples.centre[:, :, None, None])),
        fine=torch.from_numpy(norm.fine(samples.fine[:, :, None, None])),
        target=torch.from_numpy(np.where(known, difference, 0).astype(np.float32)) / params.unit_m3,
        known=torch.from_numpy(known.astype(np.float32)), station=torch.from_numpy(samples.station),
    )


def _cross_validate(
    network: CorrectionNet, observations: _Observations, samples: Samples, params: CorrectionParams
) -> tuple[int, NDArray[np.float32]]:
    """The best number of epochs, and by then the correction [m3 m-3] of stations that were not trained on."""
    curves = torch.zeros(params.tune_epochs + 1, len(observations.target), len(LAYERS))
    for fold in _folds(samples, params):
        unseen = torch.isin(observations.station, torch.tensor(fold))
        fold_network = deepcopy(network)
        curves[:, unseen] = _tune(
            fold_network, observations.of(~unseen), params, params.tune_epochs, observations.of(unseen)
        )
    best = int(np.argmin([float(_loss(curve, observations, params)) for curve in curves]))
    return best, (curves[best] * params.unit_m3).numpy()


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


def _tune(
    network: CorrectionNet, observations: _Observations, params: CorrectionParams, epochs: int,
    watched: _Observations | None = None,
) -> Tensor:
    """Train the last blocks and the head; the scaled correction of ``watched`` before and after each epoch."""
    network.reset_correction()
    rates = ((network.head_parameters(), params.tune_rate), (network.body_parameters(), params.body_rate))
    optimiser = torch.optim.AdamW(
        [{"params": group, "lr": rate} for group, rate in rates if group], weight_decay=params.weight_decay
    )
    stations = torch.from_numpy(np.unique(observations.station.numpy()))
    noise_sd = params.feature_noise * observations.hidden.std(dim=(0, 2, 3), keepdim=True)
    seen = [_apply(network, watched)] if watched is not None else []
    for _ in range(epochs):
        for group in torch.split(stations[torch.randperm(len(stations))], params.stations_per_batch):
            batch = observations.of(torch.isin(observations.station, group))
            noise = torch.randn(int(stations.max()) + 1, noise_sd.shape[1], 1, 1)[batch.station] * noise_sd
            estimate = network.correction(batch.hidden + noise, batch.own, batch.fine)[:, :, 0, 0]
            loss = _loss(estimate, batch, params) + params.ridge / (2 * len(stations)) * network.slopes()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        _centre(network, observations)
        if watched is not None:
            seen.append(_apply(network, watched))
    return torch.stack(seen) if seen else torch.empty(0)


@torch.no_grad()
def _centre(network: CorrectionNet, observations: _Observations) -> None:
    """Set the constant so that no bias is left in the mean over stations; the loss hardly sees it."""
    mean, present = _station_means(observations.target - _apply(network, observations), observations)
    cast(Tensor, network.correction_linear.bias).add_(mean.sum(dim=0) / present.sum(dim=0).clamp(min=1))


@torch.no_grad()
def _apply(network: CorrectionNet, observations: _Observations) -> Tensor:
    return network.correction(observations.hidden, observations.own, observations.fine)[:, :, 0, 0]


def _loss(estimate: Tensor, batch: _Observations, params: CorrectionParams) -> Tensor:
    residual = batch.target - estimate
    mean, _ = _station_means(residual.detach(), batch)
    error = functional.huber_loss(
        residual - params.offset_share * mean[batch.station], torch.zeros_like(residual), reduction="none",
        delta=params.huber_m3 / params.unit_m3,
    )
    return _by_station(error, batch)


def _by_station(error: Tensor, observations: _Observations) -> Tensor:
    mean, present = _station_means(error, observations)
    return mean.sum() / present.sum().clamp(min=1)


def _station_means(values: Tensor, observations: _Observations) -> tuple[Tensor, Tensor]:
    """Mean over each station's known values, 0 where none, and where there are any. (stations, layers)"""
    stations = int(observations.station.max()) + 1
    count = torch.zeros(stations, values.shape[1]).index_add(0, observations.station, observations.known)
    total = torch.zeros_like(count).index_add(0, observations.station, values * observations.known)
    return total / count.clamp(min=1), count > 0


def _limits(centre: NDArray[np.float32], which: str) -> tuple[float, ...]:
    reduce = np.fmin.reduce if which == "min" else np.fmax.reduce
    return tuple(float(value) for value in np.nan_to_num(reduce(centre, axis=0)))


def _layer_fit(index: int, samples: Samples, unseen: NDArray[np.float32]) -> LayerFit:
    before = samples.observed[:, index] - samples.fine[:, index]
    after = before - unseen[:, index]
    known = np.isfinite(before)
    weight = 1 / np.bincount(samples.station[known], minlength=len(samples.stations))[samples.station[known]]
    stations = len(np.unique(samples.station[known]))
    return LayerFit(
        layer=LAYERS[index], stations=stations, station_days=int(known.sum()),
        inner_rmsd_before=_weighted_rms(before[known], weight), inner_rmsd_after=_weighted_rms(after[known], weight),
        spread_before=_one_sigma(before[known], weight, stations),
        spread_after=_one_sigma(after[known], weight, stations),
    )


def _weighted_rms(error: NDArray[np.float32], weight: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.average(error.astype(np.float64) ** 2, weights=weight))) if len(error) else float("nan")


def _one_sigma(error: NDArray[np.float32], weight: NDArray[np.float64], stations: int) -> float:
    """Half-width that covers 68 % of residuals, each station weighing the same, with split-conformal rounding up."""
    if not len(error):
        return float("nan")
    order = np.argsort(np.abs(error))
    covered = np.cumsum(weight[order]) / weight.sum()
    wanted = min(1.0, ONE_SIGMA * (1 + 1 / stations))
    position = min(int(np.searchsorted(covered, wanted - 1e-12)), len(error) - 1)
    return float(np.abs(error)[order][position])
