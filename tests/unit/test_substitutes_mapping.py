from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sm_core.errors import GridMismatchError, ModelIntegrityError, ModelNotFoundError, TooFewSamplesError
from sm_core.substitutes import CdfMapping, CoarseLattice, daily_mean, mapping_skill
from sm_core.substitutes.mapping import CENTRES
from sm_core.substitutes.quantiles import LEVELS, map_values, quantiles
from sm_core.substitutes.season import day_of_year, distance

Y, X = np.array([37.05, 36.95]), np.array([127.05, 127.15, 127.25])


def record(values: np.ndarray, start: str = "2015-01-01") -> xr.Dataset:
    """Both layers alike, on a lattice of 2 × 3 cells of 0.1 degrees."""
    field = np.broadcast_to(values.reshape(len(values), -1, 1)[:, :1], (len(values), 2, 3)).astype(np.float32)
    times = pd.date_range(start, periods=len(values)).as_unit("ns")
    return xr.Dataset({name: (("time", "y", "x"), field.copy()) for name in ("sm_surface", "sm_rootzone")},
                      {"time": times, "y": Y, "x": X}, {"crs": "EPSG:4326", "resolution": 0.1})


def wave(days: int, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.02, days)
    return 0.25 + 0.05 * np.sin(2 * np.pi * np.arange(days) / 365) + noise


def fitted(source: xr.Dataset, reference: xr.Dataset) -> CdfMapping:
    return CdfMapping.fit(source, reference, source_id="SPL4SMGP.008",
                          reference_ids={"sm_surface": "a", "sm_rootzone": "b"})


def test_quantiles_of_a_ramp_are_its_values() -> None:
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    assert quantiles(ramp, 30)[:, 0] == pytest.approx(LEVELS)
    assert np.isnan(quantiles(ramp, 102)).all()


def test_values_between_and_beyond_quantiles() -> None:
    source, reference = np.array([[0.1], [0.2], [0.2], [0.4]]), np.array([[0.0], [0.1], [0.3], [0.4]])
    found = [float(map_values(np.array([v]), source, reference)[0]) for v in (0.0, 0.15, 0.2, 0.3, 0.5)]
    assert found == pytest.approx([-0.4 / 3, 0.05, 0.3, 0.35, 0.4 + 0.4 / 3])
    assert np.isnan(map_values(np.array([np.nan]), source, reference)[0])


def test_a_linear_relation_is_found_again() -> None:
    source = record(wave(4 * 365))
    reference = (0.1 + 0.5 * source).assign_attrs(source.attrs)
    mapped = fitted(source, reference).apply(source.isel(time=slice(100, 130)))
    assert mapped["sm_surface"].values == pytest.approx(reference["sm_surface"].values[100:130], abs=2e-3)


def test_a_bias_of_one_season_is_taken_off_in_that_season_alone() -> None:
    reference = record(wave(4 * 365))
    summer = np.isin(pd.DatetimeIndex(reference.time.values).month, (6, 7, 8))
    source = (reference - 0.1 * xr.DataArray(summer, dims="time")).assign_attrs(reference.attrs)
    error = fitted(source, reference).apply(source)["sm_surface"] - reference["sm_surface"]
    months = pd.DatetimeIndex(reference.time.values).month
    assert float(np.abs(error[months == 7]).mean()) < 2e-3
    assert float(np.abs(error[months == 1]).mean()) < 2e-3


def test_only_seasons_of_the_overlap_are_covered() -> None:
    mapping = fitted(record(wave(62), "2019-06-20"), record(wave(62, 2), "2019-06-20"))
    assert mapping.covers(dt.date(2021, 7, 20))
    assert not mapping.covers(dt.date(2021, 1, 20))
    outside = mapping.apply(record(wave(1), "2021-01-20"))
    assert np.isnan(outside["sm_surface"]).all()


