"""Our matching and metrics beside pytesmo's on real series (``benchmarks/make_qa4sm_expected.py``)."""

import json
import math
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.make_qa4sm_expected import PRODUCTS, WINDOW, nearest_series, stations
from sm_core.validation import (
    Bootstrap,
    Status,
    anomaly,
    bias,
    bias_interval,
    collocate,
    match_days,
    pair_metrics,
    pearson_interval,
    pearson_r,
    qa4sm_metrics,
    rmsd,
    triple_collocation,
    ubrmsd,
    ubrmsd_interval,
)

pytestmark = pytest.mark.real
needs_data = pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")

ROOT = Path(os.environ.get("SM_REAL_DATA", "."))
EXPECTED = json.loads(Path(__file__).with_name("qa4sm_expected.json").read_text(encoding="utf-8"))
NAMES = ("R", "rho", "tau", "BIAS", "RMSD", "urmsd", "mse", "mse_corr", "mse_bias", "mse_var", "RSS")
PUBLISHED = {  # ERA5-Land, GLDAS, C3S: correlation of daily means, two digits
    "COSMOS_Silver-Sword": (0.70, 0.80, 0.66), "SCAN_Island-Dairy": (0.39, 0.10, 0.19),
    "SCAN_Kainaliu_0.05-0.05_Hydraprobe-Analog-2.5-Volt-A": (0.29, 0.33, 0.23),
    "SCAN_Kainaliu_0.05-0.05_Hydraprobe-Analog-2.5-Volt-B": (0.28, 0.44, 0.34),
    "SCAN_Kemole-Gulch": (0.31, 0.68, 0.34), "SCAN_Kukuihaele": (0.64, 0.40, 0.40),
    "SCAN_Mana-House": (0.66, 0.55, 0.33), "SCAN_Pua-Akala": (0.04, -0.06, -0.12),
    "SCAN_Waimea-Plain": (0.36, 0.45, 0.34),
}


@pytest.fixture(scope="module")
def series():
    """By sensor its good readings and each product's nearest series."""
    return {
        name: (good, {product: nearest_series(ROOT, PRODUCTS[product], lon, lat) for product in PRODUCTS})
        for name, (lon, lat, good) in stations(ROOT).items()
    }


def close(value):
    return pytest.approx(value, abs=1e-6, rel=1e-6)


@needs_data
@pytest.mark.parametrize("product", ["ERA5-Land", "GLDAS", "C3S"])
@pytest.mark.parametrize("sensor", sorted(EXPECTED["pairs"]))
def test_matching_and_metrics_are_those_of_pytesmo(series, sensor: str, product: str) -> None:
    expected = EXPECTED["pairs"][sensor][product]
    good, products = series[sensor]
    pairs = collocate(products[product], {"station": good}, window=WINDOW)
    assert len(pairs) == expected["n_obs"] > 100
    assert pairs["station"].sum() == close(expected["sum_station"])
    assert pairs["reference"].sum() == close(expected["sum_product"])
    pair = {"estimate": pairs["reference"], "reference": pairs["station"]}
    found = qa4sm_metrics(**pair)
    assert {name: found[name] for name in NAMES} == {name: close(expected[name]) for name in NAMES}
    limits = {
        "R": pearson_interval(pearson_r(**pair), len(pairs)),
        "BIAS": bias_interval(bias(**pair), ubrmsd(**pair), len(pairs)),
        "urmsd": ubrmsd_interval(ubrmsd(**pair), len(pairs)),
    }
    for name, (lower, upper) in limits.items():
        assert (lower, upper) == (close(expected[f"{name}_ci_lower"]), close(expected[f"{name}_ci_upper"]))


