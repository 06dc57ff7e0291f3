"""A day's fields of the product, made up but plausible, and an item that describes them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr

from sm_core.domain import GateResult, Granule, Grid, ModelVersion, ProductItem
from sm_core.drought import classify

DAY = dt.date(2019, 6, 15)
GRID = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=600, height=700)
SMALL = Grid.from_origin("small", west=126.0, north=38.0, resolution=0.1, width=12, height=10)
PROJECTED = Grid.from_origin("utmk", west=900_000, north=1_900_000, resolution=1000, width=12, height=10,
                             crs="EPSG:5179")
MODEL = ModelVersion(name="korea-downscaler", kind="downscaler", version=3, sha256="ab" * 32, uri="models:/3",
                     trained_until=dt.date(2018, 12, 31), training_stations=("N/A/0.05",))


def granule(name: str = "MOD11A1.A2019166.h28v05.061.hdf", sha: str = "12", source: str = "MOD11A1.061") -> Granule:
    return Granule(source_id=source, start=DAY, end=DAY, tile="h28v05", uri=f"/archive/2019/{name}", size=3,
                   sha256=sha * 32)


def item(**changes: object) -> ProductItem:
    known = {
        "item_id": "0c7a3b52-6d3c-5b8e-8f39-bb0d1f2f9f11", "product_id": "soil_moisture_1km",
        "algorithm_version": "1.2.0", "region_id": "korea", "day": DAY, "revision": 2, "maturity": "provisional",
        "created": dt.datetime(2019, 6, 17, 9, 0, tzinfo=dt.UTC), "assets": (), "inputs": (granule(),),
        "fingerprint": "cd" * 32, "models": (MODEL,), "gate": GateResult(results=()), "directory": "",
    }
    return ProductItem.model_validate({**known, **changes})


def fields(grid: Grid = GRID, seed: int = 1) -> xr.Dataset:
    """Smooth fields with sea in the west."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:grid.height, 0:grid.width].astype(np.float32)
    sea = x < grid.width / 6
    moisture = 0.25 + 0.1 * np.sin(x / 80 + seed) * np.cos(y / 90) + 0.01 * rng.normal(size=grid.shape)
    percentile = np.clip(50 + 60 * np.sin(x / 40) + 8 * rng.normal(size=grid.shape), 0.09, 99.91)
    layers = {"qa_flags": rng.integers(0, 1 << 15, grid.shape).astype(np.uint16)}
    for layer in ("sm_surface", "sm_rootzone"):
        layers |= {
            layer: moisture, f"{layer}_uncertainty": 0.2 * moisture, f"percentile_{layer}": percentile,
            f"{layer}_lower_90": 0.6 * moisture, f"{layer}_upper_90": 1.4 * moisture,
        }
    layers |= {"available_water_ratio": percentile, "observation_age": np.round(20 + 20 * np.sin(y / 50))}
    land = {name: values if values.dtype == np.uint16 else np.where(sea, np.nan, values).astype(np.float32)
            for name, values in layers.items()}
    land["drought_class"] = classify(land["percentile_sm_rootzone"])
    return xr.Dataset({name: (("y", "x"), values) for name, values in land.items()}, {"y": grid.y, "x": grid.x},
                      {"grid_id": grid.grid_id, "crs": grid.crs})
