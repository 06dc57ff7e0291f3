"""Drought cell by cell: available water, class probability, flash droughts, spells, masks, and the day as a whole."""

import datetime as dt

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from sm_core.domain import Grid, QaFlag
from sm_core.drought import (
    FORD_LABOSIER,
    USDM,
    FlashRule,
    SpellRule,
    available_water_ratio,
    class_probability,
    days_in_class,
    drought_fields,
    fit,
    flash_drought,
    flash_field,
    soil_limits,
    spells,
    upland_stage,
)
from sm_core.drought.climatology import FineDay
from sm_core.drought.masks import assessable, upland
from sm_core.grid import bilinear_cells

DAY = dt.date(2010, 7, 1)
GRID = Grid.from_origin("g", west=126.0, north=36.2, resolution=0.05, width=4, height=4)


@pytest.mark.parametrize(("sand", "clay", "capacity", "wilting"), [
    (88, 5, 0.10, 0.05), (65, 10, 0.18, 0.08), (40, 20, 0.28, 0.14), (20, 15, 0.31, 0.11), (10, 35, 0.38, 0.22),
    (25, 50, 0.42, 0.30),
])
def test_limits_of_texture_classes(sand, clay, capacity, wilting):
    """Table 3 of Saxton & Rawls (2006), 2.5 % organic matter: sand, sandy loam, loam, silt loam, silty clay loam, clay.

    The table is rounded to 1 %.
    """
    assert [float(limit) for limit in soil_limits(sand, clay)] == pytest.approx([capacity, wilting], abs=0.0101)


def test_impossible_textures_are_unknown():
    assert np.isnan(soil_limits([60, -1, np.nan], [50, 10, 10])).all()
    assert np.isnan(available_water_ratio(0.2, 0.15, 0.14))             # holds next to nothing


@pytest.mark.parametrize(("ratio", "stage"), [
    (60.01, 0), (60.0, 1), (45.01, 1), (45.0, 2), (30.01, 2), (30.0, 3), (15.01, 3), (15.0, 4), (0.0, 4)])
def test_stages(ratio, stage):
    assert upland_stage(ratio) == stage


@given(st.floats(0, 0.5), st.floats(0.001, 0.1), st.lists(st.floats(0, 0.5), min_size=5, max_size=5).map(sorted))
def test_probabilities_are_those_of_a_normal_distribution(value, sigma, limits):
    limits = limits[::-1]
    probability = class_probability(value, sigma, limits)
    assert probability == pytest.approx(norm.cdf(limits, value, sigma), abs=1e-6)
    assert (np.diff(probability) <= 0).all()


def test_a_certain_value_has_its_class_for_certain():
    assert class_probability(0.2, 0.0, [0.3, 0.2, 0.1]).tolist() == [1, 1, 0]
    assert np.isnan(class_probability([np.nan, 0.2, 0.2], [0.1, np.nan, 0.1], [[0.2, 0.2, np.nan]])).all()


def course(*pieces):
    """Percentiles of (value, days)."""
    return np.concatenate([np.full(days, float(value)) for value, days in pieces])


def flash_days(percentile, **rule):
    return np.flatnonzero(flash_drought(percentile, FlashRule(**{"lasts_days": 1} | rule))).tolist()


def test_a_fall_within_20_days():
    """Means of 5 days: 42 on day 11 is the last from 40; 18 on day 22 the first to 20; 18 on day 30 the last."""
    assert flash_days(course((50, 10), (30, 10), (10, 10), (50, 10))) == list(range(22, 31))


def test_a_slow_fall_is_none():
    """The last mean from 40 is that of day 11, so that one to 20 counts on day 31, but not on day 32."""
    assert flash_days(course((50, 10), (30, 19), (10, 10)))[0] == 31
    slow = course((50, 10), (30, 20), (10, 10))
    assert flash_days(slow) == []
    assert flash_days(slow, within_days=21)[0] == 32


def test_never_wet_is_none():
    assert flash_days(course((35, 10), (5, 20))) == []


def test_unknown_days_are_bridged():
    percentile = course((50, 10), (10, 10))
    percentile[11:13] = np.nan
    assert flash_days(percentile) != []
    percentile[8:] = np.nan
    assert flash_days(percentile) == []


