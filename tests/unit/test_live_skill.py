"""Skill of what was published lately, read back from the product store."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sm_core.domain import LAYERS, GateResult, ProductItem, Region
from sm_core.publishing import SOIL_MOISTURE_1KM, write_cogs
from tasks.accumulation import Thresholds, live_skill
from tasks.wiring import services

AS_OF = dt.datetime(2019, 7, 31, tzinfo=dt.UTC)
DAYS = [dt.date(2019, 7, 1) + dt.timedelta(days=n) for n in range(24)]


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Region:
    monkeypatch.setenv("SM_DATA", str(tmp_path))
    (tmp_path / "mlflow").mkdir()
    grid = {"grid_id": "tiny", "west": 127.0, "north": 37.0, "resolution": 0.5, "width": 2, "height": 2}
    return Region(region_id="tiny", title="Tiny", grid=grid, tiles=("h28v05",), roles={}, statics={})


def publish(region: Region, day: dt.date, value: float) -> None:
    """The same value everywhere."""
    grid = region.grid
    ds = xr.Dataset(
        {v.variable.name: (("y", "x"), np.full((2, 2), value if v.variable.name in LAYERS else 0, np.float32))
         for v in SOIL_MOISTURE_1KM.variables}, {"y": grid.y, "x": grid.x}, {"grid_id": grid.grid_id, "crs": grid.crs},
    )
    draft = ProductItem(
        item_id=f"i{day}", product_id=SOIL_MOISTURE_1KM.product_id, algorithm_version="1", region_id="tiny", day=day,
        revision=0, maturity="final", created=AS_OF, assets=(), inputs=(), fingerprint="f", models=(),
        gate=GateResult(results=()), directory="",
    )
    services().store.publish(draft, SOIL_MOISTURE_1KM, grid,
                             lambda folder, item: write_cogs(ds, SOIL_MOISTURE_1KM, folder, item=item, grid=grid))


def serve(tmp_path: Path) -> None:
    registry = services().registry
    run_id = registry.start_run("tiny", "x", {"as_of": "2019-01-01T00:00:00+00:00"})
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "m.txt").write_text("m")
    for kind in ("downscaler", "corrector", "climatology"):
        held = ("N_UNSEEN",) if kind == "corrector" else ()
        registry.promote(registry.register(run_id, "tiny", kind, folder, trained_until=dt.date(2018, 12, 1),
                                           training_stations=("N_SEEN",), held_out_stations=held))
    registry.end_run(run_id, {"stations.corrected.sm_surface.ubrmsd": 0.03}, {}, folder)


def test_published_days_are_scored_at_unseen_stations_only(region: Region, tmp_path: Path) -> None:
    table = pd.DataFrame([
        {"station_id": name, "lon": 127.2, "lat": 36.7, "day": pd.Timestamp(day), "sm_surface": value,
         "sm_rootzone": np.nan}
        for n, day in enumerate(DAYS) for name, value in (("N_UNSEEN", 0.30 - 0.02 * (-1) ** n), ("N_SEEN", 0.9))
    ])
    assert live_skill(region, table, AS_OF, Thresholds()) == ()      # nothing serves
    serve(tmp_path)
    assert live_skill(region, table, AS_OF, Thresholds()) == ()      # nothing was published
    for n, day in enumerate(DAYS):
        publish(region, day, 0.20 + 0.02 * (-1) ** n)
    (found,) = live_skill(region, table, AS_OF, Thresholds())
    assert (found.layer, found.stations, found.judged) == ("sm_surface", 1, 0.03)
    assert found.live == pytest.approx(0.04, abs=1e-4)               # wrong by ±0.04 about a bias of 0.10
    assert live_skill(region, table, AS_OF, Thresholds(live_days=20)) == ()      # too few of the days are recent
