"""What the day's soil moisture means: percentiles, classes, quality flags."""

from __future__ import annotations

import xarray as xr

from sm_core.domain import DailyInputs, ModelVersion, QaFlag, RasterRef
from sm_core.drought import Climatology
from sm_core.publishing import product_fields
from tasks.adapters.scratch import identity_of, load
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def drought_day(inputs: DailyInputs, corrected: RasterRef, fused: RasterRef, climatology: ModelVersion) -> RasterRef:
    """Every field that the product declares."""
    here = services()
    region = here.region(inputs.region_id)
    flags = _coarse_flags(inputs)
    identity = identity_of([corrected.identity, fused.identity, climatology.sha256, str(int(flags))])

    def make() -> xr.Dataset:
        moisture = load(corrected)
        usual = Climatology.load(here.registry.fetch(climatology))
        return product_fields(
            moisture, load(fused), usual.percentile(moisture, inputs.day), here.statics(region), region.grid,
            coarse_flags=flags,
        )

    return here.scratch(region.region_id).store("fields", f"{inputs.day:%Y%m%d}", identity, make)


def _coarse_flags(inputs: DailyInputs) -> QaFlag:
    region = services().region(inputs.region_id)
    flags = QaFlag(0)
    for slot in (inputs.slot("ssm_coarse"), inputs.slot("rzsm_coarse")):
        if slot.provisional:
            flags |= QaFlag.COARSE_PROVISIONAL
        if slot.source_id != region.sources_for(slot.role)[0]:
            flags |= QaFlag.COARSE_SUBSTITUTE
    if any(inputs.slot(role).model is not None for role in ("lst_coarse", "ndvi_coarse")):
        flags |= QaFlag.STATE_SUBSTITUTE
    if any(slot.reason and "tiles missing" in slot.reason for slot in inputs.slots):
        flags |= QaFlag.TILE_MISSING
    return flags
