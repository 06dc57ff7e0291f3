"""MODIS and GLASS fused to gap-free fields of the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import reduce

import numpy as np
import xarray as xr

from sm_core.domain import DailyInputs, GriddedGranule, GriddedInputs, RasterRef, Role
from sm_core.fusion import LST_PARAMS, NDVI_PARAMS, FusionFlag, Pair, View, coarse_at, harmonise
from sm_core.fusion import fuse_day as fuse_fields
from tasks.adapters.scratch import identity_of, load_field
from tasks.policy import sm_task
from tasks.wiring import services

MIN_CLEAR_SHARE = 0.05
"""Fine images with less of the region clear are no candidates for base pairs."""
SNOW_DAYS = 16
"""After a composite of snow, while no newer one is known."""
LST_SOLAR_HOUR = 10.5
"""Local solar time to which land surface temperature is brought [h]: Terra's before its orbit began to drift."""


@sm_task
def fuse_day(inputs: DailyInputs, gridded: GriddedInputs) -> RasterRef:
    """NDVI and daytime LST of the day: value, ``_spread`` and ``_flag`` of each; ``lst_day_age`` [days], ``snow`` [1].

    What has no images is unknown everywhere.
    """
    used = [r for r in gridded.rasters if r.role in ("ndvi_fine", "ndvi_coarse", "lst_fine", "lst_coarse")]
    identity = identity_of([
        inputs.day.isoformat(), "with age and snow", NDVI_PARAMS.model_dump_json(), LST_PARAMS.model_dump_json(),
        services().code_version, *sorted(f"{r.role} {r.raster.identity}" for r in used),
    ])

    def make() -> xr.Dataset:
        fields = xr.merge([
            _named(_fused(gridded, inputs, ("ndvi_fine", "ndvi_coarse"), _fuse_ndvi), "ndvi"),
            _named(_fused(gridded, inputs, ("lst_fine", "lst_coarse"), _fuse_lst), "lst_day"),
            _age(gridded, inputs).to_dataset(name="lst_day_age"), _snow(gridded, inputs).to_dataset(name="snow"),
        ], combine_attrs="drop_conflicts")
        grid = services().region(inputs.region_id).grid
        return fields.assign_coords(y=grid.y, x=grid.x).assign_attrs(grid_id=grid.grid_id, crs=grid.crs)

    return services().scratch(inputs.region_id).store("fused", f"{inputs.day:%Y%m%d}", identity, make)


def _fuse_ndvi(gridded: GriddedInputs, inputs: DailyInputs) -> xr.Dataset:
    coarse = _series(gridded.of("ndvi_coarse"), "ndvi")
    target = coarse_at(coarse, _uniform(coarse, np.datetime64(inputs.day, "ns")))
    views = []
    for composite in gridded.of("ndvi_fine"):
        fine, age = load_field(composite.raster, "ndvi"), load_field(composite.raster, "ndvi_day")
        if not _clear_enough(fine):
            continue
        seen = np.datetime64(composite.start, "ns") + (age * 86400e9).astype("timedelta64[ns]")
        middle = composite.start + dt.timedelta(days=round(float(np.nanmedian(age))))
        views.append(View(composite.source_id, middle, fine, coarse_at(coarse, seen)))
    alike, _ = harmonise(views, _reference(inputs, "ndvi_fine"))
    return fuse_fields(None, [_pair(view) for view in alike], target, inputs.day, NDVI_PARAMS)


def _fuse_lst(gridded: GriddedInputs, inputs: DailyInputs) -> xr.Dataset:
    coarse, reference = {raster.start: raster for raster in gridded.of("lst_coarse")}, _reference(inputs, "lst_fine")
    views = [
        View(image.source_id, image.start, fine, load_field(coarse[image.start].raster, "lst_day"),
             load_field(image.raster, "lst_day_solar_hour"))
        for image in gridded.of("lst_fine") if image.start in coarse
        if _clear_enough(fine := load_field(image.raster, "lst_day")) or image.start == inputs.day
    ]
    alike, _ = harmonise(views, reference, LST_SOLAR_HOUR)
    of_the_day = sorted((view for view in alike if view.day == inputs.day), key=lambda view: view.sensor != reference)
    observed = reduce(xr.DataArray.combine_first, [view.fine for view in of_the_day]) if of_the_day else None
    pairs = [_pair(view) for view in alike if view.day != inputs.day]
    return fuse_fields(observed, pairs, load_field(coarse[inputs.day].raster, "lst_day"), inputs.day, LST_PARAMS)


def _fused(
    gridded: GriddedInputs, inputs: DailyInputs, roles: tuple[Role, ...],
    fuse: Callable[[GriddedInputs, DailyInputs], xr.Dataset],
) -> xr.Dataset:
    if all(gridded.of(role) for role in roles):
        return fuse(gridded, inputs)
    shape = services().region(inputs.region_id).grid.shape
    nothing = np.full(shape, np.nan, np.float32)
    return xr.Dataset({"value": (("y", "x"), nothing), "spread": (("y", "x"), nothing),
                       "flag": (("y", "x"), np.full(shape, FusionFlag.UNKNOWN, np.uint8))})


def _age(gridded: GriddedInputs, inputs: DailyInputs) -> xr.DataArray:
    """Days since the newest clear fine LST up to the day; unknown where none is among the inputs."""
    grid = services().region(inputs.region_id).grid
    age = np.full(grid.shape, np.nan, np.float32)
    for image in gridded.of("lst_fine"):                                # oldest first
        if image.start <= inputs.day:
            age[np.isfinite(load_field(image.raster, "lst_day").values)] = (inputs.day - image.start).days
    return xr.DataArray(age, dims=("y", "x"))


def _snow(gridded: GriddedInputs, inputs: DailyInputs) -> xr.DataArray:
    """Share of each cell under snow [1] in the composites of the day, else in the newest that ended shortly before."""
    snow = np.full(services().region(inputs.region_id).grid.shape, np.nan, np.float32)
    past = [c for c in gridded.of("ndvi_fine") if c.start <= inputs.day and (inputs.day - c.end).days <= SNOW_DAYS]
    for composite in sorted(past, key=lambda c: c.start):               # the newest last, over the others
        seen = load_field(composite.raster, "ndvi_snow").values
        snow = np.where(np.isfinite(seen), seen, snow)
    return xr.DataArray(snow, dims=("y", "x"))


def _reference(inputs: DailyInputs, role: Role) -> str:
    return inputs.slot(role).source_id or ""


def _pair(view: View) -> Pair:
    return Pair(view.day, view.fine, view.coarse)


def _series(rasters: tuple[GriddedGranule, ...], variable: str) -> xr.DataArray:
    fields = [load_field(r.raster, variable) for r in rasters]
    return xr.concat(fields, dim="time").assign_coords(time=[np.datetime64(r.start, "ns") for r in rasters])


def _uniform(like: xr.DataArray, value: np.datetime64) -> xr.DataArray:
    return xr.DataArray(np.full(like.shape[1:], value), dims=("y", "x"))


def _clear_enough(fine: xr.DataArray) -> bool:
    return float(np.isfinite(fine).mean()) >= MIN_CLEAR_SHARE


def _named(fused: xr.Dataset, name: str) -> xr.Dataset:
    return fused.rename({"value": name, "spread": f"{name}_spread", "flag": f"{name}_flag"})


