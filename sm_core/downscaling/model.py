"""The downscaler: what was learned between coarse cells, and how it is applied within them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import ValidationError

from sm_core.domain import LAYERS, Layer, Record
from sm_core.downscaling.features import FEATURE_NAMES, WETNESS, feature_hash, known_land
from sm_core.downscaling.linear import TEXTURE
from sm_core.downscaling.params import DownscalingParams
from sm_core.downscaling.trees import Trees
from sm_core.errors import FeatureMismatchError, ModelIntegrityError, ModelNotFoundError

SPEC_FILE = "spec.json"
LEVELS = (0.5, 0.68, 0.8, 0.9)
"""Shares of unseen errors that the half-widths cover."""
NO_LAND = 255


class Tier(Record):
    """A model for cells where some inputs are unknown: it was trained without their features."""

    name: str
    without: tuple[str, ...]

    def of(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names that this tier uses."""
        return tuple(name for name in names if name not in self.without)


TIERS = (
    Tier(name="full", without=()),
    Tier(name="no_lst", without=("lst_day", "lst_anomaly", "lst_contrast")),
    Tier(name="no_ndvi", without=("ndvi", "ndvi_contrast")),
    Tier(name="no_images", without=("lst_day", "lst_anomaly", "lst_contrast", "ndvi", "ndvi_contrast")),
)
"""In order of preference; a cell takes the first whose features are all known."""
COARSE_TIER = len(TIERS)
"""Of cells that no tier can serve: their large-scale wetness is all there is."""
TIER_NAMES = (*(tier.name for tier in TIERS), "coarse")


class LayerFit(Record):
    """How one layer and tier came about; scores are of cells and days that were both set apart.

    ``effects`` are those of the linear part [m3 m-3 per unit], in the order of the tier's linear features.
    """

    layer: Layer
    tier: str
    effects: tuple[float, ...]
    rounds: int
    samples: int
    validation_samples: int
    validation_rmsd: float
    """Of the departure from the large-scale wetness [m3 m-3]."""
    validation_skill: float
    """1 − mean square error over that of no departure [1]; 0: nothing learned."""
    half_widths: tuple[float, ...]
    """Split-conformal half-widths of the error of a coarse cell's departure [m3 m-3], one per level of ``LEVELS``."""


class DownscalerSpec(Record):
    """What a downscaler is; ``sha256`` of its boosters' texts, in the order of ``fits``, is set when it is stored."""

    params: DownscalingParams
    feature_hash: str
    trained_from: dt.date
    trained_until: dt.date
    days: int
    fits: tuple[LayerFit, ...]
    sha256: tuple[str, ...] = ()

    def fit(self, layer: Layer, tier: str) -> LayerFit:
        """The fit of one layer and tier; StopIteration where there is none."""
        return next(fit for fit in self.fits if (fit.layer, fit.tier) == (layer, tier))


