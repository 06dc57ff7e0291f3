"""Are seeded droughts found, when, where, and how many that are none?

    python benchmarks/drought_twin.py [seeds, default 10] [first seed, default 1]

The weather and the water balance of the simulated world on a grid of 0.1 degree, 1991 to 2020 for the climatology and
two more years, four units whose borders cut through cells. Each seed has one flash drought in the north-east (two wet
weeks, then 36 days without rain and warm) and one drought of four months in the south-west, on days that the seed
draws. What is judged is an estimate: truth with an error of 0.01 or 0.02 m3 m-3 that lasts
(lag-1 correlation 0.8), half of it common to a unit, and a bias of 0.03 of each cell; climatology and days alike.

A seeded drought is found when a spell on the estimate shares at least 10 days with it and the 30 days after it, in its
unit (if several, the one that shares most); otherwise it is missed. A spell on the estimate is a false alarm when
truth, judged by the same rule against its own climatology, has none within 10 days of it in that unit: droughts that
the weather makes by itself are none. Flash droughts are judged by two rules: the fall alone, and one that lasts.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import NamedTuple

import numpy as np
import shapely

from sm_core.domain import Grid, Region
from sm_core.drought import AdminUnits, SpellRule, flash_drought, spells
from sm_core.drought.available_water import in_farming_season
from sm_core.drought.calendar import day_index, window
from sm_core.drought.classes import classify
from sm_core.drought.coverage import cell_area_km2
from sm_core.drought.flash import FORD_LABOSIER, LASTING
from sm_core.drought.ranking import compare_with_sample
from sm_core.drought.record import FINE_STEP
from sm_core.drought.spells import PERSISTENT, Spell
from sm_core.drought.summary import AREA_SHARE
from sm_core.twin.fields import Interpolation, Lattice
from sm_core.twin.soil import soil_of
from sm_core.twin.spec import TwinSpec, WeatherEvent
from sm_core.twin.terrain import make_terrain
from sm_core.twin.water import SM_SCALE, at_rest, cells_of, step_through
from sm_core.twin.weather import SPACING_DEGREES, simulate_weather

GRID = Grid.from_origin("twin", west=127.0, north=37.2, resolution=0.1, width=12, height=12)
FIRST, LAST, JUDGED_FROM = dt.date(1991, 1, 1), dt.date(2022, 12, 31), dt.date(2021, 1, 1)
NAMES = ("north-west", "north-east", "south-west", "south-east")
FLASH_RULE = SpellRule(at_least=1, enter_after=5, leave_after=10)
FLASH_RULES = {"fall": FORD_LABOSIER, "lasting": LASTING}
KINDS = (*(f"flash, {name}" for name in FLASH_RULES), "months")
ERROR_MEMORY, COMMON_SHARE, BIAS_SD = 0.8, 0.5, 0.03
LATE_DAYS, SHARED_DAYS, APART_DAYS = 30, 10, 10
ERRORS = (0.01, 0.02)


class Seeded(NamedTuple):
    kind: str
    unit: int
    start: dt.date
    end: dt.date


def main(seeds: int, first: int) -> None:
    """Print a line for each seeded drought and the totals."""
    print(f"months: D1 or worse, {PERSISTENT}; flash on {AREA_SHARE:.0f} % of a unit, {FLASH_RULE}: "
          f"{', '.join(f'{name} {rule}' for name, rule in FLASH_RULES.items())}")
    print("| seed | drought | unit | seeded | truth |" + "".join(f" estimate ± {error} | late |" for error in ERRORS))
    print("|---|---|---|---|---|" + "---|---:|" * len(ERRORS))
    start, totals = time.perf_counter(), np.zeros((len(KINDS), len(ERRORS), 6), int)
    for seed in range(first, first + seeds):
        totals += _seed(seed)
    for kind, rows in zip(KINDS, totals, strict=True):
        for error, (missed, false, in_season, found, natural, overlooked) in zip(ERRORS, rows, strict=True):
            print(f"{kind}, error {error}: {seeds} seeded, {missed} missed; {found} true spells, {false} false alarms "
                  f"({in_season} from April to October) in {seeds * len(NAMES) * 2} unit-years; truth has {natural} "
                  f"spells, {overlooked} of them overlooked")
    print(f"{time.perf_counter() - start:.0f} s")


def _seed(seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 7])
    flash = dt.date(2021, 5, 20) + dt.timedelta(int(rng.integers(0, 90)))
    months = dt.date(2022, 3, 1) + dt.timedelta(int(rng.integers(0, 60)))
    quick, slow = (Seeded("flash", 1, flash, flash + dt.timedelta(35)),
                   Seeded("months", 2, months, months + dt.timedelta(119)))
    events = ((WeatherEvent(name="wet", start=flash - dt.timedelta(15), end=flash - dt.timedelta(1), rain_factor=1.8),
               WeatherEvent(name="flash", start=flash, end=quick.end, rain_factor=0.02, warming_k=3.5)),
              (WeatherEvent(name="months", start=months, end=slow.end, rain_factor=0.25, warming_k=1.0),))
    units, land = _units(seed)
    truth = _moisture(seed, ())
    for drought, weather in zip((quick, slow), events, strict=True):
        inside = units.index.ravel()[land] == drought.unit
        truth[:, inside] = _moisture(seed, weather)[:, inside]
    bias = BIAS_SD * rng.standard_normal(truth.shape[1])
    errors = _errors(truth.shape, units, land, rng)
    true, *estimates = (_judged(field, units, land)
                        for field in (truth, *(truth + bias + error * errors for error in ERRORS)))
    totals = np.zeros((len(KINDS), len(ERRORS), 6), int)
    for position, (kind, drought) in enumerate(zip(KINDS, (quick, quick, slow), strict=True)):
        spell = _hit(true[position][drought.unit], drought)
        line = [str(seed), kind, NAMES[drought.unit], f"{drought.start} to {drought.end}", _text(spell)]
        for number, estimate in enumerate(estimates):
            found = _hit(estimate[position][drought.unit], drought)
            line += [_text(found), str((found.start - spell.start).days) if found and spell else ""]
            alarms = [(s, n) for n, those in enumerate(estimate[position]) for s in those]
            false = [s for s, n in alarms if not any(_near(s, other) for other in true[position][n])]
            in_season = sum(in_farming_season(s.start) for s in false)
            natural = [(s, n) for n, those in enumerate(true[position]) for s in those]
            overlooked = sum(not any(_near(s, other) for other in estimate[position][n]) for s, n in natural)
            totals[position, number] = (found is None, len(false), in_season, len(alarms) - len(false), len(natural),
                                        overlooked)
        print(f"| {' | '.join(line)} |", flush=True)
    return totals


def _hit(those: tuple[Spell, ...], drought: Seeded) -> Spell | None:
    def shared(spell: Spell) -> int:
        last = min(spell.end, drought.end + dt.timedelta(LATE_DAYS))
        return (last - max(spell.start, drought.start)).days + 1

    best = max(those, key=shared, default=None)
    return best if best is not None and shared(best) >= SHARED_DAYS else None


def _text(spell: Spell | None) -> str:
    return "none" if spell is None else f"{spell.start} to {spell.end}"


def _near(spell: Spell, other: Spell) -> bool:
    apart = dt.timedelta(APART_DAYS)
    return spell.start <= other.end + apart and other.start <= spell.end + apart


def _units(seed: int) -> tuple[AdminUnits, np.ndarray]:
    west, south, east, north = GRID.bounds
    lon, lat = (west + east) / 2 + 0.03, (south + north) / 2 + 0.04
    shapes = (shapely.box(west, lat, lon, north), shapely.box(lon, lat, east, north),
              shapely.box(west, south, lon, lat), shapely.box(lon, south, east, lat))
    return AdminUnits.of_shapes(NAMES, shapes, GRID), make_terrain(GRID, seed).land.ravel()


def _moisture(seed: int, events: tuple[WeatherEvent, ...]) -> np.ndarray:
    """True root-zone moisture of all days [m3 m-3]. (days, cells)"""
    region = Region.model_validate({"region_id": "twin", "title": "Twin", "grid": GRID, "tiles": [], "roles": {},
                                    "statics": {}})
    spec = TwinSpec(region=region, start=JUDGED_FROM, end=LAST, record_start=FIRST, seed=seed, events=events)
    terrain = make_terrain(GRID, seed)
    lon, lat = terrain.lon[terrain.land], terrain.lat[terrain.land]
    lattice = Lattice.covering(lon, lat, SPACING_DEGREES)
    soil = soil_of(terrain.sand[terrain.land], terrain.clay[terrain.land])
    cells = cells_of(terrain, soil, Interpolation.between(lattice, lon, lat))
    state = at_rest(cells)
    years = [step_through(weather, cells, state).sm_rootzone for weather in simulate_weather(spec, lattice)]
    days = (LAST - FIRST).days + 1
    before = (FIRST - dt.date(FIRST.year - 1, 1, 1)).days
    return np.concatenate(years)[before:before + days].astype(np.float32) * np.float32(SM_SCALE)


def _errors(shape: tuple[int, int], units: AdminUnits, land: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of standard deviation 1. (days, cells)"""
    unit = units.index.ravel()[land]
    common = rng.standard_normal((shape[0], len(NAMES)))[:, unit]
    fresh = np.sqrt(COMMON_SHARE) * common + np.sqrt(1 - COMMON_SHARE) * rng.standard_normal(shape)
    for day in range(1, shape[0]):
        fresh[day] = ERROR_MEMORY * fresh[day - 1] + np.sqrt(1 - ERROR_MEMORY**2) * fresh[day]
    return fresh


