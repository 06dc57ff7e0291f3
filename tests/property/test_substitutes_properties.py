"""What holds of every mapping, whatever the series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.substitutes import CdfMapping
from sm_core.substitutes.mapping import STEP

DAYS = 760
seeds = st.integers(0, 2**32 - 1)


def series(seed: int, scale: float) -> xr.Dataset:
    """Skewed, autocorrelated soil moisture of 2 × 2 cells in two layers, with gaps."""
    rng = np.random.default_rng(seed)
    steps = rng.gamma(0.5, scale, (DAYS, 2, 2, 2)) - scale / 2
    values = np.clip(0.2 + np.cumsum(steps - 0.05 * scale, axis=0) % 0.3, 0.01, 0.65).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    return xr.Dataset(
        {name: (("time", "y", "x"), values[:, n]) for n, name in enumerate(("sm_surface", "sm_rootzone"))},
        {"time": pd.date_range("2018-01-01", periods=DAYS).as_unit("ns"), "y": [37.0, 36.9], "x": [127.0, 127.1]},
        {"crs": "EPSG:4326", "resolution": 0.1},
    )


def fit(source: xr.Dataset, reference: xr.Dataset) -> CdfMapping:
    return CdfMapping.fit(source, reference, source_id="", reference_ids={})


@settings(max_examples=15, deadline=None)
@given(seeds, seeds, st.floats(0.005, 0.1), st.integers(0, DAYS - 1))
def test_mapping_rises_and_stays_within_the_reference(one: int, other: int, scale: float, day: int) -> None:
    source, reference = series(one, scale), series(other, 0.02)
    levels = np.linspace(0.0, 0.7, 15, dtype=np.float32)
    fields = source.isel(time=np.full(len(levels), day)).copy(deep=True)
    for name in fields:
        fields[name].values[:] = levels[:, None, None]
    mapped = fit(source, reference).apply(fields)
    for name in ("sm_surface", "sm_rootzone"):
        found = mapped[name].values
        assert (np.diff(found, axis=0) >= -1e-6).all()
        assert (found >= np.nanmin(reference[name].values, axis=0) - STEP).all()
        assert (found <= np.nanmax(reference[name].values, axis=0) + STEP).all()


@settings(max_examples=10, deadline=None)
@given(seeds, st.floats(0.005, 0.1))
def test_a_series_mapped_to_itself_is_itself(seed: int, scale: float) -> None:
    source = series(seed, scale)
    mapped = fit(source, source).apply(source)
    for name in ("sm_surface", "sm_rootzone"):
        np.testing.assert_allclose(mapped[name].values, source[name].values, atol=2 * STEP)


@settings(max_examples=10, deadline=None)
@given(seeds, seeds)
def test_unknown_stays_unknown_and_known_becomes_known(one: int, other: int) -> None:
    source, reference = series(one, 0.02), series(other, 0.02)
    mapped = fit(source, reference).apply(source.isel(time=slice(20, 60)))
    for name in ("sm_surface", "sm_rootzone"):
        np.testing.assert_array_equal(np.isnan(mapped[name].values), np.isnan(source[name].values[20:60]))
