"""The distribution of usual soil moisture and the rank of a day within it."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sm_core.domain import Grid
from sm_core.drought import Climatology, FineDay, day_index, fit
from sm_core.errors import (
    GridMismatchError,
    InsufficientInputsError,
    ModelIntegrityError,
    ModelNotFoundError,
    TooFewSamplesError,
)
from sm_core.grid import to_grid

GRID = Grid.from_origin("g", west=126.0, north=36.2, resolution=0.05, width=4, height=4)
DAY = dt.date(2010, 7, 1)
LAYER = "sm_rootzone"


def record(values, start, *, layer=LAYER):
    """A coarse record (time, 2, 2) over GRID; ``values`` (time,) or (time, 2, 2)."""
    values = np.asarray(values, np.float32)
    if values.ndim == 1:
        values = np.broadcast_to(values[:, None, None], (len(values), 2, 2))
    times = pd.date_range(start, periods=len(values), freq="D")
    coords = {"time": times, "y": [36.15, 36.05], "x": [126.05, 126.15]}
    return xr.Dataset({layer: (("time", "y", "x"), values)}, coords, {"crs": "EPSG:4326", "resolution": 0.1})


def field(values, *, layer=LAYER):
    values = np.broadcast_to(np.asarray(values, np.float32), GRID.shape)
    return xr.Dataset({layer: (("y", "x"), values)}, {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


def same_days(values, *, spacing=20):
    """Fine days equal to their coarse field: the line is the identity."""
    return [FineDay(DAY + dt.timedelta(spacing * i), field(v), field(v)) for i, v in enumerate(values)]


def one_value_a_year(values, first_year=1991):
    """A record in which all days of a year have one value."""
    days = [np.full(366 if y % 4 == 0 else 365, v) for y, v in zip(range(first_year, first_year + len(values)), values,
                                                                    strict=True)]
    return record(np.concatenate(days), f"{first_year}-01-01")


def rank(climatology, value, day=DAY):
    ranked = climatology.percentile(field(value), day)
    return ranked[f"percentile_{LAYER}"].values, ranked[f"extrapolated_{LAYER}"].values


def test_percentile_by_hand():
    """25 years of 0.10, 0.11, … 0.34, each 31 times in the window: n = 775, i of 0.22 is 373 to 403, middle 388."""
    climatology = fit({LAYER: one_value_a_year(0.10 + 0.01 * np.arange(25))}, same_days([0.2, 0.3]), GRID)
    percent, extrapolated = rank(climatology, 0.22)
    assert percent == pytest.approx(100 * (388 - 0.44) / 775.12, abs=1e-3)
    assert not extrapolated.any()


def test_between_two_values_is_between_their_ranks():
    """0.225 lies half-way between rank 403 of 0.22 and rank 404 of 0.23."""
    climatology = fit({LAYER: one_value_a_year(0.10 + 0.01 * np.arange(25))}, same_days([0.2, 0.3]), GRID)
    assert rank(climatology, 0.225)[0] == pytest.approx(100 * (403.5 - 0.44) / 775.12, abs=1e-3)


@pytest.mark.parametrize(("value", "position"), [(0.05, 1), (0.50, 775)])
def test_beyond_the_record(value, position):
    climatology = fit({LAYER: one_value_a_year(0.10 + 0.01 * np.arange(25))}, same_days([0.2, 0.3]), GRID)
    percent, extrapolated = rank(climatology, value)
    assert percent == pytest.approx(100 * (position - 0.44) / 775.12, abs=1e-4)
    assert ((percent > 0) & (percent < 100)).all()
    assert extrapolated.all()


@pytest.mark.parametrize(("years", "short"), [(19, True), (20, False)])
def test_a_record_under_20_years_is_extrapolated(years, short):
    climatology = fit({LAYER: one_value_a_year(np.linspace(0.1, 0.3, years))}, same_days([0.2, 0.3]), GRID)
    assert (rank(climatology, 0.2)[1] == short).all()


def test_only_the_season_counts():
    """Dry July, wet January: a value low in January is high in July."""
    times = pd.date_range("1991-01-01", "2015-12-31", freq="D")
    season = 0.25 + 0.10 * np.cos(2 * np.pi * times.day_of_year / 365)
    spread = 0.01 * ((times.year - 1991) % 5)
    climatology = fit({LAYER: record(season + spread, "1991-01-01")}, same_days([0.2, 0.3]), GRID)
    assert (rank(climatology, 0.25, dt.date(2010, 1, 15))[0] < 1).all()
    assert (rank(climatology, 0.25, dt.date(2010, 7, 15))[0] > 99).all()


@pytest.mark.parametrize("day", [dt.date(2010, 12, 31), dt.date(2011, 1, 1), dt.date(2012, 1, 10)])
def test_the_window_goes_round_the_year(day):
    """Each day's value is its distance from New Year; the window holds 0 to 15 on either side of the day."""
    times = pd.date_range("1991-01-01", "2015-12-31", freq="D")
    position = np.array([dt.date(2001, t.month, 28 if (t.month, t.day) == (2, 29) else t.day).timetuple().tm_yday - 1
                         for t in times])
    from_new_year = (position + 182) % 365 - 182
    climatology = fit({LAYER: record(0.3 + 0.001 * from_new_year, "1991-01-01")}, same_days([0.2, 0.3]), GRID)
    here = (day.timetuple().tm_yday - 1 + 182) % 365 - 182
    percent, extrapolated = rank(climatology, 0.3 + 0.001 * here, day)
    assert percent == pytest.approx(50, abs=0.1)
    assert not extrapolated.any()
    for shift, position in ((-16, 1), (-15, 13), (15, 763), (16, 775)):
        percent = rank(climatology, 0.3 + 0.001 * (here + shift), day)[0]
        assert percent == pytest.approx(100 * (position - 0.44) / 775.12, abs=2e-3)


