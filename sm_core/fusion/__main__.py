"""Compile what fusion needs and keep it on disk: ``python -m sm_core.fusion``, once after installation."""

from datetime import date

import numpy as np
import xarray as xr

from sm_core.fusion import NDVI_PARAMS, Pair, View, coarse_at, fuse, harmonise


def main() -> None:
    image = xr.DataArray(np.random.default_rng(0).uniform(0.2, 0.8, (8, 8)).astype(np.float32), dims=("y", "x"))
    pair = Pair(date(2025, 1, 1), image, image)
    fuse(pair, pair, image, NDVI_PARAMS)
    series = image.expand_dims(time=[np.datetime64("2025-01-01", "ns")])
    coarse_at(series, xr.DataArray(np.full((8, 8), 20089.0), dims=("y", "x")))
    harmonise([View("sensor", pair.day, image, image, image)], "sensor", 10.5)


if __name__ == "__main__":
    main()
