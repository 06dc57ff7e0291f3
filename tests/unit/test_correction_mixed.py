import numpy as np
import pytest

from sm_core.correction.mixed import fit_mixed
from sm_core.grid.points import unit_vectors

STATIONS, DAYS = 60, 30
GROUPS = ("constant", "static", "departure")


def samples(seed, *, offset_sd=0.05, daily_sd=0.02, common_sd=0.0):
    """Residual = .02 + .01 static + .03 departure + offset + noise."""
    rng = np.random.default_rng(seed)
    station = np.repeat(np.arange(STATIONS), DAYS)
    day = np.tile(np.arange(DAYS), STATIONS)
    static = rng.standard_normal(STATIONS)[station]
    departure = rng.standard_normal(DAYS)[day]
    offset = offset_sd * rng.standard_normal(STATIONS)
    noise = daily_sd * rng.standard_normal(len(day)) + common_sd * rng.standard_normal(DAYS)[day]
    columns = np.stack([np.ones(len(day)), static, departure], axis=1)
    return columns, 0.02 + 0.01 * static + 0.03 * departure + offset[station] + noise, station, day, offset


def places(spacing_km=30.0):
    return unit_vectors(127 + np.arange(STATIONS) * spacing_km / 88.8, np.full(STATIONS, 37.0))


def fit(columns, target, station, day, groups=GROUPS, where=None):
    return fit_mixed(columns, groups, target, station, day, places() if where is None else where, neighbour_km=20.0)


def test_variances_and_weights_are_recovered():
    fits = [fit(*samples(seed)[:4]) for seed in range(8)]
    assert np.mean([f.offset_sd for f in fits]) == pytest.approx(0.05, rel=0.1)
    assert np.mean([f.residual_sd for f in fits]) == pytest.approx(0.02, rel=0.05)
    weights = np.mean([f.weights for f in fits], axis=0)
    # three standard errors: .05 / √(60 · 8) = .0023 between stations, .02 / √(1800 · 8) within
    assert (np.abs(weights - [0.02, 0.01, 0.03]) < [0.007, 0.007, 0.001]).all()


def test_offsets_are_shrunk_station_means():
    columns, target, station, day, offset = samples(3)
    result = fit(columns, target, station, day)
    mean = np.bincount(station, target - columns @ result.weights) / DAYS
    # σo² / (σo² + σe² / n) of a station's mean, n = 30 days
    share = result.offset_sd**2 / (result.offset_sd**2 + result.design_effect * result.residual_sd**2 / DAYS)
    np.testing.assert_allclose(result.offsets, share * mean, rtol=1e-6, atol=1e-9)
    assert np.corrcoef(result.offsets, offset)[0, 1] > 0.95


def test_a_column_that_means_nothing_is_shrunk_to_nothing():
    sizes = []
    for seed in range(6):
        columns, target, station, day, _ = samples(seed)
        nothing = np.random.default_rng(100 + seed).standard_normal((STATIONS, 8))[station]
        wide = np.concatenate([columns, nothing], axis=1)
        free = np.linalg.lstsq(wide, target, rcond=None)[0][3:]
        held = fit(wide, target, station, day, (*GROUPS, *["other"] * 8)).weights[3:]
        sizes.append((np.square(held).mean(), np.square(free).mean()))
    held, free = np.mean(sizes, axis=0)
    assert held < 0.3 * free


def test_errors_common_to_a_day_count_as_one():
    alone = fit(*samples(5)[:4])
    common = fit(*samples(5, common_sd=0.03)[:4])
    assert alone.design_effect < 3
    # 60 stations that share most of a day's error
    assert common.design_effect > 10


def test_a_broken_station_hardly_moves_the_rest():
    columns, target, station, day, _ = samples(7)
    broken = target + 0.5 * (station == 0)
    sound, hit = fit(columns, target, station, day).weights, fit(columns, broken, station, day).weights
    # an unweighted mean would move by .5 / 60 = .0083
    assert abs(hit[0] - sound[0]) < 0.004


def test_neighbours_that_agree_share_their_weight():
    columns, target, station, day, _ = samples(9, offset_sd=0.01)
    lon = 127 + np.arange(STATIONS) * 30 / 88.8
    lon[:20] = 127 + np.arange(20) * 0.1 / 88.8
    shared = target + 0.1 * (station < 20)
    result = fit(columns, shared, station, day, where=unit_vectors(lon, np.full(STATIONS, 37.0)))
    assert result.neighbour_r > 0.5
    # a third of all stations read .1 more, as one place among 41
    assert abs(result.weights[0] - 0.02) < 0.015
