from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from sm_core.errors import ModelIntegrityError, ModelNotFoundError, TooFewSamplesError
from sm_core.substitutes import CoarseImage, FineImage, Normals, StateNormals, expected, fit_state, state_skill
from sm_core.substitutes.extension import nearest
from sm_core.substitutes.normals import middle, smoothed
from sm_core.substitutes.season import evaluate, harmonics

SHAPE = (6, 7)
FIRST = dt.date(2017, 1, 1)
Field = np.ndarray


def flat(value: float) -> Field:
    return np.full(SHAPE, value, np.float32)


def normal(day: dt.date) -> float:
    return 290.0 + 12.0 * np.cos(2 * np.pi * (day.timetuple().tm_yday - 200) / 365)


def world(days: int, seed: int = 1, memory: float = 0.8) -> tuple[list[CoarseImage], list[FineImage], Field]:
    """A coarse product that is its normal plus a remembered anomaly; fine images lie 3 K above it."""
    rng = np.random.default_rng(seed)
    anomaly = np.zeros(days)
    for n in range(1, days):
        anomaly[n] = memory * anomaly[n - 1] + np.sqrt(1 - memory**2) * 4.0 * rng.normal()
    coarse, fine = [], []
    for n in range(days):
        day = FIRST + dt.timedelta(days=n)
        value = flat(normal(day) + anomaly[n])
        coarse.append(CoarseImage(day, lambda value=value: value))
        fine.append(FineImage(day, lambda value=value: (value + np.float32(3.0), 0.0)))
    return coarse, fine, anomaly


def hand_made(gain: float = 0.5, decay: float = 10.0) -> StateNormals:
    climate, offset = np.zeros((7, *SHAPE), np.float32), np.zeros((3, *SHAPE), np.float32)
    climate[0], offset[0] = 290.0, 3.0
    return StateNormals(climate, offset, gain, decay, "coarse", "fine", FIRST, FIRST)


@pytest.fixture(scope="module")
def fitted() -> StateNormals:
    coarse, fine, _ = world(3 * 365)
    return fit_state(coarse, fine, coarse_id="coarse", fine_id="fine")


def test_harmonics_of_the_first_half_day() -> None:
    assert harmonics(-0.5, 1).tolist() == [1.0, 1.0, 0.0]
    assert evaluate(np.ones((3, *SHAPE), np.float32), np.full(SHAPE, -0.5))[0, 0] == pytest.approx(2.0)


def test_cycle_offset_and_memory_are_found_again(fitted: StateNormals) -> None:
    usual = [float(fitted.usual(dt.date(2019, month, 15))[0, 0]) for month in range(1, 13)]
    assert usual == pytest.approx([normal(dt.date(2019, month, 15)) for month in range(1, 13)], abs=2.5)
    assert fitted.offset[0] == pytest.approx(np.full(SHAPE, 3.0), abs=0.01)
    assert fitted.gain == pytest.approx(1.0, abs=0.1)
    assert np.exp(-1 / fitted.decay_days) == pytest.approx(0.8, abs=0.05)


def test_expected_is_normal_plus_damped_anomaly() -> None:
    day = dt.date(2021, 7, 1)
    seen = FineImage(day - dt.timedelta(days=5), lambda: (flat(290 + 3 + 8), 0.0))
    found = expected([day], [seen], hand_made())[0]
    assert found.values == pytest.approx(flat(290 + 0.5 * np.exp(-0.5) * 8))
    assert found.age_days == pytest.approx(flat(5))


def test_without_a_clear_view_the_normal_stands() -> None:
    day = dt.date(2021, 7, 1)
    cloudy = FineImage(day, lambda: (flat(np.nan), 0.0))
    for images in ([], [cloudy]):
        found = expected([day], images, hand_made())[0]
        assert found.values == pytest.approx(flat(290))
        assert np.isnan(found.age_days).all()


def test_the_nearest_view_counts_and_of_two_the_earlier() -> None:
    day = dt.date(2021, 7, 10)
    half = flat(5.0)
    half[:, 3:] = np.nan
    fields = [(day - dt.timedelta(days=4), flat(1.0)), (day - dt.timedelta(days=1), half),
              (day + dt.timedelta(days=4), flat(9.0))]
    value, age = nearest(day, fields, SHAPE)
    assert value[0].tolist() == [5, 5, 5, 1, 1, 1, 1]
    assert age[0].tolist() == [1, 1, 1, 4, 4, 4, 4]


def test_each_cell_of_a_composite_is_compared_with_the_normal_of_its_own_day() -> None:
    normals = hand_made()
    normals.climate[1] = 10.0
    start = dt.date(2021, 3, 1)
    age = np.broadcast_to(np.arange(7, dtype=np.float32) * 2, SHAPE).copy()
    value = evaluate(normals.climate, 59 + age) + 3.0
    composite = FineImage(start, lambda: (value.astype(np.float32), age))
    assert normals.anomaly(composite) == pytest.approx(np.zeros(SHAPE), abs=1e-3)
    assert middle(composite) == start + dt.timedelta(days=6)


def test_smoothing_keeps_a_constant_and_reaches_into_small_gaps() -> None:
    field = np.full((40, 40), 2.0)
    field[10:13, 10:13] = np.nan
    assert smoothed(field) == pytest.approx(np.full((40, 40), 2.0))
    field[:, 5:] = np.nan
    assert np.isnan(smoothed(field)[:, 20:]).all()


def test_extension_beats_normal_and_persistence_in_another_year(fitted: StateNormals) -> None:
    coarse, fine, _ = world(365, seed=9)
    rows = {row.method: row.rmse
            for row in state_skill("lst_day", fitted, coarse[20:], fine, reach_days=10, delay_days=2)}
    assert rows["extension"] < rows["climatology"]
    assert rows["extension"] < rows["persistence"]


def test_saved_normals_are_the_same(fitted: StateNormals, tmp_path: Path) -> None:
    Normals({"lst_day": fitted}).save(tmp_path)
    again = Normals.load(tmp_path).states["lst_day"]
    assert (again.gain, again.decay_days, again.last) == (fitted.gain, fitted.decay_days, fitted.last)
    np.testing.assert_array_equal(again.climate, fitted.climate)
    (tmp_path / "normals.npz").write_bytes(b"")
    with pytest.raises(ModelIntegrityError):
        Normals.load(tmp_path)
    (tmp_path / "normals.json").unlink()
    with pytest.raises(ModelNotFoundError):
        Normals.load(tmp_path)


def test_too_few_images_are_refused() -> None:
    coarse, fine, _ = world(19)
    with pytest.raises(TooFewSamplesError):
        fit_state(coarse, fine, coarse_id="coarse", fine_id="fine")
    coarse, fine, _ = world(40)
    with pytest.raises(TooFewSamplesError):
        fit_state(coarse, [], coarse_id="coarse", fine_id="fine")
    blind = [FineImage(image.start, lambda: (flat(np.nan), 0.0)) for image in fine]
    with pytest.raises(TooFewSamplesError):
        fit_state(coarse, blind, coarse_id="coarse", fine_id="fine")
