"""Real coarse soil moisture images and a GLEAM file, against their raw content."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from sm_core.errors import ForeignFileError, SchemaDriftError
from sm_core.sources import decode, describe, identify
from sm_core.sources.latlon import read_latlon
from sm_core.sources.native import Subset

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]

REAL = Path(os.environ.get("SM_REAL_DATA", "."))
COARSE = REAL / "coarse_sm"
DAILY = [path for path in sorted(COARSE.glob("*.nc")) if "DAILY" in path.name or "ESACCI" in path.name]
MONTHLY = COARSE / "C3S-SOILMOISTURE-L3S-SSMV-COMBINED-MONTHLY-20180701000000-ICDR-v201706.0.0.nc"
EVAPORATION = COARSE / "E_2004_GLEAM_v4.2a_MO.nc"
KOREA = (124.0, 33.0, 131.0, 43.0)


@pytest.mark.parametrize("path", DAILY, ids=lambda path: path.name[-40:])
def test_daily_images(path: Path) -> None:
    ds = decode(path)
    with h5py.File(path) as file:
        sm, flag, lat, lon = file["sm"][0], file["flag"][0], file["lat"][:], file["lon"][:]
    values = ds["sm_surface"].values[0]
    np.testing.assert_array_equal(ds["x"], lon)
    np.testing.assert_array_equal(ds["y"], lat)
    assert float(ds["y"][0]) == 89.875
    np.testing.assert_array_equal(np.isfinite(values), (sm >= 0) & (flag == 0))
    kept = np.isfinite(values)
    np.testing.assert_array_equal(values[kept], sm[kept])
    assert 0.15 < values[kept].mean() < 0.25
    granule = identify(path)
    assert granule is not None
    assert str(ds["time"].values[0])[:10] == granule.start.isoformat()
    cut = decode(path, bounds=KOREA)
    assert cut["sm_surface"].shape == (1, 42, 30)
    np.testing.assert_array_equal(cut["sm_surface"], ds["sm_surface"].sel(y=cut["y"], x=cut["x"]))


def test_real_gleam_file_through_the_common_reader() -> None:
    field = read_latlon(EVAPORATION, "E", Subset())
    with h5py.File(EVAPORATION) as file:
        raw, lat = file["E"][:], file["lat"][:]
    assert field.times[0].isoformat() == "2004-01-31T00:00:00"
    assert [f"{t:%m-%d}" for t in field.times[:3]] == ["01-31", "02-29", "03-31"]
    assert f"{field.times[-1]:%Y-%m-%d}" == "2004-12-31"
    np.testing.assert_array_equal(field.values, raw)
    np.testing.assert_array_equal(field.y, lat)
    assert (field.y[0], field.x[0], field.resolution) == (89.75, -179.75, 2.0)
    assert np.nanmin(field.values) == pytest.approx(-1.08, abs=0.01)  # evaporation may be negative
    assert np.isnan(field.values).any()
    august = read_latlon(EVAPORATION, "E", Subset(bounds=KOREA))
    assert august.values.shape == (12, 8, 6)


def test_files_that_are_other_products_are_refused() -> None:
    for path in (MONTHLY, EVAPORATION, *(COARSE / "smap_structure").glob("*.nc4")):
        with pytest.raises(ForeignFileError):
            decode(path)
        assert describe(path).kind == "unknown"


def test_evaporation_is_no_soil_moisture() -> None:
    with pytest.raises(ForeignFileError):
        decode(EVAPORATION, source_id="GLEAM_v4.2a.SMs")
    with pytest.raises(SchemaDriftError, match="SMs"):
        read_latlon(EVAPORATION, "SMs", Subset())