def test_a_cell_that_either_does_not_know_stays_unknown() -> None:
    source, reference = record(wave(400)), record(wave(400, 2))
    reference["sm_surface"][:, 0, 0] = np.nan
    mapped = fitted(source, reference).apply(source)
    assert np.isnan(mapped["sm_surface"].values[:, 0, 0]).all()
    assert np.isfinite(mapped["sm_surface"].values[:, 1, 1]).all()
    assert np.isfinite(mapped["sm_rootzone"].values).all()


def test_a_saved_mapping_is_the_same_and_has_the_same_bytes(tmp_path: Path) -> None:
    source = record(wave(500))
    mapping = fitted(source, record(wave(500, 2)))
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        mapping.save(folder)
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()
    again = CdfMapping.load(folders[0])
    assert (again.source_id, again.first, again.days) == ("SPL4SMGP.008", dt.date(2015, 1, 1), 500)
    xr.testing.assert_identical(again.apply(source), mapping.apply(source))


def test_damaged_or_absent_mappings_are_coded_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        CdfMapping.load(tmp_path)
    fitted(record(wave(60)), record(wave(60))).save(tmp_path)
    (tmp_path / "mapping.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelIntegrityError):
        CdfMapping.load(tmp_path)
    (tmp_path / "mapping.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelIntegrityError):
        CdfMapping.load(tmp_path)


def test_too_short_an_overlap_and_other_lattices_are_refused() -> None:
    with pytest.raises(TooFewSamplesError):
        fitted(record(wave(19)), record(wave(19)))
    shifted = record(wave(60)).assign_coords(x=X + 0.1)
    with pytest.raises(GridMismatchError):
        fitted(shifted, record(wave(60)))
    with pytest.raises(GridMismatchError):
        fitted(record(wave(60)), record(wave(60))).apply(shifted)


def test_skill_is_judged_on_the_year_that_was_left_out() -> None:
    reference = record(wave(3 * 365))
    wrong = reference.copy(deep=True)
    last = reference.time.dt.year.values == 2017
    wrong["sm_surface"][last] = 0.4
    rows = {row.method: row for row in mapping_skill(reference, wrong, 2017, {}) if row.variable == "sm_surface"}
    assert set(rows) == {"raw", "climatology", "mapped"}
    assert rows["mapped"].bias == pytest.approx(rows["raw"].bias, abs=2e-3)
    assert rows["mapped"].bias < -0.1
    assert rows["raw"].values == 364 * 6


def test_daily_mean_takes_cells_that_half_of_the_files_know() -> None:
    parts = []
    for hour, value in ((1, 0.1), (4, 0.2), (7, 0.3), (10, 0.4)):
        ds = record(np.array([value])).assign_coords(time=[np.datetime64(f"2019-07-20T{hour:02d}:30", "ns")])
        parts.append(ds)
    for ds, lost in zip(parts, ((0, 0), (0, 0), (0, 0), (0, 1)), strict=True):
        ds["sm_surface"][0, lost[0], lost[1]] = np.nan
    mean = daily_mean(parts)
    assert mean.time.values.tolist() == [np.datetime64("2019-07-20", "ns").astype(int)]
    assert np.isnan(mean["sm_surface"].values[0, 0, 0])
    assert mean["sm_surface"].values[0, 0, 1] == pytest.approx(0.2)
    assert mean["sm_surface"].values[0, 1, 2] == pytest.approx(0.25)
    with pytest.raises(GridMismatchError):
        daily_mean([parts[0], parts[1].assign_coords(x=X + 1)])


def test_regridding_to_the_same_lattice_changes_nothing() -> None:
    source = record(wave(2))
    source["sm_surface"][0, 0, 1] = 0.4
    lattice = CoarseLattice.of(source)
    again = lattice.regrid(source)
    lattice.check(again)
    assert again["sm_surface"].values == pytest.approx(source["sm_surface"].values)


def test_days_of_the_year_lie_on_a_circle() -> None:
    assert [day_of_year(dt.date(2020, 2, day)) for day in (28, 29)] == [58, 58]
    assert distance([0, 100], [364, 90]).tolist() == [1, 10]
    assert len(CENTRES) == 24
    assert CENTRES[0] + 365 - CENTRES[-1] == pytest.approx(365 / 24)