@dataclass(frozen=True)
class Downscaler:
    """A trained model: one booster per layer and tier, and its spec."""

    boosters: Mapping[tuple[Layer, str], lgb.Booster]
    spec: DownscalerSpec

    @cached_property
    def _trees(self) -> dict[tuple[Layer, str], Trees]:
        return {key: Trees.of(booster) for key, booster in self.boosters.items()}

    def predict(self, features: xr.Dataset) -> xr.Dataset:
        """Soil moisture of every land cell before the coarse means are restored.

        Parameters
        ----------
        features
            As ``build_features`` makes them. (y, x)

        Returns
        -------
        Dataset (y, x): ``sm_surface``, ``sm_rootzone`` [m3 m-3], float32, inside the valid range; NaN outside land
        and where the large-scale wetness is unknown. ``tier``: place in ``TIER_NAMES`` of the model that each land
        cell was predicted with, 255 outside land.

        Raises
        ------
        FeatureMismatchError   SM402, a feature of the model is missing.
        """
        missing = [name for name in self.spec.params.features if name not in features]
        if missing:
            raise FeatureMismatchError("features of the model are missing", missing=missing)
        land = known_land(features)
        columns = {name: features[name].values[land] for name in self.spec.params.features}
        tier = self._tier_of_cells(columns, int(land.sum()))
        variables: dict[str, tuple[tuple[str, str], NDArray[np.generic], dict[str, object]]] = {}
        for layer in LAYERS:
            wetness = features[WETNESS[layer]].values[land]
            predicted = wetness + self._departure(layer, columns, tier)
            field = np.full(land.shape, np.nan, np.float32)
            field[land] = np.clip(predicted, *self.spec.params.valid_range)
            variables[layer] = (("y", "x"), field, {"units": "1"})
        tiers = np.full(land.shape, NO_LAND, np.uint8)
        tiers[land] = tier
        flags: dict[str, object] = {"flag_values": list(range(len(TIER_NAMES))), "flag_meanings": " ".join(TIER_NAMES)}
        variables["tier"] = (("y", "x"), tiers, flags)
        return xr.Dataset(variables, {"y": features.y, "x": features.x}, dict(features.attrs))

    def half_width(self, layer: Layer, tier: NDArray[np.uint8], level: float = 0.68) -> NDArray[np.float32]:
        """Half-width that covers ``level`` (one of ``LEVELS``) of the errors at unseen coarse cells and days [m3 m-3].

        Parameters
        ----------
        tier
            As ``predict`` gives it. Cells of the coarse tier have the width of the poorest tier. Any shape.
        """
        place = LEVELS.index(level)
        widths = [fit.half_widths[place] for fit in self.spec.fits if fit.layer == layer]
        table = np.full(256, np.nan, np.float32)
        table[COARSE_TIER] = max(widths)
        for code, name in enumerate(TIER_NAMES[:COARSE_TIER]):
            if (layer, name) in self.boosters:
                table[code] = self.spec.fit(layer, name).half_widths[place]
        return table[tier]

    def save(self, directory: Path) -> None:
        """Write ``<layer>-<tier>.txt`` (LightGBM text) and ``spec.json`` into an existing directory."""
        texts = [self.boosters[fit.layer, fit.tier].model_to_string() for fit in self.spec.fits]
        for fit, text in zip(self.spec.fits, texts, strict=True):
            (directory / _booster_file(fit)).write_text(text, encoding="utf-8")
        spec = self.spec.model_copy(update={"sha256": tuple(_sha256(text) for text in texts)})
        (directory / SPEC_FILE).write_text(spec.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Downscaler:
        """Read a stored downscaler.

        Raises
        ------
        ModelNotFoundError     SM501, a file is missing.
        ModelIntegrityError    SM502, a file is not what was saved.
        FeatureMismatchError   SM402, its features have since changed in name or unit.
        """
        spec = _load_spec(directory / SPEC_FILE)
        _check_features(spec)
        boosters = {}
        for fit, sha256 in zip(spec.fits, spec.sha256, strict=True):
            path = directory / _booster_file(fit)
            if not path.is_file():
                raise ModelNotFoundError("booster file is missing", file=path.name, directory=directory.name)
            text = path.read_text(encoding="utf-8")
            if _sha256(text) != sha256:
                raise ModelIntegrityError("booster file has changed since it was saved", file=path.name)
            boosters[fit.layer, fit.tier] = lgb.Booster(model_str=text)
        return cls(boosters, spec)

    def _tier_of_cells(self, columns: Mapping[str, NDArray[np.float32]], cells: int) -> NDArray[np.uint8]:
        tiers = np.full(cells, COARSE_TIER, np.uint8)
        known = {name: np.isfinite(column) for name, column in columns.items()}
        for code, tier in reversed(list(enumerate(TIERS))):
            if any(name == tier.name for _, name in self.boosters):
                tiers[np.logical_and.reduce([known[name] for name in tier.of(self.spec.params.features)])] = code
        return tiers

    def _departure(
        self, layer: Layer, columns: Mapping[str, NDArray[np.float32]], tiers: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        departure = np.zeros(len(tiers))
        params = self.spec.params
        for code, tier in enumerate(TIERS):
            cells = np.flatnonzero(tiers == code)
            if not cells.size:
                continue
            names, split = tier.of(params.linear), tier.of(params.trees)
            for name, effect in zip(names, self.spec.fit(layer, tier.name).effects, strict=True):
                share = params.texture_share if name in TEXTURE else 1.0
                departure[cells] += share * effect * columns[name][cells]
            departure[cells] += self._trees[layer, tier.name].predict(np.stack([columns[n][cells] for n in split]))
        return departure


def _booster_file(fit: LayerFit) -> str:
    return f"{fit.layer}-{fit.tier}.txt"


def _load_spec(path: Path) -> DownscalerSpec:
    if not path.is_file():
        raise ModelNotFoundError("there is no downscaler here", file=path.name, directory=path.parent.name)
    try:
        return DownscalerSpec.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise ModelIntegrityError("the downscaler's spec cannot be read", file=path.name) from cause


def _check_features(spec: DownscalerSpec) -> None:
    unknown = [name for name in spec.params.features if name not in FEATURE_NAMES]
    if unknown or feature_hash(spec.params.features) != spec.feature_hash:
        raise FeatureMismatchError("the model's features are not those of today", unknown=unknown)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
