"""One day corrected, as far as the corrector is to be trusted."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from sm_core.correction.model import Corrector
from sm_core.correction.network import reproducible
from sm_core.domain import LAYERS, CorrectionFlag
from sm_core.errors import FeatureMismatchError, GridMismatchError
from sm_core.grid.points import lonlat

CORRECTION_FLAGS: tuple[tuple[CorrectionFlag, str], ...] = (
    (CorrectionFlag.CORRECTED, "corrected"),
    (CorrectionFlag.LITTLE_TRUST,
     "corrected by less than half: far from training stations or outside their range of features"),
    (CorrectionFlag.UNCORRECTED, "not corrected: the downscaled value"),
    (CorrectionFlag.UNKNOWN, "unknown"),
)
LITTLE = 0.5


def correct(fine: xr.Dataset, features: xr.Dataset, corrector: Corrector) -> xr.Dataset:
    """Add the learned correction to both layers, scaled by trust.

    Parameters
    ----------
    fine
        Downscaled ``sm_surface``, ``sm_rootzone`` [m3 m-3], NaN = unknown. (y, x)
    features
        The features of the day on the same grid; ``attrs["crs"]`` names its CRS. (y, x)
    corrector
        The trained corrector.

    Returns
    -------
    Dataset (y, x): both layers [m3 m-3] inside the valid range, ``sm_surface_spread`` and ``sm_rootzone_spread``
    [m3 m-3], and ``flag`` (uint8, see CORRECTION_FLAGS). Where trust is none, the layers equal ``fine`` exactly.

    Raises
    ------
    GridMismatchError      SM302, ``fine`` and ``features`` on different grids.
    FeatureMismatchError   SM402, a feature of the corrector is missing.

    Notes
    -----
    The spread is that of residuals at stations unseen in training, of the corrected field at full trust and of the
    downscaled field at none, mixed by variance between. It is the error to expect against a sensor, not against the
    mean of the square kilometre, which is smaller.
    """
    _check(fine, features, corrector)
    params = corrector.config.params
    raw = np.stack([features[name].values for name in params.features]).astype(np.float32)
    field = np.stack([fine[layer].values for layer in LAYERS]).astype(np.float32)
    trust = corrector.trust(raw, *lonlat(features["x"].values, features["y"].values, features.attrs["crs"]))
    change = trust * _predict(raw, field, corrector)
    variables: dict[str, tuple[tuple[str, str], NDArray[np.generic], dict[str, str]]] = {}
    for index, (layer, fit) in enumerate(zip(LAYERS, corrector.config.fits, strict=True)):
        corrected = np.where(trust > 0, np.clip(field[index] + change[index], *params.valid_range), field[index])
        spread = np.sqrt(trust * fit.spread_after**2 + (1 - trust) * fit.spread_before**2)
        known = np.isfinite(field[index])
        variables[layer] = (("y", "x"), corrected, {"units": "1"})
        variables[f"{layer}_spread"] = (("y", "x"), np.where(known, spread, np.nan).astype(np.float32), {"units": "1"})
    known_any: NDArray[np.bool_] = np.logical_or.reduce(np.isfinite(field))
    variables["flag"] = (("y", "x"), _flags(trust, known_any), {})
    return xr.Dataset(variables, {"y": fine["y"], "x": fine["x"]}, dict(fine.attrs))


def _check(fine: xr.Dataset, features: xr.Dataset, corrector: Corrector) -> None:
    grids = [(ds.sizes["y"], ds.sizes["x"], ds.attrs.get("grid_id")) for ds in (fine, features)]
    if grids[0] != grids[1]:
        raise GridMismatchError("downscaled field and features lie on different grids", fine=grids[0], other=grids[1])
    missing = [name for name in corrector.config.params.features if name not in features]
    if missing:
        raise FeatureMismatchError("features of the corrector are missing", missing=missing)


@torch.no_grad()
def _predict(raw: NDArray[np.float32], field: NDArray[np.float32], corrector: Corrector) -> NDArray[np.float32]:
    network, config = corrector.network, corrector.config
    margin = network.radius
    padded = np.pad(raw, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)
    with reproducible(config.params.seed, config.params.num_threads):
        inputs = torch.from_numpy(config.normalisation.inputs(padded)[None])
        own = inputs[..., margin:-margin, margin:-margin]
        fine = torch.from_numpy(config.normalisation.fine(field)[None])
        result = network.correction(network.early(inputs), own, fine)
    change: NDArray[np.float32] = result[0].numpy() * np.float32(config.params.unit_m3)
    return change


def _flags(trust: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    flags = np.select(
        [~known, trust == 0, trust < LITTLE],
        [CorrectionFlag.UNKNOWN, CorrectionFlag.UNCORRECTED, CorrectionFlag.LITTLE_TRUST], CorrectionFlag.CORRECTED,
    )
    return flags.astype(np.uint8)
