"""The corrector: a network, what it was trained with, and how far it is to be trusted."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from scipy.spatial import KDTree

from sm_core.correction.design import groups
from sm_core.correction.network import CorrectionNet, reach
from sm_core.correction.samples import Normalisation, Usual
from sm_core.domain import Layer, Record
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation.metrics import Number

WEIGHTS_FILE, CONFIG_FILE = "weights.safetensors", "config.json"
USUAL_FEATURES, USUAL_FINE = "usual.features", "usual.fine"
ONE_SIGMA = 0.6827
LEVELS = (0.5, ONE_SIGMA, 0.8, 0.9)
"""Shares of unseen residuals that half-widths are stored for."""


class CorrectionParams(Record):
    """All that decides the outcome of training, besides the data.

    The season and the absolute temperature are no features: with less than several years of days they tell one day
    from another. Height and land cover are seen by the network and by trust only: stations stand low and on open
    land, and what they teach about heights and woods is extrapolation.
    """

    features: tuple[str, ...] = (
        "ndvi", "lst_anomaly", "elevation", "slope", "clay", "sand", "forest", "cropland", "urban",
        "wetness_surface", "wetness_rootzone", "antecedent_surface", "antecedent_rootzone",
    )
    static: tuple[str, ...] = ("clay", "sand", "slope")
    """Features that tell how places differ from each other."""
    dynamic: tuple[str, ...] = (
        "ndvi", "lst_anomaly", "wetness_surface", "wetness_rootzone", "antecedent_surface", "antecedent_rootzone",
    )
    """Features whose departure from the usual tells how days differ."""
    pairs: bool = True
    """Whether products of two departures are weighed too."""
    channels: int = 16
    """Width of the network's body; 0 for no network."""
    blocks: int = 2
    kernel: int = 3
    """1 for no spatial context."""
    crop_cells: int = 24
    crops_per_day: int = 6
    pretrain_epochs: int = 4
    """0 for a body as it was drawn."""
    pretrain_batch: int = 16
    pretrain_rate: float = 5e-3
    weight_decay: float = 0.05
    neighbour_km: float = 20.0
    """Stations nearer than this share weight as far as their offsets agree."""
    inner_folds: int = 4
    inner_block_km: float = 50.0
    inner_periods: int = 3
    trust_km: float = 50.0
    """Full trust up to this distance from the nearest training station, none from three times as far."""
    domain_features: tuple[str, ...] = ("elevation", "slope", "clay", "sand", "forest", "cropland", "urban")
    domain_margin_sd: float = 3.0
    """Trust ends where features lie this far outside the range at training stations [region's standard deviations]."""
    min_stations: int = 4
    valid_range: tuple[float, float] = (0.0, 0.6)
    seed: int = 0
    num_threads: int = 1

    @property
    def radius(self) -> int:
        """Cells that a station's patch reaches from the station's own."""
        return reach(self.channels, self.blocks, self.kernel)


class LayerFit(Record):
    """One layer at training stations, each scored while its block and period were left out of training [m3 m-3].

    ``half_widths_before`` and ``half_widths_after`` cover the shares :data:`LEVELS` of the residuals of the
    uncorrected and the corrected field; they include what a station differs from its square kilometre.
    """

    layer: Layer
    stations: int
    station_days: int
    inner_rmsd_before: Number
    inner_rmsd_after: Number
    half_widths_before: tuple[Number, ...]
    half_widths_after: tuple[Number, ...]
    residual_sd: Number
    """Of single days at a station."""
    offset_sd: Number
    """Of stations about their square kilometres."""
    prior_sd: dict[str, Number]
    """Of the weights, by group of columns: which parts the data ask for."""
    design_effect: Number
    neighbour_r: Number

    def half_width(self, trust: NDArray[np.floating], level: float) -> NDArray[np.float64]:
        """Half-width that covers a share of what sensors differ from the corrected value [m3 m-3], shape of ``trust``.

        ``level`` is one of :data:`LEVELS`. Mixed by variance between the corrected field at full trust and the
        downscaled one at none.
        """
        position = LEVELS.index(level)
        before, after = self.half_widths_before[position], self.half_widths_after[position]
        return np.asarray(np.sqrt(trust * after**2 + (1 - trust) * before**2), np.float64)


class CorrectorConfig(Record):
    """What a corrector is. ``sha256`` of the weights is set when it is stored."""

    params: CorrectionParams
    normalisation: Normalisation
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    """Range of each feature over the training samples."""
    station_ids: tuple[str, ...]
    station_lon: tuple[float, ...]
    station_lat: tuple[float, ...]
    station_offsets: tuple[tuple[float, ...], ...]
    """What each training station differs from its square kilometre, by layer [m3 m-3]."""
    grid_id: str
    context_sd: tuple[float, ...]
    """Of the departures of the network's activations at stations."""
    trained_from: dt.date
    trained_until: dt.date
    days: int
    pretrain_rmsd: Number
    fits: tuple[LayerFit, ...]
    sha256: str = ""


