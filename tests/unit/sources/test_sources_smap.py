from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from sm_core.errors import GranuleCorruptError, SchemaDriftError, UnitsError
from sm_core.sources import decode
from sm_core.sources.smap import CELL_M, NORTH_M, SHAPE, WEST_M

NAME = "SMAP_L4_SM_gph_20190101T013000_Vv8010_001.h5"
KOREA = (124.0, 33.0, 131.0, 43.0)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(fill: float = -9999.0, factor: float = 1.0, shape: tuple[int, int] = SHAPE, shift: float = 0.0,
                   coordinates: bool = True) -> Path:
        path = tmp_path / NAME
        row = np.arange(shape[0], dtype=np.float32)[:, None]
        values = np.broadcast_to(0.1 + 0.0002 * row, shape) * np.float32(factor)
        with h5py.File(path, "w") as file:
            for name, offset in (("sm_surface", 0.0), ("sm_rootzone", 0.1 * factor)):
                data = file.create_dataset(f"Geophysical_Data/{name}", data=values + np.float32(offset),
                                           chunks=(256, 256), compression="gzip", compression_opts=1)
                data.attrs["_FillValue"] = np.array([fill], np.float32)
                data[300:310, 3300:3400] = fill
            if coordinates:
                file["x"] = WEST_M + CELL_M * (np.arange(shape[1]) + 0.5) + shift
                file["y"] = NORTH_M - CELL_M * (np.arange(shape[0]) + 0.5)
        return path
    return write_file


def test_area_is_cut_out_on_the_equal_area_grid(write: Callable[..., Path]) -> None:
    ds = decode(write(), bounds=KOREA)
    to_lonlat = Transformer.from_crs(ds.attrs["crs"], "EPSG:4326", always_xy=True)
    west, north = to_lonlat.transform(float(ds["x"][0]), float(ds["y"][0]))
    east, south = to_lonlat.transform(float(ds["x"][-1]), float(ds["y"][-1]))
    assert 123.8 < west < 124.0 < 131.0 < east < 131.2
    assert 32.8 < south < 33.0 < 43.0 < north < 43.2
    row = round((NORTH_M - float(ds["y"][0])) / CELL_M - 0.5)
    assert float(ds["sm_surface"][0, 0, 0]) == pytest.approx(0.1 + 0.0002 * row, abs=1e-6)
    assert float(ds["sm_rootzone"][0, 0, 0]) == pytest.approx(0.2 + 0.0002 * row, abs=1e-6)
    assert str(ds["time"].values[0])[:16] == "2019-01-01T01:30"
    assert (ds.attrs["crs"], ds.attrs["source_id"]) == ("EPSG:6933", "SPL4SMGP.008")


def test_grid_is_the_published_one() -> None:
    """Extent of the 9-km global EASE-Grid 2.0: 3856 x 1624 cells around the projection's origin."""
    assert pytest.approx(0, abs=1e-3) == WEST_M + SHAPE[1] / 2 * CELL_M
    assert pytest.approx(0, abs=1e-3) == NORTH_M - SHAPE[0] / 2 * CELL_M
    to_lonlat = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    west, north = to_lonlat.transform(WEST_M, NORTH_M)
    assert (west, north) == (pytest.approx(-180, abs=1e-4), pytest.approx(85.0445, abs=1e-3))


def test_fill_is_unknown(write: Callable[..., Path]) -> None:
    ds = decode(write())
    assert int(np.isnan(ds["sm_surface"]).sum()) == 10 * 100


def test_other_grid_is_drift(write: Callable[..., Path]) -> None:
    with pytest.raises(SchemaDriftError, match="shape"):
        decode(write(shape=(812, 1928)))
    with pytest.raises(SchemaDriftError, match="not that of the 9-km"):
        decode(write(shift=4500.0))


def test_file_without_coordinates_is_on_the_known_grid(write: Callable[..., Path]) -> None:
    assert decode(write(coordinates=False), bounds=KOREA).sizes["time"] == 1


def test_per_cent_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(UnitsError, match="sm_surface"):
        decode(write(factor=100.0))


def test_file_cut_short(write: Callable[..., Path]) -> None:
    path = write()
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(GranuleCorruptError):
        decode(path)
