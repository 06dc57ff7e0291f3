"""Compiled loops over pixels, beside the kernel. Imported on first use only."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def between(days, layers, at, value):  # type: ignore[no-untyped-def]
    """Write for each pixel the value at its time, on the line between its nearest known layers; NaN where one lacks."""
    for row in range(at.shape[0]):
        for column in range(at.shape[1]):
            time = at[row, column]
            earlier, later = -1, -1
            if not np.isnan(time):
                for layer in range(len(days)):
                    if earlier >= 0 and days[layer] > time and later >= 0:
                        break
                    if np.isfinite(layers[layer, row, column]):
                        if days[layer] <= time:
                            earlier = layer
                        if days[layer] >= time and later < 0:
                            later = layer
            if earlier < 0 or later < 0:
                value[row, column] = np.nan
                continue
            before, after = np.float64(layers[earlier, row, column]), np.float64(layers[later, row, column])
            gap = days[later] - days[earlier]
            share = (time - days[earlier]) / gap if gap > 0 else 0.0
            value[row, column] = before + share * (after - before)


@njit(cache=True, nogil=True)
def add_moments(fine, coarse, hour, sums):  # type: ignore[no-untyped-def]
    """Add one image to the sums (7, y, x) of :class:`~sm_core.fusion.harmonise._Moments`, in its order."""
    for row in range(fine.shape[0]):
        for column in range(fine.shape[1]):
            departure = np.float64(fine[row, column]) - np.float64(coarse[row, column])
            if not np.isfinite(departure):
                continue
            sums[0, row, column] += 1.0
            sums[1, row, column] += departure
            time = np.float64(hour[row, column])
            if not np.isfinite(time):
                continue
            sums[2, row, column] += 1.0
            sums[3, row, column] += departure
            sums[4, row, column] += time
            sums[5, row, column] += time * departure
            sums[6, row, column] += time * time
