"""Which stations may teach a model, and why others may not."""

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import Station
from sm_core.errors import StationFileError
from sm_core.qc import AdmissionRules, admissible
from sm_core.sources.stations import StationSeries


def station(days=200, *, start="2020-04-01", lat=36.0, depth=0.05, name="A", flags=None):
    """Four readings a day that never repeat; ``flags`` by reading."""
    rng = np.random.default_rng(2)
    values = 0.25 + 0.03 * np.sin(np.arange(4 * days) / 40) + 0.002 * rng.standard_normal(4 * days)
    index = pd.date_range(start, periods=4 * days, freq="6h", name="time").as_unit("ns")
    table = pd.DataFrame({"value": values, "flag": "G" if flags is None else flags, "provider_flag": ""}, index=index)
    place = Station(station_id=f"N_{name}", network="N", name=name, lon=127.0, lat=lat, depth_from_m=depth,
                    depth_to_m=depth)
    return StationSeries(place, table)


def reference(one, noise=0.0):
    daily = one.values["value"].resample("1D").mean()
    return daily + noise * np.random.default_rng(3).standard_normal(len(daily))


def test_a_good_station_is_admitted():
    one = station()
    assert admissible([one], reference=reference(one), land_cover=12) == (True, ())


@pytest.mark.parametrize(("days", "start", "lat", "admitted"), [
    (120, "2020-04-01", 36.0, True), (119, "2020-04-01", 36.0, False),
    (150, "2020-10-15", 36.0, False),                                   # winter in the north is summer in the south
    (150, "2020-10-15", -36.0, True),
    (200, "2020-07-15", 36.0, False),                                   # 78 days to the end of September
])
def test_a_growing_season(days, start, lat, admitted):
    found = admissible([station(days, start=start, lat=lat)])
    assert found.admitted == admitted
    assert admitted or "of a growing season, 120 are needed" in found.reasons[0]


@pytest.mark.parametrize(("doubted", "admitted"), [(0.19, True), (0.21, False)])
def test_share_of_good_readings(doubted, admitted):
    flags = np.where(np.random.default_rng(4).permutation(800) < 800 * doubted, "D05", "G")
    found = admissible([station(flags=flags)])
    assert found.admitted == admitted
    assert admitted or "79 % of 800 readings pass quality control, 80 % are needed" in found.reasons


def test_frost_is_no_fault():
    flags = np.where(np.arange(1600) < 600, "D01,D03", "G")
    assert admissible([station(400, start="2019-11-01", flags=flags)]).admitted
    both = np.where(np.arange(1600) < 600, "D01,D05", "G")
    assert not admissible([station(400, start="2019-11-01", flags=both)]).admitted


@pytest.mark.parametrize(("noise", "admitted"), [(0.005, True), (0.5, False)])
def test_correlation_with_a_reference(noise, admitted):
    one = station()
    found = admissible([one], reference=reference(one, noise))
    assert found.admitted == admitted
    assert admitted or "with the reference, 0.3 is needed" in found.reasons[0]


def test_a_reference_of_other_days_or_without_variation_admits_nobody():
    one = station()
    elsewhere = reference(one).shift(freq="1000D")
    assert admissible([one], reference=elsewhere).reasons == ("0 days in common with the reference, 60 are needed",)
    assert not admissible([one], reference=reference(one) * 0).admitted


@pytest.mark.parametrize(("options", "reason"), [
    ({"land_cover": 13}, "land cover 13 is excluded"), ({"land_cover": 17}, "land cover 17 is excluded"),
    ({"paddy": True}, "in a flooded or irrigated field"),
])
def test_place(options, reason):
    assert admissible([station()], **options) == (False, (reason,))
    rules = AdmissionRules(excluded_cover=(), paddies=True)
    assert admissible([station()], rules=rules, **options).admitted


def test_every_reason_is_told():
    found = admissible([station(30)], reference=pd.Series(dtype=float), land_cover=13, paddy=True)
    assert (found.admitted, len(found.reasons)) == (False, 3)


def test_a_station_without_a_good_reading():
    one = station(flags="D05")
    assert not admissible([one]).admitted
    assert "0 % of 800 readings" in admissible([one]).reasons[1]


def test_sensors_of_one_station_are_judged_together():
    assert admissible([station(), station(depth=0.30)]).admitted
    with pytest.raises(StationFileError, match="station by station"):
        admissible([station(), station(name="B")])
    with pytest.raises(StationFileError, match="station by station"):
        admissible([])
