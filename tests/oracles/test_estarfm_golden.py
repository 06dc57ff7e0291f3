"""ESTARFM against outputs of the published program and of its equations in float64.

Half window 25, 4 classes, images relative to dn_max: smallest coarse change 2 %, uncertainty 0.2 %. Rare pixels lie
far apart where a threshold (similarity, F test, range) tips by rounding, so means and quantiles are compared. With
gaps the published program takes its fill value into the similarity threshold; the reference is then the run in which
unknown pixels were left out.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from sm_core.fusion import EstarfmParams, Pair, fuse

pytestmark = pytest.mark.real

GOLDEN = Path(os.environ.get("SM_REAL_DATA", "absent")).parent / "golden" / "fusion"


class Case(NamedTuple):
    name: str
    reference: str
    mean: float
    p99: float
    rmse: float


CASES = (
    Case("ndvi_full", "out_zhu_idl", 0.03, 0.6, 867.48),
    Case("ndvi_full", "out_equations_float64", 0.002, 0.01, 867.48),
    Case("ndvi_crop200", "out_zhu_idl", 0.006, 0.03, 850.44),
    Case("ndvi_crop200", "out_equations_float64", 0.001, 0.01, 850.44),
    Case("ndvi_gaps_crop200", "out_zhu_idl_fill_excluded", 0.004, 0.02, 827.65),
    Case("ndvi_gaps_crop200", "out_equations_float64", 0.001, 0.01, 827.65),
    Case("lst_crop200", "out_zhu_idl", 0.0005, 0.002, 1.2431),
    Case("lst_crop200", "out_equations_float64", 0.0001, 0.001, 1.2431),
    Case("real_zhu_red", "out_zhu_idl", 0.01, 0.06, 48.72),
    Case("real_zhu_red", "out_equations_float64", 0.01, 0.06, 48.72),
    Case("real_yanco_lst", "out_equations_float64", 0.0001, 0.001, np.nan),
)


def image(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"))


def fused(stored: dict[str, np.ndarray], low: float, high: float) -> np.ndarray:
    params = EstarfmParams(uncertainty=0.002 * high, valid_range=(low, high), min_coarse_change=0.02 * high)
    before = Pair(date(2025, 1, 1), image(stored["f1"]), image(stored["c1"]))
    after = Pair(date(2025, 2, 1), image(stored["f2"]), image(stored["c2"]))
    return fuse(before, after, image(stored["c0"]), params).value.values


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_agrees_with_the_published_program(name: str) -> None:
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        pytest.skip("no reference outputs beside SM_REAL_DATA")
    with np.load(path) as file:
        stored = dict(file)
    meta = json.loads(str(stored["meta"]))
    value = fused(stored, meta["dn_min"], meta["dn_max"])
    for case in (case for case in CASES if case.name == name):
        reference = stored[case.reference]
        np.testing.assert_array_equal(np.isnan(value), np.isnan(reference))
        apart = np.abs(value - reference)
        assert np.nanmean(apart) <= case.mean, case
        assert np.nanquantile(apart, 0.99) <= case.p99, case
        if "truth" in stored:
            assert np.sqrt(np.nanmean((value - stored["truth"]) ** 2)) <= case.rmse, case