def test_leap_day_is_28_february():
    climatology = fit({LAYER: one_value_a_year(np.linspace(0.1, 0.3, 25))}, same_days([0.2, 0.3]), GRID)
    leap, before = (rank(climatology, 0.21, dt.date(2024, 2, day))[0] for day in (29, 28))
    np.testing.assert_array_equal(leap, before)


def test_the_29th_of_february_is_left_out_of_the_record():
    values = one_value_a_year(np.linspace(0.1, 0.3, 25))
    leap = (values.time.dt.month == 2) & (values.time.dt.day == 29)
    values[LAYER] = xr.where(leap, 0.9, values[LAYER])
    climatology = fit({LAYER: values}, same_days([0.2, 0.3]), GRID)
    assert rank(climatology, 0.31, dt.date(2010, 2, 28))[1].all()


def test_the_line_to_1_km_is_inverted():
    """fine = 0.05 + 1.5 coarse exactly, 30 independent days: ranks are those of the coarse value."""
    coarse = np.linspace(0.10, 0.30, 30)
    days = [FineDay(DAY + dt.timedelta(20 * i), field(0.05 + 1.5 * c), field(c)) for i, c in enumerate(coarse)]
    climatology = fit({LAYER: one_value_a_year(0.10 + 0.01 * np.arange(25))}, days, GRID)
    part = climatology.layers[LAYER]
    assert part.slope == pytest.approx(1.5, abs=1e-4)
    assert part.offset[0] == pytest.approx(0.05, abs=1e-4)
    assert part.offset[1:] == pytest.approx(0, abs=1e-4)
    # 0.05 + 1.5 * 0.225 = 0.3875; the record steps by 0.01, a coarse error of 1e-5 moves the rank by a thousandth
    assert rank(climatology, 0.3875)[0] == pytest.approx(100 * (403.5 - 0.44) / 775.12, abs=0.01)


def test_slope_is_the_ratio_of_standard_deviations():
    """Noise must not stretch the coarse-equivalent: reduced major axis, not regression."""
    rng = np.random.default_rng(1)
    coarse = rng.normal(0.25, 0.04, 400)
    fine = coarse + rng.normal(0, 0.03, 400)                            # sd 0.05 of 0.04; regression gives 1
    days = [FineDay(DAY + dt.timedelta(10 * i), field(f), field(c)) for i, (f, c) in enumerate(zip(fine, coarse,
                                                                                                     strict=True))]
    slope = fit({LAYER: one_value_a_year([0.2, 0.3])}, days, GRID).layers[LAYER].slope
    assert slope == pytest.approx(np.std(fine) / np.std(coarse), abs=0.03)
    assert (slope > np.polyfit(coarse, fine, 1)[0] + 0.1).all()


def season(days):
    """Columns 1, cosine and sine of the day of the year."""
    angle = 2 * np.pi * (np.array([day_index(day) for day in days]) + 0.5) / 365
    return np.stack([np.ones(len(days)), np.cos(angle), np.sin(angle)], axis=1)


def test_a_poorly_known_slope_is_drawn_to_one():
    """w = s² / (s² + slope² (1 - r²) / (m - 4)) with s = 0.25, of values without their yearly cycle."""
    rng = np.random.default_rng(4)
    days = [DAY + dt.timedelta(20 * i) for i in range(12)]
    coarse = rng.normal(0.25, 0.04, 12)
    fine = 0.1 + 2 * coarse + rng.normal(0, 0.05, 12)
    x, y = (v - season(days) @ np.linalg.lstsq(season(days), v, rcond=None)[0] for v in (coarse, fine))
    axis, r = np.std(y) / np.std(x), np.corrcoef(x, y)[0, 1]
    weight = 0.0625 / (0.0625 + axis**2 * (1 - r**2) / 8)
    assert 0.1 < weight < 0.9
    fine_days = [FineDay(day, field(f), field(c)) for day, f, c in zip(days, fine, coarse, strict=True)]
    slope = fit({LAYER: one_value_a_year([0.2, 0.3])}, fine_days, GRID).layers[LAYER].slope
    assert slope == pytest.approx(weight * axis + 1 - weight, abs=1e-3)


