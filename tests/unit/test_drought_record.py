"""The record at 1 km, against the definition written out plainly."""

import datetime as dt

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.domain import LAYERS, Grid
from sm_core.drought import FineDay, FineRecord, fit
from sm_core.drought.ranking import MISSING, compare_with_sample
from sm_core.errors import GridMismatchError, ModelIntegrityError, ModelNotFoundError

GRID = Grid.from_origin("g", west=126.0, north=36.2, resolution=0.05, width=4, height=4)
LAYER = "sm_rootzone"


def field(values, grid=GRID):
    values = np.broadcast_to(np.asarray(values, np.float32), grid.shape)
    return xr.Dataset(dict.fromkeys(LAYERS, (("y", "x"), values)), {"y": grid.y, "x": grid.x},
                      {"grid_id": grid.grid_id, "crs": grid.crs})


def plain(value, sample):
    """Percentile, outside, mean and standard deviation: one cell, one value after the other."""
    ordered = sorted(sample)
    n = len(ordered)
    ranks = {}
    for i, x in enumerate(ordered, 1):
        ranks.setdefault(x, []).append(i)
    if value in ranks:
        rank = sum(ranks[value]) / len(ranks[value])
    elif value < ordered[0] or value > ordered[-1]:
        rank = 1 if value < ordered[0] else n
    else:
        low = max(x for x in ordered if x < value)
        high = min(x for x in ordered if x > value)
        rank = ranks[low][-1] + (value - low) / (high - low)
    mean = sum(ordered) / n
    deviation = (sum((x - mean) ** 2 for x in ordered) / max(n - 1, 1)) ** 0.5
    return 100 * (rank - 0.44) / (n + 0.12), not ordered[0] <= value <= ordered[-1], mean, deviation


def plain_quantile(sample, percent):
    ordered, n = sorted(sample), len(sample)
    rank = min(max(percent / 100 * (n + 0.12) + 0.44, 1), n)
    lower = int(rank)
    upper = min(lower + 1, n)
    return ordered[lower - 1] + (rank - lower) * (ordered[upper - 1] - ordered[lower - 1])