@needs_data
@pytest.mark.parametrize("product", ["ERA5-Land", "GLDAS", "C3S"])
@pytest.mark.parametrize("sensor", sorted(EXPECTED["pairs"]))
def test_days_and_anomalies_are_those_of_pytesmo(series, sensor: str, product: str) -> None:
    expected = EXPECTED["pairs"][sensor][product]["daily"]
    good, products = series[sensor]
    days = match_days(good, {"product": products[product]})
    ramp = pd.Series(np.linspace(0.1, 0.4, 366), np.arange(1, 367))
    own = {
        "R": days, "anomaly_R": days.apply(anomaly, min_obs=1),
        "anomaly_R_of_a_ramp": days.apply(anomaly, climatology=ramp),
    }
    assert len(days) == expected["n_obs"]
    for name, table in own.items():
        assert pearson_r(estimate=table["product"], reference=table["reference"]) == close(expected[name]), name


@needs_data
def test_correlations_that_were_found_before(series) -> None:
    for start, published in PUBLISHED.items():
        good, products = next(own for name, own in series.items() if name.startswith(start))
        for product, value in zip(("ERA5-Land", "GLDAS", "C3S"), published, strict=True):
            days = match_days(good, {"product": products[product]})
            assert pearson_r(estimate=days["product"], reference=days["reference"]) == pytest.approx(value, abs=0.0051)


@needs_data
def test_a_product_that_ended_before_the_stations_began_has_no_overlap(series) -> None:
    for good, products in series.values():
        pairs = collocate(products["ESA CCI"], {"station": good})
        scores = pair_metrics(estimate=pairs["reference"], reference=pairs["station"])
        assert scores.status is Status.NO_OVERLAP


@needs_data
def test_memory_of_real_soil_leaves_a_fraction_of_the_pairs(series) -> None:
    for good, products in series.values():
        days = match_days(good, {"product": products["ERA5-Land"]}).asfreq("D")
        scores = pair_metrics(estimate=days["product"], reference=days["reference"])
        assert 0.02 < scores.n_eff / scores.n_obs < 0.5


@needs_data
@pytest.mark.parametrize("sensor", sorted(EXPECTED["triplets"]))
def test_triple_collocation_is_that_of_pytesmo(series, sensor: str) -> None:
    expected = EXPECTED["triplets"][sensor]
    products = series[sensor][1]
    days = match_days(products["ERA5-Land"], {name: products[name] for name in ("GLDAS", "C3S")})
    found = triple_collocation(*days.to_numpy().T, bootstrap=Bootstrap(resamples=50))
    assert len(days) == expected["n_obs"]
    for k, one in enumerate(found):
        if one.status is Status.METRIC_FAILED:                # pytesmo gives the ratio's absolute value and no error
            assert math.isnan(expected["err_std"][k])
            continue
        assert one.snr_db.value == close(expected["snr"][k])
        assert one.beta.value == close(expected["beta"][k])
        assert one.error_sd.value * one.beta.value == close(expected["err_std"][k])


def test_beside_pytesmo_itself() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pytest.importorskip("pytesmo.metrics")
        matching = pytest.importorskip("pytesmo.temporal_matching")
    rng = np.random.default_rng(12)
    times = pd.date_range("2021-01-01", periods=400, freq="h")
    station = pd.Series(rng.uniform(0.1, 0.4, 400), times + pd.to_timedelta(rng.integers(1, 1700, 400), "s"))
    station = station[rng.random(400) > 0.6]
    product = pd.Series(rng.uniform(0.1, 0.4, 80), times[::5])
    pairs = collocate(product, {"station": station}, window=pd.Timedelta(hours=2))
    matched = matching.temporal_collocation(product, station, pd.Timedelta(hours=2)).dropna()
    assert pairs["station"].tolist() == matched.tolist()
    assert pairs.index.tolist() == matched.index.tolist()
    e, o = pairs.to_numpy().T
    pair = {"estimate": e, "reference": o}
    for ours, name in ((pearson_r, "pearson_r"), (bias, "bias"), (rmsd, "rmsd"), (ubrmsd, "ubrmsd")):
        assert ours(**pair) == close(getattr(theirs, name)(e, o)), name
