"""Simulated granules beside real ones: the same fields, types, attributes and order."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyhdf.HDF import HDF
from pyhdf.SD import SD
from pyhdf.V import V  # noqa: F401  (gives HDF its vgstart)

from sm_core.twin.writers import (
    write_gleam,
    write_ismn_ceop,
    write_ismn_header_values,
    write_mxd11a1,
    write_mxd13a2,
    write_viirs_vi,
)

pytestmark = [
    pytest.mark.real, pytest.mark.skipif("SM_REAL_DATA" not in os.environ, reason="needs SM_REAL_DATA")]
SHAPE = (1200, 1200)
REAL = Path(os.environ.get("SM_REAL_DATA", "."))
PRODUCED = dt.datetime(2025, 1, 22, 8, 6, 11)


@pytest.fixture(scope="module")
def lst_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    some = np.full(SHAPE, np.nan, np.float32)
    some[:9] = 300
    times, error = np.full(SHAPE, 10.5, np.float32), np.zeros(SHAPE, np.uint8)
    return write_mxd11a1(
        tmp_path_factory.mktemp("lst"), platform="MOD", tile="h14v09", day=dt.date(2019, 11, 1),
        produced=dt.datetime(2019, 11, 2, 8, 40, 28), lst_day=some, lst_night=some, view_time_day=times,
        view_time_night=times, error_day=error, error_night=error)


@pytest.fixture(scope="module")
def vi_arrays() -> dict[str, np.ndarray]:
    ndvi = np.full(SHAPE, np.nan, np.float32)
    ndvi[:9] = 0.4
    known = np.isfinite(ndvi)
    return {
        "ndvi": ndvi, "composite_doy": np.where(known, 5, -1).astype(np.int16),
        "reliability": np.where(known, 0, -1).astype(np.int8)}


@pytest.fixture(scope="module")
def vi_path(tmp_path_factory: pytest.TempPathFactory, vi_arrays: dict[str, np.ndarray]) -> Path:
    return write_mxd13a2(
        tmp_path_factory.mktemp("vi"), platform="MOD", tile="h18v09", start=dt.date(2025, 1, 1), produced=PRODUCED,
        **vi_arrays)


def without_text(attributes: dict[str, tuple], *texts: str) -> dict[str, tuple]:
    return {name: facts if name not in texts else facts[1:3] for name, facts in attributes.items()}


def structure_of(path: Path) -> dict[str, object]:
    sd = SD(str(path))
    facts: dict[str, object] = {"datasets": sd.datasets()}
    for name in sd.datasets():
        sds = sd.select(name)
        facts[name] = without_text(sds.attributes(full=1), "Legend"), sds.getcompress()
    facts["file"] = [(name, value[1:3]) for name, value in sd.attributes(full=1).items()]
    facts["StructMetadata.0"] = sd.attributes()["StructMetadata.0"]
    sd.end()
    return facts


def eos_groups(path: Path) -> list[tuple[str, str, int]]:
    file = HDF(str(path))
    groups = file.vgstart()
    found, ref = [], -1
    for _ in range(3):
        ref = groups.getid(ref)
        group = groups.attach(ref)
        found.append((group._name, group._class, group._nmembers))
        group.detach()
    groups.end()
    file.close()
    return sorted(found)


def odl_names(text: str) -> set[str]:
    return set(re.findall(r"(?:OBJECT|GROUP)\s*= (\w+)", text))


def names_in_core(path: Path) -> set[str]:
    sd = SD(str(path))
    text = sd.attributes()["CoreMetadata.0"]
    sd.end()
    return odl_names(text)


@pytest.mark.parametrize(("ours", "real"), [
    ("lst_path", "modis/MOD11A1.hdf"), ("vi_path", "modis/MOD13A2.A2025001.h18v09.061.2025022080611.hdf")])
def test_modis_structure_is_the_real_one(ours: str, real: str, request: pytest.FixtureRequest) -> None:
    written, model = structure_of(request.getfixturevalue(ours)), structure_of(REAL / real)
    assert written["datasets"] == model["datasets"]
    for name in written["datasets"]:
        assert written[name] == model[name], name
    assert written["file"] == model["file"]
    assert written["StructMetadata.0"] == model["StructMetadata.0"]
    assert eos_groups(request.getfixturevalue(ours)) == eos_groups(REAL / real)


@pytest.mark.parametrize(("ours", "real"), [
    ("lst_path", "modis/MOD11A1.hdf"), ("vi_path", "modis/MOD13A2.A2025001.h18v09.061.2025022080611.hdf")])
def test_modis_inventory_names_are_real_ones(ours: str, real: str, request: pytest.FixtureRequest) -> None:
    assert names_in_core(request.getfixturevalue(ours)) <= names_in_core(REAL / real)


def test_granule_name_is_the_real_one(vi_path: Path) -> None:
    assert (REAL / "modis" / vi_path.name).exists()


def hdf5_facts(path: Path) -> dict[str, object]:
    facts: dict[str, object] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        attributes = {
            key: (np.asarray(value).dtype.kind, np.shape(value), np.asarray(value).tolist())
            for key, value in item.attrs.items() if key not in ("DIMENSION_LIST", "REFERENCE_LIST", "Legend")}
        if isinstance(item, h5py.Dataset) and "Metadata" not in name:
            facts[name] = item.shape, item.dtype, item.chunks, item.compression, item.compression_opts, attributes
        elif isinstance(item, h5py.Group):
            facts[name] = attributes

    with h5py.File(path) as file:
        file.visititems(visit)
        facts["axes"] = [
            file[f"HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_1km/{name}"][()].tolist() for name in ("XDim", "YDim")]
        facts["structure"] = file["HDFEOS INFORMATION/StructMetadata.0"][()]
        facts["attributes"] = {key: (np.asarray(value).dtype.kind, np.shape(value))
                               for key, value in file.attrs.items()}
    return facts


def test_viirs_structure_is_the_real_one(tmp_path: Path, vi_arrays: dict[str, np.ndarray]) -> None:
    produced = dt.datetime(2025, 1, 17, 8, 53, 41)
    path = write_viirs_vi(
        tmp_path, platform="VNP", tile="h18v09", start=dt.date(2025, 1, 1), produced=produced, **vi_arrays)
    assert (REAL / "viirs" / path.name).exists()
    written, model = hdf5_facts(path), hdf5_facts(REAL / "viirs" / path.name)
    assert written.pop("attributes").items() <= model.pop("attributes").items()
    axes = np.array([written.pop("axes"), model.pop("axes")])
    assert np.abs(axes[0] - axes[1]).max() < 1e-5
    assert written == model


def test_gleam_attributes_are_the_real_ones(tmp_path: Path) -> None:
    path = write_gleam(
        tmp_path, version="4.2a", variable="SMs", year=2004, values=np.full((3, 2, 2), 0.2, np.float32), west=0.0,
        north=10.0)
    with h5py.File(path) as written, h5py.File(REAL / "coarse_sm" / "E_2004_GLEAM_v4.2a_MO.nc") as model:
        for ours, theirs in (("SMs", "E"), ("lat", "lat"), ("lon", "lon"), ("time", "time")):
            assert set(model[theirs].attrs) - {"_Netcdf4Coordinates"} <= set(written[ours].attrs)
        assert list(written["lat"].attrs["units"]) == list(model["lat"].attrs["units"].decode())


@pytest.mark.parametrize(("folder", "write", "line_end"), [
    ("header", write_ismn_header_values, "\r"), ("ceop", write_ismn_ceop, "\r")])
def test_ismn_bytes_are_the_real_ones(folder: str, write: object, line_end: str, tmp_path: Path) -> None:
    from sm_core.sources.ismn import read_stm

    name = "SMOSMANIA_SMOSMANIA_Narbonne_sm_0.050000_0.050000_ThetaProbe-ML2X_20070101_20070131.stm"
    series = read_stm(REAL / "ismn" / folder / name)
    path = write(tmp_path, station=series.station, values=series.values, line_end=line_end)
    assert path.name == name
    padded = re.compile(rb" +(?=\r)")
    real = (REAL / "ismn" / folder / name).read_bytes()
    assert padded.sub(b" ", path.read_bytes()) == padded.sub(b" ", real)
