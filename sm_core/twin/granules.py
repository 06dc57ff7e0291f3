"""Granules of the world under their providers' names: which there are, and how each is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sm_core.domain import Layer, Source
from sm_core.errors import ConfigError
from sm_core.twin import coarse, observe
from sm_core.twin.fields import generator
from sm_core.twin.observe import Sensor, TilePixels
from sm_core.twin.world import World
from sm_core.twin.writers.glass import write_glass_lst, write_glass_lst_tile, write_glass_ndvi
from sm_core.twin.writers.gleam import write_gleam
from sm_core.twin.writers.modis import write_mxd11a1, write_mxd13a2
from sm_core.twin.writers.smap import write_smap_l4
from sm_core.twin.writers.viirs import Platform, write_viirs_lst, write_viirs_vi

AQUA_COMPOSITE_PHASE_DAYS = 8
"""Aqua's 16-day composites begin eight days after Terra's."""
LST_LATENCY_DAYS, VI_LATENCY_DAYS = (1, 1), (2, 10)
GLASS_LST_PRODUCED, GLASS_TILE_PRODUCED = dt.date(2021, 9, 16), dt.date(2022, 1, 21)
GLASS_NDVI_FIRST_PRODUCED = dt.date(2023, 3, 5)
SMAP_HOURS = tuple(range(1, 24, 3))
VIIRS_RANK = np.array([0, 3, 8, 9], np.int8)
"""Excellent, marginal, snow, cloud: the VIIRS ranks of MODIS ranks 0-3."""
VIIRS_ACCURACY = np.array([3, 1, 0, 0], np.uint8)
"""The VIIRS classes of LST accuracy (3 best) of MODIS error classes (0 best)."""
_CLOUDY = 3
VIIRS_PLATFORMS: Mapping[Sensor, Platform] = {
    observe.SUOMI_NPP: "VNP", observe.NOAA_20: "VJ1", observe.NOAA_21: "VJ2",
}


class GranuleKey(NamedTuple):
    """What tells one granule of a source from the others."""

    start: dt.date
    tile: str = ""
    part: str = ""


Writer = Callable[[World, Path, Sequence[GranuleKey]], None]


def wanted_keys(declared: Source, tiles: Sequence[str], first: dt.date, last: dt.date) -> list[GranuleKey]:
    """Keys of the granules of a source that overlap a period (both days inclusive)."""
    first, last = max(first, declared.starts), min(last, declared.ends or last)
    length = dt.timedelta(days=declared.period_days - 1)
    starts = [start for start in _starts(declared, first.year - 1, last.year) if start <= last]
    if is_yearly(declared):
        starts = [start for start in starts if start.year >= first.year]
    within = [start for start in starts if start + length >= first and start >= declared.starts]
    if declared.native_grid == "sinusoidal_1km":
        return [GranuleKey(start, tile) for start in within for tile in tiles]
    if declared.source_id.startswith("SPL4SMGP"):
        return [GranuleKey(start, part=f"T{hour:02d}3000") for start in within for hour in SMAP_HOURS]
    return [GranuleKey(start) for start in within]


def is_yearly(declared: Source) -> bool:
    """Whether a source comes as files of calendar years."""
    return declared.period_days >= 365


def writer_of(source_id: str) -> Writer:
    """What writes granules of a source.

    Raises
    ------
    ConfigError   SM100, the simulated world does not make this source.
    """
    writer = WRITERS.get(source_id)
    if writer is None:
        raise ConfigError("the simulated world does not make this source", source=source_id, known=sorted(WRITERS))
    return writer


def _starts(declared: Source, first_year: int, last_year: int) -> Iterator[dt.date]:
    phase = AQUA_COMPOSITE_PHASE_DAYS if declared.source_id.startswith("MYD13") else 0
    for year in range(first_year, last_year + 1):
        begin, days = dt.date(year, 1, 1), (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days
        step = days if is_yearly(declared) else declared.cadence_days
        for offset in range(phase, days, step):
            yield begin + dt.timedelta(days=offset)


def _by_tile(world: World, keys: Sequence[GranuleKey]) -> Iterator[tuple[str, TilePixels, list[dt.date]]]:
    for tile, group in groupby(sorted(keys, key=lambda key: key.tile), key=lambda key: key.tile):
        yield tile, observe.tile_pixels(world, tile), [key.start for key in group]


def _produced(world: World, name: str, last: dt.date, latency_days: tuple[int, int]) -> dt.datetime:
    rng = generator(world.spec.seed, f"produced {name}", last.toordinal())
    midnight = dt.datetime.combine(last, dt.time(), dt.UTC)
    days = int(rng.integers(latency_days[0], latency_days[1] + 1))
    return midnight + dt.timedelta(days=days, seconds=int(rng.integers(6 * 3600, 20 * 3600)))


def _modis_lst(sensor: Sensor, world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for tile, pixels, days in _by_tile(world, keys):
        for day in days:
            by_day, by_night = (
                observe.lst_image(world, pixels, sensor, overpass, day) for overpass in observe.PASSES
            )
            write_mxd11a1(
                directory / str(day.year), platform="MOD" if sensor is observe.TERRA else "MYD", tile=tile, day=day,
                produced=_produced(world, f"{sensor.name} LST", day, LST_LATENCY_DAYS),
                lst_day=pixels.image(by_day.lst, np.nan), lst_night=pixels.image(by_night.lst, np.nan),
                view_time_day=pixels.image(by_day.hour, np.nan), view_time_night=pixels.image(by_night.hour, np.nan),
                error_day=pixels.image(by_day.error, 0), error_night=pixels.image(by_night.error, 0),
            )


def _viirs_lst(
    sensor: Sensor, overpass: observe.Pass, world: World, directory: Path, keys: Sequence[GranuleKey]
) -> None:
    for tile, pixels, days in _by_tile(world, keys):
        for day in days:
            image = observe.lst_image(world, pixels, sensor, overpass, day)
            cloud = np.where(np.isnan(image.lst), _CLOUDY, 0).astype(np.uint8)
            write_viirs_lst(
                directory / str(day.year), platform=VIIRS_PLATFORMS[sensor], tile=tile,
                day=day, night=overpass == "night",
                produced=_produced(world, f"{sensor.name} LST", day, LST_LATENCY_DAYS),
                lst=pixels.image(image.lst, np.nan), view_time=pixels.image(image.hour, np.nan),
                cloud=pixels.image(cloud, _CLOUDY), accuracy=pixels.image(VIIRS_ACCURACY[image.error], 0),
            )


def _modis_ndvi(sensor: Sensor, world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for tile, pixels, starts in _by_tile(world, keys):
        for start in starts:
            seen = observe.ndvi_composite(world, pixels, sensor, start)
            write_mxd13a2(
                directory / str(start.year), platform="MOD" if sensor is observe.TERRA else "MYD", tile=tile,
                start=start, produced=_composite_produced(world, sensor, start),
                ndvi=pixels.image(seen.ndvi, np.nan),
                composite_doy=pixels.image(_day_of_year(start)[seen.day], -1),
                reliability=pixels.image(seen.rank, -1),
            )


def _viirs_ndvi(sensor: Sensor, world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for tile, pixels, starts in _by_tile(world, keys):
        for start in starts:
            seen = observe.ndvi_composite(world, pixels, sensor, start)
            write_viirs_vi(
                directory / str(start.year), platform=VIIRS_PLATFORMS[sensor], tile=tile,
                start=start, produced=_composite_produced(world, sensor, start),
                ndvi=pixels.image(seen.ndvi, np.nan),
                composite_doy=pixels.image(_day_of_year(start)[seen.day], -1),
                reliability=pixels.image(VIIRS_RANK[seen.rank], -1),
            )


def _composite_produced(world: World, sensor: Sensor, start: dt.date) -> dt.datetime:
    last = start + dt.timedelta(days=observe.COMPOSITE_DAYS - 1)
    return _produced(world, f"{sensor.name} NDVI", last, VI_LATENCY_DAYS)


def _day_of_year(start: dt.date) -> observe.Int16s:
    days = [(start + dt.timedelta(days=n)).timetuple().tm_yday for n in range(observe.COMPOSITE_DAYS)]
    return np.array(days, np.int16)


def _glass_lst(world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for key in keys:
        write_glass_lst(
            directory / str(key.start.year), day=key.start, produced=GLASS_LST_PRODUCED,
            lst=coarse.glass_lst(world, key.start), west=world.window.west, north=world.window.north,
        )


def _glass_lst_tile(world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for tile, pixels, days in _by_tile(world, keys):
        for day in days:
            lst = observe.gap_free_lst(world, pixels, day)
            write_glass_lst_tile(directory / str(day.year), tile=tile, day=day, produced=GLASS_TILE_PRODUCED,
                                 lst=pixels.image(lst, np.nan))


def _glass_ndvi(world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    for key in keys:
        produced = max(GLASS_NDVI_FIRST_PRODUCED, dt.date(key.start.year + 2, 3, 5))
        write_glass_ndvi(
            directory / str(key.start.year), start=key.start, produced=produced,
            ndvi=coarse.glass_ndvi(world, key.start), west=world.window.west, north=world.window.north,
        )


def _gleam(
    version: Literal["4.2a", "3.8a"], variable: str, layer: Layer, world: World, directory: Path,
    keys: Sequence[GranuleKey],
) -> None:
    record = coarse.Gleam(world, layer, 2 if version == "4.2a" else 5)
    for key in keys:
        series = record.year(key.start.year)
        write_gleam(directory / str(key.start.year), version=version, variable=variable, year=key.start.year,
                    values=series.values, west=series.west, north=series.north)


def _smap(world: World, directory: Path, keys: Sequence[GranuleKey]) -> None:
    window = coarse.ease_window(world)
    for key in keys:
        surface, rootzone = coarse.smap_day(world, window, key.start)
        when = dt.datetime.combine(key.start, dt.time(int(key.part[1:3]), int(key.part[3:5])), dt.UTC)
        write_smap_l4(directory / str(key.start.year), when=when, surface=surface, rootzone=rootzone,
                      rows=window.rows, cols=window.columns)


WRITERS: Mapping[str, Writer] = {
    "MOD11A1.061": partial(_modis_lst, observe.TERRA),
    "MYD11A1.061": partial(_modis_lst, observe.AQUA),
    "MOD13A2.061": partial(_modis_ndvi, observe.TERRA),
    "MYD13A2.061": partial(_modis_ndvi, observe.AQUA),
    "VNP13A2.002": partial(_viirs_ndvi, observe.SUOMI_NPP),
    "VJ113A2.002": partial(_viirs_ndvi, observe.NOAA_20),
    "VJ213A2.002": partial(_viirs_ndvi, observe.NOAA_21),
    "VNP21A1D.002": partial(_viirs_lst, observe.SUOMI_NPP, "day"),
    "VNP21A1N.002": partial(_viirs_lst, observe.SUOMI_NPP, "night"),
    "VJ121A1D.002": partial(_viirs_lst, observe.NOAA_20, "day"),
    "VJ121A1N.002": partial(_viirs_lst, observe.NOAA_20, "night"),
    "VJ221A1D.002": partial(_viirs_lst, observe.NOAA_21, "day"),
    "VJ221A1N.002": partial(_viirs_lst, observe.NOAA_21, "night"),
    "GLASS08B31.V40": _glass_lst,
    "GLASS06A01.V01": _glass_lst_tile,
    "GLASS13B01.V10": _glass_ndvi,
    "GLEAM_v4.2a.SMs": partial(_gleam, "4.2a", "SMs", "sm_surface"),
    "GLEAM_v4.2a.SMrz": partial(_gleam, "4.2a", "SMrz", "sm_rootzone"),
    "GLEAM_v3.8a.SMsurf": partial(_gleam, "3.8a", "SMsurf", "sm_surface"),
    "GLEAM_v3.8a.SMroot": partial(_gleam, "3.8a", "SMroot", "sm_rootzone"),
    "SPL4SMGP.008": _smap,
}
"""Every source that the simulated world makes."""
