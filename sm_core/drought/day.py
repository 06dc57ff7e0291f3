"""A day's drought, cell by cell."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.drought.available_water import available_water_ratio, soil_limits, upland_stage
from sm_core.drought.classes import USDM
from sm_core.drought.climatology import Climatology
from sm_core.drought.flash import LASTING, FlashRule, flash_drought
from sm_core.drought.probability import class_probability

ROOT_ZONE = "sm_rootzone"
ROWS_AT_ONCE = 50
GAUSSIAN_90 = 1.645
"""Half the 90 % interval of a normal distribution, in standard deviations."""


def drought_fields(
    moisture: xr.Dataset, climatology: Climatology, statics: xr.Dataset, day: dt.date, *,
    recent: xr.DataArray | None = None, flash_rule: FlashRule = LASTING,
) -> xr.Dataset:
    """Everything that a day's soil moisture tells about drought.

    Parameters
    ----------
    moisture
        sm_surface and sm_rootzone [m3 m-3], and for the class probabilities ``sm_rootzone_halfwidth_90``, half the
        90 % interval, or else ``sm_rootzone_spread`` (1 sigma). (y, x)
    climatology
        Of the models that made the moisture, and of its kind (final or provisional).
    statics
        ``sand`` and ``clay`` [% weight] for the available water, where known. (y, x)
    day
        UTC day.
    recent
        Root-zone percentiles [%] of the days before, (time, y, x) with a ``time`` coordinate; for flash droughts, of
        which those are seen that began within these days.
    flash_rule
        What counts as one.

    Returns
    -------
    Dataset (y, x) with what :meth:`Climatology.percentile` gives, and, as far as the inputs allow,

    - ``drought_probability``: (drought, y, x) float32, that the true class is at least D0, … D4 [1];
    - ``available_water_ratio``: float32 [%]; ``upland_stage``: uint8, 255 unknown;
    - ``flash_drought``: uint8, 1 while one is going on, 255 unknown.

    Raises
    ------
    As :meth:`Climatology.percentile`.
    """
    fields = climatology.percentile(moisture, day).assign_coords(drought=[drought.name for drought in USDM])
    sigma = _sigma(moisture)
    if ROOT_ZONE in moisture and sigma is not None:
        probability = class_probability(moisture[ROOT_ZONE].values, sigma, fields[f"limits_{ROOT_ZONE}"].values)
        fields["drought_probability"] = (("drought", "y", "x"), probability)
    if ROOT_ZONE in moisture and {"sand", "clay"} <= set(statics):
        capacity, wilting = soil_limits(statics["sand"].values, statics["clay"].values)
        ratio = available_water_ratio(moisture[ROOT_ZONE].values, capacity, wilting)
        fields["available_water_ratio"] = (("y", "x"), ratio)
        fields["upland_stage"] = (("y", "x"), upland_stage(ratio))
    if recent is not None and f"percentile_{ROOT_ZONE}" in fields:
        today = fields[f"percentile_{ROOT_ZONE}"].values
        fields["flash_drought"] = (("y", "x"), flash_field(today, recent, day, flash_rule))
    return fields


def _sigma(moisture: xr.Dataset) -> NDArray[np.floating] | None:
    if f"{ROOT_ZONE}_halfwidth_90" in moisture:
        half: NDArray[np.floating] = moisture[f"{ROOT_ZONE}_halfwidth_90"].values
        return half / GAUSSIAN_90
    return moisture[f"{ROOT_ZONE}_spread"].values if f"{ROOT_ZONE}_spread" in moisture else None


def flash_field(
    today: NDArray[np.floating], recent: xr.DataArray, day: dt.date, rule: FlashRule = LASTING
) -> NDArray[np.uint8]:
    """Whether a flash drought is going on today, from today's percentiles and those of days before.

    Parameters
    ----------
    today
        Root-zone percentile [%]. (y, x)
    recent
        Of days before, in any order, (time, y, x) with a ``time`` coordinate; days that are not there are unknown. What
        began before the first of them is not seen.
    day, rule
        Today; what counts as one.

    Returns
    -------
    uint8 (y, x): 1 yes, 0 no, 255 unknown.
    """
    ages = (np.datetime64(day) - recent["time"].values.astype("datetime64[D]")).astype(int)
    past = [(age, field) for age, field in zip(ages, recent.values, strict=True) if age > 0]
    length = max([rule.days_needed, *(age + 1 for age, _ in past)])
    going_on = np.zeros(today.shape, np.bool_)
    for first in range(0, len(today), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        stack = np.full((length, *today[rows].shape), np.nan, np.float32)
        stack[-1] = today[rows]
        for age, field in past:
            stack[-1 - age] = field[rows]
        going_on[rows] = flash_drought(stack, rule)[-1]
    return np.where(np.isfinite(today), going_on, 255).astype(np.uint8)
