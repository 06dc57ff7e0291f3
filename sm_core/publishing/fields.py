"""The day's fields under the names that the product declares."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, CorrectionFlag, Grid, QaFlag
from sm_core.drought import UNKNOWN, classify
from sm_core.drought.masks import assessable
from sm_core.fusion.flags import FusionFlag
from sm_core.publishing.products import MOISTURE_RANGE

FREEZING_K = 273.15
STEEP_DEG = 20.0
IGBP_URBAN = 13
OLDEST_DAYS = 254
"""Older observations count as this old."""
GAUSSIAN_90 = 1.645
"""Half the 90 % interval of a normal distribution, in standard deviations."""
_LIMITS = np.array(MOISTURE_RANGE, np.float32)
NO_FLAG = QaFlag(0)
FAR_KM = 50.0
SNOW_SHARE = 0.5


def product_fields(
    corrected: xr.Dataset, fused: xr.Dataset, percentiles: xr.Dataset, statics: xr.Dataset, grid: Grid, *,
    day: dt.date, coarse_flags: QaFlag = NO_FLAG,
) -> xr.Dataset:
    """Assemble what is published from what the steps of the day made.

    Parameters
    ----------
    corrected
        Both layers, their ``_spread`` and ``flag``; ``<layer>_halfwidth_90`` and ``station_km``, the distance from the
        nearest training station, where the corrector knows them. (y, x)
    fused
        ``lst_day`` [K], ``lst_day_flag``, ``ndvi_flag``, and where known ``lst_day_age`` [days] and ``snow``, the share
        of the cell that it covers [1]. (y, x)
    percentiles
        ``percentile_<layer>`` [%] and ``extrapolated_<layer>``, and whatever else is known of the day's drought, such
        as ``available_water_ratio`` [%]. (y, x) or (drought, y, x)
    statics
        ``land``, and where known ``slope``, ``land_cover``, ``paddy``. (y, x)
    grid
        The region grid.
    day
        For the season of the paddies.
    coarse_flags
        Bits that hold for the whole day.

    Returns
    -------
    Dataset (y, x) with every variable of the product; water is unknown. What else ``percentiles`` holds, but for the
    classes' limits, comes along for the summary, with its attributes.

    Notes
    -----
    Bounds hold a sensor's reading in 90 % of cases: the value plus and minus ``_halfwidth_90``, or 1.645 times the
    spread where there is none, cut to what soil can hold. The available water is unknown where texture is. The drought
    class is unknown where :func:`sm_core.drought.masks.assessable` says so; the percentile is not.
    """
    land = statics["land"].values > 0.5
    fields: dict[str, NDArray[np.generic]] = {}
    for layer in LAYERS:
        value, spread = corrected[layer].values, corrected[f"{layer}_spread"].values
        fields[layer], fields[f"{layer}_uncertainty"] = _on(land, value), _on(land, spread)
        fields[f"percentile_{layer}"] = _on(land, percentiles[f"percentile_{layer}"].values)
        half = corrected.get(f"{layer}_halfwidth_90", GAUSSIAN_90 * corrected[f"{layer}_spread"]).values
        fields[f"{layer}_lower_90"] = _on(land, np.clip(value - half, *MOISTURE_RANGE))
        fields[f"{layer}_upper_90"] = _on(land, np.clip(value + half, *MOISTURE_RANGE))
    fields["qa_flags"] = flags = _flags(corrected, fused, statics, land, coarse_flags)
    classes = classify(fields["percentile_sm_rootzone"])
    fields["drought_class"] = np.where(assessable(flags, day), classes, classes.dtype.type(UNKNOWN))
    fields["available_water_ratio"] = _on(land, _known_or_nan("available_water_ratio", percentiles, grid))
    fields["observation_age"] = _on(land, _age(fused))
    further = percentiles[[name for name in percentiles if name not in fields and not str(name).startswith("limits_")]]
    attrs = {**percentiles.attrs, "grid_id": grid.grid_id, "crs": grid.crs, **_kept(corrected)}
    return xr.Dataset({**{name: (("y", "x"), values) for name, values in fields.items()}, **_on_land(further, land)},
                      {"y": grid.y, "x": grid.x}, attrs)


def _on(land: NDArray[np.bool_], values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(land, values, np.nan).astype(np.float32)


def _on_land(fields: xr.Dataset, land: NDArray[np.bool_]) -> dict[str, tuple[tuple[str, ...], NDArray[np.generic]]]:
    """The same fields, floats unknown and marks off on water."""
    on_land = {}
    for name, field in fields.data_vars.items():
        values = field.values
        nothing = np.nan if np.issubdtype(values.dtype, np.floating) else values.dtype.type(0)
        unknown = UNKNOWN if values.dtype == np.uint8 else nothing
        on_land[str(name)] = (tuple(str(dim) for dim in field.dims), np.where(land, values, unknown))
    return on_land


def _known_or_nan(name: str, fields: xr.Dataset, grid: Grid) -> NDArray[np.floating]:
    return fields[name].values if name in fields else np.full(grid.shape, np.nan, np.float32)


def _age(fused: xr.Dataset) -> NDArray[np.floating]:
    """Days since the newest clear observation; where none is on record, 0 if seen on the day and unknown if not."""
    seen_today = np.where(fused["lst_day_flag"].values == FusionFlag.OBSERVED, 0.0, np.nan)
    age: NDArray[np.floating] = np.minimum(fused["lst_day_age"].values if "lst_day_age" in fused else seen_today,
                                           OLDEST_DAYS)
    return age


def _flags(
    corrected: xr.Dataset, fused: xr.Dataset, statics: xr.Dataset, land: NDArray[np.bool_], coarse_flags: QaFlag
) -> NDArray[np.uint16]:
    seen_vegetation = np.isin(fused["ndvi_flag"].values, (FusionFlag.TWO_PAIRS, FusionFlag.OBSERVED))
    marks: dict[QaFlag, NDArray[np.bool_]] = {
        QaFlag.LST_GAP_FILLED: fused["lst_day_flag"].values != FusionFlag.OBSERVED,
        QaFlag.NDVI_GAP_FILLED: ~seen_vegetation,
        QaFlag.FROZEN: fused["lst_day"].values < FREEZING_K,
        QaFlag.WATER: ~land,
        QaFlag.OUTSIDE_TRAINING_DOMAIN: corrected["flag"].values == CorrectionFlag.LITTLE_TRUST,
        QaFlag.UNCORRECTED: corrected["flag"].values == CorrectionFlag.UNCORRECTED,
        QaFlag.CLIPPED: np.logical_or.reduce([np.isin(corrected[layer].values, _LIMITS) for layer in LAYERS]),
    }
    if "snow" in fused:
        marks[QaFlag.SNOW] = fused["snow"].values > SNOW_SHARE
    if "station_km" in corrected:
        marks[QaFlag.FAR_FROM_STATION] = corrected["station_km"].values > FAR_KM
    if "slope" in statics:
        marks[QaFlag.STEEP] = statics["slope"].values > STEEP_DEG
    if "land_cover" in statics:
        marks[QaFlag.URBAN] = statics["land_cover"].values == IGBP_URBAN
    if "paddy" in statics:
        marks[QaFlag.PADDY] = statics["paddy"].values > 0.5
    bits = np.full(land.shape, int(coarse_flags), np.uint16)
    for flag, where in marks.items():
        bits |= np.where(where, np.uint16(flag), np.uint16(0))
    return bits


def _kept(corrected: xr.Dataset) -> dict[str, object]:
    return {key: corrected.attrs[key] for key in ("conservation_error", "day") if key in corrected.attrs}
