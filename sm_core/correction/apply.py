"""One day corrected, as far as the corrector is to be trusted."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from sm_core.correction.design import context, context_columns, own_columns
from sm_core.correction.model import ONE_SIGMA, Corrector
from sm_core.correction.network import reproducible
from sm_core.correction.samples import Usual
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
STRIP_ROWS = 100


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
    Dataset (y, x): both layers [m3 m-3] inside the valid range, ``<layer>_spread`` (1 sigma) and
    ``<layer>_halfwidth_90`` [m3 m-3], ``flag`` (uint8, see CORRECTION_FLAGS), and ``station_km``, the distance from the
    nearest training station. Where trust is none, the layers equal ``fine`` exactly.

    Raises
    ------
    GridMismatchError      SM302, ``fine`` and ``features`` on different grids, or the corrector on another one.
    FeatureMismatchError   SM402, a feature of the corrector is missing.

    Notes
    -----
    Spread and half-width cover 68 and 90 % of the residuals at stations and in periods unseen in training, of the
    corrected field at full trust and of the downscaled field at none, mixed by variance between. It is the error to
    expect against a sensor, not against the mean of the square kilometre, which is smaller.
    """
    _check(fine, features, corrector)
    params = corrector.config.params
    raw = np.stack([features[name].values for name in params.features]).astype(np.float32)
    field = np.stack([fine[layer].values for layer in LAYERS]).astype(np.float32)
    where = lonlat(features["x"].values, features["y"].values, features.attrs["crs"])
    trust = corrector.trust(raw, *where)
    change = trust * _predict(raw, field, corrector)
    variables: dict[str, tuple[tuple[str, str], NDArray[np.generic], dict[str, str]]] = {}
    for index, (layer, fit) in enumerate(zip(LAYERS, corrector.config.fits, strict=True)):
        corrected = np.where(trust > 0, np.clip(field[index] + change[index], *params.valid_range), field[index])
        variables[layer] = (("y", "x"), corrected, {"units": "1"})
        for name, level in (("spread", ONE_SIGMA), ("halfwidth_90", 0.9)):
            width = np.where(np.isfinite(corrected), fit.half_width(trust, level), np.nan).astype(np.float32)
            variables[f"{layer}_{name}"] = (("y", "x"), width, {"units": "1"})
    known_any: NDArray[np.bool_] = np.logical_or.reduce(np.isfinite(field))
    variables["flag"] = (("y", "x"), _flags(trust, known_any), {})
    variables["station_km"] = (("y", "x"), corrector.station_km(*where).astype(np.float32), {"units": "km"})
    return xr.Dataset(variables, {"y": fine["y"], "x": fine["x"]}, dict(fine.attrs))


def _check(fine: xr.Dataset, features: xr.Dataset, corrector: Corrector) -> None:
    grids = [(ds.sizes["y"], ds.sizes["x"], ds.attrs.get("grid_id")) for ds in (fine, features)]
    if grids[0] != grids[1]:
        raise GridMismatchError("downscaled field and features lie on different grids", fine=grids[0], other=grids[1])
    own = (*corrector.usual.fine.shape[-2:], corrector.config.grid_id)
    if grids[0] != own:
        raise GridMismatchError("the corrector was trained on another grid", fine=grids[0], other=own)
    missing = [name for name in corrector.config.params.features if name not in features]
    if missing:
        raise FeatureMismatchError("features of the corrector are missing", missing=missing)


@torch.no_grad()
def _predict(raw: NDArray[np.float32], field: NDArray[np.float32], corrector: Corrector) -> NDArray[np.float32]:
    """One forward pass over the region, in strips of rows to bound memory. (layers, y, x)"""
    height, change = field.shape[-2], np.empty_like(field)
    with reproducible(corrector.config.params.seed, corrector.config.params.num_threads):
        for start in range(0, height, STRIP_ROWS):
            rows = slice(start, min(start + STRIP_ROWS, height))
            change[:, rows] = _strip(raw, field, corrector, rows)
    return change


def _strip(
    raw: NDArray[np.float32], field: NDArray[np.float32], corrector: Corrector, rows: slice
) -> NDArray[np.float32]:
    network, config, usual = corrector.network, corrector.config, corrector.usual
    norm, here = config.normalisation, Usual(usual.features[:, rows], usual.fine[:, rows])
    dynamic = raw[norm.dynamic_index]
    columns = own_columns(dynamic[:, rows], field[:, rows], here, norm, pairs=config.params.pairs)
    if network.channels:
        today, always = (_with_margin(part, rows, network.radius) for part in (dynamic, usual.features))
        look = context_columns(context(network, today, always, norm), config.context_sd)
        columns = np.concatenate([columns, look])
    change: NDArray[np.float32] = network.correction(torch.from_numpy(columns)[None])[0].numpy()
    return change


def _with_margin(values: NDArray[np.float32], rows: slice, margin: int) -> NDArray[np.float32]:
    first, last = rows.start - margin, rows.stop + margin
    cut = values[:, max(first, 0):last]
    beyond = max(-first, 0), max(last - values.shape[1], 0)
    return np.pad(cut, ((0, 0), beyond, (margin, margin)), constant_values=np.nan)


def _flags(trust: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    flags = np.select(
        [~known, trust == 0, trust < LITTLE],
        [CorrectionFlag.UNKNOWN, CorrectionFlag.UNCORRECTED, CorrectionFlag.LITTLE_TRUST], CorrectionFlag.CORRECTED,
    )
    return flags.astype(np.uint8)
