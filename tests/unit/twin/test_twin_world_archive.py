from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from sm_core.domain import Granule
from sm_core.errors import ArchiveNotFoundError, ConfigError
from sm_core.grid import load_statics, to_grid
from sm_core.qc import daily_layers
from sm_core.sources import decode, identify, read_stations, source
from sm_core.twin.archive import create, materialise, open_world, truth
from sm_core.twin.granules import WRITERS, wanted_keys
from sm_core.twin.spec import TwinSpec
from sm_core.twin.stations import place_stations, point_truth
from sm_core.twin.world import World

DAY = dt.date(2018, 5, 1)


def _granules(world: World, source_id: str) -> list[Granule]:
    found = [identify(path) for path in sorted((world.directory / source_id).rglob("*")) if path.is_file()]
    return [granule for granule in found if granule is not None]


@pytest.mark.parametrize("source_id", sorted(name for name in WRITERS if source(name).starts <= DAY))
def test_every_source_is_read_back_near_the_truth(world: World, source_id: str) -> None:
    materialise(world, [source_id], DAY, DAY)
    assert materialise(world, [source_id], DAY, DAY) == 0
    region, expected = world.spec.region, truth(world.directory, DAY)
    granule = next(g for g in _granules(world, source_id) if g.start <= DAY <= g.end)
    ds = to_grid(decode(Path(granule.uri), days=(DAY, DAY), bounds=region.lonlat_bounds), region.grid, "nearest")
    name = next(name for name in ds.data_vars if name in ("ndvi", "lst_day", "lst_night", "sm_surface", "sm_rootzone"))
    values = ds[name].values[0]
    assert values.shape == region.grid.shape
    if name in expected and np.isfinite(values).sum() > 100:
        limits = {"ndvi": 0.12, "lst_day": 8.0, "sm_surface": 0.12, "sm_rootzone": 0.12}
        assert np.nanmean(np.abs(values - expected[name].values)) < limits[name]


def test_granules_are_the_same_in_any_order_and_process(world: World, tmp_path: Path) -> None:
    other = create(world.spec, tmp_path)
    ids = ["MOD11A1.061", "MOD13A2.061", "GLASS08B31.V40"]
    first, last = dt.date(2018, 5, 20), dt.date(2018, 5, 24)
    backwards = sum(materialise(world, ids, first + dt.timedelta(days=n), last) for n in range(4, -1, -1))
    together = materialise(other.directory, ids, first, last, processes=2)
    assert backwards == together == 5 + 1 + 5
    for source_id in ids:
        for path in (other.directory / source_id).rglob("*.hdf"):
            assert path.read_bytes() == (world.directory / path.relative_to(other.directory)).read_bytes()


def test_two_writers_at_once(world: World) -> None:
    first, last = dt.date(2018, 4, 3), dt.date(2018, 4, 6)
    threads = [threading.Thread(target=materialise, args=(world, ["MYD11A1.061"], first, last)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = world.directory / "MYD11A1.061" / "2018"
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]
    assert len({g.start for g in _granules(world, "MYD11A1.061") if first <= g.start <= last}) == 4


def test_only_what_overlaps_the_period_is_wanted() -> None:
    def starts(source_id: str, first: dt.date, last: dt.date) -> list[str]:
        return [f"{key.start:%Y-%j}{key.part}" for key in wanted_keys(source(source_id), ("h28v05",), first, last)]

    new_year = dt.date(2019, 1, 1)
    assert starts("MOD13A2.061", new_year, new_year) == ["2018-353", "2019-001"]
    assert starts("MYD13A2.061", new_year, new_year) == ["2018-361"]
    assert starts("VJ113A2.002", new_year, new_year) == ["2018-353", "2018-361", "2019-001"]
    assert starts("GLASS13B01.V10", new_year, new_year) == ["2018-361", "2019-001"]
    assert starts("GLEAM_v4.2a.SMs", dt.date(2018, 12, 31), new_year) == ["2018-001", "2019-001"]
    assert len(starts("SPL4SMGP.008", new_year, new_year)) == 8
    assert starts("GLASS08B31.V40", dt.date(2020, 12, 30), dt.date(2021, 1, 5)) == ["2020-365", "2020-366"]
    assert starts("VJ121A1D.002", dt.date(2018, 1, 1), dt.date(2018, 1, 5)) == ["2018-005"]
    assert starts("MOD11A1.061", dt.date(2020, 2, 28), dt.date(2020, 3, 1)) == ["2020-059", "2020-060", "2020-061"]


def test_period_is_cut_to_the_world(world: World) -> None:
    assert materialise(world, ["MYD11A1.061"], dt.date(2018, 6, 1), dt.date(2018, 6, 3)) == 0
    assert materialise(world, ["GLEAM_v4.2a.SMs"], dt.date(2010, 1, 1), dt.date(2030, 1, 1)) == 0


def test_unknown_sources_are_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="does not make"):
        materialise(world, ["ESACCI-SM"], DAY, DAY)
    with pytest.raises(ConfigError, match="nonsense"):
        materialise(world, ["nonsense"], DAY, DAY)


