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
from sm_core.downscaling.terrain import topographic_wetness
from sm_core.errors import InsufficientInputsError
from sm_core.grid import Nesting, check_on_grid, to_grid

LAPSE_K_PER_M = 0.0065
LST_SMOOTHING_CELLS = 2.0
"""Standard deviation of the smoothing of the LST anomaly: a single cell's retrieval is uncertain by 1 to 2 K."""
SURROUNDINGS_CELLS = 2.0
"""Standard deviation of the surroundings, in coarse cells: a cell's own share in its surroundings is 4 %."""
LEAST_WEIGHT = 1e-3
"""Of a coarse cell without known land in the surroundings [share of its area]."""
FOREST, CROPLAND, URBAN = (1, 2, 3, 4, 5), (12, 14), (13,)


class Feature(Record):
    """One predictor: its name, its unit, the physical reason for it, and of which other it is the contrast."""

    name: str
    units: str
    why: str
    contrast_of: str | None = None


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
    Feature(name="topographic_wetness", units="1", why="Hollows and feet of slopes gather what drains from above."),
    Feature(name="ndvi_contrast", units="1", why="Greener than around: more water held or drawn.", contrast_of="ndvi"),
    Feature(name="lst_contrast", units="K", why="Cooler than around: more evaporation.", contrast_of="lst_anomaly"),
    Feature(name="elevation_contrast", units="m", why="Higher than around: more rain.", contrast_of="elevation"),
    Feature(name="clay_contrast", units="%", why="More clay than around holds more water.", contrast_of="clay"),
    Feature(name="sand_contrast", units="%", why="More sand than around drains faster.", contrast_of="sand"),
    Feature(name="topographic_wetness_contrast", units="1", why="Gathers more water than its surroundings do.",
            contrast_of="topographic_wetness"),
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
    :data:`LST_SMOOTHING_CELLS`, less its mean over the region's land.

    The surroundings of a field are its means over coarse cells, smoothed by a Gaussian of
    :data:`SURROUNDINGS_CELLS` weighted by known land, and interpolated. The surroundings of ``coarse`` itself are the
    large-scale wetness: they tell how wet it is around without giving away the cell's own value, which is what the
    model has to learn. ``antecedent`` is the same of the mean of all days of ``coarse`` before ``day``; unknown when
    there is none. A contrast is a field less its surroundings, so that soil moisture and what explains it are compared
    at one scale, and gradients of climate across the region are not taken for relations with the ground.
    """
    check_on_grid(grid, fused, statics)
    land = statics["land"].values == 1
    lst, elevation, slope = fused["lst_day"].values, statics["elevation"].values, statics["slope"].values
    angle = 2 * math.pi * (day.timetuple().tm_yday - 1) / 365.25
    around = _Surroundings(coarse_of_day(coarse, day), grid, land)
    fields: dict[str, NDArray[np.floating] | float] = {
        "ndvi": fused["ndvi"].values, "lst_day": lst, "lst_anomaly": _lst_anomaly(lst, elevation, land),
        "elevation": elevation, "slope": slope, "clay": statics["clay"].values, "sand": statics["sand"].values,
        **_cover(statics["land_cover"].values), "season_sin": math.sin(angle), "season_cos": math.cos(angle),
        **_wetness(coarse, day, around),
        "topographic_wetness": topographic_wetness(np.where(land, elevation, np.nan), slope, grid),
    }
    for feature in FEATURES:
        if feature.contrast_of is not None:
            field = np.where(land, fields[feature.contrast_of], np.nan).astype(np.float32)
            fields[feature.name] = field - around.of_fine(field)
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
    reduced = _smooth(np.where(land, reduced, np.nan), LST_SMOOTHING_CELLS)
    known = reduced[land & np.isfinite(reduced)]
    return reduced - np.float32(known.mean(dtype=np.float64)) if known.size else reduced


def _cover(classes: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
    groups = {"forest": FOREST, "cropland": CROPLAND, "urban": URBAN}
    return {name: np.where(np.isfinite(classes), np.isin(classes, group), np.nan) for name, group in groups.items()}


class _Surroundings:
    """Smooth fields on the region grid, of fields on it or on the coarse lattice of ``coarse``."""

    def __init__(self, coarse: xr.Dataset, grid: Grid, land: NDArray[np.bool_]) -> None:
        self._nesting, self._land = Nesting.of(coarse, grid), land
        self._coarse, self._grid = coarse, grid

    def of_fine(self, field: NDArray[np.floating]) -> NDArray[np.float32]:
        """Of a field on the region grid. (y, x)"""
        known = self._land & np.isfinite(field)
        return self._interpolated(self._nesting.aggregate(np.where(known, field, np.nan)), self._weight(known))

    def of_coarse(self, field: NDArray[np.floating]) -> NDArray[np.float32]:
        """Of a field on the coarse lattice; cells without land count only where none with land is near. (y, x)"""
        return self._interpolated(field, self._weight(self._land))

    def _weight(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.nan_to_num(self._nesting.share(known))

    def _interpolated(self, field: NDArray[np.floating], weight: NDArray[np.float64]) -> NDArray[np.float32]:
        known = np.isfinite(field)
        weight = np.where(known, np.maximum(weight, LEAST_WEIGHT), 0.0)
        total = _gaussian(np.where(known, field, 0.0) * weight, SURROUNDINGS_CELLS)
        norm = _gaussian(weight, SURROUNDINGS_CELLS)
        smooth = np.where(norm > LEAST_WEIGHT**2, total / np.maximum(norm, LEAST_WEIGHT**2), np.nan)
        layer = xr.Dataset({"v": (("time", "y", "x"), smooth[None])}, self._coarse.coords, self._coarse.attrs)
        on_grid: NDArray[np.float32] = to_grid(layer, self._grid, "bilinear")["v"].values[0]
        return on_grid


def _wetness(coarse: xr.Dataset, day: dt.date, around: _Surroundings) -> dict[str, NDArray[np.floating]]:
    today, before = coarse_of_day(coarse, day), coarse.isel(time=_days(coarse) < np.datetime64(day, "D"))
    fields: dict[str, NDArray[np.floating]] = {}
    for layer in LAYERS:
        fields[WETNESS[layer]] = around.of_coarse(today[layer].values[0])
        fields[ANTECEDENT[layer]] = around.of_coarse(_mean_known(before[layer].values))
    return fields


def _mean_known(series: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(series)
    total, count = np.where(known, series, 0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _gaussian(field: NDArray[np.floating], sigma: float) -> NDArray[np.float64]:
    smooth: NDArray[np.float64] = gaussian_filter(field.astype(np.float64), sigma, mode="constant", truncate=3.0)
    return smooth


def _smooth(field: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    known = np.isfinite(field)
    weight, total = _gaussian(known, sigma), _gaussian(np.where(known, field, 0), sigma)
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.nan).astype(np.float32)
