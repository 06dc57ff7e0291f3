"""From the coarse soil moisture of the day to 1 km."""

from __future__ import annotations

import xarray as xr

from sm_core.domain import DailyInputs, GriddedInputs, ModelVersion, RasterRef
from sm_core.downscaling import Downscaler, build_features, downscale
from sm_core.downscaling.features import FEATURE_NAMES, feature_hash
from sm_core.errors import GridMismatchError
from tasks.adapters.scratch import identity_of, load
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def feature_day(inputs: DailyInputs, gridded: GriddedInputs, fused: RasterRef) -> RasterRef:
    """The predictors of the day on the region's grid."""
    here = services()
    region = here.region(inputs.region_id)
    identity = identity_of([inputs.day.isoformat(), fused.identity, *_coarse_identities(gridded), here.code_version,
                            feature_hash(FEATURE_NAMES)])

    def make() -> xr.Dataset:
        return build_features(
            load(fused), coarse_sm(gridded), here.statics(region), inputs.day, region.grid
        )

    return here.scratch(region.region_id).store("features", f"{inputs.day:%Y%m%d}", identity, make)


@sm_task
def downscale_day(
    inputs: DailyInputs, gridded: GriddedInputs, features: RasterRef, model: ModelVersion
) -> RasterRef:
    """Both layers at 1 km, whose mean over each coarse cell is the coarse value."""
    here = services()
    region = here.region(inputs.region_id)
    identity = identity_of([features.identity, *_coarse_identities(gridded), model.sha256])

    def make() -> xr.Dataset:
        today = coarse_sm(gridded).isel(time=[-1])
        return downscale(load(features), today, Downscaler.load(here.registry.fetch(model)), region.grid)

    return here.scratch(region.region_id).store("downscaled", f"{inputs.day:%Y%m%d}", identity, make)


def coarse_sm(gridded: GriddedInputs) -> xr.Dataset:
    """Both layers' coarse soil moisture on its native lattice, the last days up to the day. (time, y, x)"""
    layers = [
        xr.concat([load(r.raster) for r in gridded.of(role)], dim="time", combine_attrs="drop_conflicts")
        for role in ("ssm_coarse", "rzsm_coarse")
    ]
    first, second = layers
    if not (first.y.equals(second.y) and first.x.equals(second.x)):
        raise GridMismatchError("the two layers of coarse soil moisture lie on different lattices",
                                surface=first.attrs.get("source_id"), rootzone=second.attrs.get("source_id"))
    return xr.merge(layers, join="inner", combine_attrs="drop_conflicts")


def _coarse_identities(gridded: GriddedInputs) -> list[str]:
    return [r.raster.identity for role in ("ssm_coarse", "rzsm_coarse") for r in gridded.of(role)]