def test_cells_by_themselves():
    both = np.stack([course((50, 10), (10, 10)), course((50, 20))], axis=1)[:, :, None]
    assert flash_drought(both, FORD_LABOSIER)[-1].ravel().tolist() == [True, False]


def test_a_fall_counts_once_it_has_lasted():
    """The mean is at or below 20 from day 22 to day 30, nine days: too short for ten of them, not for nine."""
    percentile = course((50, 10), (30, 10), (10, 10), (50, 10))
    assert flash_days(percentile, lasts_days=9) == [30]
    assert flash_days(percentile, lasts_days=10) == []
    longer = course((50, 10), (30, 10), (10, 20), (50, 10))
    assert flash_days(longer, lasts_days=10) == list(range(31, 41))
    assert np.flatnonzero(flash_drought(longer)).tolist() == list(range(31, 41))


def test_the_history_that_a_rule_needs_is_enough():
    """A fall of 20 days that has lasted ten is just recognised; with a day less of history it is not."""
    percentile = course((60, 5), (30, 17), (10, 30))
    first = flash_days(percentile, lasts_days=10)[0]
    rule = FlashRule()
    assert flash_drought(percentile[first + 1 - rule.days_needed:first + 1])[-1]
    field = xr.DataArray(percentile[:first, None, None] * np.ones((1, 120, 2)), dims=("time", "y", "x"), coords={
        "time": np.datetime64("2020-06-01", "ns") + np.arange(first) * np.timedelta64(1, "D")})
    today = dt.date(2020, 6, 1) + dt.timedelta(days=first)
    assert (flash_field(np.full((120, 2), percentile[first]), field, today) == 1).all()


def dates(count):
    return [dt.date(2020, 1, 1) + dt.timedelta(n) for n in range(count)]


def found(classes, **rule):
    return [(s.start.timetuple().tm_yday, s.end.timetuple().tm_yday, s.worst, s.ongoing)
            for s in spells(dates(len(classes)), classes, SpellRule(**rule))]


def test_spells_need_to_last_and_end_slowly():
    assert found([2] * 4 + [0] * 20) == []
    assert found([0] * 3 + [2] * 5 + [0] * 9 + [3] * 2 + [0] * 10) == [(4, 19, 3, False)]
    assert found([0] * 3 + [2] * 5 + [0] * 10 + [3] * 6) == [(4, 8, 2, False), (19, 24, 3, True)]
    assert found([1] * 30) == []
    assert found([1] * 30, at_least=1) == [(1, 30, 1, True)]


def test_unknown_days_neither_begin_nor_end_a_spell():
    assert found([2, 2, None, 2, 2, 2] + [None] * 20 + [0] * 10) == [(1, 6, 2, False)]


def test_days_in_class():
    assert days_in_class([], []) is None
    assert days_in_class(dates(2), [1, None]) is None
    assert days_in_class(dates(4), [0, 1, None, 1]) == 3


def test_masks():
    flags = np.array([[0, QaFlag.SNOW, QaFlag.PADDY, QaFlag.STEEP]], np.uint16)
    assert assessable(flags, dt.date(2020, 6, 1)).tolist() == [[True, False, False, True]]
    assert assessable(flags, dt.date(2020, 4, 1)).tolist() == [[True, False, True, True]]
    assert upland(np.array([[12, 14, 12, 4]]), flags).tolist() == [[True, True, False, False]]


