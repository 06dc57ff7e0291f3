"""The corrector: a network, what it was trained with, and how far it is to be trusted."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from scipy.spatial import KDTree

from sm_core.correction.network import CorrectionNet
from sm_core.correction.samples import Normalisation
from sm_core.domain import Layer, Record
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation.metrics import Number

WEIGHTS_FILE, CONFIG_FILE = "weights.safetensors", "config.json"


class CorrectionParams(Record):
    """All that decides the outcome of training, besides the data.

    The season and the absolute temperature are no features: with less than several years of days they tell one day
    from another, and in an unseen season the network would extrapolate.
    """

    features: tuple[str, ...] = (
        "ndvi", "lst_anomaly", "elevation", "slope", "clay", "sand", "forest", "cropland", "urban",
        "wetness_surface", "wetness_rootzone", "antecedent_surface", "antecedent_rootzone",
    )
    channels: int = 16
    blocks: int = 2
    own_blocks: int = 0
    """Last blocks that fine-tuning changes; those before stay as pre-trained."""
    crop_cells: int = 24
    crops_per_day: int = 6
    pretrain_epochs: int = 4
    pretrain_batch: int = 16
    pretrain_rate: float = 5e-3
    tune_epochs: int = 40
    tune_rate: float = 5e-3
    body_rate: float = 5e-4
    weight_decay: float = 0.05
    stations_per_batch: int = 8
    huber_m3: float = 0.05
    """Residuals beyond this weigh linearly [m3 m-3]."""
    unit_m3: float = 0.05
    """What the network's output of 1 means [m3 m-3]."""
    offset_share: float = 0.9
    """Share (0..1) of a station's mean residual that is taken as its own offset and not learned."""
    ridge: float = 30.0
    """Strength of the prior against a correction that changes from place to place; weighs less the more stations."""
    feature_noise: float = 0.1
    """Standard deviation of noise that disguises a station's surroundings, relative to that of the activations."""
    inner_folds: int = 4
    inner_block_km: float = 50.0
    trust_km: float = 50.0
    """Full trust up to this distance from the nearest training station, none from three times as far."""
    domain_features: tuple[str, ...] = ("elevation", "slope", "clay", "sand", "forest", "cropland", "urban")
    domain_margin_sd: float = 3.0
    """Trust ends where features lie this far outside the range at training stations [region's standard deviations]."""
    min_stations: int = 4
    valid_range: tuple[float, float] = (0.0, 0.6)
    seed: int = 0
    num_threads: int = 1


class LayerFit(Record):
    """One layer at training stations, each scored while its block was left out of training [m3 m-3].

    ``spread_before`` and ``spread_after`` are half-widths that cover 68 % of the residuals of the uncorrected and the
    corrected field; they include what a station differs from its square kilometre.
    """

    layer: Layer
    stations: int
    station_days: int
    inner_rmsd_before: Number
    inner_rmsd_after: Number
    spread_before: Number
    spread_after: Number


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
    trained_from: dt.date
    trained_until: dt.date
    days: int
    pretrain_rmsd: Number
    epochs: int
    """Epochs of fine-tuning; 0 when no correction was better at unseen stations than any."""
    fits: tuple[LayerFit, ...]
    sha256: str = ""


@dataclass(frozen=True)
class Corrector:
    """A trained network with its configuration."""

    network: CorrectionNet
    config: CorrectorConfig

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
        stations = unit_vectors(self.config.station_lon, self.config.station_lat)
        chord, _ = KDTree(stations).query(unit_vectors(lon.ravel(), lat.ravel()))
        beyond = (chord_to_km(chord).reshape(lon.shape) - params.trust_km) / (2 * params.trust_km)
        return (_step_down(beyond) * _step_down(self._outside(features) / params.domain_margin_sd)).astype(np.float32)

    def save(self, directory: Path) -> None:
        """Write ``weights.safetensors`` and ``config.json`` into an existing directory."""
        weights = save_tensors({name: tensor.contiguous() for name, tensor in self.network.state_dict().items()})
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
        params = config.params
        network = CorrectionNet(len(params.features) + 1, params.channels, params.blocks, params.own_blocks)
        try:
            network.load_state_dict(load_tensors(weights))
        except (SafetensorError, RuntimeError) as cause:
            raise ModelIntegrityError("the weights do not fit the network", file=WEIGHTS_FILE) from cause
        return cls(network.eval(), config)

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


def _step_down(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 up to 0, 0 from 1, a smooth step between."""
    t = np.clip(x, 0.0, 1.0)
    return 1 - t * t * (3 - 2 * t)


def _read_config(path: Path) -> CorrectorConfig:
    try:
        return CorrectorConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise ModelIntegrityError("the corrector's configuration cannot be read", file=path.name) from cause
