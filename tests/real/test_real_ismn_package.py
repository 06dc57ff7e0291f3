"""Every sensor of the real archives, beside what the ismn package reads (``benchmarks/make_ismn_expected.py``)."""

import json
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from sm_core.qc import check_series
from sm_core.sources import import_ismn
from sm_core.sources.ismn import read_stm

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]

REAL = Path(os.environ.get("SM_REAL_DATA", "."))
EXPECTED = json.loads(Path(__file__).with_name("ismn_expected.json").read_text(encoding="utf-8"))
HAWAII = REAL / "qa4sm_hawaii" / "ISMN" / "ISMN_TESTDATA_HAWAII.zip"


@pytest.mark.parametrize("archive", sorted(EXPECTED))
def test_counts_sums_and_flags_agree(archive: str) -> None:
    read = {PurePosixPath(one.name).name: one.series.values for one in import_ismn(REAL / archive)}
    assert set(read) == set(EXPECTED[archive])
    for name, expected in EXPECTED[archive].items():
        table = read[name]
        assert len(table) == expected["rows"], name
        assert [str(table.index[0]), str(table.index[-1])] == [expected["first"], expected["last"]]
        assert table["value"].sum() == pytest.approx(expected["sum"], abs=1e-3)
        assert dict(Counter(table["flag"])) == expected["flags"], name


def test_the_second_import_reads_nothing() -> None:
    seen = {one.fingerprint for one in import_ismn(HAWAII)}
    assert len(seen) == 10
    assert not list(import_ismn(HAWAII, seen=seen))


@pytest.fixture(scope="module")
def checked():
    """Sensors of Hawaii with the rain of their stations, by our checks; the network's flags stand beside."""
    with zipfile.ZipFile(HAWAII) as archive:
        gauges = [read_stm(archive.read(name), name=PurePosixPath(name).name) for name in archive.namelist()
                  if "_p_" in PurePosixPath(name).name]
    rain = {one.station.name: one.values["value"] for one in gauges if one.station.network == "SCAN"}
    found = []
    for _, _, series in import_ismn(HAWAII):
        values = series.values
        if series.station.network == "SCAN" and series.station.name in rain:
            values = values.assign(precipitation=rain[series.station.name].reindex(values.index))
        found.append(check_series(replace(series, values=values)).values)
    return found


@pytest.mark.parametrize(("code", "least", "most_others"), [
    ("C02", 1.0, 0.0),
    ("D04", 0.97, 0.0),   # without the hours whose day's rain is not wholly known
    ("D06", 0.9, 2.5),    # the short form finds others
    ("D07", 1.0, 1.5), ("D08", 0.9, 0.3),
])
def test_our_checks_find_what_the_network_flagged(checked, code: str, least: float, most_others: float) -> None:
    """Shares of the readings that the network flagged so: found by us, and found by us alone."""
    theirs = np.concatenate([table["flag"].str.contains(code).to_numpy(bool) for table in checked])
    ours = np.concatenate([table["qc"].str.contains(code).to_numpy(bool) for table in checked])
    assert (theirs & ours).sum() >= least * theirs.sum()
    assert (ours & ~theirs).sum() <= most_others * theirs.sum()
