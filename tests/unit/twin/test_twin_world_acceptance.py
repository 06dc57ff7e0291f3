from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from sm_core.domain import Grid, Region
from sm_core.twin.acceptance import Acceptance, _onset_days, as_table, measure
from sm_core.twin.spec import TwinSpec
from sm_core.twin.world import make_world


@pytest.mark.parametrize("seed", [3, 6])
def test_a_quick_world_is_credible(region: Region, tmp_path: Path, seed: int) -> None:
    grid = Grid.from_origin("degree", west=127.2, north=36.8, resolution=0.02, width=50, height=50)
    spec = TwinSpec(region=region.model_copy(update={"grid": grid}), start=dt.date(2018, 1, 1),
                    end=dt.date(2019, 12, 31), record_start=dt.date(2008, 1, 1), seed=seed, stations=48)
    results = measure(make_world(spec, tmp_path))
    assert len(results) == 22
    assert [result for result in results if not result.ok] == []


def test_what_was_not_measured_is_not_accepted() -> None:
    assert not Acceptance(name="nothing", value=float("nan"), low=0.0, high=1.0).ok
    assert Acceptance(name="edge", value=1.0, low=0.0, high=1.0).ok


def test_table_marks_what_is_not_accepted() -> None:
    table = as_table([Acceptance(name="rain", value=2000.0, low=1000.0, high=1600.0)])
    assert table.splitlines()[-1] == "| rain | 2e+03 | 1000 to 1600 | NOT OK |"


def test_onset_of_a_flash_drought() -> None:
    assert _onset_days(np.array([70.0, 45.0, 35.0, 30.0, 25.0, 15.0, 5.0])) == 4.0
    assert np.isnan(_onset_days(np.array([70.0, 60.0, 30.0])))
    assert np.isnan(_onset_days(np.array([30.0, 25.0, 10.0])))