@given(st.lists(st.integers(900, 950), min_size=1, max_size=60), st.integers(890, 960), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_as_the_definition_says(sample, value, missing):
    row = np.array(sorted(sample) + [int(MISSING)] * missing, np.uint16)[None]
    result = compare_with_sample(np.array([float(value)]), row, np.array([30]))
    percent, outside, mean, deviation = plain(value, sample)
    assert result.percent[0] == pytest.approx(percent, abs=1e-4)
    assert not outside or result.extrapolated[0]
    assert result.limits[:, 0] == pytest.approx([plain_quantile(sample, p) for p in (30, 20, 10, 5, 2)], rel=1e-6)
    if deviation > 0:
        assert result.anomaly[0] == pytest.approx((value - mean) / deviation, abs=1e-3)
    else:
        assert np.isnan(result.anomaly[0])


def test_between_steps():
    """0.25 of the way from the second to the third of five."""
    sample = np.array([[10, 20, 30, 40, 50]], np.uint16)
    value = np.array([22.5])
    assert compare_with_sample(value, sample, np.array([30])).percent[0] == pytest.approx(100 * (2.25 - 0.44) / 5.12)


def test_no_sample_and_no_value():
    sample = np.full((2, 3), MISSING)
    sample[1] = 5
    result = compare_with_sample(np.array([4.0, np.nan]), sample, np.array([0, 30]))
    assert np.isnan(result.percent).all()
    assert np.isnan(result.limits[:, 0]).all()
    assert (result.limits[:, 1] == 5).all()


def random_days(first, last, seed=1):
    rng = np.random.default_rng(seed)
    day = first
    while day <= last:
        yield day, field(np.round(rng.uniform(0.1, 0.4, GRID.shape), 4))
        day += dt.timedelta(1)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    made = FineRecord.create(tmp_path_factory.mktemp("record"), GRID, made_with="m:1")
    made.add((day, ds) for day, ds in random_days(dt.date(2000, 1, 1), dt.date(2003, 12, 31)))
    return made


@pytest.mark.parametrize("day", [dt.date(2010, 7, 1), dt.date(2010, 1, 3), dt.date(2012, 2, 29), dt.date(2010, 12, 25)])
def test_the_window_of_all_years(record, day):
    """31 days by month and day, 29 February left out, the year a circle."""
    centre = dt.date(2001, day.month, min(day.day, 28) if day.month == 2 else day.day)
    near = {((centre + dt.timedelta(n)).month, (centre + dt.timedelta(n)).day) for n in range(-15, 16)}
    sample = [ds[LAYER].values[2, 1] for d, ds in random_days(dt.date(2000, 1, 1), dt.date(2003, 12, 31))
              if (d.month, d.day) in near]
    compared, years = record.compare(LAYER, np.full(GRID.shape, 0.2437), day)
    percent, _, mean, deviation = plain(2437, [round(float(x) * 10000) for x in sample])
    assert len(sample) == 31 * 4
    assert compared.percent[2, 1] == pytest.approx(percent, abs=1e-3)
    assert compared.anomaly[2, 1] == pytest.approx((2437 - mean) / deviation, abs=1e-3)
    assert compared.limits[0, 2, 1] == pytest.approx(np.quantile(sample, 0.30), abs=3e-3)
    assert (years == 4).all()
    assert compared.extrapolated.all()                                  # 4 years are too few


def test_added_again_it_is_replaced(tmp_path):
    record = FineRecord.create(tmp_path, GRID)
    day = dt.date(2001, 5, 5)
    assert record.add([(day, field(0.2)), (day + dt.timedelta(1), field(0.3))]) == 2
    before = record.compare(LAYER, np.full(GRID.shape, 0.25), day)[0].percent
    record.add([(day, field(0.4))])
    after = record.compare(LAYER, np.full(GRID.shape, 0.25), day)[0].percent
    assert before == pytest.approx(100 * (1.5 - 0.44) / 2.12, abs=0.01)
    assert after == pytest.approx(100 * 0.56 / 2.12, abs=1e-4)
    assert FineRecord.open(tmp_path).years == record.years == (2001,)


def test_the_same_days_give_the_same_bytes(tmp_path):
    paths = []
    for name in "ab":
        record = FineRecord.create(tmp_path / name, GRID)
        record.add(random_days(dt.date(2001, 1, 1), dt.date(2001, 1, 20)))
        paths.append(tmp_path / name / "2001-01.h5")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_unknown_cells(tmp_path):
    record = FineRecord.create(tmp_path, GRID)
    values = np.full(GRID.shape, 0.2)
    values[0, 0] = np.nan
    record.add([(dt.date(2001, 5, 5), field(values))])
    compared, years = record.compare(LAYER, np.full(GRID.shape, 0.25), dt.date(2001, 5, 5))
    assert np.isnan(compared.percent[0, 0])
    assert (years[0, 0], years[0, 1]) == (0, 1)


def test_another_record_is_refused(tmp_path):
    FineRecord.create(tmp_path, GRID, made_with="m:1")
    with pytest.raises(ModelIntegrityError):
        FineRecord.create(tmp_path, GRID, made_with="m:2")
    with pytest.raises(ModelIntegrityError):
        FineRecord.create(tmp_path, GRID, made_with="m:1", kind="provisional")
    with pytest.raises(ModelNotFoundError):
        FineRecord.open(tmp_path / "elsewhere")
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(ModelIntegrityError):
        FineRecord.open(tmp_path)


def test_a_damaged_month_is_told(tmp_path):
    record = FineRecord.create(tmp_path, GRID)
    record.add([(dt.date(2001, 5, 5), field(0.2))])
    (tmp_path / "2001-05.h5").write_bytes(b"nothing")
    with pytest.raises(ModelIntegrityError, match="2001-05"):
        record.compare(LAYER, np.full(GRID.shape, 0.25), dt.date(2001, 5, 5))


def test_another_grid_is_refused(tmp_path):
    with pytest.raises(GridMismatchError):
        FineRecord.create(tmp_path, GRID).add([(dt.date(2001, 5, 5), field(0.2).assign_attrs(grid_id="other"))])


def coarse_climatology(**options):
    """30 years of 0.30, 0.31, … 0.59."""
    times = np.arange("1991-01-01", "2021-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    year = times.astype("datetime64[Y]").astype(int) - 21
    values = np.broadcast_to((0.30 + 0.01 * year).astype(np.float32)[:, None, None], (len(times), 2, 2))
    coarse = xr.Dataset({LAYER: (("time", "y", "x"), values)},
                        {"time": times, "y": [36.15, 36.05], "x": [126.05, 126.15]}, {"crs": "EPSG:4326"})
    return fit({LAYER: coarse}, [FineDay(dt.date(2010, 5, 1), field(0.3), field(0.3))], GRID, **options)


def test_the_fine_record_counts_where_it_is_long_enough(tmp_path):
    """One column has 20 years of 0.10, 0.11, … 0.29, the others 19; their coarse record lies above."""
    record = FineRecord.create(tmp_path, GRID)
    for year in range(20):
        values = np.full(GRID.shape, 0.10 + 0.01 * year)
        if year == 0:
            values[:, 1:] = np.nan
        record.add([(dt.date(2000 + year, 7, 1), field(values))])
    climatology = coarse_climatology()
    percent = climatology.with_fine(record).percentile(field(0.2), dt.date(2021, 7, 1))[f"percentile_{LAYER}"].values
    assert percent[:, 0] == pytest.approx(100 * (11 - 0.44) / 20.12, abs=0.01)
    coarse = climatology.percentile(field(0.2), dt.date(2021, 7, 1))[f"percentile_{LAYER}"].values
    np.testing.assert_array_equal(percent[:, 1:], coarse[:, 1:])
    assert (coarse < 0.1).all()


def test_records_of_other_models_or_kind_do_not_belong(tmp_path):
    record = FineRecord.create(tmp_path, GRID, made_with="m:2")
    with pytest.raises(ModelIntegrityError):
        coarse_climatology(made_with="m:1").with_fine(record)
    with pytest.raises(ModelIntegrityError):
        coarse_climatology(made_with="m:2", kind="provisional").with_fine(record)
    assert coarse_climatology(made_with="m:2").with_fine(record).fine is record


def test_the_kind_is_kept(tmp_path):
    climatology = coarse_climatology(kind="provisional")
    climatology.save(tmp_path)
    loaded = type(climatology).load(tmp_path)
    assert loaded.kind == "provisional"
    assert loaded.percentile(field(0.4), dt.date(2021, 7, 1)).attrs["climatology_kind"] == "provisional"


def test_a_climatology_is_pinned_to_the_record_that_it_was_judged_with(tmp_path):
    """The newest year may grow and others may come; a past one may not change unnoticed."""
    record = FineRecord.create(tmp_path / "record", GRID)
    record.add([(dt.date(2000, 7, 1), field(0.2).assign_attrs(item_id="a"))])
    assert coarse_climatology().pin(record).pinned is None
    record.add([(dt.date(2001, 7, 1), field(0.2))])
    days = dt.date(2000, 7, 1), dt.date(2000, 7, 2), dt.date(2001, 1, 1)
    assert [record.stamp(day) for day in days] == ["a", None, None]
    coarse_climatology().pin(record).save(tmp_path)
    pinned = type(coarse_climatology()).load(tmp_path)
    assert pinned.pinned == (2000, record.until(2000).digest)
    record.add([(dt.date(2001, 7, 2), field(0.3)), (dt.date(2002, 7, 1), field(0.3))])
    assert pinned.with_fine(record).fine.years == (2000,)
    record.add([(dt.date(2000, 7, 2), field(0.3))])
    with pytest.raises(ModelIntegrityError, match="has changed"):
        pinned.with_fine(record)
    assert pinned.pin(record).pinned[0] == 2001
