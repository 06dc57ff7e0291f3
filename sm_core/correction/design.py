"""What the correction is a weighted sum of: the usual look of a place, and how today departs from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sm_core.correction.network import CorrectionNet
from sm_core.correction.samples import F32, Normalisation, Usual
from sm_core.domain import LAYERS

CONSTANT, STATIC, DEPARTURE, PAIR, CONTEXT = "constant", "static", "departure", "pair", "context"
CLIP_SD = 4.0


def groups(static: int, dynamic: int, channels: int, *, pairs: bool) -> tuple[str, ...]:
    """The group of each column, in order, for so many static and dynamic features and channels of the network."""
    departures = dynamic + len(LAYERS)
    count = departures * (departures + 1) // 2 if pairs else 0
    return (
        CONSTANT, *[STATIC] * (static + len(LAYERS)), *[DEPARTURE] * departures, *[PAIR] * count,
        *[CONTEXT] * channels,
    )


def own_columns(dynamic: F32, fine: F32, usual: Usual, norm: Normalisation, *, pairs: bool) -> F32:
    """All columns that need no surroundings.

    Parameters
    ----------
    dynamic
        Dynamic features, NaN = unknown and taken as usual. (…, features, h, w)
    fine
        Downscaled field [m3 m-3], likewise. (…, layers, h, w)
    usual
        Of the same cells. (…, features, h, w)

    Returns
    -------
    (…, columns, h, w): 1; static features and the usual field; departures of the dynamic features and of the field
    from what is usual; products of any two departures. Cut at four standard deviations.
    """
    static = np.concatenate([
        _scaled(usual.features[..., norm.static_index, :, :], norm.array("mean", norm.static_index),
                norm.array("sd", norm.static_index)),
        _scaled(usual.fine, norm.array("fine_mean"), norm.array("fine_sd")),
    ], axis=-3)
    departure = np.concatenate([
        _scaled(dynamic - usual.features[..., norm.dynamic_index, :, :], 0.0,
                norm.array("departure_sd", norm.dynamic_index)),
        _scaled(fine - usual.fine, 0.0, norm.array("fine_departure_sd")),
    ], axis=-3)
    static = np.broadcast_to(static, (*departure.shape[:-3], static.shape[-3], *departure.shape[-2:]))
    parts = [np.ones_like(departure[..., :1, :, :]), static, departure]
    if pairs:
        first, second = np.triu_indices(departure.shape[-3])
        parts.append(departure[..., first, :, :] * departure[..., second, :, :])
    return np.concatenate(parts, axis=-3)


@torch.no_grad()
def context(network: CorrectionNet, dynamic: F32, usual: F32, norm: Normalisation) -> F32:
    """How the activations of the pre-trained body depart from the usual ones.

    (…, dynamic features, h, w), (…, features, h, w) → (…, channels, h − 2 radius, w − 2 radius)
    """
    today = _batch(norm.inputs(filled(dynamic, usual, norm)))
    always = _batch(norm.inputs(usual))
    departure: F32 = (network.hidden(today) - network.hidden(always)).numpy()
    return departure.reshape(*dynamic.shape[:-3], *departure.shape[-3:])


def context_columns(departure: F32, sd: Sequence[float]) -> F32:
    """The same scaled by its spread, and cut at four standard deviations. (…, channels, h, w)"""
    return _scaled(departure, 0.0, np.asarray(sd, np.float32))


def _batch(values: F32) -> Tensor:
    return torch.from_numpy(values.reshape(-1, *values.shape[-3:]))


def filled(dynamic: F32, usual: F32, norm: Normalisation) -> F32:
    """All features of a day: the dynamic ones where they are known, what is usual elsewhere. (…, features, h, w)"""
    result = np.broadcast_to(usual, (*dynamic.shape[:-3], *usual.shape[-3:])).copy()
    today = result[..., norm.dynamic_index, :, :]
    result[..., norm.dynamic_index, :, :] = np.where(np.isfinite(dynamic), dynamic, today)
    return result


def _scaled(values: F32, mean: F32 | float, sd: F32) -> F32:
    centre = np.asarray(mean, np.float32)
    centre = centre[:, None, None] if centre.ndim else centre
    scaled: F32 = np.nan_to_num(np.clip((values - centre) / sd[:, None, None], -CLIP_SD, CLIP_SD)).astype(np.float32)
    return scaled
