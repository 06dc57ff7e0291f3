import numpy as np
import pytest

from sm_core.validation import CoverageTable, Status, coverage

RNG = np.random.default_rng(2)
STATION = np.repeat(np.arange(30), 100)
VALUE = RNG.uniform(0.1, 0.4, 3000)
OBSERVED = VALUE + 0.04 * RNG.standard_normal(3000)


def table(sigma, **options):
    return coverage(value=VALUE, sigma=np.full(3000, sigma), observed=OBSERVED, station=STATION, **options)


@pytest.mark.parametrize("nominal", [0.5, 0.8, 0.9])
def test_an_honest_sigma_covers_what_it_says(nominal):
    row = table(0.04).row(nominal)
    assert row.share.value == pytest.approx(nominal, abs=0.02)
    assert row.share.lower < nominal < row.share.upper
    assert (row.places, row.pairs, row.status) == (30, 3000, Status.OK)


def test_a_boast_is_seen():
    row = table(0.02).row(0.9)
    assert row.share.upper < 0.7
    assert row.half_width == pytest.approx(1.6449 * 0.02, rel=1e-4)


def test_shares_by_hand_with_given_factors():
    found = coverage(value=np.zeros(40), sigma=np.ones(40), observed=np.tile([0.5, 1.0, -1.5, 3.0], 10),
                     station=np.repeat(np.arange(4), 10), levels=(0.5, 0.9), factors=(1.0, 2.0))
    assert [row.share.value for row in found.rows] == [0.5, 0.75]


def test_strata_and_too_little():
    labels = {"season": np.where(np.arange(3000) % 2 == 0, "JJA", None),
              "place": np.where(STATION < 2, "hill", "plain")}
    found = table(0.04, labels=labels)
    assert found.row(0.8, "season", "JJA").pairs == 1500
    assert found.row(0.8, "place", "hill").status is Status.NOT_ENOUGH_DATA
    assert str(CoverageTable.model_validate_json(found.model_dump_json())) == str(found)
    assert "| place | hill | 80% | – | nan | 2 | 200 | NOT_ENOUGH_DATA |" in str(found)


def test_interval_knows_that_stations_differ():
    # each station has an offset of its own: 30 stations, not 3000 rows, say how sure the share is
    offset = np.repeat(0.08 * RNG.standard_normal(30), 100)
    shifted = coverage(value=VALUE + offset, sigma=np.full(3000, 0.04), observed=OBSERVED, station=STATION).row(0.9)
    plain = table(0.04).row(0.9)
    assert shifted.share.upper - shifted.share.lower > 5 * (plain.share.upper - plain.share.lower)
