"""The day's fields under the names that the product declares."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, CorrectionFlag, Grid, QaFlag
from sm_core.drought import classify
from sm_core.fusion.flags import FusionFlag

FREEZING_K = 273.15
STEEP_DEG = 20.0
IGBP_URBAN = 13
NO_FLAG = QaFlag(0)


def product_fields(
    corrected: xr.Dataset, fused: xr.Dataset, percentiles: xr.Dataset, statics: xr.Dataset, grid: Grid, *,
    coarse_flags: QaFlag = NO_FLAG,
) -> xr.Dataset:
    """Assemble what is published from what the steps of the day made.

    Parameters
    ----------
    corrected
        Both layers, their ``_spread`` and ``flag``. (y, x)
    fused
        ``lst_day`` [K], ``lst_day_flag``, ``ndvi_flag``. (y, x)
    percentiles
        ``percentile_<layer>`` [%] and ``extrapolated_<layer>``. (y, x)
    statics
        ``land``, and where known ``slope``, ``land_cover``. (y, x)
    grid
        The region grid.
    coarse_flags
        Bits that hold for the whole day.

    Returns
    -------
    Dataset (y, x) with every variable of the product; water is unknown. ``extrapolated_<layer>`` come along for the
    summary.
    """
    land = statics["land"].values > 0.5
    fields: dict[str, NDArray[np.generic]] = {}
    for layer in LAYERS:
        fields[layer] = np.where(land, corrected[layer].values, np.nan)
        fields[f"{layer}_uncertainty"] = np.where(land, corrected[f"{layer}_spread"].values, np.nan)
        fields[f"percentile_{layer}"] = np.where(land, percentiles[f"percentile_{layer}"].values, np.nan)
        fields[f"extrapolated_{layer}"] = land & percentiles[f"extrapolated_{layer}"].values.astype(bool)
    fields["drought_class"] = classify(fields["percentile_sm_rootzone"])
    fields["qa_flags"] = _flags(corrected, fused, statics, land, coarse_flags)
    attrs = {"grid_id": grid.grid_id, "crs": grid.crs, **_kept(corrected)}
    return xr.Dataset({name: (("y", "x"), values) for name, values in fields.items()},
                      {"y": grid.y, "x": grid.x}, attrs)


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
    }
    if "slope" in statics:
        marks[QaFlag.STEEP] = statics["slope"].values > STEEP_DEG
    if "land_cover" in statics:
        marks[QaFlag.URBAN] = statics["land_cover"].values == IGBP_URBAN
    bits = np.full(land.shape, int(coarse_flags), np.uint16)
    for flag, where in marks.items():
        bits |= np.where(where, np.uint16(flag), np.uint16(0))
    return bits


def _kept(corrected: xr.Dataset) -> dict[str, object]:
    return {key: corrected.attrs[key] for key in ("conservation_error", "day") if key in corrected.attrs}
