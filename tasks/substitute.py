"""Substitutes in daily use: what they are made into, and whether they can be trusted."""

from __future__ import annotations

import datetime as dt
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import DailyInputs, GriddedGranule, InputSlot, ModelVersion, RasterRef, Region, Role
from sm_core.errors import ConfigError
from sm_core.sources import source
from sm_core.sources.declare import substitute
from sm_core.sources.matching import WINDOWS
from sm_core.substitutes import CdfMapping, FineImage, Normals, StateNormals, expected
from sm_core.substitutes.normals import StateVariable
from tasks.adapters.scratch import Scratch, identity_of, load_field
from tasks.wiring import services

STATES: dict[Role, StateVariable] = {"lst_coarse": "lst_day", "ndvi_coarse": "ndvi"}
AGES = {"ndvi": "ndvi_day"}
"""Where each cell has its own day: days since the image's first."""


def why_unfit(model: ModelVersion, day: dt.date) -> str | None:
    """Why a substitute's model cannot be used on a day; None when it can.

    Raises
    ------
    ModelIntegrityError   SM502, its files are not those registered.
    """
    if model.kind == "mapping" and not _mapping(_folder(model)).covers(day):
        return f"{model.name} {model.version} has seen too few days around this time of the year"
    return None


def remark(slot: InputSlot, inputs: DailyInputs) -> str | None:
    """What should be known of a computed substitute, if anything."""
    if slot.model is None or slot.model.kind != "normals":
        return None
    normals = _normals(_folder(slot.model)).states[STATES[slot.role]]
    fine = inputs.slot(_made_from(slot)).source_id
    return None if fine == normals.fine_id else f"the normal alone, which tells nothing of {fine or 'fine images'}"


def mapped(fields: xr.Dataset, model: ModelVersion) -> xr.Dataset:
    """Soil moisture on its native grid, brought on the reference's lattice and into its distribution. (time, y, x)"""
    mapping = _mapping(_folder(model))
    return mapping.apply(mapping.lattice.regrid(fields))


def extended_rasters(
    inputs: DailyInputs, rasters: list[GriddedGranule], region: Region, scratch: Scratch
) -> list[GriddedGranule]:
    """Coarse images of the roles whose product does not reach the day, on the region grid."""
    return [
        raster for slot in inputs.slots if slot.model is not None and slot.model.kind == "normals"
        if any(r.role == _made_from(slot) for r in rasters)
        for raster in _extended(inputs, slot, slot.model, rasters, region, scratch)
    ]


def fine_image(raster: GriddedGranule, variable: StateVariable) -> FineImage:
    """A gridded fine image, to be read when it is wanted."""
    return FineImage(raster.start, partial(_read_fine, raster.raster, variable))


def _extended(
    inputs: DailyInputs, slot: InputSlot, model: ModelVersion, rasters: list[GriddedGranule], region: Region,
    scratch: Scratch,
) -> list[GriddedGranule]:
    variable = STATES[slot.role]
    normals = _normals(_folder(model)).states[variable]
    fine_role = _made_from(slot)
    fine = [r for r in rasters if r.role == fine_role and r.source_id == normals.fine_id]
    days = _days(inputs.day, slot.role, normals, fine)
    made = cache(lambda: dict(zip(days, expected(days, [fine_image(r, variable) for r in fine], normals), strict=True)))

    def make(day: dt.date) -> xr.Dataset:
        coords = {"time": [np.datetime64(day, "ns")], "y": region.grid.y, "x": region.grid.x}
        field = made()[day]
        layers = {variable: field.values, f"{variable}_age": field.age_days}
        return xr.Dataset({name: (("time", "y", "x"), values[None]) for name, values in layers.items()}, coords,
                          {"grid_id": region.grid.grid_id, "crs": region.grid.crs})

    sources = sorted(r.raster.identity for r in fine)
    return [
        GriddedGranule(role=slot.role, source_id=slot.source_id or "", start=day, end=day, raster=scratch.store(
            f"gridded/{slot.source_id}", f"{day:%Y%m%d}",
            identity_of(["extended", day.isoformat(), model.sha256, *sources]), partial(make, day),
        ))
        for day in days
    ]


def _made_from(slot: InputSlot) -> Role:
    entry = substitute(slot.role, slot.source_id or "")
    if entry is None or entry.made_from is None:
        raise ConfigError("no computed substitute", role=slot.role, source=slot.source_id)
    return entry.made_from


def _days(day: dt.date, role: Role, normals: StateNormals, fine: list[GriddedGranule]) -> list[dt.date]:
    """The product's own calendar from the first to the last day that fusion looks at."""
    window = next(entry for entry in WINDOWS if entry.role == role)
    step = source(normals.coarse_id).cadence_days
    first = min([day - dt.timedelta(days=window.before), *(r.start for r in fine)])
    last = max([day, *(r.end for r in fine)])
    calendar = [
        dt.date(year, 1, 1) + dt.timedelta(days=n)
        for year in range(first.year, last.year + 1)
        for n in range(0, (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days, step)
    ]
    return [start for start in calendar if first - dt.timedelta(days=step) < start <= last]


def _read_fine(
    raster: RasterRef, variable: StateVariable
) -> tuple[NDArray[np.float32], NDArray[np.float32] | float]:
    age = AGES.get(variable)
    return load_field(raster, variable).values, load_field(raster, age).values if age else 0.0


def _folder(model: ModelVersion) -> Path:
    return services().registry.fetch(model)


@lru_cache(maxsize=2)
def _mapping(folder: Path) -> CdfMapping:
    return CdfMapping.load(folder)


@lru_cache(maxsize=2)
def _normals(folder: Path) -> Normals:
    return Normals.load(folder)
