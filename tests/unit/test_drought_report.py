"""The report's files, and the history that the next one is compared with."""

import datetime as dt
import json

import numpy as np
import shapely
import xarray as xr

from sm_core.domain import Grid, Region
from sm_core.drought import AdminUnits, DroughtSummary, summarise
from tasks.drought import write_report

GRID = Grid.from_origin("g", west=126.0, north=37.0, resolution=0.1, width=10, height=10)
REGION = Region.model_validate({"region_id": "r", "title": "R", "grid": GRID, "tiles": [], "roles": {}, "statics": {}})


def day(number, percentile, units, history=()):
    fields = xr.Dataset({"percentile_sm_rootzone": (("y", "x"), np.full(GRID.shape, percentile, np.float32)),
                         "qa_flags": (("y", "x"), np.zeros(GRID.shape, np.uint16))},
                        {"y": GRID.y, "x": GRID.x}, {"grid_id": "g"})
    return summarise(fields, units, np.ones(GRID.shape, bool), region=REGION, day=dt.date(2020, 5, number),
                     maturity="final", history=history)


def test_all_forms_of_a_day(tmp_path):
    units = AdminUnits.of_shapes(("A", "B"), (shapely.box(126, 36, 126.5, 37), shapely.box(126.5, 36, 127, 37)), GRID)
    first = day(1, 50.0, units)
    write_report(tmp_path / "1", first, units, ())
    read = DroughtSummary.model_validate_json((tmp_path / "1" / "drought.json").read_text(encoding="utf-8"))
    second = day(2, 8.0, units, (read,))
    write_report(tmp_path / "2", second, units, (read,))
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == [
        "drought.csv", "drought.en.html", "drought.en.md", "drought.geojson", "drought.json", "drought.ko.html",
        "drought.ko.md"]
    assert json.loads((tmp_path / "2" / "drought.json").read_text(encoding="utf-8"))["changes"][0]["new"] == ["a", "b"]
    assert "신규: A, B" in (tmp_path / "2" / "drought.ko.md").read_text(encoding="utf-8")
