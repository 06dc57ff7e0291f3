from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from sm_core.errors import InsufficientInputsError
from sm_core.fusion import NDVI_PARAMS
from sm_core.fusion.hindcast import hindcast

DAYS = [dt.date(2025, 1, 1) + dt.timedelta(days=16 * n) for n in range(5)]


def image(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values.astype(np.float32), dims=("y", "x"),
                        coords={"y": -np.arange(values.shape[0]), "x": np.arange(values.shape[1])})


def series(level: list[float], seed: int = 0) -> dict[dt.date, xr.DataArray]:
    pattern = np.random.default_rng(seed).uniform(0.2, 0.5, (60, 60))
    padded = np.full((70, 80), np.nan)
    images = {}
    for day, value in zip(DAYS, level, strict=True):
        frame = padded.copy()
        frame[5:65, 10:70] = pattern + value
        images[day] = image(frame)
    return images


def test_jump_that_only_the_coarse_image_saw_is_predicted() -> None:
    fused, scores = hindcast(series([0.0, 0.0, 0.2, 0.0, 0.0]), DAYS[2], NDVI_PARAMS)
    by_method = {score.method: score for score in scores}
    assert fused["value"].shape == (60, 60)
    assert by_method["linear in time"].rmse == pytest.approx(0.2, abs=1e-4)
    assert by_method["nearest date"].bias == pytest.approx(-0.2, abs=1e-4)
    assert by_method["ESTARFM"].rmse < 0.02
    assert {score.pixels for score in scores} == {3600}


def test_true_image_is_never_among_the_base_images() -> None:
    images = series([0.0, 0.1, 0.0, 0.1, 0.2])
    noise = np.random.default_rng(1).normal(0, 0.1, (70, 80)).astype(np.float32)
    noisy = images | {DAYS[2]: images[DAYS[2]] + noise - noise.mean()}
    _, scores = hindcast(noisy, DAYS[2], NDVI_PARAMS)
    assert scores[0].rmse > 0.05


@pytest.mark.parametrize("day", [DAYS[0], DAYS[-1], dt.date(2030, 1, 1)])
def test_day_needs_neighbours_on_both_sides(day: dt.date) -> None:
    with pytest.raises(InsufficientInputsError, match="both sides"):
        hindcast(series([0.0] * 5), day, NDVI_PARAMS)
