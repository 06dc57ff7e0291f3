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
    Region,
    Rejection,
    Role,
)
from sm_core.errors import SourceError, UnitsError
from sm_core.grid import mosaic, to_grid
from sm_core.sources import decode
from tasks.adapters.scratch import Scratch, identity_of
from tasks.policy import sm_task
from tasks.wiring import services

VARIABLES: dict[Role, tuple[str, ...]] = {
    "ndvi_fine": ("ndvi", "ndvi_day"),
    "ndvi_coarse": ("ndvi",),
    "lst_fine": ("lst_day",),
    "lst_coarse": ("lst_day",),
    "ssm_coarse": ("sm_surface",),
    "rzsm_coarse": ("sm_rootzone",),
}
ANTECEDENT_DAYS = 10
"""Days of coarse soil moisture before the day that downscaling looks at."""


@sm_task
def grid_inputs(inputs: DailyInputs) -> GriddedInputs:
    """Every input of the day as a raster; files that cannot be read are quarantined and listed."""
    here = services()
    region = here.region(inputs.region_id)
    scratch = here.scratch(region.region_id)
    rasters, rejected = [], []
    for slot in inputs.slots:
        for start, group in groupby(sorted(slot.granules, key=lambda g: (g.start, g.tile)), key=lambda g: g.start):
            granules = tuple(group)
            try:
                rasters.append(_grid(slot.role, start, granules, region, inputs.day, scratch))
            except _GranuleError as failure:
                rejected.append(failure.rejection)
                here.quarantine.reject(failure.rejection)
    return GriddedInputs(rasters=tuple(rasters), rejected=tuple(rejected))


class _GranuleError(Exception):
    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def _grid(
    role: Role, start: dt.date, granules: Sequence[Granule], region: Region, day: dt.date, scratch: Scratch
) -> GriddedGranule:
    days = (day - dt.timedelta(days=ANTECEDENT_DAYS), day) if role in ("ssm_coarse", "rzsm_coarse") else None
    identity = identity_of([region.grid.model_dump_json(), role, str(days), *(g.sha256 for g in granules)])

    def make() -> xr.Dataset:
        tiles = [_decode(granule, region, days)[list(VARIABLES[role])] for granule in granules]
        joined = mosaic(tiles)
        if days:
            return joined
        return to_grid(joined, region.grid, "mean" if role.endswith("_fine") else "bilinear")

    label = f"{(day if days else start):%Y%m%d}"
    raster = scratch.store(f"gridded/{granules[0].source_id}", label, identity, make)
    return GriddedGranule(role=role, start=start, end=granules[0].end, raster=raster)


def _decode(granule: Granule, region: Region, days: tuple[dt.date, dt.date] | None) -> xr.Dataset:
    try:
        return decode(Path(granule.uri), days=days, bounds=region.lonlat_bounds)
    except (SourceError, UnitsError) as cause:
        raise _GranuleError(Rejection(granule=granule, error_code=cause.code, message=str(cause))) from cause
