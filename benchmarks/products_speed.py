"""Cost of publishing a day of the Korean Peninsula, beside a plain rasterio write of the same numbers in the same run.

Seconds on the wall count whatever else the machine does; those of the CPU do not.

    python benchmarks/products_speed.py [--height 1000] [--width 700] [--repeats 3]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from scipy.ndimage import gaussian_filter

from sm_core.domain import FileRef, GateResult, Grid, ModelVersion, Product, ProductItem
from sm_core.drought import classify
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, file_stem, read_cogs, write_cogs, write_netcdf
from sm_core.publishing.catalogue import catalogue_files
from sm_core.publishing.cog import encode

DAY = dt.date(2019, 6, 15)
CREATED = dt.datetime(2019, 6, 17, tzinfo=dt.UTC)


def made_up(grid: Grid, seed: int) -> xr.Dataset:
    """Correlated fields with 40 % sea, as hard to compress as real ones."""
    rng = np.random.default_rng(seed)
    rough = gaussian_filter(rng.normal(size=grid.shape), 12)
    moisture = 0.25 + 0.08 * rough / rough.std() + rng.normal(0, 0.01, grid.shape)
    sea = rough < np.quantile(rough, 0.4)
    percentile = np.clip(50 + 30 * rough / rough.std() + rng.normal(0, 3, grid.shape), 0.1, 99.9)
    layers = {"available_water_ratio": percentile, "observation_age": np.clip(np.round(10 + 5 * rough), 0, 254)}
    for layer in ("sm_surface", "sm_rootzone"):
        layers |= {layer: np.clip(moisture, 0, 0.6), f"{layer}_uncertainty": 0.05 + 0.1 * np.clip(moisture, 0, 0.6),
                   f"percentile_{layer}": percentile, f"{layer}_lower_90": np.clip(moisture - 0.08, 0, 0.6),
                   f"{layer}_upper_90": np.clip(moisture + 0.08, 0, 0.6)}
    fields = {name: np.where(sea, np.nan, values).astype(np.float32) for name, values in layers.items()}
    fields["drought_class"] = classify(fields["percentile_sm_rootzone"])
    fields["qa_flags"] = np.where(rough > 0, 1, 0).astype(np.uint16) | np.where(sea, np.uint16(64), np.uint16(0))
    return xr.Dataset({name: (("y", "x"), values) for name, values in fields.items()}, {"y": grid.y, "x": grid.x},
                      {"grid_id": grid.grid_id, "crs": grid.crs})


def item(number: int) -> ProductItem:
    model = ModelVersion(name="downscaler", kind="downscaler", version=1, sha256="ab" * 32, uri="models:/1",
                         trained_until=DAY)
    return ProductItem(
        item_id=f"{number}", product_id="soil_moisture_1km", algorithm_version="1.1.0", region_id="korea",
        day=DAY + dt.timedelta(number), revision=1, maturity="final", created=CREATED, assets=(), inputs=(),
        fingerprint="cd" * 32, models=(model,), gate=GateResult(results=()), directory="",
    )


def write_plain(fields: xr.Dataset, folder: Path, grid: Grid, **options: object) -> None:
    """The same stored numbers, no overviews, statistics, tags or checksums."""
    profile = {"driver": "GTiff", "height": grid.height, "width": grid.width, "count": 1, "crs": grid.crs,
               "transform": rasterio.Affine(*grid.transform), **options}
    for declared in SOIL_MOISTURE_1KM.variables:
        stored = encode(fields[declared.variable.name].values, declared)
        with rasterio.open(folder / f"{declared.variable.name}.tif", "w", dtype=stored.dtype, **profile) as file:
            file.write(stored, 1)


def measured(name: str, call: Callable[[Path], object], repeats: int) -> float:
    seconds, busy, size = [], [], 0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            begun, worked = time.perf_counter(), time.process_time()
            call(Path(folder))
            seconds.append(time.perf_counter() - begun)
            busy.append(time.process_time() - worked)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{name:52s} {statistics.median(seconds):7.2f} s {statistics.median(busy):7.2f} s CPU {size / 1e6:7.1f} MB")
    return statistics.median(busy)


def old_store(product: Product, grid: Grid, years: int = 40) -> None:
    """What the catalogue costs on the last of many days."""
    with tempfile.TemporaryDirectory() as folder:
        region = Path(folder) / "soil_moisture_1km" / "korea"
        for back in range(365 * years):
            day = DAY - dt.timedelta(days=back)
            held = region / f"{day:%Y/%m/%d}"
            held.mkdir(parents=True)
            pointer = {"stac": f"soil_moisture_1km/korea/{day:%Y/%m/%d}/r01/{file_stem(item(-back))}.json"}
            (held / "latest.json").write_text(json.dumps(pointer))
            (held.parent / "catalog.json").touch()
            (held.parents[1] / "catalog.json").touch()
        one = item(0).model_copy(update={"directory": f"soil_moisture_1km/korea/{DAY:%Y/%m/%d}/r01"})
        begun = time.perf_counter()
        made = list(catalogue_files(Path(folder), one, product, grid))
        what = f"catalogue of a day after {years} years, {len(made)} files"
        print(f"{what:52s} {time.perf_counter() - begun:7.2f} s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--height", type=int, default=1000)
    options.add_argument("--width", type=int, default=700)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    grid = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=given.width,
                            height=given.height)
    fields, product = made_up(grid, 1), SOIL_MOISTURE_1KM
    print(f"{grid.height} x {grid.width} cells, {len(product.variables)} layers, median of {given.repeats}")

    def write(folder: Path, one: ProductItem) -> list[FileRef]:
        return [*write_cogs(fields, product, folder, item=one, grid=grid),
                write_netcdf(fields, product, folder, item=one, grid=grid)]

    def publish(folder: Path) -> ProductStore:
        store = ProductStore(folder / "products")
        store.publish(item(0), product, grid, write)
        return store

    plain = measured("rasterio, plain", lambda d: write_plain(fields, d, grid), given.repeats)
    measured("rasterio, DEFLATE in tiles", lambda d: write_plain(
        fields, d, grid, compress="deflate", predictor=2, tiled=True, blockxsize=256, blockysize=256), given.repeats)
    cogs = measured("COGs with overviews, statistics, tags, checksums", lambda d: write_cogs(
        fields, product, d, item=item(0), grid=grid), given.repeats)
    whole = measured("NetCDF", lambda d: write_netcdf(fields, product, d, item=item(0), grid=grid), given.repeats)
    total = measured("publish: both, STAC, checksums, catalogue, fsync", publish, given.repeats)
    print(f"CPU, publish / plain write: {total / plain:.1f}; beyond writing: {total - cogs - whole:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        write_cogs(fields, product, Path(folder), item=item(0), grid=grid)
        begun = time.perf_counter()
        read_cogs(Path(folder), product, item(0), grid)
        print(f"{'reading all layers back':52s} {time.perf_counter() - begun:7.2f} s")
    old_store(product, grid)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
