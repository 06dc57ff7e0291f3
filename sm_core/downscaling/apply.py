"""One day downscaled: predict at 1 km, then restore the coarse means."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid
from sm_core.downscaling.conservation import conserve, edge_contrast
from sm_core.downscaling.features import coarse_of_day
from sm_core.downscaling.model import TIER_NAMES, Downscaler
from sm_core.grid import Nesting, check_on_grid


def downscale(features: xr.Dataset, coarse: xr.Dataset, model: Downscaler, grid: Grid) -> xr.Dataset:
    """Both layers of one day on the region grid.

    Parameters
    ----------
    features
        As ``build_features`` makes them; ``attrs["day"]`` names the day. (y, x)
    coarse
        ``sm_surface``, ``sm_rootzone`` [m3 m-3] on the native lattice; holds the day. (time, y, x)
    model
        The trained downscaler.
    grid
        The region grid.

    Returns
    -------
    Dataset (y, x): ``sm_surface``, ``sm_rootzone`` [m3 m-3]; ``sm_surface_adjustment``, ``sm_rootzone_adjustment``
    [m3 m-3], what was added to the prediction to restore the coarse means; ``sm_surface_spread``,
    ``sm_rootzone_spread`` [m3 m-3, ≥ 0]; ``tier``, place in ``TIER_NAMES``. Land whose coarse value is unknown keeps
    the prediction with its neighbours' residual.

    ``attrs["conservation_error"]`` is the largest |coarse-cell mean − coarse value| [m3 m-3],
    ``attrs["edge_contrast"]`` the larger one of the adjustments' contrasts at coarse cells' edges [1] (see
    :func:`edge_contrast`), ``attrs["tier"]`` the tier of most cells.

    Raises
    ------
    GridMismatchError        SM302, features on another grid.
    InsufficientInputsError  SM301, ``coarse`` does not hold the day.
    FeatureMismatchError     SM402, a feature of the model is missing.

    Notes
    -----
    The spread is √(half-width that covers 68 % of the model's errors at unseen cells and days² + adjustment²): how
    wrong relations within the cell may be, and how much the coarse value disagreed with them here. The coarse
    product's own error is not in it.
    """
    check_on_grid(grid, features)
    day = dt.date.fromisoformat(features.attrs["day"])
    known = coarse_of_day(coarse, day)
    nesting = Nesting.of(known, grid)
    predicted = model.predict(features)
    tier = predicted["tier"].values
    variables: dict[str, tuple[tuple[str, str], NDArray[np.generic], dict[str, object]]] = {}
    largest, edges = 0.0, []
    for layer in LAYERS:
        result = conserve(
            predicted[layer].values, known[layer].values[0], nesting, valid_range=model.spec.params.valid_range
        )
        spread = np.hypot(model.half_width(layer, tier), result.adjustment)
        variables[layer] = (("y", "x"), result.values, {"units": "1"})
        variables[f"{layer}_adjustment"] = (("y", "x"), result.adjustment, {"units": "1"})
        variables[f"{layer}_spread"] = (("y", "x"), spread, {"units": "1"})
        largest = max(largest, result.largest_deviation)
        edges.append(edge_contrast(result.adjustment, nesting))
    variables["tier"] = (("y", "x"), tier, dict(predicted["tier"].attrs))
    attrs = {
        "grid_id": grid.grid_id, "crs": grid.crs, "day": day.isoformat(), "conservation_error": largest,
        "edge_contrast": max(edges), "tier": _most_common(tier),
    }
    return xr.Dataset(variables, {"y": grid.y, "x": grid.x}, attrs)


def _most_common(tier: NDArray[np.uint8]) -> str:
    return TIER_NAMES[int(np.bincount(tier[tier < len(TIER_NAMES)], minlength=1).argmax())]
