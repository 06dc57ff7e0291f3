"""What a cell is told about itself: declared once, built by one function for training and prediction alike.

Longitude and latitude are left out: with them a model learns places instead of relations.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sm_core.domain import LAYERS, Grid, Layer, Record
from sm_core.errors import InsufficientInputsError
from sm_core.grid import check_on_grid, to_grid

LAPSE_K_PER_M = 0.0065
LST_SMOOTHING_CELLS = 2.0
"""Standard deviation of the smoothing of the LST anomaly: a single cell's retrieval is uncertain by 1 to 2 K."""
SMOOTHING_KM = 40.0
"""Standard deviation of the smoothing of the large-scale wetness: a 0.25° cell's own share in it is 6 %."""
KM_PER_DEGREE = 111.195
FOREST, CROPLAND, URBAN = (1, 2, 3, 4, 5), (12, 14), (13,)


class Feature(Record):
    """One predictor: its name, its unit, and the physical reason for it."""

    name: str
    units: str
    why: str


FEATURES: tuple[Feature, ...] = (
    Feature(name="ndvi", units="1", why="Plants show the water of the root zone and shade the soil."),
    Feature(name="lst_day", units="K", why="Wet soil spends the sun's energy on evaporation and stays cool."),
    Feature(name="lst_anomaly", units="K", why="Warmth that neither height nor the day's weather explains."),
    Feature(name="elevation", units="m", why="Rain and evaporation change with height."),
    Feature(name="slope", units="degree", why="Steep ground drains."),
    Feature(name="clay", units="%", why="Clay holds water at any tension."),
    Feature(name="sand", units="%", why="Sand lets water through."),
    Feature(name="forest", units="1", why="Forest intercepts rain and draws from depth; a share once aggregated."),
    Feature(name="cropland", units="1", why="Irrigated and seasonally bare; a share once aggregated."),
    Feature(name="urban", units="1", why="Sealed ground; a share once aggregated."),
    Feature(name="season_sin", units="1", why="The relations above change through the year."),
    Feature(name="season_cos", units="1", why="The relations above change through the year."),
    Feature(name="wetness_surface", units="1", why="Large-scale surface soil moisture of the day."),
    Feature(name="wetness_rootzone", units="1", why="Large-scale root-zone soil moisture of the day."),
    Feature(name="antecedent_surface", units="1", why="Large-scale surface soil moisture of the days before."),
    Feature(name="antecedent_rootzone", units="1", why="Large-scale root-zone soil moisture of the days before."),
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
WETNESS: dict[Layer, str] = {"sm_surface": "wetness_surface", "sm_rootzone": "wetness_rootzone"}
ANTECEDENT: dict[Layer, str] = {"sm_surface": "antecedent_surface", "sm_rootzone": "antecedent_rootzone"}


def feature_hash(names: Sequence[str]) -> str:
    """sha256 of names and units in this order; KeyError for a name that is not declared."""
    units = {feature.name: feature.units for feature in FEATURES}
    return hashlib.sha256("\n".join(f"{name} [{units[name]}]" for name in names).encode()).hexdigest()


def build_features(fused: xr.Dataset, coarse: xr.Dataset, statics: xr.Dataset, day: dt.date, grid: Grid) -> xr.Dataset:
    """All features of one day on the region grid.

    Parameters
    ----------
    fused
        ``ndvi`` [1] and ``lst_day`` [K] of the day. (y, x), NaN = unknown.
    coarse
        ``sm_surface`` and ``sm_rootzone`` [m3 m-3] on their native lattice, of the day and up to ten days before.
        (time, y, x), NaN = unknown.
    statics
        ``elevation`` [m], ``slope`` [degree], ``clay``, ``sand`` [%], ``land_cover`` [IGBP class], ``land`` [1/0].
        (y, x)
    day
        UTC day.
    grid
        The region grid, on which ``fused`` and ``statics`` lie.

    Returns
    -------
    Dataset (y, x), float32, one variable per entry of :data:`FEATURES`; NaN everywhere outside land, so that a cell
    with any known feature is land. ``attrs["day"]`` is the ISO date.

    Raises
    ------
    GridMismatchError          SM302, ``fused`` or ``statics`` on another grid.
    InsufficientInputsError    SM301, ``coarse`` does not hold the day.

    Notes
    -----
    ``lst_anomaly`` is LST reduced to sea level by 6.5 K/km, smoothed over known land by a Gaussian of
    :data:`LST_SMOOTHING_CELLS`, less its mean over the region's land. The large-scale
    wetness is ``coarse`` smoothed by a Gaussian of :data:`SMOOTHING_KM` over known cells and interpolated: it tells
    how wet the surroundings are without giving away the cell's own value, which is what the model has to learn.
    ``antecedent`` is the same of the mean of all days of ``coarse`` before ``day``; unknown when there is none.
    """
    check_on_grid(grid, fused, statics)
    land = statics["land"].values == 1
    lst, elevation = fused["lst_day"].values, statics["elevation"].values
    angle = 2 * math.pi * (day.timetuple().tm_yday - 1) / 365.25
    fields: dict[str, NDArray[np.floating] | float] = {
        "ndvi": fused["ndvi"].values, "lst_day": lst, "lst_anomaly": _lst_anomaly(lst, elevation, land),
        "elevation": elevation, **{name: statics[name].values for name in ("slope", "clay", "sand")},
        **_cover(statics["land_cover"].values), "season_sin": math.sin(angle), "season_cos": math.cos(angle),
        **_wetness(coarse, day, grid),
    }
    variables = {
        feature.name: (("y", "x"), np.where(land, fields[feature.name], np.nan).astype(np.float32),
                       {"units": feature.units, "long_name": feature.why})
        for feature in FEATURES
    }
    attrs = {"grid_id": grid.grid_id, "crs": grid.crs, "day": day.isoformat()}
    return xr.Dataset(variables, {"y": grid.y, "x": grid.x}, attrs)


def known_land(features: xr.Dataset) -> NDArray[np.bool_]:
    """Where any feature is known. (y, x)"""
    land = np.zeros((features.sizes["y"], features.sizes["x"]), bool)
    for variable in features.data_vars.values():
        land |= np.isfinite(variable.values)
    return land


def coarse_of_day(coarse: xr.Dataset, day: dt.date) -> xr.Dataset:
    """The one field of ``day`` out of a coarse series. (time=1, y, x)

    Raises
    ------
    InsufficientInputsError   SM301, the day is not in it.
    """
    same = _days(coarse) == np.datetime64(day, "D")
    if not same.any():
        raise InsufficientInputsError("coarse soil moisture of the day is missing", day=day)
    return coarse.isel(time=np.flatnonzero(same)[-1:])


def _days(coarse: xr.Dataset) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = coarse["time"].values.astype("datetime64[D]")
    return days


def _lst_anomaly(
    lst: NDArray[np.float32], elevation: NDArray[np.float32], land: NDArray[np.bool_]
) -> NDArray[np.float32]:
    reduced = lst + np.float32(LAPSE_K_PER_M) * elevation
    reduced = _smooth(np.where(land, reduced, np.nan), (LST_SMOOTHING_CELLS, LST_SMOOTHING_CELLS))
    known = reduced[land & np.isfinite(reduced)]
    return reduced - np.float32(known.mean(dtype=np.float64)) if known.size else reduced


def _cover(classes: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
    groups = {"forest": FOREST, "cropland": CROPLAND, "urban": URBAN}
    return {name: np.where(np.isfinite(classes), np.isin(classes, group), np.nan) for name, group in groups.items()}


def _wetness(coarse: xr.Dataset, day: dt.date, grid: Grid) -> dict[str, NDArray[np.floating]]:
    today, before = coarse_of_day(coarse, day), coarse.isel(time=_days(coarse) < np.datetime64(day, "D"))
    fields = {}
    for layer in LAYERS:
        fields[WETNESS[layer]] = _mean_known(today[layer].values)
        fields[ANTECEDENT[layer]] = _mean_known(before[layer].values)
    sigma = _cells_per(SMOOTHING_KM, coarse)
    smoothed = {name: (("time", "y", "x"), _smooth(field, sigma)[None]) for name, field in fields.items()}
    on_grid = to_grid(xr.Dataset(smoothed, today.coords, today.attrs), grid, "bilinear")
    return {name: on_grid[name].values[0] for name in smoothed}


def _mean_known(series: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(series)
    total, count = np.where(known, series, 0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _cells_per(km: float, coarse: xr.Dataset) -> tuple[float, float]:
    steps = [
        abs(float(coarse[axis][-1] - coarse[axis][0])) / (coarse.sizes[axis] - 1)
        if coarse.sizes[axis] > 1 else float(coarse.attrs["resolution"])
        for axis in ("y", "x")
    ]
    if coarse.attrs["crs"] == "EPSG:4326":
        scale = (KM_PER_DEGREE, KM_PER_DEGREE * math.cos(math.radians(float(coarse["y"].mean()))))
    else:
        scale = (0.001, 0.001)
    return km / (steps[0] * scale[0]), km / (steps[1] * scale[1])


def _smooth(field: NDArray[np.float32], sigma: tuple[float, float]) -> NDArray[np.float32]:
    known = np.isfinite(field).astype(np.float64)
    weight = gaussian_filter(known, sigma, mode="constant", truncate=3.0)
    total = gaussian_filter(np.where(known > 0, field, 0).astype(np.float64), sigma, mode="constant", truncate=3.0)
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.nan).astype(np.float32)
