"""What pytesmo finds on the QA4SM test data of Hawaii, kept in qa4sm_expected.json.

Run: pip install pytesmo==0.18.1; SM_REAL_DATA=... PYTHONPATH=. python benchmarks/make_qa4sm_expected.py
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from sm_core.sources.ismn import read_ismn

FOLDER = "qa4sm_hawaii"
SECOND = pd.Timedelta(seconds=1)
WINDOW = pd.Timedelta(hours=6)


@dataclass(frozen=True)
class Product:
    """Cell time series: folder, variable, first day of their clock, factor to m3/m3."""

    folder: str
    variable: str
    epoch: str
    factor: float = 1.0


PRODUCTS = {
    "ERA5-Land": Product("ERA5_LAND/ERA5_LAND_TESTDATA_HAWAII", "swvl1", "1858-11-17"),
    "GLDAS": Product("GLDAS/GLDAS_TESTDATA_HAWAII", "SoilMoi0_10cm_inst", "1858-11-17", 0.01),
    "C3S": Product("C3S/C3S_V201812/TCDR/063_images_to_ts/combined-daily", "sm", "1970-01-01"),
    "ESA CCI": Product("ESA_CCI_SM_combined/ESA_CCI_SM_C_V04_4", "sm", "1970-01-01"),
}


def stations(root: Path) -> dict[str, tuple[float, float, pd.Series]]:
    """Longitude, latitude and readings with flag G [m3/m3] of every sensor."""
    found = {}
    for one in read_ismn(root / FOLDER / "ISMN" / "ISMN_TESTDATA_HAWAII.zip"):
        good = one.values.loc[one.values["flag"] == "G", "value"]
        found[one.station.station_id] = one.station.lon, one.station.lat, good
    return found


def nearest_series(root: Path, product: Product, lon: float, lat: float) -> pd.Series:
    """Series [m3/m3] of the product's nearest location, 2017 and 2018; -9999 is unknown."""
    found = []
    for cell in sorted((root / FOLDER / product.folder).glob("0*.nc")):
        with h5py.File(cell) as file:
            east = (file["lon"][:] - lon) * np.cos(np.deg2rad(lat))
            distance = np.hypot(east, file["lat"][:] - lat)
            place = int(distance.argmin())
            values = np.asarray(file[product.variable][place], np.float64)
            times = pd.Timestamp(product.epoch) + pd.to_timedelta(file["time"][:], unit="D").round("s")
            found.append((distance[place], pd.Series(np.where(values < 0, np.nan, values) * product.factor, times)))
    series = min(found, key=lambda one: one[0])[1].dropna()
    return series[(series.index >= "2017") & (series.index < "2019")]


def main() -> None:
    root = Path(os.environ["SM_REAL_DATA"])
    expected: dict[str, object] = {"pytesmo": version("pytesmo"), "pairs": {}, "triplets": {}}
    for name, (lon, lat, good) in stations(root).items():
        series = {product: nearest_series(root, PRODUCTS[product], lon, lat) for product in PRODUCTS}
        expected["pairs"][name] = {product: pairwise_figures(good, other) for product, other in series.items()}
        expected["triplets"][name] = triple_figures(*(series[product] for product in ("ERA5-Land", "GLDAS", "C3S")))
    path = Path(__file__).resolve().parents[1] / "tests" / "real" / "qa4sm_expected.json"
    path.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def pairwise_figures(station: pd.Series, other: pd.Series) -> dict[str, object]:
    """Figures of one product against one station. pytesmo takes the later of two equally near: hence the second."""
    from pytesmo.temporal_matching import temporal_collocation

    if other.empty:
        return {"n_obs": 0}
    shifted = station.set_axis(station.index + SECOND)
    near = temporal_collocation(other, shifted, WINDOW + SECOND, dropna=True)
    daily = pd.concat({"e": by_day(other), "o": by_day(station)}, axis=1, join="inner").dropna()
    return {
        "n_obs": len(near), "sum_station": float(near.sum()), "sum_product": float(other[near.index].sum()),
        **metrics(other[near.index].to_numpy(), near.to_numpy()), "daily": {"n_obs": len(daily), **day_figures(daily)},
    }


def metrics(e: np.ndarray, o: np.ndarray) -> dict[str, float]:
    from pytesmo.metrics import pairwise as p

    mse, corr, bias2, var = p.mse_decomposition(e, o)
    r, bias, ubrmsd = p.pearson_r(e, o), p.bias(e, o), p.ubrmsd(e, o)
    limits = {"R": p.pearson_r_ci(e, o, r), "BIAS": p.bias_ci(e, o, bias), "urmsd": p.ubrmsd_ci(e, o, ubrmsd)}
    return {
        "R": float(r), "rho": float(p.spearman_r(e, o)), "tau": float(p.kendall_tau(e, o)), "BIAS": float(bias),
        "RMSD": float(p.rmsd(e, o)), "urmsd": float(ubrmsd), "mse": float(mse), "mse_corr": float(corr),
        "mse_bias": float(bias2), "mse_var": float(var), "RSS": float(p.RSS(e, o)),
        **{f"{name}_ci_{side}": float(limits[name][k]) for name in limits for k, side in enumerate(("lower", "upper"))},
    }


def day_figures(daily: pd.DataFrame) -> dict[str, float]:
    from pytesmo.metrics import pairwise as p
    from pytesmo.time_series.anomaly import calc_anomaly

    usual = pd.Series(np.linspace(0.1, 0.4, 366), np.arange(1, 367))
    moving = {name: calc_anomaly(daily[name], window_size=35) for name in daily}
    fixed = {name: calc_anomaly(daily[name], climatology=usual, respect_leap_years=False) for name in daily}
    return {
        "R": float(p.pearson_r(daily["e"].to_numpy(), daily["o"].to_numpy())),
        "anomaly_R": float(p.pearson_r(moving["e"].to_numpy(), moving["o"].to_numpy())),
        "anomaly_R_of_a_ramp": float(p.pearson_r(fixed["e"].to_numpy(), fixed["o"].to_numpy())),
    }


def triple_figures(*series: pd.Series) -> dict[str, object]:
    from pytesmo.metrics import tcol_metrics

    days = pd.concat([by_day(one) for one in series], axis=1, join="inner").dropna()
    snr, err_std, beta = tcol_metrics(*days.to_numpy().T)
    return {"n_obs": len(days), "snr": list(snr), "err_std": list(err_std), "beta": list(beta)}


def by_day(series: pd.Series) -> pd.Series:
    """Means of UTC days, written another way than the library's."""
    edges = pd.date_range("2017-01-01", "2019-01-01", freq="D")
    means = {first: series[(series.index >= first) & (series.index < last)].mean() for first, last in pairwise(edges)}
    return pd.Series(means)


if __name__ == "__main__":
    main()
