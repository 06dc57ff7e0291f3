import math

import numpy as np
import pandas as pd
import pytest

from sm_core.validation import anomaly, anomaly_r, climatology, effective_sample_size, station_metrics
from sm_core.validation.anomalies import spacing
from sm_core.validation.lattice import Lattice

DAYS = pd.date_range("2021-01-01", periods=200)


def test_departure_from_the_mean_of_what_is_near():
    # windows of ± 1 day: means of (1, 2), (1, 2, 6), (2, 6) and, after a gap, of 10 alone
    series = pd.Series([1.0, 2.0, 6.0, np.nan, np.nan, 10.0], DAYS[:6])
    np.testing.assert_allclose(anomaly(series, window_days=2, min_obs=1), [-0.5, -1, 2, np.nan, np.nan, 0])
    np.testing.assert_allclose(anomaly(series, window_days=2, min_obs=2), [-0.5, -1, 2, np.nan, np.nan, np.nan])


def test_window_of_35_days_has_35_days():
    series = pd.Series(0.0, DAYS)
    series.iloc[100] = 35.0
    departures = anomaly(series)
    assert departures.iloc[100] == pytest.approx(34)
    assert departures.iloc[[83, 117]].tolist() == [pytest.approx(-1)] * 2
    np.testing.assert_allclose(departures.iloc[[0, 82, 118, 199]], 0, atol=1e-12)


def test_climatology_closes_the_year_and_keeps_march_in_place():
    days = pd.date_range("2019-01-01", "2020-12-31")
    first_of_march = pd.Series((days.strftime("%m-%d") == "03-01").astype(float), days)
    usual = climatology(first_of_march, window_days=1)
    assert usual[61] == 1
    assert usual.drop(61).eq(0).all()
    new_year = pd.Series((days.strftime("%m-%d") == "01-01").astype(float), days)
    assert climatology(new_year, window_days=3)[[366, 1, 2]].to_numpy() == pytest.approx([2 / 6, 2 / 6, 2 / 6])


def test_departure_from_a_climatology():
    series = pd.Series([0.3, 0.5], pd.to_datetime(["2019-03-01", "2020-02-29"]))
    usual = pd.Series({60: 0.1, 61: 0.2})
    np.testing.assert_allclose(anomaly(series, climatology=usual), [0.1, 0.4])


def test_a_common_season_is_no_skill():
    season = np.cos(np.arange(200) / 60)
    rng = np.random.default_rng(0)
    e, o = (pd.Series(season + 0.05 * rng.standard_normal(200), DAYS) for _ in range(2))
    assert np.corrcoef(e, o)[0, 1] > 0.99
    found = anomaly_r(estimate=e, reference=o)
    assert abs(found.value) < 0.2
    assert found.lower < 0 < found.upper


def test_anomaly_of_both_is_taken_over_common_days():
    # the estimate's first 50 days would shift its moving mean, but the station does not know them
    e = pd.Series(np.r_[np.full(50, 9.0), np.sin(np.arange(150.0))], DAYS)
    o = e.copy()
    o.iloc[:50] = np.nan
    found = anomaly_r(estimate=e, reference=o)
    assert found.value == pytest.approx(1)
    assert found.n_obs == 150


def test_nothing_in_common():
    found = anomaly_r(estimate=pd.Series(np.nan, DAYS), reference=pd.Series(0.2, DAYS))
    assert (found.n_obs, math.isnan(found.value), math.isnan(found.n_eff)) == (0, True, True)


def test_all_stations_at_once_as_one_by_one():
    rng = np.random.default_rng(1)
    station, days = np.repeat([0, 1, 2], 200), DAYS.append(DAYS).append(DAYS)
    e, o = np.sin(np.arange(600) / 9) + rng.standard_normal((2, 600))
    e[250:300], e[rng.random(600) < 0.2] = np.nan, np.nan
    kept = (station != 2) | (np.arange(600) % 5 == 0)
    station, days, e, o = station[kept], days[kept], e[kept], o[kept]
    lattice = Lattice.of(station, days, 3)
    assert lattice.lag.tolist() == [1, 1, 5]
    sizes = lattice.effective_sizes(e, o)
    for number in range(3):
        own = station == number
        series = [pd.Series(values[own], days[own]) for values in (e, o)]
        np.testing.assert_allclose(lattice.anomalies(e)[own], anomaly(series[0]), atol=1e-12)
        every = [one.reindex(DAYS) for one in series]
        assert sizes[number] == pytest.approx(
            effective_sample_size(estimate=every[0], reference=every[1], lag=int(lattice.lag[number])))


def test_spacing_is_the_usual_step():
    assert spacing(DAYS[::5].append(DAYS[[7]])) == 5
    assert spacing(DAYS[:1]) == 1


def test_memory_of_every_tenth_day_is_measured_over_ten_days():
    days = pd.date_range("2021-01-01", periods=40, freq="10D")
    slow = np.sin(np.arange(40) / 4)
    table = pd.DataFrame({"station_id": "s", "day": days, "sm_surface": slow, "sm_rootzone": slow})
    row = station_metrics(table, table).loc[("sm_surface", "s")]
    # lag-1 autocorrelation of this sine at its own step is 0.97: few of the 40 are independent
    assert row["n_obs"] == 40
    assert row["n_eff"] < 2.5
    assert row["anomaly_r"] == pytest.approx(1)