def test_a_seasonal_offset_is_no_drought():
    """The fine cell is 0.03 drier than its line each spring: its ranks in spring are those of the coarse value."""
    rng = np.random.default_rng(5)
    days = [DAY + dt.timedelta(10 * i) for i in range(74)]
    coarse = rng.normal(0.22, 0.03, 74)
    cycle = 0.03 * season(days)[:, 2]
    fine_days = [FineDay(day, field(0.02 + c + o), field(c)) for day, c, o in zip(days, coarse, cycle, strict=True)]
    climatology = fit({LAYER: one_value_a_year(0.10 + 0.01 * np.arange(25))}, fine_days, GRID)
    assert climatology.layers[LAYER].offset[:, 0, 0] == pytest.approx([0.02, 0, 0.03], abs=1e-4)
    for day in (dt.date(2010, 4, 1), dt.date(2010, 10, 1)):
        offset = 0.02 + 0.03 * season([day])[0, 2]
        assert rank(climatology, 0.225 + offset, day)[0] == pytest.approx(52.0, abs=0.1)


def test_a_seasonal_offset_is_not_guessed_from_one_season():
    """Noisy days of two months only: the cycle stays near 0 instead of running away in the other ten."""
    rng = np.random.default_rng(6)
    days = [DAY + dt.timedelta(2 * i) for i in range(30)]
    coarse = rng.normal(0.25, 0.03, 30)
    fine = coarse + rng.normal(0, 0.02, 30)
    fine_days = [FineDay(day, field(f), field(c)) for day, f, c in zip(days, fine, coarse, strict=True)]
    offset = fit({LAYER: one_value_a_year([0.2, 0.3])}, fine_days, GRID).layers[LAYER].offset[:, 0, 0]
    assert np.abs(offset[1:]).max() < 0.01
    unguarded = np.linalg.lstsq(season(days), fine - coarse, rcond=None)[0]
    assert np.abs(unguarded[1:]).max() > 0.03


@pytest.mark.parametrize("fine", [(0.3,), (0.3, 0.2, 0.1, 0.25), (0.3, 0.3, 0.3, 0.3)])
def test_slope_is_one_without_a_positive_relation(fine):
    """One day; falling with the coarse value; constant."""
    coarse = (0.1, 0.15, 0.2, 0.11)[:len(fine)]
    days = [FineDay(DAY + dt.timedelta(20 * i), field(f), field(c)) for i, (f, c) in enumerate(zip(fine, coarse,
                                                                                                     strict=True))]
    part = fit({LAYER: one_value_a_year([0.2, 0.3])}, days, GRID).layers[LAYER]
    assert part.slope == pytest.approx(1.0)
    assert part.offset[0] == pytest.approx(np.mean(fine) - np.mean(coarse), abs=1e-6)
    assert part.offset[1:] == pytest.approx(0, abs=1e-6)


def test_days_close_together_count_as_one():
    """80 daily values with 10 days' memory are about eight independent ones, so the slope stays nearer to 1."""
    rng = np.random.default_rng(2)
    coarse = rng.normal(0.25, 0.04, 80)
    fine = 0.1 + 2 * coarse + rng.normal(0, 0.08, 80)
    slopes = []
    for spacing in (1, 10):
        days = [FineDay(DAY + dt.timedelta(spacing * i), field(f), field(c))
                for i, (f, c) in enumerate(zip(fine, coarse, strict=True))]
        slopes.append(float(fit({LAYER: one_value_a_year([0.2, 0.3])}, days, GRID).layers[LAYER].slope[0, 0]))
    assert 1 < slopes[0] < slopes[1]


def test_distribution_between_coarse_cells_is_bilinear():
    """Western cells 0.1 drier than eastern: in the middle the median lies half-way."""
    base = np.asarray(one_value_a_year(0.10 + 0.01 * np.arange(25))[LAYER])
    base = base + np.array([0.0, 0.1], np.float32)[None, None, :]
    coarse = record(base, "1991-01-01")
    day = to_grid(coarse.isel(time=[0]), GRID, "bilinear").isel(time=0, drop=True)
    climatology = fit({LAYER: coarse}, [FineDay(DAY, day, day)], GRID)
    # columns lie at 126.025 (outside the centres: western cell), 126.075 (a quarter), 126.125, 126.175
    medians = np.broadcast_to(np.array([0.22, 0.245, 0.295, 0.32]), GRID.shape)
    ranked = climatology.percentile(field(medians), DAY)[f"percentile_{LAYER}"].values
    assert ranked == pytest.approx(50.0, abs=2.0)


