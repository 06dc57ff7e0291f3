from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from sm_core.twin.fields import GaussianField, Interpolation, Lattice, generator, remembered

DAY = dt.date(2019, 6, 1)


def test_numbers_depend_on_seed_name_and_key_alone() -> None:
    first = generator(1, "rain", 5).random(4)
    generator(1, "cloud", 5).random(100)
    assert np.array_equal(first, generator(1, "rain", 5).random(4))
    for other in (generator(2, "rain", 5), generator(1, "sun", 5), generator(1, "rain", 6), generator(1, "rain")):
        assert not np.array_equal(first, other.random(4))


def test_field_has_unit_variance_and_exponential_correlation() -> None:
    field = GaussianField((24, 24), (10.0, 10.0), 50.0)
    draws = field.draw(generator(3, "field"), 800)
    assert draws.shape == (800, 24, 24)
    assert draws.mean() == pytest.approx(0.0, abs=0.05)
    assert draws.var() == pytest.approx(1.0, abs=0.05)
    along = (draws[:, :, :-5] * draws[:, :, 5:]).mean()
    down = (draws[:, :-5] * draws[:, 5:]).mean()
    assert along == pytest.approx(np.exp(-1.0), abs=0.06)
    assert down == pytest.approx(np.exp(-1.0), abs=0.06)


def test_remembered_field_has_its_memory_and_needs_no_history() -> None:
    field = GaussianField((8, 8), (10.0, 10.0), 5.0)
    days = [DAY + dt.timedelta(days=n) for n in range(60)]
    forward = np.stack([remembered(field, 1, "haze", day, 0.6) for day in days])
    alone = remembered(field, 1, "haze", days[37], 0.6)
    assert np.array_equal(alone, forward[37])
    assert forward.var() == pytest.approx(1.0, abs=0.12)
    assert (forward[1:] * forward[:-1]).mean() / forward.var() == pytest.approx(0.6, abs=0.06)


def test_lattice_covers_its_points() -> None:
    lattice = Lattice.covering(np.array([126.52, 128.41]), np.array([35.07, 36.93]), 0.1)
    assert lattice.lon[0] == pytest.approx(126.5)
    assert lattice.lon[-1] == pytest.approx(128.5)
    assert lattice.lat[0] == pytest.approx(37.0)
    assert lattice.lat[-1] == pytest.approx(35.0)
    assert lattice.shape == (21, 21)


def test_interpolation_is_exact_for_a_plane() -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(126.5, 128.0, 50), rng.uniform(35.0, 36.0, 50)
    lattice = Lattice.covering(lon, lat, 0.1)
    plane = (2.0 * lattice.lon[None, :] - 3.0 * lattice.lat[:, None]).astype(np.float64)
    assert Interpolation.between(lattice, lon, lat)(plane) == pytest.approx(2.0 * lon - 3.0 * lat, abs=1e-4)