@dataclass(frozen=True)
class Corrector:
    """A trained network, what is usual in its region, and its configuration."""

    network: CorrectionNet
    usual: Usual
    config: CorrectorConfig

    def station_effect(self, station_id: str) -> tuple[float, float]:
        """How much a training station reads above its square kilometre, surface and root zone [m3 m-3].

        A diagnostic: predictions for that one sensor may add it, the map never does. Best linear unbiased prediction
        of the station's random effect; 0 for a layer that it does not measure.

        Raises
        ------
        KeyError   the station was not trained on.
        """
        if station_id not in self.config.station_ids:
            raise KeyError(station_id)
        surface, rootzone = self.config.station_offsets[self.config.station_ids.index(station_id)]
        return surface, rootzone

    def trust(
        self, features: NDArray[np.float32], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """How much of the correction counts (0..1): by distance to training stations and by range of features.

        Parameters
        ----------
        features
            In the order of ``params.features``, NaN = unknown and ignored. (features, y, x)
        lon, lat
            Cell centres [degrees]. (y, x)

        Returns
        -------
        (y, x): the product of two smooth steps. The first is 1 within ``trust_km`` of a training station and 0 from
        three times as far; the second is 1 inside the range of the training stations' features and 0 where they lie
        ``domain_margin_sd`` standard deviations (Euclidean, over ``domain_features``) outside.
        """
        params = self.config.params
        beyond = (self.station_km(lon, lat) - params.trust_km) / (2 * params.trust_km)
        return (_step_down(beyond) * _step_down(self._outside(features) / params.domain_margin_sd)).astype(np.float32)

    def station_km(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of cell centres [degrees] from the nearest training station [km]. (y, x)"""
        stations = unit_vectors(self.config.station_lon, self.config.station_lat)
        chord, _ = KDTree(stations).query(unit_vectors(lon.ravel(), lat.ravel()))
        distance: NDArray[np.float64] = chord_to_km(chord).reshape(lon.shape)
        return distance

    def save(self, directory: Path) -> None:
        """Write ``weights.safetensors`` and ``config.json`` into an existing directory."""
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        tensors[USUAL_FEATURES] = torch.from_numpy(self.usual.features)
        tensors[USUAL_FINE] = torch.from_numpy(self.usual.fine)
        weights = save_tensors(tensors)
        config = self.config.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()})
        (directory / WEIGHTS_FILE).write_bytes(weights)
        (directory / CONFIG_FILE).write_text(config.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Corrector:
        """Read a stored corrector.

        Raises
        ------
        ModelNotFoundError    SM501, a file is missing.
        ModelIntegrityError   SM502, a file is not what was saved.
        """
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (directory / name).is_file():
                raise ModelNotFoundError("there is no corrector here", file=name, directory=directory.name)
        config = _read_config(directory / CONFIG_FILE)
        weights = (directory / WEIGHTS_FILE).read_bytes()
        if hashlib.sha256(weights).hexdigest() != config.sha256:
            raise ModelIntegrityError("the weights have changed since they were saved", file=WEIGHTS_FILE)
        network = new_network(config.params)
        try:
            tensors = load_tensors(weights)
            usual = Usual(tensors.pop(USUAL_FEATURES).numpy(), tensors.pop(USUAL_FINE).numpy())
            network.load_state_dict(tensors)
        except (SafetensorError, RuntimeError, KeyError) as cause:
            raise ModelIntegrityError("the weights do not fit the network", file=WEIGHTS_FILE) from cause
        return cls(network.eval(), usual, config)

    def _outside(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        squared = np.zeros(features.shape[1:])
        config = self.config
        for name, lower, upper, sd, values in zip(
            config.params.features, config.lower, config.upper, config.normalisation.sd, features, strict=True
        ):
            if name in config.params.domain_features:
                excess = np.fmax(np.fmax(lower - values, values - upper), 0.0)
                squared += np.nan_to_num(excess / sd) ** 2
        return np.sqrt(squared)


def new_network(params: CorrectionParams) -> CorrectionNet:
    """A network of the right shape, weights drawn from torch's present state."""
    columns = groups(len(params.static), len(params.dynamic), params.channels, pairs=params.pairs)
    return CorrectionNet(len(params.features) + 1, params.channels, params.blocks, params.kernel, len(columns))


def _step_down(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 up to 0, 0 from 1, a smooth step between."""
    t = np.clip(x, 0.0, 1.0)
    return 1 - t * t * (3 - 2 * t)


def _read_config(path: Path) -> CorrectorConfig:
    try:
        return CorrectorConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise ModelIntegrityError("the corrector's configuration cannot be read", file=path.name) from cause
