"""What holds for every climatology and every day."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sm_core.domain import Grid, Region
from sm_core.drought import AdminUnits, FineDay, classify, fit, summarise

GRID = Grid.from_origin("g", west=126.0, north=36.2, resolution=0.05, width=4, height=4)
LAYER = "sm_rootzone"
DAY = dt.date(2005, 5, 20)


def field(values):
    values = np.broadcast_to(np.asarray(values, np.float32), GRID.shape)
    return xr.Dataset({LAYER: (("y", "x"), values)}, {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


def red_noise(seed, years=24, memory=0.9):
    """Daily coarse soil moisture with a season and memory, (time, 2, 2)."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("1991-01-01", periods=int(365.25 * years), freq="D")
    noise = rng.normal(size=(len(times), 2, 2))
    state = np.zeros_like(noise)
    for day in range(1, len(times)):
        state[day] = memory * state[day - 1] + np.sqrt(1 - memory**2) * noise[day]
    season = 0.05 * np.sin(2 * np.pi * np.asarray(times.day_of_year) / 365)
    values = (0.28 + season[:, None, None] + 0.03 * state).astype(np.float32)
    coords = {"time": times, "y": [36.15, 36.05], "x": [126.05, 126.15]}
    return xr.Dataset({LAYER: (("time", "y", "x"), values)}, coords, {"crs": "EPSG:4326", "resolution": 0.1})


RECORD = red_noise(1)


def exact_line(intercept, slope):
    """A climatology whose fine days lie on a line, spread over two years."""
    coarse = np.linspace(0.2, 0.36, 40)
    return fit({LAYER: RECORD}, [
        FineDay(DAY + dt.timedelta(20 * i), field(intercept + slope * c), field(c)) for i, c in enumerate(coarse)
    ], GRID)


IDENTITY = exact_line(0.0, 1.0)


def rank(climatology, values, day=DAY):
    return climatology.percentile(field(values), day)[f"percentile_{LAYER}"].values


@given(values=arrays(np.float32, (4, 4), elements=st.floats(0, np.float32(0.6), width=32)), offset=st.integers(0, 365))
@settings(max_examples=40, deadline=None)
def test_strictly_between_0_and_100(values, offset):
    percent = rank(IDENTITY, values, DAY + dt.timedelta(offset))
    assert ((percent > 0) & (percent < 100)).all()


@given(values=arrays(np.float32, (4, 4), elements=st.floats(0, np.float32(0.5), width=32)), more=st.floats(0, 0.1))
@settings(max_examples=40, deadline=None)
def test_wetter_never_ranks_lower(values, more):
    assert (rank(IDENTITY, values + np.float32(more)) >= rank(IDENTITY, values) - 1e-4).all()


@given(intercept=st.floats(-0.05, 0.1), slope=st.floats(0.5, 2.0),
       values=arrays(np.float64, (4, 4), elements=st.floats(0.2, 0.36)))
@settings(max_examples=15, deadline=None)
def test_offset_and_gain_of_the_fine_scale_do_not_matter(intercept, slope, values):
    assert rank(exact_line(intercept, slope), intercept + slope * values) == pytest.approx(
        rank(IDENTITY, values), abs=0.3)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_classes_are_met_as_often_as_their_name_says(noise):
    """A fine cell with its own offset, yearly cycle, gain and noise: its percentiles over 24 years are uniform.

    146 days at four corners: the share below the 30th percentile is known to about 3 points.
    """
    rng = np.random.default_rng(5)
    times = pd.DatetimeIndex(RECORD.time.values)
    cycle = 0.03 * np.cos(2 * np.pi * np.asarray(times.day_of_year) / 365)

    def fine_of(position):
        coarse = RECORD[LAYER].values[position].repeat(2, 0).repeat(2, 1)
        return 0.04 + cycle[position] + 0.8 * coarse + noise * rng.normal(size=GRID.shape), coarse

    days = []
    for position in range(3, len(times), 37):
        fine, coarse = fine_of(position)
        days.append(FineDay(times[position].date(), field(fine), field(coarse)))
    climatology = fit({LAYER: RECORD}, days, GRID)
    ranks = np.concatenate([
        rank(climatology, fine_of(position)[0], times[position].date())[[0, 0, 3, 3], [0, 3, 0, 3]]
        for position in range(10, len(times), 60)
    ])
    for percentile in (10, 30, 50, 70, 90):
        assert 100 * np.mean(ranks <= percentile) == pytest.approx(percentile, abs=6)
    assert 100 * np.mean(classify(ranks) == 5) < 4


@given(percent=arrays(np.float32, (4, 4), elements=st.floats(np.float32(0.01), np.float32(99.99), width=32)
                      | st.just(np.nan)), land=arrays(np.bool_, (4, 4)))
@settings(deadline=None)
def test_shares_add_up(percent, land):
    ds = field(0.3).assign({"percentile_sm_rootzone": (("y", "x"), percent),
                            "qa_flags": (("y", "x"), np.zeros((4, 4), np.uint16))})
    region = Region.model_validate({"region_id": "r", "title": "R", "grid": GRID, "tiles": [], "roles": {},
                                    "statics": {}})
    units = AdminUnits.of_shapes(
        ("a", "b"), (shapely.box(126.0, 36.083, 126.2, 36.2), shapely.box(126.0, 36.0, 126.2, 36.083)), GRID)
    summary = summarise(ds, units, land, region=region, day=DAY, maturity="final")
    for unit in (summary.total, *summary.units):
        assert sum(unit.class_percent) == pytest.approx(100 if unit.mean_percentile is not None else 0, abs=0.06)
        assert list(unit.cumulative_percent) == sorted(unit.cumulative_percent, reverse=True)
        assert 0 <= unit.assessed_percent <= 100
