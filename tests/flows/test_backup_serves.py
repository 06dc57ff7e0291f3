"""What a backup brings back serves the same numbers, also from another folder."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tasks.backup import rebase
from tests.flows.conftest import Trained, sm_daily

DAY = "2019-08-02"


@pytest.fixture
def moved(trained: Trained, tmp_path: Path) -> tuple[Trained, Trained]:
    """The trained region, and the same restored elsewhere; the first one is gone."""
    first = trained.copy(tmp_path / "first")
    database = first.data / "mlflow" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (stored,), *_ = connection.execute("select artifact_uri from runs where status = 'FINISHED'")
    rebase(database, "mlflow", stored.removeprefix("file://").partition("/mlflow/artifacts")[0], str(first.data))
    made = first.run("run", DAY)
    assert made.returncode == 0, made.stderr
    saved = sm_daily("backup", str(tmp_path / "backup"), "--data", str(first.data))
    assert saved.returncode == 0, saved.stderr
    kept = first.data.rename(tmp_path / "first" / "kept")
    second = Trained(first.region, first.archive, tmp_path / "second")
    back = sm_daily("restore", str(tmp_path / "backup"), "--data", str(second.data))
    assert back.returncode == 0, back.stderr
    return Trained(first.region, first.archive, kept), second


@pytest.mark.endurance
def test_the_champion_serves_the_same_numbers(moved: tuple[Trained, Trained]) -> None:
    _, second = moved
    assert not list((second.data / "products").rglob("*.tif"))
    listed = sm_daily("models", "list", "--region", str(second.region), "--data", str(second.data))
    assert "champion" in listed.stdout, listed.stderr
    made = second.run("run", DAY, "--as-of", "2030-01-01T00:00")
    assert made.returncode == 0, made.stderr
    before, after = (sorted((one.data / "products").rglob("*_sm_*.tif")) for one in moved)
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(values(old), values(new))


def values(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)
