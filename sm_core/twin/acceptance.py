"""Is the simulated world credible? Its magnitudes against those of the real one.

Passing says that methods meet difficulties of the right size here. It never says how accurate they are out there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Layer, Record
from sm_core.twin.coarse import Gleam
from sm_core.twin.fields import Floats, generator
from sm_core.twin.spec import FLASH_DROUGHT, SPRING_DROUGHT
from sm_core.twin.stations import DEPTH_WEIGHTS, Sites, place_stations, point_truth
from sm_core.twin.store import COARSE_DEGREES, NO_LAND
from sm_core.twin.water import FROZEN, SM_SCALE
from sm_core.twin.weather import WET_LEAST_MM, days_of_year, simulate_weather
from sm_core.twin.world import World, open_world

CELLS_LOOKED_AT = 2000
DAYS_BETWEEN_MAPS = 10
COARSE_CELL_DEGREES = 0.25
GLEAM_CELLS = 2
LST_HOUR = 10.5
DENSE_NDVI = 0.6
LEAST_CELLS = 200
PERCENTILE_WINDOW_DAYS = 15
RUN_UP_DAYS = 10


class Acceptance(Record):
    """One magnitude of the world, and where it should lie; not measured (NaN) is not accepted."""

    name: str
    value: float
    low: float
    high: float

    @property
    def ok(self) -> bool:
        return self.low <= self.value <= self.high


class _Days(NamedTuple):
    """The truth period without its margins, as dates, months, and a mask of late June to July."""

    dates: tuple[dt.date, ...]
    month: NDArray[np.int64]
    monsoon: NDArray[np.bool_]

    @classmethod
    def of(cls, world: World) -> _Days:
        count = (world.spec.end - world.spec.start).days + 1
        dates = tuple(world.spec.start + dt.timedelta(days=n) for n in range(count))
        month = np.array([day.month for day in dates])
        late_june = np.array([day.month == 6 and day.day > 20 for day in dates])
        return cls(dates, month, late_june | (month == 7))


def measure(archive: World | Path) -> tuple[Acceptance, ...]:
    """Measure a world.

    Parameters
    ----------
    archive
        A world, or the folder of its archive. Its truth period should hold whole years, its record several.

    Returns
    -------
    One entry for each magnitude, with the range that is known or assumed of the real world. Station-side numbers come
    from faultless daily means at the points; frozen days are left out of them.
    """
    world = archive if isinstance(archive, World) else open_world(archive)
    days = _Days.of(world)
    parts: Sequence[Callable[[World, _Days], list[Acceptance]]] = (
        _at_stations, _in_space, _in_time, _of_clouds, _of_rain, _of_temperature, _of_frost, _of_droughts,
    )
    return tuple(entry for part in parts for entry in part(world, days))


def as_table(results: Sequence[Acceptance]) -> str:
    """The results as a Markdown table.

    >>> print(as_table([Acceptance(name="wet days", value=0.301, low=0.25, high=0.35)]))
    | magnitude | value | accepted | |
    |---|---|---|---|
    | wet days | 0.301 | 0.25 to 0.35 | ok |
    """
    rows = [f"| {r.name} | {r.value:.3g} | {r.low:g} to {r.high:g} | {'ok' if r.ok else 'NOT OK'} |" for r in results]
    return "\n".join(["| magnitude | value | accepted | |", "|---|---|---|---|", *rows])


def _at_stations(world: World, days: _Days) -> list[Acceptance]:
    sites = place_stations(world)
    points = point_truth(world, sites)
    profile = np.einsum("sdt,d->st", points.values, np.array(DEPTH_WEIGHTS, np.float32))
    observed: dict[Layer, Floats] = {"sm_surface": points.values[:, 0], "sm_rootzone": profile}
    results = []
    for layer in LAYERS:
        coarse = _gleam_at(world, layer, sites, days)
        use = ~points.frozen & np.isfinite(coarse)
        estimate, reference = coarse[use], observed[layer][use]
        rmse = float(np.sqrt(np.mean((estimate - reference) ** 2)))
        results += [
            Acceptance(name=f"coarse {layer} at stations: RMSE [m3 m-3]", value=rmse, low=0.05, high=0.09),
            Acceptance(name=f"coarse {layer} at stations: PCC", value=_correlation(estimate, reference), low=0.5,
                       high=0.75),
        ]
    return results


def _gleam_at(world: World, layer: Layer, sites: Sites, days: _Days) -> Floats:
    record = Gleam(world, layer, GLEAM_CELLS)
    years = range(days.dates[0].year, days.dates[-1].year + 1)
    values = np.concatenate([record.year(year).values for year in years])
    begin = (days.dates[0] - dt.date(years[0], 1, 1)).days
    size = COARSE_DEGREES * GLEAM_CELLS
    row = np.floor((world.coarse.north - sites.lat) / size + 1e-9).astype(int)
    column = np.floor((sites.lon - world.coarse.west) / size + 1e-9).astype(int)
    return values[begin:begin + len(days.dates), row, column].T


def _in_space(world: World, days: _Days) -> list[Acceptance]:
    block = np.floor(world.lat / COARSE_CELL_DEGREES) * 10_000 + np.floor(world.lon / COARSE_CELL_DEGREES)
    _, cell = np.unique(block, return_inverse=True)
    count = np.bincount(cell)
    whole = count > 0.5 * count.max()
    results = []
    for layer in LAYERS:
        spread = []
        for day in days.dates[::DAYS_BETWEEN_MAPS]:
            values = world.soil_moisture(layer, day).astype(np.float64)
            mean = np.bincount(cell, values) / count
            spread.append(np.sqrt(np.bincount(cell, (values - mean[cell]) ** 2) / count)[whole].mean())
        results.append(Acceptance(name=f"{layer}: spatial sd within 0.25 degrees [m3 m-3]",
                                  value=float(np.mean(spread)), low=0.02, high=0.05))
    return results


def _in_time(world: World, days: _Days) -> list[Acceptance]:
    first, step = world.day_number(days.dates[0]), max(1, len(world.lon) // CELLS_LOOKED_AT)
    ranges: dict[Layer, tuple[float, float, float, float]] = {
        "sm_surface": (0.85, 0.95, 0.05, 0.08), "sm_rootzone": (0.97, 0.99, 0.03, 0.05),
    }
    results = []
    for layer in LAYERS:
        stored = getattr(world.truth, layer)[first:first + len(days.dates), ::step]
        values = stored.astype(np.float64) * SM_SCALE
        departure = values - values.mean(axis=0)
        memory = (departure[1:] * departure[:-1]).mean(axis=0) / (departure**2).mean(axis=0)
        low, high, least, most = ranges[layer]
        results += [
            Acceptance(name=f"{layer}: lag-1 autocorrelation", value=float(np.median(memory)), low=low, high=high),
            Acceptance(name=f"{layer}: temporal sd [m3 m-3]", value=float(np.median(values.std(axis=0))), low=least,
                       high=most),
        ]
    return results


def _of_clouds(world: World, days: _Days) -> list[Acceptance]:
    cloudy = np.array([(world.cloud_margin(day, "MOD day") < 0).mean() for day in days.dates])
    rain = np.array([world.between(world.weather_of("rain", day)).mean() for day in days.dates])
    return [
        Acceptance(name="share of pixels without LST, year", value=float(cloudy.mean()), low=0.5, high=0.6),
        Acceptance(name="share of pixels without LST, 21 June to July", value=_mean(cloudy[days.monsoon]), low=0.75,
                   high=0.85),
        Acceptance(name="rank correlation of cloud share and rain, region by day",
                   value=_correlation(_ranks(cloudy), _ranks(rain)), low=0.5, high=1.0),
    ]


def _of_rain(world: World, days: _Days) -> list[Acceptance]:
    years = [year for year in simulate_weather(world.spec, world.lattice)
             if year.first >= world.spec.record_start and year.first.year <= world.spec.end.year]
    rain = np.concatenate([year.rain.reshape(year.days, -1) for year in years])
    month = np.concatenate([_months(year.first, year.days) for year in years])
    summer = float(rain[np.isin(month, (6, 7, 8))].sum() / rain.sum())
    return [
        Acceptance(name="rain of a year [mm]", value=float(rain.mean() * 365.25), low=1000.0, high=1600.0),
        Acceptance(name="share of rain in June to August", value=summer, low=0.5, high=0.7),
        Acceptance(name="share of days with 1 mm or more", value=float((rain >= WET_LEAST_MM).mean()), low=0.25,
                   high=0.35),
    ]


def _of_temperature(world: World, days: _Days) -> list[Acceptance]:
    sparse: list[float] = []
    dense: list[float] = []
    dormant: list[float] = []
    for day, month in zip(days.dates[::DAYS_BETWEEN_MAPS], days.month[::DAYS_BETWEEN_MAPS], strict=True):
        green = world.ndvi(day) >= DENSE_NDVI
        growing = 4 <= month <= 10
        for where, kept in ((~green, sparse if growing else dormant), (green, dense if growing else None)):
            if kept is not None and where.sum() >= LEAST_CELLS:
                kept.append(_partial_correlation(world, day, where))
    name = "partial correlation of daytime LST and surface soil moisture, "
    return [
        Acceptance(name=f"{name}April-October, NDVI < 0.6", value=_mean(np.array(sparse)), low=-1.0, high=-0.2),
        Acceptance(name=f"{name}April-October, NDVI >= 0.6", value=_mean(np.array(dense)), low=-0.2, high=0.2),
        Acceptance(name=f"{name}November-March, NDVI < 0.6", value=_mean(np.array(dormant)), low=-0.15, high=0.15),
    ]


def _partial_correlation(world: World, day: dt.date, where: NDArray[np.bool_]) -> float:
    """Correlation over cells of LST (with 1 K noise) and soil moisture, given NDVI, terrain and place."""
    noise = generator(world.spec.seed, "acceptance", day.toordinal()).standard_normal(len(where))
    ground = world.ground
    given = np.column_stack([
        np.ones(len(where)), world.ndvi(day), ground.elevation, ground.southness, world.lat, world.lon
    ])[where]
    pair = np.column_stack([world.lst(day, LST_HOUR) + noise, world.soil_moisture("sm_surface", day)])[where]
    rest = pair - given @ np.linalg.lstsq(given, pair, rcond=None)[0]
    return _correlation(rest[:, 0], rest[:, 1])


def _of_frost(world: World, days: _Days) -> list[Acceptance]:
    first = world.day_number(days.dates[0])
    winter = np.isin(days.month, (12, 1, 2))
    frost = world.truth.frost[first:first + len(days.dates)][winter] & FROZEN
    return [Acceptance(name="share of days with frozen soil, December to February", value=_mean(frost > 0), low=0.2,
                       high=0.6)]


def _of_droughts(world: World, days: _Days) -> list[Acceptance]:
    percentile = _percentiles(world)
    results = []
    for event in world.spec.weather_events:
        begin, end = ((day - world.coarse.first).days for day in (event.start, event.end))
        if event.start < world.spec.start or event.end > world.spec.end:
            continue
        if event.name == FLASH_DROUGHT:
            onset = _onset_days(percentile[max(begin - RUN_UP_DAYS, 0):end + 1])
            results.append(Acceptance(name="flash drought: days from the 40th to the 20th percentile", value=onset,
                                      low=1.0, high=20.0))
        if event.name == SPRING_DROUGHT:
            dry = float((percentile[begin:end + RUN_UP_DAYS] < 20.0).sum())
            results.append(Acceptance(name="spring drought: days below the 20th percentile", value=dry, low=45.0,
                                      high=200.0))
    return results


def _percentiles(world: World) -> Floats:
    """Percentile of the region's root-zone mean among all years' days within 15 days of the season. (days of record)"""
    stored = world.coarse.sm_rootzone.reshape(len(world.coarse.sm_rootzone), -1)
    land = world.coarse.land.ravel() * (stored[0] != NO_LAND)
    mean = np.array([float(values @ land) for values in stored]) / land.sum()
    season = days_of_year(world.coarse.first, len(mean))
    result = np.empty(len(mean), np.float32)
    for n, value in enumerate(mean):
        apart = np.abs(season - season[n])
        sample = mean[np.minimum(apart, 365 - apart) <= PERCENTILE_WINDOW_DAYS]
        result[n] = 100.0 * (sample < value).mean()
    return result


def _onset_days(percentile: Floats) -> float:
    """Days from the last day above the 40th percentile to the first below the 20th after it; NaN if never."""
    below = np.nonzero(percentile < 20.0)[0]
    if len(below) == 0:
        return float("nan")
    above = np.nonzero(percentile[:below[0]] >= 40.0)[0]
    return float(below[0] - above[-1]) if len(above) else float("nan")


def _months(first: dt.date, count: int) -> NDArray[np.int64]:
    return np.array([(first + dt.timedelta(days=n)).month for n in range(count)])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(values)).astype(np.float64)


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else float("nan")