def test_archive_holds_statics_units_and_the_coarse_record(world: World) -> None:
    statics = load_statics(world.spec.region, world.directory)
    land = world.terrain.land
    assert np.array_equal(statics["land"].values == 1, land)
    assert np.array_equal(statics["elevation"].values[land], world.terrain.elevation[land])
    survey = np.corrcoef(statics["clay"].values[land], world.terrain.clay[land])[0, 1]
    assert 0.5 < survey < 0.95
    units = json.loads((world.directory / "static" / "admin_units.geojson").read_text(encoding="utf-8"))
    names = [feature["properties"]["name"] for feature in units["features"]]
    assert names == ["Unit A1", "Unit A2", "Unit A3", "Unit A4", "Unit B1", "Unit B2", "Unit B3", "Unit B4"]
    years = [g.start.year for g in _granules(world, "GLEAM_v4.2a.SMrz")]
    assert years == [2017, 2018]


def test_production_times_follow_the_observations(world: World) -> None:
    materialise(world, ["MOD11A1.061", "MOD13A2.061"], DAY, DAY)
    day = next(g for g in _granules(world, "MOD11A1.061") if g.start == DAY)
    assert day.produced.startswith("2018122")
    composite = next(g for g in _granules(world, "MOD13A2.061") if g.start <= DAY <= g.end)
    produced = dt.datetime.strptime(composite.produced[:7], "%Y%j").date()
    assert 2 <= (produced - composite.end).days <= 10


def test_stations_read_back_as_the_truth_at_their_points(world: World) -> None:
    paths = sorted((world.directory / "stations").rglob("*.stm"))
    assert len(paths) == 6 * 5
    series = [one for path in paths for one in read_stations(path)]
    layers = daily_layers(series).set_index(["station_id", "day"])["sm_surface"].unstack("station_id")
    sites = place_stations(world)
    points = point_truth(world, sites)
    assert layers.columns.tolist() == [f"TWIN_{sites.name(n)}" for n in range(6)]
    for number, name in enumerate(layers):
        good = layers[name].dropna()
        index = (good.index.to_numpy().astype("datetime64[D]") - np.datetime64(points.first)).astype(int)
        departure = good.to_numpy() - points.values[number, 0, index]
        unfrozen = ~points.frozen[number, index]
        assert unfrozen.sum() > 30
        assert np.median(np.abs(departure[unfrozen])) < 0.01


def test_point_truth_differs_from_its_cell_as_real_points_do(world: World) -> None:
    sites = place_stations(world)
    points = point_truth(world, sites).values[:, 0]
    days = [world.spec.start + dt.timedelta(days=n) for n in range(points.shape[1])]
    cells = np.stack([world.soil_moisture("sm_surface", day)[sites.cell] for day in days], axis=1)
    departure = points - cells
    assert 0.01 < departure.mean(axis=1).std() < 0.09
    assert 0.01 < np.median(departure.std(axis=1)) < 0.04
    kilometres = np.hypot((sites.lat[:, None] - sites.lat) * 111.2,
                          (sites.lon[:, None] - sites.lon) * 111.2 * np.cos(np.deg2rad(36.3)))
    assert kilometres[~np.eye(6, dtype=bool)].min() > 3.0


def test_creation_is_completed_but_never_mixed(world: World, spec: TwinSpec, tmp_path: Path) -> None:
    again = create(spec, world.directory)
    assert np.array_equal(again.truth.sm_surface, world.truth.sm_surface)
    with pytest.raises(ConfigError, match="another simulated world"):
        create(spec.model_copy(update={"seed": 8}), world.directory)
    with pytest.raises(ArchiveNotFoundError):
        open_world(tmp_path)


def test_foreign_static_layers_are_refused(spec: TwinSpec, tmp_path: Path) -> None:
    statics = (*spec.region.statics, spec.region.statics[0].model_copy(update={"name": "albedo"}))
    region = spec.region.model_copy(update={"statics": statics})
    with pytest.raises(ConfigError, match="albedo"):
        create(spec.model_copy(update={"region": region}), tmp_path)


def test_truth_is_on_the_regions_grid(world: World) -> None:
    ds = truth(world.directory, DAY)
    assert set(ds.data_vars) == {"sm_surface", "sm_rootzone", "ndvi", "lst_day"}
    assert ds.attrs["grid_id"] == "small"
    assert np.array_equal(np.isfinite(ds["sm_surface"].values), world.terrain.land)
    assert 0.02 < float(ds["sm_rootzone"].mean()) < 0.6
