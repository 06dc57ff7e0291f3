"""Granules decoded, masked, joined across tiles and brought on the grid they are used on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import xarray as xr

from sm_core.domain import (
    DailyInputs,
    Granule,
    GriddedGranule,
    GriddedInputs,
    ModelVersion,
    RasterRef,
    Region,
    Rejection,
    Role,
)
from sm_core.errors import SourceError, UnitsError
from sm_core.grid import mosaic, to_grid
from sm_core.sources import decode
from sm_core.sources.observed import with_solar_hour
from sm_core.substitutes import daily_mean
from tasks.adapters.scratch import Scratch, identity_of, load
from tasks.policy import sm_task
from tasks.substitute import extended_rasters, mapped
from tasks.wiring import services

VARIABLES: dict[Role, tuple[str, ...]] = {
    "ndvi_fine": ("ndvi", "ndvi_day", "ndvi_snow"),
    "ndvi_coarse": ("ndvi",),
    "lst_fine": ("lst_day", "lst_day_solar_hour"),
    "lst_coarse": ("lst_day",),
    "ssm_coarse": ("sm_surface",),
    "rzsm_coarse": ("sm_rootzone",),
}
ANTECEDENT_DAYS = 10
"""Days of coarse soil moisture before the day that downscaling looks at."""
MARGIN_DEGREES = 0.25
"""Native cells wanted beyond the region's edge, so that the outermost cells of a coarser lattice are known too."""


@sm_task
def grid_inputs(inputs: DailyInputs) -> GriddedInputs:
    """Every input of the day as a raster; files that cannot be read are quarantined and listed."""
    here = services()
    region = here.region(inputs.region_id)
    scratch = here.scratch(region.region_id)
    rasters: list[GriddedGranule] = []
    rejected: list[Rejection] = []
    for slot in inputs.slots:
        in_order = sorted(slot.granules, key=lambda g: (g.start, g.source_id, g.tile))
        for (start, _), group in groupby(in_order, key=lambda g: (g.start, g.source_id)):
            granules = tuple(group)
            try:
                if slot.model is None:
                    rasters.append(grid_granules(slot.role, start, granules, region, inputs.day, scratch))
                else:
                    rasters.append(_mapped(slot.role, start, granules, region, slot.model, scratch))
            except GranuleError as failure:
                rejected.append(failure.rejection)
                here.quarantine.reject(failure.rejection)
    if not rejected:
        rasters += extended_rasters(inputs, rasters, region, scratch)
    return GriddedInputs(rasters=tuple(rasters), rejected=tuple(rejected))


class GranuleError(Exception):
    """A file that could not be read; ``rejection`` says which and why."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def grid_granules(
    role: Role, start: dt.date, granules: Sequence[Granule], region: Region, day: dt.date, scratch: Scratch
) -> GriddedGranule:
    """One source's granules of one start date as a raster: coarse soil moisture on its own lattice, of the days up to
    ``day``; all else on the region grid.
    """
    days = (day - dt.timedelta(days=ANTECEDENT_DAYS), day) if role in ("ssm_coarse", "rzsm_coarse") else None
    identity = identity_of([
        region.grid.model_dump_json(), role, *VARIABLES[role], str(days), *(g.sha256 for g in granules)
    ])

    def make() -> xr.Dataset:
        tiles = [_decode(granule, role, region.lonlat_bounds, days)[list(VARIABLES[role])] for granule in granules]
        joined = mosaic(tiles)
        if days:
            return joined
        return to_grid(joined, region.grid, "mean" if role.endswith("_fine") else "bilinear")

    label = f"{(day if days else start):%Y%m%d}"
    raster = scratch.store(f"gridded/{granules[0].source_id}", label, identity, make)
    return GriddedGranule(role=role, source_id=granules[0].source_id, start=start, end=granules[0].end, raster=raster)


def daily_mean_raster(granules: Sequence[Granule], region: Region, scratch: Scratch) -> RasterRef:
    """The files of one UTC day averaged, both layers, on their native grid."""
    west, south, east, north = region.lonlat_bounds
    bounds = (west - MARGIN_DEGREES, south - MARGIN_DEGREES, east + MARGIN_DEGREES, north + MARGIN_DEGREES)
    identity = identity_of(["daily mean", str(bounds), *sorted(g.sha256 for g in granules)])
    return scratch.store(
        f"daily/{granules[0].source_id}", f"{granules[0].start:%Y%m%d}", identity,
        lambda: daily_mean([_decode(granule, "ssm_coarse", bounds, None) for granule in granules]),
    )


def _mapped(
    role: Role, start: dt.date, granules: Sequence[Granule], region: Region, model: ModelVersion, scratch: Scratch
) -> GriddedGranule:
    mean = daily_mean_raster(granules, region, scratch)
    raster = scratch.store(
        f"gridded/{granules[0].source_id}", f"{start:%Y%m%d}", identity_of([role, mean.identity, model.sha256]),
        lambda: mapped(load(mean)[list(VARIABLES[role])], model),
    )
    return GriddedGranule(role=role, source_id=granules[0].source_id, start=start, end=granules[0].end, raster=raster)


def _decode(
    granule: Granule, role: Role, bounds: tuple[float, float, float, float], days: tuple[dt.date, dt.date] | None
) -> xr.Dataset:
    try:
        tile = decode(Path(granule.uri), days=days, bounds=bounds)
        return with_solar_hour(tile, "lst_day") if role == "lst_fine" else tile
    except (SourceError, UnitsError) as cause:
        raise GranuleError(Rejection(granule=granule, error_code=cause.code, message=str(cause))) from cause
