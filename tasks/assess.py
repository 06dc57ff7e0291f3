"""Check before publishing."""

from __future__ import annotations

import datetime as dt

from sm_core.domain import LAYERS, DailyInputs, GateResult, RasterRef
from sm_core.publishing import SOIL_MOISTURE_1KM, GateContext, evaluate, read_cogs
from tasks.adapters.scratch import load
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def assess_day(inputs: DailyInputs, fields: RasterRef) -> GateResult:
    """Every check that the product declares, on the fields of the day."""
    here = services()
    region = here.region(inputs.region_id)
    product = SOIL_MOISTURE_1KM
    before = here.store.latest(product.product_id, region.region_id, inputs.day - dt.timedelta(days=1))
    made = load(fields)
    deviation = made.attrs.get("conservation_error")
    compared = [check.variable for check in product.checks if check.kind == "change_from_yesterday"]
    context = GateContext(
        land=here.statics(region)["land"].values > 0.5,
        yesterday=read_cogs(here.store.directory(before), product, before, region.grid, compared) if before else None,
        conservation_error=dict.fromkeys(LAYERS, None if deviation is None else float(deviation)),
    )
    return evaluate(product, made, context)
