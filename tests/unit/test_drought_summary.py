"""The day's drought by unit, in figures and words."""

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from sm_core.domain import Grid, QaFlag, Region
from sm_core.drought import AdminUnits, DroughtSummary, summarise, to_markdown
from sm_core.errors import GridMismatchError

DAY = dt.date(2019, 4, 15)
FLAT = Grid.from_origin("g", west=0, north=10_000, resolution=1000, width=10, height=10, crs="EPSG:5179")
PERCENTILE = {0: 50.0, 1: 25.0, 2: 15.0, 3: 8.0, 4: 4.0, 5: 1.0}


def region(grid=FLAT):
    return Region.model_validate({"region_id": "r", "title": "Somewhere", "grid": grid, "tiles": [], "roles": {},
                                  "statics": {}})


def fields(classes, *, flags=0, grid=FLAT, **extra):
    percentile = np.array([PERCENTILE.get(int(c), np.nan) for c in np.ravel(classes)], np.float32).reshape(grid.shape)
    flags = np.broadcast_to(np.uint16(flags), grid.shape)
    return xr.Dataset(
        {"percentile_sm_rootzone": (("y", "x"), percentile), "qa_flags": (("y", "x"), flags),
         **{name: (("y", "x"), values) for name, values in extra.items()}},
        {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id},
    )


def one_unit(grid=FLAT, name="all"):
    return AdminUnits((name,), np.zeros(grid.shape, np.int32), grid)


def halves():
    index = np.zeros((10, 10), np.int32)
    index[:, 5:] = 1
    return AdminUnits(("west", "east"), index, FLAT)


def summary(classes, units=None, **options):
    land = options.pop("land", np.ones((10, 10), bool))
    flags, day = options.pop("flags", 0), options.pop("day", DAY)
    return summarise(fields(classes, flags=flags), units or one_unit(), land, region=region(), day=day,
                     maturity="provisional", **options)


def share(**percent):
    """A 10 x 10 field with so many cells of each class (c0=…, c5=…)."""
    cells = [int(name[1:]) for name, count in percent.items() for _ in range(count)]
    return np.array(cells).reshape(10, 10)


def test_shares_by_class():
    total = summary(share(c0=40, c1=20, c2=15, c3=12, c4=8, c5=5)).total
    assert total.class_percent == pytest.approx((40, 20, 15, 12, 8, 5), abs=0.01)
    assert total.cumulative_percent == pytest.approx((60, 40, 25, 13, 5), abs=0.01)
    assert total.severity_index == pytest.approx(143, abs=0.05)
    assert total.assessed_percent == 100
    mean = 0.4 * 50 + 0.2 * 25 + 0.15 * 15 + 0.12 * 8 + 0.08 * 4 + 0.05 * 1
    assert total.mean_percentile == pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(("cells", "value"), [
    ({"c0": 71, "c3": 29}, 0), ({"c0": 70, "c3": 30}, 3), ({"c0": 40, "c1": 31, "c4": 29}, 1),
    ({"c0": 40, "c2": 31, "c4": 29}, 2), ({"c0": 70, "c4": 15, "c5": 15}, 4), ({"c5": 100}, 5), ({"c0": 100}, 0),
])
def test_the_most_severe_class_or_worse_on_30_per_cent(cells, value):
    assert summary(share(**cells)).total.drought_class == value


@pytest.mark.parametrize(("known", "value"), [(49, None), (50, 2)])
def test_a_class_needs_half_of_the_land(known, value):
    total = summary(share(c2=known, c255=100 - known)).total
    assert total.assessed_percent == pytest.approx(known)
    assert total.drought_class == value
    assert total.class_percent[2] == pytest.approx(100)


def test_sea_is_not_counted():
    land = np.zeros((10, 10), bool)
    land[:, :4] = True
    classes = np.zeros((10, 10), int)
    classes[:, :2] = 3
    total = summary(classes, land=land).total
    assert total.assessed_percent == 100
    assert total.class_percent == pytest.approx((50, 0, 0, 50, 0, 0), abs=0.01)


def test_area_is_weighted_by_latitude():
    """Rows at 60.5 and 0.5 degrees: cos 0.4924 and 1.0000, so the polar row is a third of the land."""
    grid = Grid.from_origin("tall", west=0, north=61, resolution=1, width=1, height=61)
    land = np.zeros(grid.shape, bool)
    land[[0, 60]] = True
    classes = np.zeros(grid.shape, int)
    classes[0] = 5
    result = summarise(fields(classes, grid=grid), one_unit(grid), land, region=region(grid), day=DAY, maturity="final")
    assert result.total.class_percent[5] == pytest.approx(100 * 0.49242 / (0.49242 + 0.99996), abs=0.01)
    assert result.total.mean_percentile == pytest.approx((0.49242 * 1 + 0.99996 * 50) / 1.49238, abs=0.05)


