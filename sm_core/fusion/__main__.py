"""Compile the fusion kernel and keep it on disk: ``python -m sm_core.fusion``, once after installation."""

from datetime import date

import numpy as np
import xarray as xr

from sm_core.fusion import NDVI_PARAMS, Pair, fuse


def main() -> None:
    image = xr.DataArray(np.random.default_rng(0).uniform(0.2, 0.8, (8, 8)).astype(np.float32), dims=("y", "x"))
    pair = Pair(date(2025, 1, 1), image, image)
    fuse(pair, pair, image, NDVI_PARAMS)


if __name__ == "__main__":
    main()
