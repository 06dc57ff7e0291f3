"""Clouds: fields of 100-300 km and convective cells, more of them where it rains.

Gaps in optical images are therefore not at random: wet days are seen less often than dry ones.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sm_core.twin.fields import Floats, GaussianField, Interpolation, Lattice, generator, remembered
from sm_core.twin.terrain import Terrain, cell_step_km
from sm_core.twin.weather import WET_SHARE, by_month

CLOUD_SHARE = (0.48, 0.50, 0.52, 0.53, 0.54, 0.67, 0.88, 0.71, 0.57, 0.44, 0.52, 0.49)
"""Share of overpasses without a view by month. Typical: half of the year, four fifths in late June and July."""
WET_CLOUD_SHARE = 0.97
LEAST_CLOUD_SHARE = 0.05
NEARBY_RAIN = 0.3
"""How much the share of dry places rises with the share of wet places in the region."""
MEMORY = 0.4
WEIGHTS = (0.80, 0.40, 0.45)
"""Of the lasting wide field, of the overpass's own field, and of convective cells; their squares add up to 1."""


class Clouds:
    """Cloud fields of a region; any day and overpass can be drawn alone."""

    def __init__(self, seed: int, lattice: Lattice, between: Interpolation, terrain: Terrain) -> None:
        self._seed, self._between, self._land = seed, between, terrain.land
        self._wide = GaussianField(lattice.shape, lattice.spacing_km, 200.0)
        self._passing = GaussianField(lattice.shape, lattice.spacing_km, 80.0)
        self._convective = GaussianField(terrain.land.shape, cell_step_km(terrain.lon, terrain.lat), 10.0)

    def margin(self, day: dt.date, overpass: str, wet: NDArray[np.bool_]) -> Floats:
        """Distance from the cloud edge in standard deviations; cloudy where negative. (cells,)

        Parameters
        ----------
        overpass
            Any name; overpasses of one day share most of their clouds.
        wet
            Where it rains on that day. (y, x) of the lattice
        """
        rng = generator(self._seed, f"clouds {overpass}", day.toordinal())
        wide = WEIGHTS[0] * remembered(self._wide, self._seed, "clouds", day, MEMORY)
        wide += WEIGHTS[1] * self._passing.draw(rng)[0]
        smooth = self._between((wide - special.ndtri(cloud_share(day, wet))).astype(np.float32))
        return np.asarray(smooth + np.float32(WEIGHTS[2]) * self._convective.draw(rng)[0][self._land])


def cloud_share(day: dt.date, wet: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability of cloud on wet and on dry places, so that the month's mean share comes out. Same shape."""
    season = np.array([day.timetuple().tm_yday])
    rainy, cloudy = float(by_month(WET_SHARE, season)[0]), float(by_month(CLOUD_SHARE, season)[0])
    dry_share = (cloudy - rainy * WET_CLOUD_SHARE) / (1.0 - rainy) + NEARBY_RAIN * (float(wet.mean()) - rainy)
    return np.where(wet, WET_CLOUD_SHARE, np.clip(dry_share, LEAST_CLOUD_SHARE, WET_CLOUD_SHARE))
