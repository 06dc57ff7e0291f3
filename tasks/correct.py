"""The downscaled field corrected towards what stations see."""

from __future__ import annotations

import xarray as xr

from sm_core.correction import Corrector, correct
from sm_core.domain import DailyInputs, ModelVersion, RasterRef
from tasks.adapters.scratch import identity_of, load
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def correct_day(inputs: DailyInputs, fine: RasterRef, features: RasterRef, model: ModelVersion) -> RasterRef:
    """Both layers corrected, with spread and a flag where the correction is little trusted."""
    here = services()
    identity = identity_of([fine.identity, features.identity, model.sha256])

    def make() -> xr.Dataset:
        return correct(load(fine), load(features), Corrector.load(here.registry.fetch(model)))

    return here.scratch(inputs.region_id).store("corrected", f"{inputs.day:%Y%m%d}", identity, make)
