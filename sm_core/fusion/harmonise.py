"""Fine images of several sensors and view times made alike, with the coarse series as the common yardstick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.fusion.residual import window_mean

Floats = NDArray[np.float64]
MIN_HOURS_SQUARED = 0.3
"""Sum over the images of squared departures from the mean view time [h²] that halves the slope: with few images or
times that hardly differ it is not known."""
MAX_SLOPE = 6.0
"""Largest change with view time that is believed [unit per hour]."""
OFFSET_WINDOW = 51
"""Pixels over which the difference of two sensors is averaged."""


@dataclass(frozen=True)
class View:
    """A fine image, the coarse image of its day, the sensor, and the local solar time of each pixel [h], if known."""

    sensor: str
    day: date
    fine: xr.DataArray
    coarse: xr.DataArray
    hour: xr.DataArray | None = None


class Harmonisation(NamedTuple):
    """What was taken off: change per hour of view time [unit h-1], and mean offset of each sensor [unit]."""

    slope: float
    offsets: tuple[tuple[str, float], ...]


def harmonise(
    views: Sequence[View], reference: str, hour: float | None = None
) -> tuple[tuple[View, ...], Harmonisation]:
    """Bring fine images on the level of one sensor at one local solar time.

    Parameters
    ----------
    views
        Images (y, x) near a day, any order. Those without ``hour`` are only brought on the sensor's level.
    reference
        Sensor whose level is kept; where it is not among the views, the one with most images.
    hour
        Local solar time to which images are brought [h]; None leaves the times as they are.

    Returns
    -------
    The views in the same order with other ``fine`` values, and what was done.

    Notes
    -----
    Eqs. 16-18 of docs/methods.md. The coarse images tell what the surface did between two images, so that the
    departure of fine from coarse, compared within one pixel, shows how sensors and view times differ.
    """
    sensors = sorted({view.sensor for view in views})
    if not sensors:
        return (), Harmonisation(0.0, ())
    moments = {sensor: _Moments.of(view for view in views if view.sensor == sensor) for sensor in sensors}
    slope = _slope(list(moments.values())) if hour is not None else 0.0
    if reference not in moments:
        reference = max(sensors, key=lambda sensor: float(moments[sensor].seen.sum()))
    hours = {sensor: _mean_hour(moments[sensor]) for sensor in sensors}
    target = hours | ({} if hour is None or not np.isfinite(hours[reference]) else {reference: hour})
    offsets = {
        sensor: _offset(moments[sensor], moments[reference], slope, target[sensor], target[reference])
        for sensor in sensors
    }
    alike = tuple(_corrected(view, slope, target[view.sensor], offsets[view.sensor]) for view in views)
    means = tuple((sensor, float(np.nanmean(offset))) for sensor, offset in offsets.items())
    return alike, Harmonisation(slope, means)


class _Moments(NamedTuple):
    """Sums over one sensor's images at each pixel: how many, departure of fine from coarse, hour, products. (y, x)"""

    seen: Floats
    departure: Floats
    timed: Floats
    timed_departure: Floats
    hour: Floats
    hour_departure: Floats
    hour_hour: Floats

    @classmethod
    def of(cls, views: Iterable[View]) -> _Moments:
        from sm_core.fusion.loops import add_moments

        chosen = list(views)
        shape = chosen[0].fine.shape
        sums, no_time = np.zeros((len(cls._fields), *shape)), np.full(shape, np.nan, np.float32)
        for view in chosen:
            hour = no_time if view.hour is None else view.hour.values
            add_moments(view.fine.values, view.coarse.values, hour, sums)
        return cls(*sums)


def _slope(sensors: Sequence[_Moments]) -> float:
    """Eq. 16: regression of departures on hours, each less the pixel's mean over the images of its sensor."""
    covariance = variance = pixels = 0.0
    for moments in sensors:
        often = moments.timed > 1
        count = moments.timed[often]
        products = moments.hour_departure[often] - moments.hour[often] * moments.timed_departure[often] / count
        squares = moments.hour_hour[often] - moments.hour[often] ** 2 / count
        covariance, variance = covariance + float(products.sum()), variance + float(squares.sum())
        pixels += float(often.sum())
    if pixels == 0 or variance <= 0:
        return 0.0
    known = variance / pixels
    return float(np.clip(covariance / variance * known / (known + MIN_HOURS_SQUARED), -MAX_SLOPE, MAX_SLOPE))


def _mean_hour(moments: _Moments) -> float:
    timed = float(moments.timed.sum())
    return float(moments.hour.sum()) / timed if timed else float("nan")


def _offset(own: _Moments, reference: _Moments, slope: float, hour: float, reference_hour: float) -> Floats:
    """Eq. 17: local mean difference of two sensors' departures, both at their target hours. (y, x)"""
    if own is reference:
        return np.zeros(own.seen.shape)
    difference = _mean_departure(own, slope, hour) - _mean_departure(reference, slope, reference_hour)
    local = window_mean(difference, OFFSET_WINDOW)
    overall = float(np.nanmean(difference)) if np.isfinite(difference).any() else 0.0
    return np.where(np.isfinite(local), local, overall)


def _mean_departure(moments: _Moments, slope: float, hour: float) -> Floats:
    seen = moments.seen > 0
    count = np.where(seen, moments.seen, 1.0)
    late = np.zeros_like(count) if np.isnan(hour) else slope * (moments.hour - hour * moments.timed)
    return np.where(seen, (moments.departure - late) / count, np.nan)


def _corrected(view: View, slope: float, hour: float, offset: Floats) -> View:
    """Eq. 18."""
    values = view.fine.values - offset
    if view.hour is not None and slope:
        late = view.hour.values - hour
        values = values - slope * np.where(np.isfinite(late), late, 0.0)
    return replace(view, fine=view.fine.copy(data=values.astype(np.float32)))