def fields(**values):
    return xr.Dataset({name: (("y", "x"), np.full(GRID.shape, value, np.float32)) for name, value in values.items()},
                      {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


@pytest.fixture(scope="module")
def climatology():
    """30 years of 0.10, 0.11, … 0.39, the same all year."""
    times = np.arange("1991-01-01", "2021-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    year = times.astype("datetime64[Y]").astype(int) - 21
    values = np.broadcast_to((0.10 + 0.01 * year).astype(np.float32)[:, None, None], (len(times), 2, 2))
    record = xr.Dataset({"sm_rootzone": (("time", "y", "x"), values)},
                        {"time": times, "y": [36.15, 36.05], "x": [126.05, 126.15]}, {"crs": "EPSG:4326"})
    days = [FineDay(DAY + dt.timedelta(20 * n), fields(sm_rootzone=v), fields(sm_rootzone=v))
            for n, v in enumerate((0.2, 0.3))]
    return fit({"sm_rootzone": record}, days, GRID)


def test_the_whole_day(climatology):
    """0.105 of 0.10 … 0.39: rank 31.5 of 930 is 3.3 %: D3; the soil of 40 % sand and 20 % clay has 0.137 to 0.28."""
    recent = xr.DataArray(np.full((33, 4, 4), 60.0), dims=("time", "y", "x"), coords={
        "time": np.datetime64(DAY, "ns") - np.arange(1, 34) * np.timedelta64(1, "D")})
    recent[:14] = 3.0
    day = drought_fields(fields(sm_rootzone=0.105, sm_rootzone_spread=0.01), climatology, fields(sand=40, clay=20), DAY,
                         recent=recent)
    assert day.percentile_sm_rootzone.values == pytest.approx(100 * (31.5 - 0.44) / 930.12, abs=0.01)
    assert day.limits_sm_rootzone.values[:, 0, 0] == pytest.approx([0.18, 0.15, 0.12, 0.11, 0.10], abs=0.011)
    assert day.drought.values.tolist() == [drought.name for drought in USDM]
    d3 = float(day.limits_sm_rootzone.sel(drought="D3")[0, 0])
    assert day.drought_probability.sel(drought="D3").values == pytest.approx(norm.cdf((d3 - 0.105) / 0.01), abs=1e-4)
    mean, deviation = np.mean(0.1 + 0.01 * np.arange(30)), np.std(np.repeat(0.1 + 0.01 * np.arange(30), 31), ddof=1)
    assert day.anomaly_sm_rootzone.values == pytest.approx((0.105 - mean) / deviation, abs=2e-3)
    assert (day.available_water_ratio == 0).all()
    assert (day.upland_stage == 4).all()
    assert (day.flash_drought == 1).all()


def test_the_limit_of_a_class_has_that_percentile(climatology):
    limits = climatology.percentile(fields(sm_rootzone=0.2), DAY)["limits_sm_rootzone"].values
    for drought, limit in zip(USDM, limits, strict=True):
        just_above = climatology.percentile(fields(sm_rootzone=0).assign(sm_rootzone=(("y", "x"), limit + 1e-4)), DAY)
        assert just_above.percentile_sm_rootzone.values == pytest.approx(drought.up_to, abs=1.8)


def test_what_is_not_known_is_left_out(climatology):
    day = drought_fields(fields(sm_rootzone=0.2), climatology, fields(land=1), DAY)
    assert not {"drought_probability", "available_water_ratio", "flash_drought"} & set(day)
    assert day.attrs["climatology_kind"] == "final"


def test_the_anomaly_between_coarse_centres():
    """Mean and deviation of the mixed quantile function, written out for every cell."""
    rng = np.random.default_rng(4)
    times = np.arange("1991-01-01", "2021-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    spread = np.array([[0.01, 0.05], [0.03, 0.08]])
    values = (0.3 + spread * rng.gamma(2.0, size=(len(times), 2, 2))).astype(np.float32)
    record = xr.Dataset({"sm_rootzone": (("time", "y", "x"), values)},
                        {"time": times, "y": [36.15, 36.05], "x": [126.05, 126.15]}, {"crs": "EPSG:4326"})
    identity = [FineDay(DAY, fields(sm_rootzone=0.3), fields(sm_rootzone=0.3))]
    climatology = fit({"sm_rootzone": record}, identity, GRID)
    stored = climatology.layers["sm_rootzone"].record
    ordered = np.sort(stored.isel(doy=slice(181 - 15, 181 + 16)).values.reshape(-1, 4), axis=0)
    cells, weights = bilinear_cells(stored, GRID)
    mixed = sum(weight * ordered[:, cell] for cell, weight in zip(cells, weights, strict=True))
    found = climatology.percentile(fields(sm_rootzone=0.35), DAY)["anomaly_sm_rootzone"].values.ravel()
    assert found == pytest.approx((0.35 - mixed.mean(axis=0)) / mixed.std(axis=0, ddof=1), abs=2e-3)
    assert np.ptp(found) > 0.5
