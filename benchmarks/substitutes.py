"""How good the substitutes are: on the simulated world, fitted on some years and judged on another.

    python benchmarks/substitutes.py [--directory DIR]

Soil moisture: SMAP L4 as it is, mapped to GLEAM, and GLEAM's normal of the season, against GLEAM and against the truth.
Surface state: the extension of GLASS, its normal, and what fine images last showed, against GLASS.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Region, load_region
from sm_core.grid import Nesting, to_grid
from sm_core.sources import decode, identify
from sm_core.substitutes import (
    CdfMapping,
    CoarseImage,
    CoarseLattice,
    FineImage,
    Skill,
    fit_state,
    mapping_skill,
    state_skill,
)
from sm_core.substitutes.skill import compare, window_means
from sm_core.twin import coarse
from sm_core.twin.archive import create, materialise
from sm_core.twin.spec import TwinSpec
from sm_core.twin.world import World

REGIONS = Path(__file__).resolve().parents[1] / "deployments" / "regions"
FIRST, LAST = dt.date(2012, 1, 1), dt.date(2019, 12, 31)
STATE_FIRST, HELD_OUT = dt.date(2016, 1, 1), 2019
SEED = 3
GLEAM = {"SMs": "sm_surface", "SMrz": "sm_rootzone"}
STATES = (("lst_day", "GLASS08B31.V40", "MOD11A1.061", 16, 0), ("ndvi", "GLASS13B01.V10", "MOD13A2.061", 64, 18))
"""Variable, coarse and fine source, and how many days before a day a fine image may begin at most and at least."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directory", type=Path, help="where to make the simulated archive; kept for the next time")
    given = parser.parse_args().directory
    with tempfile.TemporaryDirectory() as temporary:
        directory = given or Path(temporary)
        world = create(TwinSpec(region=_region(), start=FIRST, end=LAST, record_start=FIRST, seed=SEED, stations=8),
                       directory)
        _soil_moisture(world)
        for state in STATES:
            _surface_state(world, *state)


def _region() -> Region:
    grid = Grid.from_origin("bench_001", west=127.0, north=37.0, resolution=0.01, width=80, height=80)
    return load_region(REGIONS / "demo.yaml").model_copy(update={"region_id": "bench", "grid": grid})


def _soil_moisture(world: World) -> None:
    bounds = world.spec.region.lonlat_bounds
    files = [sorted(world.directory.glob(f"GLEAM_v4.2a.{name}/*/*.nc")) for name in GLEAM]
    gleam = xr.merge([
        xr.concat([decode(path, bounds=bounds) for path in of_layer], dim="time", combine_attrs="drop_conflicts")
        for of_layer in files
    ], combine_attrs="drop_conflicts")
    smap = CoarseLattice.of(gleam).regrid(_smap(world))
    for year in (HELD_OUT - 1, HELD_OUT):
        _print(f"Soil moisture of {year} against GLEAM, m3 m-3, fitted on the other years of {FIRST.year}-{LAST.year}",
               mapping_skill(smap, gleam, year, {}))
        _print(f"The same against the truth of {year}", _against_truth(world, smap, gleam, year))


def _smap(world: World) -> xr.Dataset:
    window = coarse.ease_window(world)
    times = pd.date_range(FIRST, LAST)
    values = np.stack([np.stack(coarse.smap_day(world, window, time.date())) for time in times])
    rows, columns = (np.arange(part.start, part.stop) + 0.5 for part in (window.rows, window.columns))
    return xr.Dataset(
        {layer: (("time", "y", "x"), values[:, n]) for n, layer in enumerate(LAYERS)},
        {"time": times.as_unit("ns"), "y": coarse.EASE2_NORTH_M - coarse.EASE2_CELL_M * rows,
         "x": coarse.EASE2_WEST_M + coarse.EASE2_CELL_M * columns},
        {"crs": "EPSG:6933", "resolution": coarse.EASE2_CELL_M},
    )


def _against_truth(world: World, smap: xr.Dataset, gleam: xr.Dataset, year: int) -> list[Skill]:
    out = gleam.time.dt.year.values == year
    mapped = CdfMapping.fit(smap.isel(time=~out), gleam.isel(time=~out), source_id="", reference_ids={}).apply(
        smap.isel(time=out))
    nesting = Nesting.of(gleam, world.spec.region.grid)
    days = pd.DatetimeIndex(gleam.time.values[out])
    rows = []
    for layer in LAYERS:
        truth = np.stack([
            nesting.aggregate(world.as_map(world.soil_moisture(layer, day.date()))) for day in days
        ]).astype(np.float32)
        normal = window_means(gleam[layer].isel(time=~out), days)
        rows += compare(layer, {
            "raw": smap[layer].values[out], "climatology": normal, "mapped": mapped[layer].values,
            "GLEAM itself": gleam[layer].values[out],
        }, truth, normal)
    return rows


def _surface_state(world: World, variable: str, coarse_id: str, fine_id: str, reach: int, delay: int) -> None:
    materialise(world, [coarse_id, fine_id], STATE_FIRST, LAST, processes=2)
    coarse_images = [CoarseImage(day, partial(_values, path)) for day, path in _on_grid(world, coarse_id, variable)]
    fine = [FineImage(day, partial(_with_age, path)) for day, path in _on_grid(world, fine_id, variable)]
    learned = [image for image in coarse_images if image.day.year < HELD_OUT]
    judged = [image for image in coarse_images if image.day.year == HELD_OUT]
    normals = fit_state(learned, [i for i in fine if i.start.year < HELD_OUT], coarse_id=coarse_id, fine_id=fine_id)
    rows = state_skill(variable, normals, judged, fine, reach_days=reach, delay_days=delay)
    _print(f"{variable} of {HELD_OUT} against {coarse_id}, fitted on {STATE_FIRST.year}-{HELD_OUT - 1}; gain "
           f"{normals.gain:.2f}, decay {normals.decay_days:.1f} days", rows)


def _on_grid(world: World, source_id: str, variable: str) -> Iterator[tuple[dt.date, Path]]:
    """Start day of each granule, and a file of its values on the region grid, with the days' ages for composites."""
    for path in sorted((world.directory / source_id).rglob("*.hdf")):
        granule = identify(path)
        if granule is None or not STATE_FIRST <= granule.start <= LAST:
            continue
        stored = path.with_suffix(f".{variable}.npy")
        if not stored.is_file():
            native = decode(path, bounds=world.spec.region.lonlat_bounds)
            wanted = [name for name in (variable, f"{variable}_day") if name in native]
            on_grid = to_grid(native[wanted], world.spec.region.grid, "mean" if granule.tile else "bilinear")
            np.save(stored, np.stack([on_grid[name].values[0] for name in wanted]))
        yield granule.start, stored


def _values(path: Path) -> NDArray[np.float32]:
    return np.asarray(np.load(path)[0])


def _with_age(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32] | float]:
    stored = np.load(path)
    return stored[0], stored[1] if len(stored) > 1 else 0.0


def _print(title: str, rows: Sequence[Skill]) -> None:
    print(f"\n{title}\n\n| variable | method | RMSE | bias | anomaly r | values |\n|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.variable} | {row.method} | {row.rmse:.4f} | {row.bias:+.4f} | {row.anomaly_r:.2f} "
              f"| {row.values} |")


if __name__ == "__main__":
    main()
