"""Real granules against their own raw content, read here with pyhdf and h5py alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyhdf.SD import SD

from sm_core.errors import ForeignFileError, GranuleCorruptError
from sm_core.grid import sinusoidal
from sm_core.sources import decode, describe, identify, newest

pytestmark = [pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]

REAL = Path(os.environ.get("SM_REAL_DATA", "."))
MOD11 = REAL / "modis" / "MOD11A1.hdf"
VIIRS = REAL / "viirs" / "VNP13A2.A2025001.h18v09.002.2025017085341.h5"
COMPOSITES = sorted((REAL / "modis").glob("M?D13A2*.hdf"))
VI = "1 km 16 days "


def corners(struct: str) -> tuple[float, ...]:
    """(west, north, east, south) [m] as printed."""
    pairs = re.findall(r"(?:UpperLeftPointMtrs|LowerRightMtrs)=\(([-\d.]+),([-\d.]+)\)", struct)
    return tuple(float(value) for pair in pairs for value in pair)


@pytest.mark.parametrize("path", [MOD11, VIIRS, *COMPOSITES], ids=lambda path: path.name)
def test_cells_lie_where_structmetadata_says_to_a_metre(path: Path) -> None:
    ds = decode(path, source_id=None if identify(path) else "MOD11A1.061")
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            struct = file["HDFEOS INFORMATION/StructMetadata.0"][()].decode()
    else:
        struct = SD(str(path)).attributes()["StructMetadata.0"]
    half = sinusoidal.CELL_M / 2
    found = (float(ds["x"][0]) - half, float(ds["y"][0]) + half, float(ds["x"][-1]) + half, float(ds["y"][-1]) - half)
    assert found == pytest.approx(corners(struct), abs=1.0)
    assert ds.sizes == {"time": 1, "y": 1200, "x": 1200}


def test_temperature_figures_of_the_real_granule() -> None:
    ds = decode(MOD11, source_id="MOD11A1.061")
    file = SD(str(MOD11))
    stored, quality = file.select("LST_Day_1km").get(), file.select("QC_Day").get()
    before = stored[stored > 0] * 0.02
    assert (before.min(), before.max(), before.mean()) == pytest.approx((291.40, 325.72, 312.55), abs=0.005)
    kept = ds["lst_day"].values[0]
    # of 333 829 stored temperatures, 1 214 of quality 145 (error up to 3 K) are dropped
    assert int(np.isfinite(kept).sum()) == 333_829 - 1_214
    assert int(np.isfinite(ds["lst_night"]).sum()) == 224_088 - 10_071 - 337
    assert np.nanmin(kept) == pytest.approx(291.40, abs=0.005)
    assert np.nanmax(kept) == pytest.approx(325.72, abs=0.005)
    assert np.nanmean(kept.astype(np.float64)) == pytest.approx(312.57, abs=0.005)
    np.testing.assert_allclose(kept[np.isfinite(kept)], (stored * 0.02)[np.isfinite(kept)], rtol=1e-6)
    assert not np.isin(quality[np.isfinite(kept)], (2, 3, 129, 145)).any()
    assert (ds.attrs["tile"], ds.attrs["start"], ds.attrs["produced"]) == ("h14v09", "2019-11-01", "2019306084028")
    assert describe(MOD11).tile == "h14v09"


def test_view_times_of_the_real_granule_are_one_overpass() -> None:
    """Tile h14v09 lies at 30-40 W, 0-10 S: 10.2-10.6 h local solar time are 12.2-13.3 h UTC."""
    ds = decode(MOD11, source_id="MOD11A1.061")
    hours = ds["lst_day_hour"].values
    assert np.nanmin(hours) > 12.2
    assert np.nanmax(hours) < 13.3
    assert np.nanmax(hours) - np.nanmin(hours) < 0.3  # in UTC the scan is narrower than in solar time
    night = ds["lst_night_hour"].values
    assert 0.2 < np.nanmin(night) < np.nanmax(night) < 0.8


@pytest.mark.parametrize("path", COMPOSITES, ids=lambda path: path.name[:16])
def test_ndvi_of_real_composites(path: Path) -> None:
    ds = decode(path)
    file = SD(str(path))
    ndvi, rank, day = (file.select(VI + name).get() for name in (
        "NDVI", "pixel reliability", "composite day of the year"))
    keep = (rank == 0) | (rank == 1)
    values, since = ds["ndvi"].values[0], ds["ndvi_day"].values[0]
    np.testing.assert_array_equal(np.isfinite(values), keep & (ndvi != -3000))
    np.testing.assert_allclose(values[keep], ndvi[keep] / 10000, atol=1e-6)
    assert -0.3 <= np.nanmin(values) < np.nanmax(values) <= 1.0
    granule = identify(path)
    assert granule is not None
    first = granule.start.timetuple().tm_yday
    np.testing.assert_array_equal(since[keep], (day - first)[keep])
    assert 0 <= np.nanmin(since) <= np.nanmax(since) <= 15


def test_ndvi_of_the_real_viirs_composite() -> None:
    ds = decode(VIIRS)
    with h5py.File(VIIRS) as file:
        fields = file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/Data Fields"]
        ndvi, rank = fields[VI + "NDVI"][:], fields[VI + "pixel reliability"][:]
        edges = file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/XDim"][:]
    keep = np.isin(rank, (0, 1, 2, 3, 4))
    values = ds["ndvi"].values[0]
    assert int(np.isfinite(values).sum()) == int(keep.sum()) == 294 + 995 + 3207 + 422
    np.testing.assert_allclose(values[keep], ndvi[keep] * 0.0001, atol=1e-6)
    assert -0.3 <= np.nanmin(values) < np.nanmax(values) <= 1.0
    assert 0 <= float(ds["ndvi_day"].min()) < float(ds["ndvi_day"].max()) <= 14
    np.testing.assert_allclose(ds["x"].values - edges, sinusoidal.CELL_M / 2, atol=0.01)


def test_modis_and_viirs_lie_on_each_other() -> None:
    """Two sensors, two formats, one ground: NDVI agrees best without any shift."""
    modis, viirs = decode(COMPOSITES[0])["ndvi"].values[0], decode(VIIRS)["ndvi"].values[0]

    def agreement(shift: tuple[int, int]) -> float:
        moved = np.roll(viirs, shift, (0, 1))
        both = np.isfinite(modis) & np.isfinite(moved)
        return float(np.corrcoef(modis[both], moved[both])[0, 1])

    found = {(dy, dx): agreement((dy, dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert max(found, key=lambda shift: found[shift]) == (0, 0)
    assert found[0, 0] > 0.55


def test_real_names_are_all_identified() -> None:
    granules = [granule for path in (REAL / "modis").glob("*.hdf") if (granule := identify(path))]
    assert len(granules) == len(COMPOSITES) == len(newest(granules))
    assert {granule.source_id for granule in granules} == {"MOD13A2.061", "MYD13A2.061"}
    assert all(granule.size == Path(granule.uri).stat().st_size for granule in granules)


@pytest.mark.parametrize("name", [
    "MCD12Q1.A2001001.h00v08.006.2018142182903.hdf", "MOD11B2.A2017001.h14v04.006.2017013155631.hdf",
])
def test_other_products_are_refused(name: str) -> None:
    with pytest.raises(ForeignFileError):
        decode(REAL / "modis" / name)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("source", [COMPOSITES[0] if COMPOSITES else VIIRS, VIIRS], ids=["hdf4", "hdf5"])
def test_real_granule_cut_short(tmp_path: Path, source: Path, share: float) -> None:
    path = tmp_path / source.name
    content = source.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(GranuleCorruptError):
        decode(path)
