"""Real station files through quality control and on to the product's layers."""

import os
from pathlib import Path

import numpy as np
import pytest

from sm_core.qc import check_series, daily_layers
from sm_core.sources.ismn import read_ismn

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]


@pytest.fixture(scope="module")
def checked():
    root = Path(os.environ["SM_REAL_DATA"])
    series = [*read_ismn(root / "qa4sm_hawaii/ISMN/ISMN_TESTDATA_HAWAII.zip"),
              *read_ismn(root / "ismn/multinetwork_header_values/Data_header_values.zip")]
    return [check_series(one) for one in series]


def test_few_readings_are_doubted_that_the_network_trusts(checked):
    for one in checked:
        trusted = one.values["flag"].isin(["G", "U", "M"]) & np.isfinite(one.values["value"])
        doubted = ~one.values["qc"].isin(["", "FROST"]) & trusted      # Tibet's thaw is trusted day by day
        assert doubted.sum() <= 0.02 * trusted.sum(), one.station.station_id


def test_all_readings_that_the_network_doubts_are_left_out(checked):
    for one in checked:
        doubted = ~one.values["flag"].isin(["G", "U", "M", ""])
        assert (one.values.loc[doubted, "qc"] != "").all()


def test_layers(checked):
    table = daily_layers(checked)
    assert table["station_id"].nunique() >= 15
    assert table["sm_surface"].between(0, 0.6).all()
    assert table["sm_rootzone"].isna().all()                            # every station of these has one depth only
    cosmic = table["station_id"].str.startswith("COSMOS")
    assert table.loc[cosmic, "depth_mismatch"].all()
    assert not table.loc[~cosmic, "depth_mismatch"].any()
