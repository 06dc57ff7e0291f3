"""What the coarse surface state usually is on a day of the year, and how fine images tell its departure from that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import curve_fit

from sm_core.errors import ModelIntegrityError, TooFewSamplesError
from sm_core.substitutes.season import HarmonicFit, day_of_year, evaluate
from sm_core.substitutes.stored import read_model, write_model

StateVariable = Literal["ndvi", "lst_day"]
STATE_VARIABLES: tuple[StateVariable, ...] = ("ndvi", "lst_day")
CLIMATE_ORDER, OFFSET_ORDER = 3, 1
"""Harmonics of the yearly cycle, and of its difference between fine and coarse images."""
RIDGE = 1.0
MIN_IMAGES, MIN_CLEAR = 20, 5
"""Coarse images, and clear views of a cell, without which its cycle and its difference remain unknown."""
SMOOTHING_CELLS = 5.0
"""Standard deviation of the Gaussian that brings fine anomalies to the coarse scale."""
MIN_WEIGHT = 0.05
"""Share of the Gaussian's weight that must lie on clear cells."""
SAMPLE_CELLS = 20_000
MAX_LAG_DAYS = 32
NAME = "normals"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CoarseImage:
    """One coarse image on the region grid; ``load`` gives it (y, x) when it is wanted."""

    day: dt.date
    load: Callable[[], Floats]


@dataclass(frozen=True)
class FineImage:
    """One fine image on the region grid.

    Attributes
    ----------
    start
        First day.
    load
        Gives the values (y, x), NaN = unknown, and each cell's days since ``start`` (0 for a daily image).
    """

    start: dt.date
    load: Callable[[], tuple[Floats, Floats | float]]


@dataclass(frozen=True)
class StateNormals:
    """Of one variable, on the region grid.

    Attributes
    ----------
    climate
        Harmonics of the coarse product. (7, y, x)
    offset
        Harmonics of fine − coarse where both are seen. (3, y, x)
    gain, decay_days
        A fine anomaly of age a [days] tells the coarse anomaly gain · exp(−a / decay_days) times itself.
    coarse_id, fine_id
        Sources it was fitted on.
    first, last
        Days of the first and last coarse image.
    """

    climate: Floats
    offset: Floats
    gain: float
    decay_days: float
    coarse_id: str
    fine_id: str
    first: dt.date
    last: dt.date

    def usual(self, day: dt.date) -> Floats:
        """The coarse product's normal of a day. (y, x)"""
        return evaluate(self.climate, day_of_year(day))

    def anomaly(self, image: FineImage) -> Floats:
        """Departure of a fine image from its normal, at the coarse scale. (y, x), NaN far from any clear cell."""
        values, age = image.load()
        doy = _doy(image.start, age)
        return smoothed(values - evaluate(self.climate, doy) - evaluate(self.offset, doy))


@dataclass(frozen=True)
class Normals:
    """Normals of both variables."""

    states: dict[StateVariable, StateNormals]

    def save(self, directory: Path) -> None:
        """Write ``normals.json`` and ``normals.npz``; the same normals give the same bytes."""
        spec: dict[str, Any] = {
            name: {"gain": s.gain, "decay_days": s.decay_days, "coarse_id": s.coarse_id, "fine_id": s.fine_id,
                   "first": s.first.isoformat(), "last": s.last.isoformat()}
            for name, s in self.states.items()
        }
        write_model(directory, NAME, spec, {
            f"{name}.{part}": getattr(s, part) for name, s in self.states.items() for part in ("climate", "offset")
        })

    @classmethod
    def load(cls, directory: Path) -> Normals:
        """Read saved normals.

        Raises
        ------
        ModelNotFoundError    SM501, there are none in the directory.
        ModelIntegrityError   SM502, a file is damaged.
        """
        spec, arrays = read_model(directory, NAME)
        try:
            return cls({
                name: StateNormals(
                    arrays[f"{name}.climate"], arrays[f"{name}.offset"], s["gain"], s["decay_days"], s["coarse_id"],
                    s["fine_id"], dt.date.fromisoformat(s["first"]), dt.date.fromisoformat(s["last"]),
                )
                for name in STATE_VARIABLES if (s := spec.get(name))
            })
        except (KeyError, TypeError, ValueError) as cause:
            raise ModelIntegrityError(f"the normals are not complete: {cause}", directory=directory.name) from cause


