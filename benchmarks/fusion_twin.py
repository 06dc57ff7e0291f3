"""Fused NDVI and LST of a simulated cloudy year against its truth: by season and age, with coverage of the spread.

Each seed is another world of 2° × 2°. Judged is every eighth day, twice: from images on both sides of the day, and
from those before it only (for composites: published before it). Nothing of the method was settled on seeds above 21.

    python benchmarks/fusion_twin.py --data data/fusion --seeds 22 23
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import load_region
from sm_core.errors import NoUsablePairError
from sm_core.fusion import LST_PARAMS, NDVI_PARAMS, EstarfmParams, Pair, View, coarse_at, fuse_day, harmonise
from sm_core.grid import mosaic, to_grid
from sm_core.sources import decode, identify
from sm_core.sources.observed import with_solar_hour
from sm_core.twin.archive import create, materialise
from sm_core.twin.spec import TwinSpec
from sm_core.twin.world import World, open_world

REGION = Path(__file__).resolve().parents[1] / "deployments" / "regions" / "demo.yaml"
FIRST, LAST = dt.date(2018, 1, 1), dt.date(2018, 12, 31)
LST_FINE, LST_COARSE, NDVI_FINE, NDVI_COARSE = "MOD11A1.061", "GLASS08B31.V40", "MOD13A2.061", "GLASS13B01.V10"
STEP_DAYS, LST_DAYS, NDVI_DAYS = 8, 16, 48
PUBLISHED_AFTER_DAYS = 18
"""A composite's start to its publication."""
SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}
AGES = {"lst": (0, 1, 3, 6, 11, 99), "ndvi": (0, 5, 9, 17, 99)}
ROWS = ("error", "spread", "age", "month", "coarse", "nearest", "day")
NORMAL_90 = 1.645
Image = NDArray[np.float32]
Inputs = tuple[xr.DataArray | None, list[Pair], xr.DataArray]


class Year:
    """One simulated year, on the region's grid."""

    def __init__(self, folder: Path, seed: int) -> None:
        record_start = dt.date(FIRST.year - 1, 6, 1)
        spec = TwinSpec(region=load_region(REGION), start=FIRST, end=LAST, record_start=record_start, seed=seed,
                        stations=8)
        self.world: World = open_world(folder) if (folder / "twin.yaml").is_file() else create(spec, folder)
        self.folder = folder
        materialise(self.world, (LST_FINE, LST_COARSE, NDVI_FINE, NDVI_COARSE), FIRST, LAST, processes=2)
        self.lst_fine, self.lst_coarse = self._gridded(LST_FINE, "mean"), self._gridded(LST_COARSE, "bilinear")
        self.ndvi_fine, self.ndvi_coarse = self._gridded(NDVI_FINE, "mean"), self._gridded(NDVI_COARSE, "bilinear")

    def _gridded(self, source: str, how: str) -> dict[dt.date, xr.Dataset]:
        region, days = self.world.spec.region, {}
        tiles: dict[dt.date, list[xr.Dataset]] = {}
        for path in sorted((self.folder / source).rglob("*.hdf")):
            granule = identify(path)
            tile = decode(path, bounds=region.lonlat_bounds)
            tiles.setdefault(granule.start, []).append(
                with_solar_hour(tile, "lst_day")[["lst_day", "lst_day_solar_hour"]] if source == LST_FINE else tile
            )
        for start, parts in tiles.items():
            days[start] = to_grid(mosaic(parts), region.grid, how).squeeze(drop=True)
        return days

    def lst(self, day: dt.date, latest: dt.date) -> Inputs:
        near = [d for d in self.lst_fine if abs((d - day).days) <= LST_DAYS and d <= latest and d in self.lst_coarse]
        views = [View("fine", d, self.lst_fine[d].lst_day, self.lst_coarse[d].lst_day,
                      self.lst_fine[d].lst_day_solar_hour) for d in near]
        alike, _ = harmonise(views, "fine", 10.5)
        observed = next((view.fine for view in alike if view.day == day), None)
        pairs = [Pair(view.day, view.fine, view.coarse) for view in alike if view.day != day]
        return observed, pairs, self.lst_coarse[day].lst_day

    def ndvi(self, day: dt.date, latest: dt.date) -> Inputs:
        starts = sorted(self.ndvi_coarse)
        series = xr.concat([self.ndvi_coarse[start].ndvi for start in starts], "time").assign_coords(
            time=[np.datetime64(start, "ns") for start in starts])
        pairs = []
        for start, composite in self.ndvi_fine.items():
            if abs((start - day).days) > NDVI_DAYS or (latest <= day and (day - start).days < PUBLISHED_AFTER_DAYS):
                continue
            seen = np.datetime64(start, "ns") + (composite.ndvi_day * 86400e9).astype("timedelta64[ns]")
            middle = start + dt.timedelta(days=round(float(np.nanmedian(composite.ndvi_day))))
            pairs.append(Pair(middle, composite.ndvi, coarse_at(series, seen)))
        same_day = xr.full_like(series[0], np.datetime64(day, "ns"), dtype="datetime64[ns]")
        return None, pairs, coarse_at(series, same_day.drop_vars("time"))


