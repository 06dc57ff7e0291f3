"""Seconds and memory of comparing a day with a climatology of 40 years on 700 x 1000 cells.

    python benchmarks/drought_climatology.py [rows of the 1-km record, default 100]

Two kinds of climatology: the record at 1 km (40 years x 365 days x 700 x 1000 values a layer), and the 0.1-degree
record carried to 1 km. The first is measured on a slice of rows and extrapolated in proportion, which is said; the
31-day window alone is written (every other day of the year costs the same). The second is measured whole.

Where xclim is installed, class limits are compared with its ``percentile_doy``, which has the same definition (31-day
window, plotting positions with alpha = beta = 0.44) but for leap days, which the noleap calendar of the comparison has
not.
"""

from __future__ import annotations

import datetime as dt
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from sm_core.domain import LAYERS, Grid
from sm_core.drought import FineDay, FineRecord, class_probability, fit

YEARS = range(1981, 2021)
DAY = dt.date(2024, 7, 15)
WIDTH, HEIGHT = 700, 1000
LAYER = "sm_rootzone"


def main(rows: int) -> None:
    """Print seconds, peak memory and agreement."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        _fine(Path(folder), rows, rng)
    _coarse(rng)
    _against_xclim(rng)


def _grid(rows: int) -> Grid:
    return Grid.from_origin("g", west=124.0, north=43.0, resolution=0.01, width=WIDTH, height=rows)


def _field(grid: Grid, values: np.ndarray) -> xr.Dataset:
    return xr.Dataset(dict.fromkeys(LAYERS, (("y", "x"), values)), {"y": grid.y, "x": grid.x},
                      {"grid_id": grid.grid_id, "crs": grid.crs})


def _smooth(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Values like those of a real day: neighbouring cells differ by little."""
    coarse = rng.normal(0.28, 0.05, (rows // 10 + 2, WIDTH // 10 + 2)).repeat(10, 0).repeat(10, 1)[:rows, :WIDTH]
    return (coarse + rng.normal(0, 0.004, coarse.shape)).clip(0.02, 0.6).astype(np.float32)


def _window() -> list[dt.date]:
    return [dt.date(year, 7, 15) + dt.timedelta(n) for year in YEARS for n in range(-15, 16)]


def _fine(folder: Path, rows: int, rng: np.random.Generator) -> None:
    grid = _grid(rows)
    record = FineRecord.create(folder, grid)
    start = time.perf_counter()
    record.add((day, _field(grid, _smooth(rng, rows))) for day in _window())
    written = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.glob("*.h5"))
    whole = HEIGHT / rows
    per_year = size / len(_window()) / len(LAYERS) * 365 * whole / 1e9
    print(f"record at 1 km, {len(YEARS)} years, {rows} of {HEIGHT} rows; extrapolated x {whole:.0f} in brackets")
    print(f"  added 1240 days of 2 layers in {written:.1f} s ({written * whole / len(_window()):.2f} s a whole day); "
          f"(a whole year and layer {per_year:.2f} GB on disk)")
    before, today = _peak(), _smooth(rng, rows)
    start, worked = time.perf_counter(), time.process_time()
    record.compare(LAYER, today, DAY)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    print(f"  percentile, anomaly, limits of one layer: {seconds:.1f} s ({seconds * whole:.0f} s), of the processor "
          f"{worked:.1f} s ({worked * whole:.0f} s); peak memory {_peak():.0f} MB (before: {before:.0f}), bounded by "
          "blocks of rows whatever the height")


def _coarse(rng: np.random.Generator) -> None:
    grid = _grid(HEIGHT)
    times = pd.date_range(f"{YEARS[0]}-01-01", f"{YEARS[-1]}-12-31", freq="D")
    values = rng.normal(0.28, 0.05, (len(times), HEIGHT // 10 + 2, WIDTH // 10 + 2)).astype(np.float32)
    coords = {"time": times, "y": 43.05 - 0.1 * np.arange(values.shape[1]),
              "x": 123.95 + 0.1 * np.arange(values.shape[2])}
    record = xr.Dataset({LAYER: (("time", "y", "x"), values)}, coords, {"crs": "EPSG:4326", "resolution": 0.1})
    days = [FineDay(dt.date(2020, 1, 1) + dt.timedelta(12 * n), _field(grid, _smooth(rng, HEIGHT)),
                    _field(grid, _smooth(rng, HEIGHT))) for n in range(10)]
    start = time.perf_counter()
    climatology = fit({LAYER: record}, days, grid)
    print(f"0.1-degree record carried to 1 km, {len(YEARS)} years, {WIDTH} x {HEIGHT} cells, measured whole")
    print(f"  fit on 10 fine days: {time.perf_counter() - start:.1f} s")
    today = _field(grid, _smooth(rng, HEIGHT))
    start, worked = time.perf_counter(), time.process_time()
    ranked = climatology.percentile(today, DAY)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    start = time.perf_counter()
    class_probability(today[LAYER].values, np.full(grid.shape, 0.03), ranked[f"limits_{LAYER}"].values)
    print(f"  percentile, anomaly, limits of one layer: {seconds:.1f} s, of the processor {worked:.1f} s; "
          f"class probabilities {time.perf_counter() - start:.1f} s; peak memory of the run {_peak():.0f} MB "
          f"(the record in memory: {values.nbytes / 1e6:.0f} MB)")


def _against_xclim(rng: np.random.Generator) -> None:
    try:
        from xclim.core.calendar import percentile_doy
    except ImportError:
        print("xclim is not installed: no comparison of class limits")
        return
    grid = Grid.from_origin("g", west=124.0, north=43.0, resolution=0.01, width=5, height=4)
    times = xr.date_range("1981-01-01", "2020-12-31", freq="D", calendar="noleap", use_cftime=True)
    values = np.round(rng.normal(0.28, 0.05, (len(times), *grid.shape)).clip(0, 0.6), 4)
    with tempfile.TemporaryDirectory() as folder:
        record = FineRecord.create(Path(folder), grid)
        record.add((dt.date(t.year, t.month, t.day), _field(grid, v)) for t, v in zip(times, values, strict=True))
        ours = record.compare(LAYER, values[0], DAY)[0].limits
    series = xr.DataArray(values, {"time": times}, ("time", "y", "x"), attrs={"units": "1"})
    theirs = percentile_doy(series, window=31, per=[30, 20, 10, 5, 2], alpha=0.44, beta=0.44)
    doy = DAY.timetuple().tm_yday - (DAY.year % 4 == 0)
    theirs = theirs.sel(dayofyear=doy).transpose("percentiles", "y", "x").values
    print(f"class limits of 20 cells against xclim's percentile_doy: largest difference {abs(ours - theirs).max():.1e} "
          "m3 m-3")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