def _judged(moisture: np.ndarray, units: AdminUnits, land: np.ndarray):
    """Spells of flash drought by each rule, and of D1, in each unit."""
    percentile = _percentiles(moisture)
    share = units.coverage[:, np.flatnonzero(land)].toarray() * cell_area_km2(GRID).ravel()[land]
    share /= share.sum(axis=1, keepdims=True)
    days = [JUDGED_FROM + dt.timedelta(n) for n in range(len(percentile))]
    flash = [(flash_drought(percentile, rule) @ share.T * 100 >= AREA_SHARE).astype(int)
             for rule in FLASH_RULES.values()]
    classes = classify(percentile)
    worst = np.zeros((len(days), len(NAMES)), int)
    for value in range(1, 6):
        worst[(classes >= value).astype(float) @ share.T * 100 >= AREA_SHARE] = value
    return tuple([spells(days, column.tolist(), rule) for column in of.T]
                 for of, rule in (*((one, FLASH_RULE) for one in flash), (worst, PERSISTENT)))


def _percentiles(moisture: np.ndarray) -> np.ndarray:
    """Of the judged days among those of 1991 to 2020. (days, cells)"""
    table, judged = {}, []
    for number, field in enumerate(np.round(moisture / FINE_STEP).clip(0, 65534)):
        day = FIRST + dt.timedelta(number)
        if day >= JUDGED_FROM:
            judged.append((day, field))
        elif (day.month, day.day) != (2, 29):
            table[day.year, day_index(day)] = field.astype(np.uint16)
    years = range(FIRST.year, JUDGED_FROM.year)
    record = np.stack([np.stack([table[year, doy] for year in years]) for doy in range(365)])
    known = np.full(moisture.shape[1], len(years))
    result = np.empty((len(judged), moisture.shape[1]), np.float32)
    for number, (day, field) in enumerate(judged):
        around = np.concatenate([record[part] for part in window(day_index(day))])
        sample = np.sort(np.ascontiguousarray(around.reshape(-1, len(field)).T), axis=1, kind="stable")
        result[number] = compare_with_sample(field, sample, known).percent
    return result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
