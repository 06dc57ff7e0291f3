"""A simulated world as an archive: a folder of native files that is read like any other.

Granules are made when they are wanted (:func:`materialise`); statics, stations and the coarse record are there from
the start. The truth lies in a hidden folder and is for scoring only.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from sm_core.domain import Region, Role
from sm_core.drought.units import BUNDLED
from sm_core.errors import ConfigError
from sm_core.sources.declare import source
from sm_core.sources.names import identify, part
from sm_core.twin.fields import Floats, GaussianField, generator
from sm_core.twin.granules import GranuleKey, is_yearly, wanted_keys, writer_of
from sm_core.twin.spec import TwinSpec
from sm_core.twin.stations import SensorSeries, place_stations, point_truth, sensor_records
from sm_core.twin.terrain import cell_step_km
from sm_core.twin.world import SPEC_FILE, World, make_world, open_world
from sm_core.twin.writers.ismn import LineEnd, write_ismn_ceop, write_ismn_header_values
from sm_core.twin.writers.statics import write_admin_units, write_static

__all__ = ["create", "materialise", "open_world", "truth"]

STATIC_UNITS = (("elevation", "m"), ("slope", "degree"), ("clay", "%"), ("sand", "%"), ("land_cover", ""), ("land", ""))
SOIL_MAP_SMOOTHING_CELLS, SOIL_MAP_ERROR_PCT, SOIL_MAP_RANGE_KM = 2.0, 3.5, 8.0
"""A soil map is smoother than the soil, and wrong by a few per cent over some kilometres."""
ADMIN_UNITS_PER_SQUARE_DEGREE, ADMIN_UNITS_RANGE = 3.0, (8, 16)
CEOP_EVERY = 4
LINE_ENDS: tuple[LineEnd, ...] = ("\r\n", "\n", "\r")
BATCHES_PER_PROCESS = 4


def create(spec: TwinSpec, directory: Path) -> World:
    """Make a world and everything of its archive that does not wait to be wanted.

    Written are ``twin.yaml``, the region's static layers and administrative units under the paths of its file, station
    files under ``stations/``, and the yearly coarse soil moisture of the whole record. A creation that was interrupted
    is completed by a second call.

    Raises
    ------
    ConfigError   SM100, another world was made in ``directory``, or the region names layers no world has.
    """
    if (directory / SPEC_FILE).is_file():
        world = open_world(directory)
        if world.spec != spec:
            raise ConfigError("another simulated world was made here", directory=directory)
    else:
        _check_paths(spec)
        world = make_world(spec, directory)
    _write_statics(world)
    _write_admin_units(world)
    _write_stations(world)
    materialise(world, _record_sources(spec.region), spec.record_start, spec.end)
    return world


def materialise(
    archive: World | Path, source_ids: Sequence[str], start: dt.date, end: dt.date, processes: int = 1
) -> int:
    """Write those granules of some sources that overlap a period and are not there yet.

    Parameters
    ----------
    archive
        A world, or the folder that :func:`create` made.
    source_ids
        Declared sources; granules lie under ``<source>/<year>/``.
    start, end
        First and last day (inclusive); cut to the world's period, which for coarse soil moisture is the whole record.
    processes
        Writers at work at once.

    Returns
    -------
    Number of granules written. Two calls at once are safe: files appear whole, and the same call gives the same bytes.

    Raises
    ------
    ArchiveNotFoundError   SM105, no simulated world was made in the folder.
    ConfigError            SM100, the simulated world does not make one of the sources.
    """
    world = archive if isinstance(archive, World) else open_world(archive)
    missing = [(source_id, _missing(world, source_id, start, end)) for source_id in source_ids]
    tasks = [(source_id, keys) for source_id, keys in missing if keys]
    if processes == 1 or not tasks:
        for source_id, keys in tasks:
            _write(world, source_id, keys)
    else:
        pieces = [(world.directory, source_id, piece) for source_id, keys in tasks for piece in _split(keys, processes)]
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(_open_and_write, *zip(*pieces, strict=True)))
    return sum(len(keys) for _, keys in tasks)


def truth(directory: Path, day: dt.date) -> xr.Dataset:
    """The truth of a day on the region grid: sm_surface, sm_rootzone [m3 m-3], ndvi [1], lst_day [K, clear sky, 10:30].

    For scoring only: nothing that makes products may read it.

    Raises
    ------
    ArchiveNotFoundError   SM105, no simulated world was made in the folder.
    DayOutOfRangeError     SM104, the day is outside the truth period.
    """
    return open_world(directory).truth_of(day)


def _missing(world: World, source_id: str, start: dt.date, end: dt.date) -> list[GranuleKey]:
    writer_of(source_id)
    declared, spec = source(source_id), world.spec
    whole_record = is_yearly(declared)
    first, last = max(start, spec.record_start if whole_record else spec.start), min(end, spec.end)
    if first > last:
        return []
    keys = wanted_keys(declared, spec.region.tiles, first, last)
    folders = {world.directory / source_id / str(key.start.year) for key in keys}
    found = [identify(path) for folder in folders if folder.is_dir() for path in folder.iterdir()]
    there = {GranuleKey(g.start, g.tile, part(g)) for g in found if g is not None and g.source_id == source_id}
    return [key for key in keys if key not in there]


def _write(world: World, source_id: str, keys: Sequence[GranuleKey]) -> None:
    writer_of(source_id)(world, world.directory / source_id, keys)


def _open_and_write(directory: Path, source_id: str, keys: Sequence[GranuleKey]) -> None:
    _write(open_world(directory), source_id, keys)


def _split(keys: Sequence[GranuleKey], processes: int) -> list[Sequence[GranuleKey]]:
    size = max(1, -(-len(keys) // (BATCHES_PER_PROCESS * processes)))
    return [keys[begin:begin + size] for begin in range(0, len(keys), size)]


def _record_sources(region: Region) -> list[str]:
    """The first source of each coarse role that comes as a record of years."""
    roles: tuple[Role, ...] = ("ssm_coarse", "rzsm_coarse")
    yearly = [[name for name in region.sources_for(role) if is_yearly(source(name))] for role in roles]
    return [names[0] for names in yearly if names]


def _check_paths(spec: TwinSpec) -> None:
    region, known = spec.region, {name for name, _ in STATIC_UNITS}
    for layer in region.statics:
        if layer.name not in known or Path(layer.path).is_absolute():
            raise ConfigError("a simulated world has no such static layer", layer=layer.name, path=layer.path)
    if region.admin_units and (Path(region.admin_units).is_absolute() or region.name_property != "name"):
        raise ConfigError("units of a simulated world lie in its archive and are named by 'name'",
                          path=region.admin_units, name_property=region.name_property)


def _write_statics(world: World) -> None:
    units = dict(STATIC_UNITS)
    for layer in world.spec.region.statics:
        path = world.directory / layer.path
        write_static(path.parent, name=path.stem, values=_static(world, layer.name), grid=world.spec.region.grid,
                     units=units[layer.name])


def _static(world: World, name: str) -> NDArray[Any]:
    values: NDArray[Any] = getattr(world.terrain, name)
    return _as_surveyed(world, values, name) if name in ("clay", "sand") else values


def _as_surveyed(world: World, values: Floats, name: str) -> Floats:
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter(known.astype(np.float32), SOIL_MAP_SMOOTHING_CELLS)
    smooth = ndimage.gaussian_filter(np.where(known, values, 0.0), SOIL_MAP_SMOOTHING_CELLS) / np.maximum(weight, 1e-6)
    field = GaussianField(values.shape, cell_step_km(world.terrain.lon, world.terrain.lat), SOIL_MAP_RANGE_KM)
    error = SOIL_MAP_ERROR_PCT * field.draw(generator(world.spec.seed, f"soil map {name}"))[0]
    return np.where(known, np.clip(smooth + error, 1.0, 95.0), np.nan).astype(np.float32)


def _write_admin_units(world: World) -> None:
    named = world.spec.region.admin_units
    if named is None or named in BUNDLED:
        return
    west, south, east, north = world.spec.region.lonlat_bounds
    least, most = ADMIN_UNITS_RANGE
    count = min(most, max(least, round(ADMIN_UNITS_PER_SQUARE_DEGREE * (east - west) * (north - south))))
    cells = generator(world.spec.seed, "admin units").choice(len(world.lon), count, replace=False)
    seats = shapely.MultiPoint(np.stack([world.lon[cells], world.lat[cells]], axis=1))
    box = shapely.box(west, south, east, north)
    polygons = [polygon.intersection(box) for polygon in shapely.voronoi_polygons(seats, extend_to=box).geoms]
    polygons.sort(key=lambda polygon: (-polygon.centroid.y, polygon.centroid.x))
    names = [f"Unit {chr(ord('A') + n // 4)}{n % 4 + 1}" for n in range(count)]
    write_admin_units(world.directory / named, names=names, polygons=polygons)


def _write_stations(world: World) -> None:
    sites = place_stations(world)
    for record in sensor_records(world, sites, point_truth(world, sites)):
        if not record.values.empty:
            _write_station(world.directory / "stations", record)


def _write_station(directory: Path, record: SensorSeries) -> None:
    number = int(record.station.name[2:])
    write = write_ismn_ceop if number % CEOP_EVERY == 0 else write_ismn_header_values
    write(directory, station=record.station, values=record.values, line_end=LINE_ENDS[number % len(LINE_ENDS)])
