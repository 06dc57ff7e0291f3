"""Station-days laid out as stations by days, so that what needs neighbours in time is done for all stations at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.validation.anomalies import MIN_OBS, WINDOW_DAYS, spacing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Where each row of a table of station-days lies in (stations, days); days without a row are there too.

    Attributes
    ----------
    station, day
        Of each row. (rows,)
    lag
        The usual number of days between neighbouring rows of each station. (stations,)
    """

    station: NDArray[np.int64]
    day: NDArray[np.int64]
    lag: NDArray[np.int64]

    @classmethod
    def of(cls, station: NDArray[np.int64], days: pd.DatetimeIndex, stations: int) -> Lattice:
        """From the station numbers and days of the rows."""
        day = np.asarray((days - days.min()).days if len(days) else [], np.int64)
        lag = [spacing(days[station == number]) for number in range(stations)]
        return cls(station, day, np.array(lag, np.int64))

    def spread(self, values: Floats) -> Floats:
        """Rows as (stations, days), NaN where there is none."""
        dense = np.full((len(self.lag), int(self.day.max(initial=-1)) + 1), np.nan)
        dense[self.station, self.day] = values
        return dense

    def anomalies(self, values: Floats) -> Floats:
        """Departures from each station's centred 35-day mean, as :func:`~.anomalies.anomaly`. (rows,) → (rows,)"""
        dense = self.spread(values)
        half = int(WINDOW_DAYS // 2)
        known = np.isfinite(dense)
        origin = float(dense[known].mean()) if known.any() else 0.0
        total, count = (_window_sum(part, half) for part in (np.where(known, dense - origin, 0.0), known.astype(float)))
        mean = origin + total / np.maximum(count, 1)
        return np.asarray(np.where(count >= MIN_OBS, dense - mean, np.nan)[self.station, self.day], np.float64)

    def effective_sizes(self, estimate: Floats, reference: Floats) -> Floats:
        """Independent pairs of each station, as :func:`~.metrics.effective_sample_size`. (rows,) → (stations,)"""
        e, o = self.spread(estimate), self.spread(reference)
        n = (np.isfinite(e) & np.isfinite(o)).sum(axis=1)
        memory = np.zeros(len(n))
        for lag in np.unique(self.lag):
            own = self.lag == lag
            memory[own] = np.maximum(_autocorrelation(e[own], lag) * _autocorrelation(o[own], lag), 0)
        return np.asarray(n * (1 - memory) / (1 + memory), np.float64)


def _window_sum(values: Floats, half: int) -> Floats:
    padded = np.pad(values, ((0, 0), (half + 1, half)))
    total = np.cumsum(padded, axis=1)
    return np.asarray(total[:, 2 * half + 1:] - total[:, :-(2 * half + 1)], np.float64)


def _autocorrelation(dense: Floats, lag: int) -> Floats:
    before, after = dense[:, :-lag], dense[:, lag:]
    known = np.isfinite(before) & np.isfinite(after)
    n = np.maximum(known.sum(axis=1), 1)
    a, b = (np.where(known, side, 0.0) for side in (before, after))
    a, b = (np.where(known, side - (side.sum(axis=1) / n)[:, None], 0.0) for side in (a, b))
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    varies = spread > 1e-14 * n
    return np.asarray(np.where(varies, (a * b).sum(axis=1) / np.where(varies, spread, 1), 0), np.float64)
