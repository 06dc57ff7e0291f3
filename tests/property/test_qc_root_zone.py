"""What holds for every profile of sensors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.domain import Station
from sm_core.qc import daily_layers, root_zone_weights
from sm_core.sources.stations import StationSeries

DEPTHS = st.lists(st.integers(2, 150), min_size=2, max_size=7, unique=True).map(
    lambda centimetres: [depth / 100 for depth in sorted(centimetres)]
)


@given(depths=DEPTHS)
def test_weights_are_shares_of_100_cm(depths):
    weights = root_zone_weights(depths)
    assert (weights >= 0).all()
    reach = min(1.0, 2 * depths[-1] - depths[-2])
    assert weights.sum() == pytest.approx(reach)


@given(depths=DEPTHS, data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_root_zone_lies_between_its_sensors(depths, data):
    moisture = data.draw(st.lists(st.floats(0.05, 0.5), min_size=len(depths), max_size=len(depths)))
    index = pd.date_range("2020-06-01", periods=4, freq="6h", name="time").as_unit("ns")
    series = []
    for depth, value in zip(depths, moisture, strict=True):
        station = Station(station_id=f"s{depth}", network="N", name="A", lon=127, lat=37, depth_from_m=depth,
                          depth_to_m=depth)
        values = value + 1e-4 * np.arange(4)
        series.append(StationSeries(station, pd.DataFrame({"value": values, "flag": "G", "provider_flag": ""}, index)))
    table = daily_layers(series)
    known = table["sm_rootzone"].dropna()
    if min(1.0, 2 * depths[-1] - depths[-2]) >= 0.7 and np.count_nonzero(root_zone_weights(depths)) > 1:
        assert len(known) == 1
        assert min(moisture) <= known.item() <= max(moisture) + 4e-4
    else:
        assert known.empty
