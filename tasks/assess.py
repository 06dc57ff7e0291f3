"""Check before publishing."""

from __future__ import annotations

import datetime as dt

from sm_core.domain import LAYERS, DailyInputs, GateResult, GriddedInputs, RasterRef
from sm_core.downscaling import edge_contrast
from sm_core.grid import Nesting
from sm_core.publishing import SOIL_MOISTURE_1KM, GateContext, evaluate, read_cogs
from tasks.adapters.scratch import load
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def assess_day(inputs: DailyInputs, gridded: GriddedInputs, fields: RasterRef) -> GateResult:
    """Every check that the product declares, on the fields of the day."""
    here = services()
    region = here.region(inputs.region_id)
    product = SOIL_MOISTURE_1KM
    before = here.store.latest(product.product_id, region.region_id, inputs.day - dt.timedelta(days=1))
    made = load(fields)
    deviation = made.attrs.get("conservation_error")
    nesting = Nesting.of(load(gridded.of("ssm_coarse")[-1].raster), region.grid)
    compared = [check.variable for check in product.checks if check.kind == "change_from_yesterday"]
    context = GateContext(
        land=here.statics(region)["land"].values > 0.5,
        yesterday=read_cogs(here.store.directory(before), product, before, region.grid, compared) if before else None,
        edge_contrast={layer: edge_contrast(made[layer].values, nesting) for layer in LAYERS},
        conservation_error=dict.fromkeys(LAYERS, None if deviation is None else float(deviation)),
    )
    return evaluate(product, made, context)
