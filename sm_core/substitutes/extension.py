"""The coarse surface state where its product has ended: the normal, and the anomaly of the nearest clear fine view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sm_core.substitutes.normals import SMOOTHING_CELLS, FineImage, StateNormals, middle

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Extension:
    """An extended coarse image.

    Attributes
    ----------
    values
        (y, x), NaN where no normal is known.
    age_days
        Distance in time of the fine view that each cell's anomaly comes from; NaN = none, the normal alone. (y, x)
    """

    values: Floats
    age_days: Floats


def expected(days: Sequence[dt.date], images: Sequence[FineImage], normals: StateNormals) -> list[Extension]:
    """The coarse product as it is expected to be on some days.

    Parameters
    ----------
    days
        Days wanted.
    images
        Fine images around them, of the source that ``normals`` was fitted on; any number, none included.

    Returns
    -------
    One for each day: normal + smoothed gain · exp(−age / decay) · anomaly, the anomaly in each cell being that of the
    image nearest in time that is clear around it, of two equally near the earlier.
    """
    seen = sorted(((middle(image), image) for image in images), key=lambda one: one[0])
    anomalies = [(day, normals.anomaly(image)) for day, image in seen]
    return [_expected(day, anomalies, normals) for day in days]


def nearest(
    day: dt.date, fields: Sequence[tuple[dt.date, Floats]], shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Of fields with their days, each cell's known value nearest in time (NaN = none) and its age [days]. (y, x)"""
    value, age = np.full(shape, np.nan, np.float32), np.full(shape, np.inf, np.float32)
    for seen, field in fields:
        apart = abs((day - seen).days)
        closer = np.isfinite(field) & (apart < age)
        value[closer], age[closer] = field[closer], apart
    return value, age


def _expected(
    day: dt.date, anomalies: Sequence[tuple[dt.date, Floats]], normals: StateNormals
) -> Extension:
    usual = normals.usual(day)
    anomaly, age = nearest(day, anomalies, usual.shape)
    damped = np.where(np.isfinite(anomaly), normals.gain * np.exp(-age / normals.decay_days) * anomaly, 0.0)
    departure = gaussian_filter(damped, SMOOTHING_CELLS / 2, mode="nearest", truncate=3.0)
    values = (usual + departure).astype(np.float32)
    return Extension(values, np.where(np.isfinite(age), age, np.nan).astype(np.float32))
