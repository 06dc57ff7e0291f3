import numpy as np
import pandas as pd
import pytest

from sm_core.validation import baseline_stages, gain, station_climatology, with_offset
from sm_core.validation.baselines import BASELINES
from sm_core.validation.designs import Division

STATION = np.repeat(["a", "b", "new"], 30)
COARSE = np.tile(np.linspace(0.2, 0.3, 30), 3)
OBSERVED = COARSE + np.repeat([0.05, -0.03, 0.4], 30)
TRAINING = np.tile(np.arange(30) < 15, 3) & (STATION != "new")
DAY = np.tile(pd.date_range("2021-01-01", periods=30, freq="12D"), 3)


def test_offset_is_the_stations_own_where_seen_else_the_mean():
    moved = with_offset(COARSE, OBSERVED, STATION, TRAINING)
    np.testing.assert_allclose((moved - COARSE)[[0, 29, 30, 59, 60]], [0.05, 0.05, -0.03, -0.03, 0.01])


def test_offset_never_looks_at_judged_rows():
    other = np.where(TRAINING, OBSERVED, 9.0)
    np.testing.assert_array_equal(with_offset(COARSE, OBSERVED, STATION, TRAINING),
                                  with_offset(COARSE, other, STATION, TRAINING))
    np.testing.assert_array_equal(station_climatology(OBSERVED, STATION, DAY, TRAINING),
                                  station_climatology(other, STATION, DAY, TRAINING))


def test_offset_of_too_few_days_is_that_of_the_others():
    few = TRAINING & ~((STATION == "b") & (np.tile(np.arange(30), 3) >= 9))
    np.testing.assert_allclose((with_offset(COARSE, OBSERVED, STATION, few) - COARSE)[45], 0.05)
    assert np.isnan(with_offset(COARSE, OBSERVED, STATION, np.zeros(90, bool))).all()


def test_usual_value_of_the_calendar_day():
    # two years; a is .1 and .3 on the same day of the year, b is .4; another season only b knows
    station = np.array(["a", "a", "b", "b", "a", "new", "b"])
    day = pd.to_datetime(["2019-05-01", "2020-05-10", "2019-05-05", "2019-10-01", "2021-05-03", "2021-05-03",
                          "2021-10-02"])
    observed = np.array([0.1, 0.3, 0.4, 0.2, np.nan, np.nan, np.nan])
    usual = station_climatology(observed, station, day, np.arange(7) < 4)
    np.testing.assert_allclose(usual, [0.2, 0.2, 0.4, 0.2, 0.2, 0.3, 0.2])     # new: mean of a's .2 and b's .4
    assert np.isnan(station_climatology(observed[:1], station[:1], day[:1], np.zeros(1, bool))[0])


def test_baselines_are_stages_for_every_division():
    table = pd.DataFrame({"station_id": STATION, "day": DAY, "sm_surface": OBSERVED, "sm_rootzone": OBSERVED})
    coarse = table.assign(sm_surface=COARSE, sm_rootzone=COARSE)
    parts = [Division(name, "stations", TRAINING, (STATION == "new") & half)
             for name, half in (("one", np.arange(90) % 2 == 0), ("two", np.arange(90) % 2 == 1))]
    stages = baseline_stages(table, parts, nearest=coarse, bilinear=coarse[::-1])
    assert tuple(stages) == BASELINES
    moved = stages["coarse + offset"]
    assert moved.groupby("division").size().to_dict() == {"one": 15, "two": 15}
    np.testing.assert_allclose(moved["sm_rootzone"], COARSE[60:][np.r_[0:30:2, 1:30:2]] + 0.01)


def test_gain_by_hand():
    # estimate off by .03, baseline by .04 (both constant): rmsd gains .01, a quarter; nothing else changes
    found = gain(estimate=OBSERVED + 0.03, baseline=OBSERVED - 0.04, reference=OBSERVED, station=STATION)
    assert found.rmsd.value == pytest.approx(0.01)
    assert (found.rmsd.lower, found.rmsd.upper) == (pytest.approx(0.01), pytest.approx(0.01))
    assert found.rmsd_share.value == pytest.approx(0.25)
    assert found.ubrmsd.value == pytest.approx(0, abs=1e-8)
    assert (found.places, found.pairs) == (3, 90)


def test_gain_is_positive_where_the_estimate_is_better():
    rng = np.random.default_rng(1)
    station = np.repeat(np.arange(12), 50)
    o = 5 + rng.standard_normal(600)
    good, poor = o + 0.3 * rng.standard_normal(600), o + 0.6 * rng.standard_normal(600)
    for over in ("station-days", "stations"):
        for name in ("rmsd", "ubrmsd", "pearson_r", "kge", "rmsd_share"):
            better = getattr(gain(estimate=good, baseline=poor, reference=o, station=station, over=over), name)
            worse = getattr(gain(estimate=poor, baseline=good, reference=o, station=station, over=over), name)
            assert 0 < better.lower < better.value < better.upper
            assert worse.upper < 0


def test_gain_over_oneself_is_none_and_pairs_are_common():
    holed = COARSE.copy()
    holed[:20] = np.nan
    found = gain(estimate=COARSE, baseline=holed, reference=OBSERVED, station=STATION)
    assert (found.rmsd.value, found.pairs) == (pytest.approx(0), 70)
    assert gain(estimate=COARSE, baseline=holed, reference=OBSERVED, station=STATION, over="stations",
                min_pairs=11).places == 2
