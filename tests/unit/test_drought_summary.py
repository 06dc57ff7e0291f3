"""The day's drought by unit, in figures."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
import shapely
import xarray as xr
from pyproj import Transformer

from sm_core.domain import Grid, QaFlag, Region
from sm_core.drought import AdminUnits, DroughtSummary, summarise, to_markdown
from sm_core.errors import GridMismatchError

DAY = dt.date(2019, 4, 15)
FLAT = Grid.from_origin("g", west=950_000, north=1_960_000, resolution=1000, width=10, height=10, crs="EPSG:5179")
PERCENTILE = {0: 50.0, 1: 25.0, 2: 15.0, 3: 8.0, 4: 4.0, 5: 1.0}
LONLAT = Transformer.from_crs("EPSG:5179", "EPSG:4326", always_xy=True).transform


def region(grid=FLAT):
    return Region.model_validate({"region_id": "r", "title": "Somewhere", "grid": grid, "tiles": [], "roles": {},
                                  "statics": {}})


def fields(classes, *, flags=0, grid=FLAT, **extra):
    percentile = np.array([PERCENTILE.get(int(c), np.nan) for c in np.ravel(classes)], np.float32).reshape(grid.shape)
    flags = np.broadcast_to(np.uint16(flags), grid.shape)
    more = {name: (("drought", "y", "x")[-np.ndim(values):], values) for name, values in extra.items()}
    return xr.Dataset(
        {"percentile_sm_rootzone": (("y", "x"), percentile), "qa_flags": (("y", "x"), flags), **more},
        {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id},
    )


def box(left, top, right, bottom):
    """Columns and rows of FLAT as a polygon in degrees."""
    edges = 950_000 + 1000 * left, 1_960_000 - 1000 * bottom, 950_000 + 1000 * right, 1_960_000 - 1000 * top
    shape = shapely.box(*edges)
    return shapely.transform(shapely.segmentize(shape, 100), lambda xy: np.column_stack(LONLAT(xy[:, 0], xy[:, 1])))


def one_unit(grid=FLAT):
    shape = box(-1, -1, 11, 11) if grid is FLAT else shapely.box(*grid.bounds)
    return AdminUnits.of_shapes(("all",), (shape,), grid)


def halves():
    return AdminUnits.of_shapes(("west", "east"), (box(0, 0, 5, 10), box(5, 0, 10, 10)), FLAT, korean=("서", "동"))


def bands(*names):
    """Units of equal rows from north to south."""
    tall = 10 / len(names)
    shapes = [box(0, tall * n, 10, tall * (n + 1)) for n in range(len(names))]
    return AdminUnits.of_shapes(names, shapes, FLAT)


def summary(classes, units=None, **options):
    land = options.pop("land", np.ones((10, 10), bool))
    flags, day, extra = options.pop("flags", 0), options.pop("day", DAY), options.pop("extra", {})
    options.setdefault("maturity", "provisional")
    ds = fields(classes, flags=flags, **extra)
    return summarise(ds, units or one_unit(), land, region=region(), day=day, **options)


def share(**percent):
    """A 10 x 10 field with so many cells of each class (c0=…, c5=…)."""
    cells = [int(name[1:]) for name, count in percent.items() for _ in range(count)]
    return np.array(cells).reshape(10, 10)


def east_in(value):
    classes = np.zeros((10, 10), int)
    classes[:, 5:] = value
    return classes


def days(*classes, units=None, start=DAY):
    """Summaries of consecutive days, each with the history before it; the last one."""
    history = []
    for number, value in enumerate(classes):
        history.append(summary(east_in(value), units or halves(), day=start + dt.timedelta(number), history=history))
    return history[-1]


def test_shares_by_class():
    total = summary(share(c0=40, c1=20, c2=15, c3=12, c4=8, c5=5)).total
    assert total.class_percent == pytest.approx((40, 20, 15, 12, 8, 5), abs=0.01)
    assert total.cumulative_percent == pytest.approx((60, 40, 25, 13, 5), abs=0.01)
    assert total.severity_index == pytest.approx(143, abs=0.05)
    assert (total.assessed_percent, total.land_km2) == (100, 100)
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
    assert (total.assessed_percent, total.land_km2) == (100, 40)
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


def test_area_is_weighted_by_coverage():
    """A unit of 2.5 columns: two and a half of ten rows each; the half column is D4."""
    units = AdminUnits.of_shapes(("strip",), (box(0, 0, 2.5, 10),), FLAT)
    classes = np.zeros((10, 10), int)
    classes[:, 2:] = 5
    unit = summary(classes, units).units[0]
    assert unit.land_km2 == pytest.approx(25, abs=0.1)
    assert unit.class_percent == pytest.approx((80, 0, 0, 0, 0, 20), abs=0.01)


@pytest.mark.parametrize(("flag", "day", "assessed"), [
    (QaFlag.FROZEN, DAY, 0), (QaFlag.SNOW, DAY, 0), (QaFlag.WATER, DAY, 0), (QaFlag.URBAN, DAY, 0),
    (QaFlag.LST_GAP_FILLED, DAY, 100), (QaFlag.PADDY, DAY, 100), (QaFlag.PADDY, dt.date(2019, 5, 1), 0),
    (QaFlag.PADDY, dt.date(2019, 9, 30), 0), (QaFlag.PADDY, dt.date(2019, 10, 1), 100),
    (QaFlag.LST_GAP_FILLED | QaFlag.SNOW, DAY, 0),
])
def test_what_is_not_assessed(flag, day, assessed):
    assert summary(share(c2=100), flags=int(flag), day=day).total.assessed_percent == assessed


def test_nothing_assessed():
    total = summary(share(c2=100), flags=int(QaFlag.FROZEN)).total
    assert (total.mean_percentile, total.drought_class, total.gap_filled_percent) == (None, None, None)


def test_units_by_themselves():
    west, east = summary(east_in(4), halves()).units
    assert (west.name, west.drought_class, east.name, east.drought_class) == ("west", 0, "east", 4)
    assert east.class_percent == pytest.approx((0, 0, 0, 0, 100, 0), abs=0.01)


def test_worst_first_and_by_severity():
    units = bands("none", "mild", "d2 small", "d2 large", "d2 large too")
    classes = np.concatenate([[0] * 20, [1] * 20, [0] * 10 + [3] * 10, [3] * 20, [3] * 20]).reshape(10, 10)
    assert [u.name for u in summary(classes, units).worst] == ["d2 large", "d2 large too", "d2 small", "mild"]


def test_expected_share_from_probabilities():
    """Half of the land surely D1, half with a chance of 0.2: 60 % expected, though no cell there is classed D1."""
    probability = np.zeros((5, 10, 10), np.float32)
    probability[:2, :, :5], probability[:2, :, 5:] = 1.0, 0.2
    total = summary(share(c0=100), extra={"drought_probability": probability}).total
    assert total.expected_percent == pytest.approx((60, 60, 0, 0, 0), abs=0.01)


def test_upland_stages_are_about_cropland_in_the_farming_season():
    stage = np.zeros((10, 10), np.uint8)
    stage[:, :4], stage[0, 0] = 2, 255
    cover = np.full((10, 10), 4.0)
    cover[:, :5] = 12                                                   # cropland: 50 cells, one unknown, 39 in caution
    extra = {"upland_stage": stage}
    total = summary(share(c0=100), extra=extra, land_cover=cover).total
    assert total.stage_percent == pytest.approx((100 * 10 / 49, 0, 100 * 39 / 49, 0, 0), abs=0.01)
    assert total.upland_stage == 2
    winter = summary(share(c0=100), extra=extra, land_cover=cover, day=dt.date(2019, 11, 1)).total
    assert winter.stage_percent == total.stage_percent
    assert winter.upland_stage is None
    forest = summary(share(c0=100), extra=extra, land_cover=np.full((10, 10), 4.0)).total
    assert (forest.stage_percent, forest.upland_stage) == (None, None)


def test_flash_share_anomaly_and_age():
    flash = np.zeros((10, 10), np.uint8)
    flash[:3] = 1
    result = summary(share(c0=100), extra={
        "flash_drought": flash, "anomaly_sm_rootzone": np.full((10, 10), -1.25, np.float32),
        "observation_age": np.full((10, 10), 3.0, np.float32)})
    assert (result.total.flash_percent, result.total.mean_anomaly, result.newest_clear_days) == (30.0, -1.25, 3.0)


def test_new_worsened_improved_and_ended():
    units = bands("new", "worsened", "improved", "ended", "same")

    def rows(*values):
        return np.repeat(np.array(values), 2)[:, None] * np.ones((1, 10), int)

    before = summary(rows(0, 1, 3, 2, 2), units)
    after = summary(rows(1, 3, 1, 0, 2), units, day=DAY + dt.timedelta(7), history=[before])
    (change,) = after.changes
    assert (change.period, change.compared_with) == ("week", DAY)
    assert (change.new, change.worsened, change.improved, change.ended) == (
        ("new",), ("worsened",), ("improved",), ("ended",))
    assert [u.change_week for u in after.units] == [1, 2, -2, -2, 0]
    assert change.drought_area == pytest.approx(40 - 60, abs=0.05)
    assert after.total.change_week == 0                                 # D1 is the class of at least 30 % on both


def test_changes_since_a_day_a_week_and_a_month():
    result = days(*[0] * 5, *[1] * 20, *[3] * 10)
    assert [(c.period, (result.day - c.compared_with).days) for c in result.changes] == [
        ("day", 1), ("week", 7), ("month", 30)]
    east = result.unit("east")
    assert (east.change_day, east.change_week, east.change_month) == (0, 0, 3)
    assert [c.drought_area for c in result.changes] == pytest.approx([0, 0, 50], abs=0.05)


@pytest.mark.parametrize(("back", "found"), [(4, False), (5, True), (9, True), (10, False)])
def test_a_week_may_be_two_days_off(back, found):
    before = summary(east_in(0), halves())
    after = summary(east_in(1), halves(), day=DAY + dt.timedelta(back), history=[before])
    assert bool(after.changes) is found


def test_days_in_class():
    """In D0 from the third day, in D2 from the fifth; a day that is missing does not interrupt."""
    result = days(0, 0, 1, 1, 3, 4, 3)
    assert result.unit("east").days_in_class == 3
    assert result.unit("west").days_in_class is None
    assert days(0, 1, 1, 4, 1).unit("east").days_in_class == 4
    late = summary(east_in(1), halves(), day=DAY + dt.timedelta(9), history=[summary(east_in(1), halves())])
    assert late.unit("east").days_in_class == 10
    gap = summary(east_in(1), halves(), day=DAY + dt.timedelta(20), history=[summary(east_in(1), halves())])
    assert gap.unit("east").days_in_class == 1


def test_whose_borders_they_are_is_said():
    units = replace(halves(), attribution="Borders: somebody.")
    result = summary(east_in(1), units, attribution=("Soil: somebody else.",))
    assert result.attribution == ("Soil: somebody else.", "Borders: somebody.")
    assert to_markdown(result).endswith("Soil: somebody else.\n\nBorders: somebody.\n")


def test_what_comes_after_is_not_history():
    later = summary(east_in(3), halves(), day=DAY + dt.timedelta(1))
    assert summary(east_in(1), halves(), history=[later]).changes == ()


def test_quality():
    filled = np.zeros((10, 10), np.uint16)
    filled[:2] = int(QaFlag.LST_GAP_FILLED)
    filled[2] = int(QaFlag.NDVI_GAP_FILLED)
    beyond = np.zeros((10, 10), bool)
    beyond[0] = True
    result = summary(share(c0=100), flags=filled, extra={"extrapolated_sm_rootzone": beyond})
    assert (result.total.gap_filled_percent, result.extrapolated_percent) == (30.0, 10.0)


@pytest.mark.parametrize(("kind", "maturity", "fits"), [
    ("final", "final", True), ("final", "provisional", False), ("provisional", "provisional", True)])
def test_whether_the_climatology_is_of_the_values_kind(kind, maturity, fits):
    ds = fields(share(c0=100)).assign_attrs(climatology_kind=kind)
    result = summarise(ds, one_unit(), np.ones((10, 10), bool), region=region(), day=DAY, maturity=maturity)
    assert result.climatology_fits is fits


def test_the_summary_is_json():
    result = days(0, 1, 2)
    assert DroughtSummary.model_validate_json(result.model_dump_json()) == result


def test_another_grid_is_refused():
    with pytest.raises(GridMismatchError):
        summarise(fields(share(c0=100)).assign_attrs(grid_id="other"), one_unit(), np.ones((10, 10), bool),
                  region=region(), day=DAY, maturity="final")