@pytest.mark.parametrize(("flag", "day", "assessed"), [
    (QaFlag.FROZEN, DAY, 0), (QaFlag.SNOW, DAY, 0), (QaFlag.WATER, DAY, 0), (QaFlag.URBAN, DAY, 0),
    (QaFlag.LST_GAP_FILLED, DAY, 100), (QaFlag.PADDY, DAY, 100), (QaFlag.PADDY, dt.date(2019, 5, 1), 0),
    (QaFlag.PADDY, dt.date(2019, 9, 30), 0), (QaFlag.PADDY, dt.date(2019, 10, 1), 100),
    (QaFlag.LST_GAP_FILLED | QaFlag.SNOW, DAY, 0),
])
def test_what_is_not_assessed(flag, day, assessed):
    assert summary(share(c2=100), flags=int(flag), day=day).total.assessed_percent == assessed


def test_nothing_assessed_is_said():
    result = summary(share(c2=100), flags=int(QaFlag.FROZEN))
    assert result.total.mean_percentile is None
    assert result.total.drought_class is None
    assert result.gap_filled_percent is None
    assert "could not be assessed" in to_markdown(result)


def test_units_by_themselves():
    classes = np.zeros((10, 10), int)
    classes[:, 5:] = 4
    west, east = summary(classes, halves()).units
    assert (west.name, west.drought_class, east.name, east.drought_class) == ("west", 0, "east", 4)
    assert east.class_percent == pytest.approx((0, 0, 0, 0, 100, 0))


def test_worst_first_and_by_severity():
    index = np.repeat(np.arange(5, dtype=np.int32), 20).reshape(10, 10)
    units = AdminUnits(("none", "mild", "d2 small", "d2 large", "d2 large too"), index, FLAT)
    classes = np.concatenate([[0] * 20, [1] * 20, [0] * 10 + [3] * 10, [3] * 20, [3] * 20]).reshape(10, 10)
    assert [u.name for u in summary(classes, units).worst] == ["d2 large", "d2 large too", "d2 small", "mild"]


def test_change_from_a_previous_summary():
    before = summary(share(c0=100), halves())
    classes = np.zeros((10, 10), int)
    classes[:, 5:] = 3
    after = summary(classes, halves(), previous=before, day=DAY + dt.timedelta(7))
    assert [u.change for u in after.units] == [0, 3]
    assert after.total.change == 3
    assert after.compared_with == DAY
    assert after.drought_area_change == pytest.approx(50, abs=0.01)
    text = to_markdown(after)
    assert ("Compared with 15 April 2019: area in drought (D1+) +50.0 percentage points; worse in east; "
            "no unit better.") in text
    assert "| east | D2 severe drought | +3 | 100 | 100 | 100 | 0 | 0 | 8.0 | 100 |" in text


def test_quality_line():
    filled = np.zeros((10, 10), np.uint16)
    filled[:2] = int(QaFlag.LST_GAP_FILLED)
    filled[2] = int(QaFlag.NDVI_GAP_FILLED)
    beyond = np.zeros((10, 10), bool)
    beyond[0] = True
    ds = fields(share(c0=100), extrapolated_sm_rootzone=beyond).assign(qa_flags=(("y", "x"), filled))
    result = summarise(ds, one_unit(), np.ones((10, 10), bool), region=region(), day=DAY, maturity="final",
                       sources=("GLEAM_v4.2a.SMrz", "MOD11A1.061"), based_on="an-item")
    assert (result.gap_filled_percent, result.extrapolated_percent) == (30.0, 10.0)
    assert ("Data quality: final; 100 % of the land assessed; 30 % of it gap-filled; 10 % of it beyond the "
            "climatological record; made from GLEAM_v4.2a.SMrz, MOD11A1.061.") in to_markdown(result)


def test_the_words():
    text = to_markdown(summary(share(c0=50, c2=30, c3=20), halves()))
    assert text.startswith("# Soil-moisture drought, Somewhere, 15 April 2019\n")
    assert ("**50 % of the assessed land is abnormally dry or worse (D0+), 50 % is in drought (D1+), 20 % in severe "
            "drought or worse (D2+). Hit hardest: east and west (D1 moderate drought).**") in text
    assert "not an official drought warning" in text
    calm = to_markdown(summary(share(c0=100), halves()))
    assert "No drought: less than 1 % of the assessed land is abnormally dry." in calm
    assert "No unit is in D0 or worse: 2 without drought, 0 not assessed." in calm


def test_a_long_list_is_cut():
    index = np.repeat(np.arange(20, dtype=np.int32), 5).reshape(10, 10)
    units = AdminUnits(tuple(f"unit {i:02d}" for i in range(20)), index, FLAT)
    text = to_markdown(summary(share(c0=20, c2=80), units))
    assert text.count("| unit ") == 10
    assert "Other units: 6 in D0 or worse, 4 without drought, 0 not assessed." in text
    assert "unit 04, unit 05, unit 06, unit 07, unit 08 and 11 more (D1 moderate drought)" in text


def test_the_summary_is_json():
    result = summary(share(c0=50, c5=50), halves())
    assert DroughtSummary.model_validate_json(result.model_dump_json()) == result


def test_another_grid_is_refused():
    with pytest.raises(GridMismatchError):
        summarise(fields(share(c0=100)).assign_attrs(grid_id="other"), one_unit(), np.ones((10, 10), bool),
                  region=region(), day=DAY, maturity="final")
