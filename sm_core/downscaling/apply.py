"""One day downscaled: predict at 1 km, then restore the coarse means."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid
from sm_core.downscaling.conservation import conserve
from sm_core.downscaling.features import coarse_of_day
from sm_core.downscaling.model import Downscaler
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
    Dataset (y, x): ``sm_surface``, ``sm_rootzone`` [m3 m-3] and ``sm_surface_spread``, ``sm_rootzone_spread``
    [m3 m-3, ≥ 0]; ``attrs["conservation_error"]`` is the largest |coarse-cell mean − coarse value| [m3 m-3].
    Land whose coarse value is unknown keeps the prediction with its neighbours' residual.

    Raises
    ------
    GridMismatchError        SM302, features on another grid.
    InsufficientInputsError  SM301, ``coarse`` does not hold the day.
    FeatureMismatchError     SM402, a feature of the model is missing.

    Notes
    -----
    The spread is √(error of the model at unseen cells and days² + adjustment²): how wrong relations within the cell
    may be, and how much the coarse value disagreed with them here. The coarse product's own error is not in it.
    """
    check_on_grid(grid, features)
    day = dt.date.fromisoformat(features.attrs["day"])
    known = coarse_of_day(coarse, day)
    nesting = Nesting.of(known, grid)
    predicted = model.predict(features)
    model_error = {fit.layer: fit.validation_rmsd for fit in model.spec.fits}
    variables: dict[str, tuple[tuple[str, str], NDArray[np.float32], dict[str, str]]] = {}
    largest = 0.0
    for layer in LAYERS:
        result = conserve(
            predicted[layer].values, known[layer].values[0], nesting, valid_range=model.spec.params.valid_range
        )
        spread = np.hypot(np.float32(model_error[layer]), result.adjustment)
        variables[layer] = (("y", "x"), result.values, {"units": "1"})
        variables[f"{layer}_spread"] = (("y", "x"), spread, {"units": "1"})
        largest = max(largest, result.largest_deviation)
    attrs = {"grid_id": grid.grid_id, "crs": grid.crs, "day": day.isoformat(), "conservation_error": largest}
    return xr.Dataset(variables, {"y": grid.y, "x": grid.x}, attrs)
