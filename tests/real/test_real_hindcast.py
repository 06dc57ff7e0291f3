"""The real NDVI series of one tile: a middle date predicted from the dates around it, as the command line does."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

import pytest
import rasterio

from tasks.hindcast import hindcast_composite

pytestmark = pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")


def test_fusion_beats_time_interpolation_and_the_nearest_date(tmp_path: Path) -> None:
    out = tmp_path / "fused.tif"
    text = hindcast_composite(Path(os.environ["SM_REAL_DATA"]) / "modis", dt.date(2025, 3, 6), 5, out)
    rmse = {name: float(value) for name, value in re.findall(r"^\| ([A-Za-z ]+) \| ([\d.]+) \|", text, re.M)}
    assert rmse["ESTARFM"] < rmse["linear in time"]
    assert rmse["ESTARFM"] < rmse["nearest date"]
    with rasterio.open(out) as dataset:
        assert dataset.descriptions == ("value", "spread", "flag")
        assert "inusoidal" in dataset.crs.to_wkt()
        values = dataset.read(1, masked=True)
    assert -0.3 <= values.min() <= values.max() <= 1.0
