"""A simulated world: its ground, its weather, and the 1-km truth that products are scored against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Layer
from sm_core.errors import ArchiveNotFoundError, DayOutOfRangeError
from sm_core.twin import surface
from sm_core.twin.clouds import Clouds
from sm_core.twin.constants import PHYSICS
from sm_core.twin.fields import Floats, Interpolation, Lattice
from sm_core.twin.soil import Soil, soil_of
from sm_core.twin.spec import TwinSpec, load_spec, save_spec
from sm_core.twin.store import CoarseRecord, CoarseWindow, Store
from sm_core.twin.terrain import Terrain, make_terrain
from sm_core.twin.water import FROZEN, NDVI_SCALE, SM_SCALE, SNOW, DayByDay, at_rest, cells_of, step_through
from sm_core.twin.weather import SPACING_DEGREES, Weather, simulate_weather

SPEC_FILE = "twin.yaml"
HIDDEN = ".truth"
TRUTH_HOUR = 10.5
"""Local solar time of ``lst_day`` in the truth, that of the morning overpass."""
_CELL_DAYS_AT_ONCE = 12_000_000

WeatherLayer = Literal["rain", "temperature", "evaporation"]


@dataclass(frozen=True, eq=False)
class World:
    """A simulated world, as :func:`make_world` made it and :func:`open_world` found it.

    Values of land cells are vectors (cells,) in row order of the region grid; :meth:`as_map` spreads them.

    Attributes
    ----------
    spec, directory
        What it was made from, and where its archive is.
    terrain, weather, truth, coarse
        Ground; weather of the truth period on a lattice; stored fine layers; soil moisture of the whole record.
    """

    spec: TwinSpec
    directory: Path
    terrain: Terrain
    weather: Weather
    truth: DayByDay
    coarse: CoarseRecord

    @cached_property
    def lon(self) -> NDArray[np.float64]:
        return self.terrain.lon[self.terrain.land]

    @cached_property
    def lat(self) -> NDArray[np.float64]:
        return self.terrain.lat[self.terrain.land]

    @cached_property
    def soil(self) -> Soil:
        return soil_of(self.terrain.sand[self.terrain.land], self.terrain.clay[self.terrain.land])

    @cached_property
    def lattice(self) -> Lattice:
        return Lattice.covering(self.lon, self.lat, SPACING_DEGREES)

    @cached_property
    def between(self) -> Interpolation:
        return Interpolation.between(self.lattice, self.lon, self.lat)

    @cached_property
    def window(self) -> CoarseWindow:
        return CoarseWindow.around(self.lon, self.lat)

    @cached_property
    def clouds(self) -> Clouds:
        return Clouds(self.spec.seed, self.lattice, self.between, self.terrain)

    @cached_property
    def ground(self) -> surface.Ground:
        return surface.ground_of(self.terrain, self.soil)

    def day_number(self, day: dt.date) -> int:
        """Position of a day in the fine truth.

        Raises
        ------
        DayOutOfRangeError   SM104, the day is outside the truth period and its margin.
        """
        number = (day - self.spec.truth_start).days
        if not 0 <= number < len(self.truth.sm_surface):
            raise DayOutOfRangeError(
                "no fine truth on this day", day=day, first=self.spec.truth_start, last=self.spec.truth_end
            )
        return number

    def soil_moisture(self, layer: Layer, day: dt.date) -> Floats:
        """True soil moisture of a day [m3 m-3]. (cells,)"""
        return np.asarray(getattr(self.truth, layer)[self.day_number(day)] * np.float32(SM_SCALE))

    def ndvi(self, day: dt.date) -> Floats:
        """True NDVI of a day [1]. (cells,)"""
        return np.asarray(self.truth.ndvi[self.day_number(day)] * np.float32(NDVI_SCALE))

    def frozen(self, day: dt.date) -> NDArray[np.bool_]:
        """Whether 0-10 cm are frozen. (cells,)"""
        return np.asarray((self.truth.frost[self.day_number(day)] & FROZEN) > 0)

    def snow(self, day: dt.date) -> NDArray[np.bool_]:
        """Whether snow covers the ground. (cells,)"""
        return np.asarray((self.truth.frost[self.day_number(day)] & SNOW) > 0)

    def weather_of(self, layer: WeatherLayer, day: dt.date) -> Floats:
        """Weather of a day at sea level: rain, evaporation [mm d-1], temperature [degrees Celsius]. (y, x), lattice"""
        return np.asarray(getattr(self.weather, layer)[self.day_number(day)])

    def cloud_margin(self, day: dt.date, overpass: str) -> Floats:
        """How far each cell is from being cloudy at an overpass; cloudy where negative. (cells,)"""
        return self.clouds.margin(day, overpass, self.weather_of("rain", day) > 0)

    def lst(self, day: dt.date, hour: Floats | float) -> Floats:
        """Clear-sky land surface temperature at local solar ``hour`` [K]. (cells,)"""
        upper = self.soil_moisture("sm_surface", day)
        lower = (self.soil_moisture("sm_rootzone", day) - 0.1 * upper) / 0.9
        air = self.between(self.weather_of("temperature", day)) - PHYSICS.lapse_k_per_m * self.ground.elevation
        conditions = surface.Conditions(
            day_of_year=day.timetuple().tm_yday, air=air,
            wet=self.between((self.weather_of("rain", day) > 0).astype(np.float32)), upper=upper, lower=lower,
            ndvi=self.ndvi(day), snow=self.snow(day),
        )
        return surface.land_surface_temperature(self.ground, conditions, hour)

    def as_map(self, values: NDArray[np.generic]) -> Floats:
        """Land cells on the region grid, NaN over water. (y, x)"""
        result = np.full(self.terrain.land.shape, np.nan, np.float32)
        result[self.terrain.land] = values
        return result

    def truth_of(self, day: dt.date) -> xr.Dataset:
        """The truth of a day on the region grid: sm_surface, sm_rootzone, ndvi, lst_day (clear sky, 10:30). (y, x)"""
        grid = self.spec.region.grid
        layers = {
            "sm_surface": self.soil_moisture("sm_surface", day), "sm_rootzone": self.soil_moisture("sm_rootzone", day),
            "ndvi": self.ndvi(day), "lst_day": self.lst(day, TRUTH_HOUR),
        }
        return xr.Dataset(
            {name: (("y", "x"), self.as_map(values), {"units": "K" if name == "lst_day" else "1"})
             for name, values in layers.items()},
            {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id, "crs": grid.crs, "day": day.isoformat()},
        )


def make_world(spec: TwinSpec, directory: Path) -> World:
    """Simulate a world and keep its truth under ``directory``; ``twin.yaml`` is written last.

    The water balance runs once over the whole record; fine layers are kept for the truth period only, 0.05-degree
    means for all days. Memory stays bounded: about 12 million cell-days are in work at a time.
    """
    hidden = directory / HIDDEN
    hidden.mkdir(parents=True, exist_ok=True)
    terrain = make_terrain(spec.region.grid, spec.seed)
    lon, lat = terrain.lon[terrain.land], terrain.lat[terrain.land]
    np.savez(hidden / "terrain.npz", allow_pickle=False, **terrain._asdict())
    lattice, window = Lattice.covering(lon, lat, SPACING_DEGREES), CoarseWindow.around(lon, lat)
    cells = cells_of(terrain, soil_of(terrain.sand[terrain.land], terrain.clay[terrain.land]),
                     Interpolation.between(lattice, lon, lat))
    state, store = at_rest(cells), Store.create(hidden, spec, len(lon), lattice, window)
    for year in simulate_weather(spec, lattice):
        for weather in _pieces(year, max(1, _CELL_DAYS_AT_ONCE // len(lon)), spec.truth_end):
            store.keep(weather, step_through(weather, cells, state), window)
    save_spec(spec, directory / SPEC_FILE)
    return open_world(directory)


def open_world(directory: Path) -> World:
    """The world whose archive is ``directory``; its arrays are mapped, not read.

    Raises
    ------
    ArchiveNotFoundError   SM105, no simulated world was made there, or making it was interrupted.
    """
    if not (directory / SPEC_FILE).is_file():
        raise ArchiveNotFoundError("no simulated world was made here", directory=directory)
    spec, hidden = load_spec(directory / SPEC_FILE), directory / HIDDEN
    with np.load(hidden / "terrain.npz") as stored:
        terrain = Terrain(**{name: stored[name] for name in Terrain._fields})
    window = CoarseWindow.around(terrain.lon[terrain.land], terrain.lat[terrain.land])
    store = Store.open(hidden, spec, window)
    return World(spec, directory, terrain, store.weather, store.fine, store.coarse)


def _pieces(year: Weather, days: int, last: dt.date) -> Iterator[Weather]:
    count = min(year.days, (last - year.first).days + 1)
    for begin in range(0, count, days):
        piece = slice(begin, min(begin + days, count))
        yield Weather(year.first + dt.timedelta(days=begin), *(values[piece] for values in year[1:]))
