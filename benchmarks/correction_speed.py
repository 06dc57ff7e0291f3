"""What the correction costs: one pass over a region against patch by patch, and what training takes.

    python benchmarks/correction_speed.py --height 700 --width 1000

The patch-wise time is that of a subset of cells, extrapolated to all; training time and memory are those of subsets of
stations and days, extrapolated by station-days. Memory is the largest resident set of a process of its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import xarray as xr

from sm_core.correction import CorrectionDay, CorrectionParams, Corrector, correct, train
from sm_core.correction.apply import _predict
from sm_core.correction.design import context, context_columns, own_columns
from sm_core.domain import LAYERS, Grid

PARAMS = CorrectionParams()
PATCHES = 20_000
BATCH = 512
KOREA_STATIONS, KOREA_DAYS = 300, 522


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=700)
    parser.add_argument("--width", type=int, default=1000)
    arguments = parser.parse_args()
    apart(inference, arguments.height, arguments.width)
    for stations, days in ((75, 30), (150, 30), (150, 60)):
        apart(training, stations, days)


def apart(work: Callable[[int, int], None], *sizes: int) -> None:
    """Run in a process of its own, so that its memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=sizes)
    process.start()
    process.join()


def inference(height: int, width: int) -> None:
    grid = Grid.from_origin("speed", west=124.0, north=39.0, resolution=0.01, width=width, height=height)
    corrector = learned(grid, stations=20, days=3)
    day = made_up(grid, 0)
    raw = np.stack([day.features[name].values for name in PARAMS.features])
    field = np.stack([day.fine[layer].values for layer in LAYERS])
    before = peak_mb()
    started = time.perf_counter()
    whole = _predict(raw, field, corrector)
    whole_s = time.perf_counter() - started
    correct(day.fine, day.features, corrector)
    all_s = time.perf_counter() - started - whole_s
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, height, PATCHES), rng.integers(0, width, PATCHES)
    started = time.perf_counter()
    single = by_patch(raw, field, corrector, rows, columns)
    patch_s = (time.perf_counter() - started) * height * width / PATCHES
    difference = np.abs(single - whole[:, rows, columns].T).max()
    print(f"whole region {height} x {width}, both layers: {whole_s:.2f} s; with trust and half-widths {all_s:.2f} s; "
          f"peak memory {peak_mb():.0f} MB, of which {before:.0f} MB before")
    print(f"patch by patch ({PATCHES} patches measured, extrapolated): {patch_s:.1f} s; "
          f"{patch_s / whole_s:.0f} times the whole-region pass; largest difference {difference:.1e} m3/m3")


def by_patch(
    raw: np.ndarray, field: np.ndarray, corrector: Corrector, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """The usual way: the surroundings of each cell through the network, in batches."""
    network, config = corrector.network, corrector.config
    norm, dynamic, result = config.normalisation, raw[config.normalisation.dynamic_index], []
    radius = network.radius
    padded = np.pad(dynamic, ((0, 0), (radius, radius), (radius, radius)), constant_values=np.nan)
    for first in range(0, len(rows), BATCH):
        r, c = rows[first:first + BATCH], columns[first:first + BATCH]
        patches = np.stack([padded[:, a:a + 2 * radius + 1, b:b + 2 * radius + 1] for a, b in zip(r, c, strict=True)])
        usual = corrector.usual.around(r, c, radius)
        own = own_columns(dynamic[:, r, c].T[:, :, None, None], field[:, r, c].T[:, :, None, None],
                          corrector.usual.around(r, c, 0), norm, pairs=config.params.pairs)
        look = context_columns(context(network, patches, usual.features, norm), config.context_sd)
        with torch.no_grad():
            result.append(network.correction(torch.from_numpy(np.concatenate([own, look], axis=1))).numpy()[:, :, 0, 0])
    return np.concatenate(result)


def training(stations: int, days: int) -> None:
    grid = Grid.from_origin("speed", west=126.5, north=37.5, resolution=0.01, width=200, height=200)
    before = peak_mb()
    started = time.perf_counter()
    corrector = learned(grid, stations, days)
    seconds, samples = time.perf_counter() - started, corrector.config.fits[0].station_days
    print(f"training on {stations} stations and {days} days ({samples} station-days): {seconds:.1f} s, "
          f"{peak_mb() - before:.0f} MB above {before:.0f}; Korea with 10 years of weeks "
          f"({KOREA_STATIONS} stations, {KOREA_DAYS} days) at this rate: "
          f"{seconds * KOREA_STATIONS * KOREA_DAYS / samples / 60:.0f} min at most")


def learned(grid: Grid, stations: int, days: int) -> Corrector:
    rng = np.random.default_rng(1)
    lon, lat = rng.choice(grid.x, stations), rng.choice(grid.y, stations)
    record = [made_up(grid, n) for n in range(days)]
    rows = [(f"s{s:03d}", lon[s], lat[s], day.day, *rng.uniform(0.2, 0.4, 2))
            for s in range(stations) for day in record]
    table = pd.DataFrame(rows, columns=["station_id", "lon", "lat", "day", *LAYERS])
    return train(record, table, grid, PARAMS)


def made_up(grid: Grid, number: int) -> CorrectionDay:
    rng = np.random.default_rng(number)
    attrs = {"grid_id": grid.grid_id, "crs": grid.crs}

    def dataset(names: tuple[str, ...], low: float, high: float) -> xr.Dataset:
        variables = {name: (("y", "x"), rng.uniform(low, high, grid.shape).astype(np.float32)) for name in names}
        return xr.Dataset(variables, {"y": grid.y, "x": grid.x}, attrs)

    day = dt.date(2018, 1, 1) + dt.timedelta(days=7 * number)
    return CorrectionDay(day, dataset(PARAMS.features, 0.0, 1.0), dataset(LAYERS, 0.1, 0.5))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