def fit_state(
    coarse: Sequence[CoarseImage], fine: Sequence[FineImage], *, coarse_id: str, fine_id: str
) -> StateNormals:
    """Learn the normals of one variable.

    Parameters
    ----------
    coarse
        Images of the coarse product, oldest first, gap-free as a rule.
    fine
        Fine images of the same period.

    Raises
    ------
    TooFewSamplesError   SM504, fewer than 20 coarse images, or no fine image near one.

    Notes
    -----
    Three passes: the coarse cycle; the fine images' difference from it, less the coarse anomaly of the day; and the
    regression of coarse on fine anomalies by their distance in time, through which gain · exp(−a / decay) is laid.
    """
    if len(coarse) < MIN_IMAGES or not fine:
        raise TooFewSamplesError("too few images for normals", coarse=len(coarse), fine=len(fine), minimum=MIN_IMAGES)
    shape = coarse[0].load().shape
    cycle = HarmonicFit(CLIMATE_ORDER, shape, RIDGE)
    for image in coarse:
        cycle.add(image.load(), day_of_year(image.day))
    climate = cycle.solve(MIN_IMAGES)
    unfinished = StateNormals(climate, np.zeros((1 + 2 * OFFSET_ORDER, *shape), np.float32), 1.0, 1.0, coarse_id,
                              fine_id, coarse[0].day, coarse[-1].day)
    offset = _fit_offset(unfinished, coarse, fine)
    normals = StateNormals(climate, offset, 1.0, 1.0, coarse_id, fine_id, coarse[0].day, coarse[-1].day)
    gain, decay = _fit_gain(normals, coarse, fine)
    return StateNormals(climate, offset, gain, decay, coarse_id, fine_id, coarse[0].day, coarse[-1].day)


def smoothed(values: Floats) -> Floats:
    """Gaussian mean of the known cells around. (y, x), NaN where next to none is known."""
    known = np.isfinite(values)
    weight, total = (
        gaussian_filter(field.astype(np.float32), SMOOTHING_CELLS, mode="constant", truncate=3.0)
        for field in (known, np.where(known, values, 0.0))
    )
    return np.where(weight >= MIN_WEIGHT, total / np.maximum(weight, MIN_WEIGHT), np.nan).astype(np.float32)


def middle(image: FineImage) -> dt.date:
    """The day that most of an image was seen on."""
    _, age = image.load()
    typical = float(np.nanmedian(age)) if np.isfinite(age).any() else 0.0
    return image.start + dt.timedelta(days=round(typical))


def _doy(start: dt.date, age: Floats | float) -> float | NDArray[np.float64]:
    if isinstance(age, float):
        return (day_of_year(start) + age) % 365
    return np.mod(day_of_year(start) + np.asarray(age, np.float64), 365)


def _fit_offset(normals: StateNormals, coarse: Sequence[CoarseImage], fine: Sequence[FineImage]) -> Floats:
    fit = HarmonicFit(OFFSET_ORDER, normals.climate.shape[1:], RIDGE)
    days = np.array([image.day.toordinal() for image in coarse])
    spacing = int(np.median(np.diff(days)))
    for image in fine:
        nearest = int(np.argmin(np.abs(days - middle(image).toordinal())))
        if abs(int(days[nearest]) - middle(image).toordinal()) > spacing:
            continue
        values, age = image.load()
        doy = _doy(image.start, age)
        anomaly = coarse[nearest].load() - normals.usual(coarse[nearest].day)
        fit.add(values - evaluate(normals.climate, doy) - anomaly, np.broadcast_to(doy, values.shape))
    offset = fit.solve(MIN_CLEAR)
    if not np.isfinite(offset).any():
        raise TooFewSamplesError("no cell is seen often enough for normals", fine=len(fine), minimum=MIN_CLEAR)
    return offset


def _fit_gain(normals: StateNormals, coarse: Sequence[CoarseImage], fine: Sequence[FineImage]) -> tuple[float, float]:
    step = max(1, int(np.sqrt(normals.climate[0].size / SAMPLE_CELLS)))
    cells = np.s_[::step, ::step]
    seen = [(middle(image), normals.anomaly(image)[cells]) for image in fine]
    products, squares = np.zeros(MAX_LAG_DAYS + 1), np.zeros(MAX_LAG_DAYS + 1)
    for image in coarse:
        truth: Floats | None = None
        for day, anomaly in seen:
            lag = (image.day - day).days
            if not 0 <= lag <= MAX_LAG_DAYS:
                continue
            if truth is None:
                truth = (image.load() - normals.usual(image.day))[cells]
            known = np.isfinite(anomaly) & np.isfinite(truth)
            products[lag] += float((anomaly * truth)[known].sum())
            squares[lag] += float((anomaly * anomaly)[known].sum())
    lags = np.flatnonzero(squares > 0)
    if len(lags) < 3:
        raise TooFewSamplesError("too few pairs of coarse and fine images for normals", lags=len(lags), minimum=3)
    slopes = products[lags] / squares[lags]
    (gain, decay), _ = curve_fit(
        lambda lag, g, tau: g * np.exp(-lag / tau), lags.astype(np.float64), slopes, p0=(0.7, 8.0),
        sigma=1 / np.sqrt(squares[lags]), bounds=([0.0, 0.5], [1.5, 365.0]),
    )
    return round(float(gain), 6), round(float(decay), 6)
