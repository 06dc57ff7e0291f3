"""Water that crops can still take up, and the stages of Korea's official outlook for upland fields."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import Record
from sm_core.drought.classes import severity
from sm_core.grid.pedotransfer import soil_water

LEAST_CAPACITY = 0.02
"""Soils that hold less than this between wilting point and field capacity have no ratio [m3 m-3]."""
FARMING_MONTHS = range(4, 11)
"""April to October: the stages are declared in the farming season only."""


class UplandStage(Record):
    """A stage: available-water ratios at or below ``up_to`` [%], unless a more severe stage holds."""

    value: int
    name: str
    korean: str
    up_to: float
    colour: str


UPLAND_STAGES: tuple[UplandStage, ...] = (
    UplandStage(value=1, name="attention", korean="관심", up_to=60, colour="#FFFF00"),
    UplandStage(value=2, name="caution", korean="주의", up_to=45, colour="#FFAA00"),
    UplandStage(value=3, name="alert", korean="경계", up_to=30, colour="#E60000"),
    UplandStage(value=4, name="serious", korean="심각", up_to=15, colour="#730000"),
)


def soil_limits(sand: ArrayLike, clay: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Field capacity (33 kPa) and wilting point (1500 kPa) of soils [m3 m-3].

    Parameters
    ----------
    sand, clay
        Weight [%], any shape; unknown or impossible textures give NaN.

    References
    ----------
    .. [1] :func:`sm_core.grid.pedotransfer.soil_water`

    Examples
    --------
    A loam of 40 % sand and 20 % clay:

    >>> [round(float(limit), 3) for limit in soil_limits(40.0, 20.0)]
    [0.28, 0.137]
    """
    s, c = np.asarray(sand, np.float64), np.asarray(clay, np.float64)
    possible = (s >= 0) & (c >= 0) & (s / 100 + c / 100 <= 1)
    limits = soil_water(s, c)
    return np.where(possible, limits.field_capacity, np.nan), np.where(possible, limits.wilting_point, np.nan)


def available_water_ratio(
    moisture: ArrayLike, field_capacity: ArrayLike, wilting_point: ArrayLike
) -> NDArray[np.float32]:
    """Share of the available water that is left [%]: 0 at the wilting point or below, 100 at field capacity or above.

    Parameters
    ----------
    moisture, field_capacity, wilting_point
        [m3 m-3], one shape; root-zone moisture and the limits of the same depth. NaN = unknown.

    Examples
    --------
    >>> available_water_ratio([0.10, 0.14, 0.21, 0.28, 0.40], 0.28, 0.14).tolist()
    [0.0, 0.0, 50.0, 100.0, 100.0]
    """
    wilting = np.asarray(wilting_point, np.float64)
    capacity = np.asarray(field_capacity, np.float64) - wilting
    holds = np.where(capacity >= LEAST_CAPACITY, capacity, np.nan)
    ratio = 100 * (np.asarray(moisture, np.float64) - wilting) / holds
    return np.clip(ratio, 0, 100).astype(np.float32)


def upland_stage(ratio: ArrayLike) -> NDArray[np.uint8]:
    """Stage of an available-water ratio: 0 none, 1 attention (60 %), 2 caution (45), 3 alert (30), 4 serious (15).

    255 is unknown. Limits belong to the drier stage.

    >>> upland_stage([61.0, 60.0, 45.0, 30.0, 15.0, float("nan")]).tolist()
    [0, 1, 2, 3, 4, 255]
    """
    return severity(ratio, [stage.up_to for stage in UPLAND_STAGES])


def in_farming_season(day: dt.date) -> bool:
    """Whether upland stages are declared at this time of the year."""
    return day.month in FARMING_MONTHS