def test_sea_cells_do_not_reach_land():
    base = np.array(one_value_a_year(0.10 + 0.01 * np.arange(25))[LAYER])
    base[:, :, 1] = np.nan
    climatology = fit({LAYER: record(base, "1991-01-01")}, same_days([0.2, 0.3]), GRID)
    percent, _ = rank(climatology, 0.22)
    assert percent[:, :3] == pytest.approx(50.0, abs=0.1)
    assert np.isnan(percent[:, 3]).all()


def test_cells_with_gaps_in_the_record():
    """A cell with every second day missing has the same distribution."""
    base = np.array(one_value_a_year(0.10 + 0.01 * np.arange(25))[LAYER])
    base[::2, 0, 0] = np.nan
    climatology = fit({LAYER: record(base, "1991-01-01")}, same_days([0.2, 0.3]), GRID)
    percent, extrapolated = rank(climatology, 0.2251)
    assert percent == pytest.approx(52.0, abs=0.3)
    assert not extrapolated.any()


def test_unknown_stays_unknown():
    values = np.full(GRID.shape, 0.2)
    values[1, 2] = np.nan
    climatology = fit({LAYER: one_value_a_year(np.linspace(0.1, 0.3, 25))}, same_days([0.2, 0.3]), GRID)
    percent, extrapolated = rank(climatology, values)
    assert np.isnan(percent[1, 2])
    assert not extrapolated[1, 2]
    assert np.isfinite(percent).sum() == 15


def test_both_layers_and_only_those_there_are():
    records = {layer: one_value_a_year(np.linspace(0.1, 0.3, 25)).rename({LAYER: layer})
               for layer in ("sm_surface", "sm_rootzone")}
    both = xr.merge([field(0.2, layer="sm_surface"), field(0.25)], combine_attrs="override")
    climatology = fit(records, [FineDay(DAY, both, both)], GRID)
    ranked = climatology.percentile(both, DAY)
    kinds = ("percentile", "extrapolated", "anomaly", "limits")
    assert set(ranked) == {f"{kind}_{layer}" for kind in kinds for layer in records}
    assert (ranked.percentile_sm_surface < ranked.percentile_sm_rootzone).all()
    assert set(climatology.percentile(field(0.2), DAY)) == {f"{kind}_{LAYER}" for kind in kinds}
    with pytest.raises(InsufficientInputsError, match="no layer"):
        climatology.percentile(field(0.2).rename({LAYER: "ndvi"}), DAY)


def test_saved_and_loaded(tmp_path):
    rng = np.random.default_rng(3)
    coarse = record(rng.uniform(0.1, 0.4, (25 * 365, 2, 2)), "1991-01-01")
    climatology = fit({LAYER: coarse}, same_days([0.2, 0.3]), GRID, made_with="downscaler:3 corrector:7")
    path = climatology.save(tmp_path)
    first = path.read_bytes()
    loaded = Climatology.load(tmp_path)
    assert (loaded.grid, loaded.made_with) == (GRID, "downscaler:3 corrector:7")
    assert loaded.layers[LAYER].years == (1991, 2015)
    values = rng.uniform(0.1, 0.4, GRID.shape)
    for day in (DAY, dt.date(2010, 1, 2), dt.date(2010, 12, 30)):
        np.testing.assert_allclose(rank(loaded, values, day)[0], rank(climatology, values, day)[0], atol=0.01)
    again = tmp_path / "again"
    again.mkdir()
    assert climatology.save(again).read_bytes() == first


def test_no_climatology(tmp_path):
    with pytest.raises(ModelNotFoundError):
        Climatology.load(tmp_path)
    (tmp_path / "climatology.nc").write_bytes(b"\x89HDF\r\n\x1a\n, and then nothing")
    with pytest.raises(ModelIntegrityError):
        Climatology.load(tmp_path)


def test_another_grid_is_refused():
    climatology = fit({LAYER: one_value_a_year([0.2, 0.3])}, same_days([0.2]), GRID)
    with pytest.raises(GridMismatchError):
        climatology.percentile(field(0.2).assign_attrs(grid_id="other"), DAY)
    other = field(0.2).assign_attrs(grid_id="other")
    with pytest.raises(GridMismatchError):
        fit({LAYER: one_value_a_year([0.2, 0.3])}, [FineDay(DAY, other, field(0.2))], GRID)


@pytest.mark.parametrize(("values", "days"), [
    ([0.2, 0.3], []), ([0.2, 0.3], same_days([np.nan, np.nan])), ([np.nan, np.nan], same_days([0.2])),
])
def test_nothing_to_learn_from(values, days):
    with pytest.raises(TooFewSamplesError):
        fit({LAYER: one_value_a_year(values)}, days, GRID)