def judged(year: Year, variable: str, past: bool) -> NDArray[np.float64]:
    """One column for each pixel and judged day; rows are ``ROWS``."""
    inputs: Callable[[dt.date, dt.date], Inputs] = year.lst if variable == "lst" else year.ndvi
    params: EstarfmParams = LST_PARAMS if variable == "lst" else NDVI_PARAMS
    name, known_days = ("lst_day", year.lst_coarse) if variable == "lst" else ("ndvi", None)
    columns = []
    for day in _days():
        if known_days is not None and day not in known_days:
            continue
        observed, pairs, coarse = inputs(day, day if past else LAST)
        try:
            fused = fuse_day(observed, pairs, coarse, day, params)
        except NoUsablePairError:
            continue
        truth = year.world.truth_of(day)[name].values
        age, nearest = _nearest(observed, pairs, day, truth.shape)
        known = np.isfinite(truth) & np.isfinite(fused.value.values) & np.isfinite(nearest)
        month, ordinal = np.full(truth.shape, day.month), np.full(truth.shape, day.toordinal())
        rows = (fused.value.values - truth, fused.spread.values, age, month, coarse.values - truth, nearest - truth,
                ordinal)
        columns.append(np.stack([row[known] for row in rows]))
    return np.concatenate(columns, axis=1)


def _days() -> Iterator[dt.date]:
    for n in range(20, (LAST - FIRST).days, STEP_DAYS):
        yield FIRST + dt.timedelta(days=n)


def _nearest(
    observed: xr.DataArray | None, pairs: list[Pair], day: dt.date, shape: tuple[int, ...]
) -> tuple[Image, Image]:
    age, nearest = np.full(shape, np.inf), np.full(shape, np.nan)
    images = [(abs((pair.day - day).days), pair.fine.values) for pair in pairs]
    if observed is not None:
        images.append((0, observed.values))
    for days, values in images:
        nearer = np.isfinite(values) & (days < age)
        age[nearer], nearest[nearer] = days, values[nearer]
    return age, nearest


def line(label: str, part: NDArray[np.float64]) -> str:
    error, spread, _, _, coarse, nearest, _ = part
    rmse = [f"{float(np.sqrt((values**2).mean())):.3f}" for values in (error, nearest, coarse)]
    inside = [f"{float((np.abs(error) < width * spread).mean()):.1%}" for width in (0.674, 1.0, NORMAL_90)]
    return f"| {label} | {' | '.join(rmse)} | {float(error.mean()):+.3f} | {' | '.join(inside)} | {error.size} |"


def report(variable: str, past: bool, table: NDArray[np.float64]) -> None:
    unit = "K" if variable == "lst" else "1"
    print(f"\n### {variable.upper()} [{unit}], {'images before the day only' if past else 'images on both sides'}\n")
    print("| | RMSE fused | nearest image | coarse only | bias | 50 % band | 68 % | 90 % | pixels |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(line("all", table))
    for season, months in SEASONS.items():
        if (part := table[:, np.isin(table[3], months)]).size:
            print(line(season, part))
    for low, high in pairwise(AGES[variable]):
        if (part := table[:, (table[2] >= low) & (table[2] < high)]).size:
            print(line(f"nearest clear image {low} to {high - 1} d away" if high < 99 else f"{low} d and more", part))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="one folder per seed is made here")
    parser.add_argument("--seeds", type=int, nargs="+", default=[22, 23])
    arguments = parser.parse_args()
    years = [Year(arguments.data / f"seed{seed}", seed) for seed in arguments.seeds]
    for variable in ("lst", "ndvi"):
        for past in (False, True):
            report(variable, past, np.concatenate([judged(year, variable, past) for year in years], axis=1))


if __name__ == "__main__":
    main()
