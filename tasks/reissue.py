"""Whether a day that was made again is worth publishing again."""

from __future__ import annotations

from sm_core.domain import DailyInputs, ModelVersion, ProductItem, RasterRef, Record, Reissue
from sm_core.errors import GridMismatchError, StoreUnavailableError
from sm_core.publishing import SOIL_MOISTURE_1KM, as_stored, read_cogs
from sm_core.publishing.revisions import COMPARED, differences
from tasks.adapters.scratch import load
from tasks.policy import sm_task
from tasks.wiring import services


class Verdict(Record):
    """What was decided about a publication, and why; ``shown`` is what readers find so far."""

    publish: bool
    reason: str
    shown: ProductItem | None = None


@sm_task
def weigh_day(inputs: DailyInputs, models: tuple[ModelVersion, ...], fields: RasterRef) -> Verdict:
    """Compare the day with what is shown of it; a change below the region's thresholds is not published."""
    here = services()
    region = here.region(inputs.region_id)
    product = SOIL_MOISTURE_1KM
    shown = here.store.latest(product.product_id, region.region_id, inputs.day)
    if shown is None:
        return Verdict(publish=True, reason="first publication")
    if here.store.damaged(shown):
        return Verdict(publish=True, reason="what was published is damaged", shown=shown)
    if shown.maturity != inputs.maturity:
        return Verdict(publish=True, reason=f"{shown.maturity} to {inputs.maturity}", shown=shown)
    try:
        before = read_cogs(here.store.directory(shown), product, shown, region.grid, COMPARED)
    except (StoreUnavailableError, GridMismatchError) as cause:
        return Verdict(publish=True, reason=f"not to be compared: {cause}", shown=shown)
    changes = differences(before, as_stored(load(fields), product, COMPARED))
    exceeded, told = weigh(changes, region.upkeep.thresholds)
    return Verdict(publish=exceeded, reason=told, shown=shown)


def weigh(changes: dict[str, float | None], thresholds: Reissue) -> tuple[bool, str]:
    """Whether any change exceeds its threshold, and the changes in words.

    A change that could not be measured (no cell is known in both) exceeds.

    >>> weigh({"sm_surface_change": 0.002, "sm_rootzone_change": 0.001, "drought_class_changed": 3.0,
    ...        "known_changed": 0.0}, Reissue())
    (True, 'sm_surface by 0.002 (0.01), sm_rootzone by 0.001 (0.01), drought class of 3 % (2 %), known 0 % (1 %)')
    """
    if changes["sm_surface_change"] is None or changes["sm_rootzone_change"] is None:
        return True, "not to be compared: no cell is known in both"
    measured = [changes[name] or 0.0 for name in
                ("sm_surface_change", "sm_rootzone_change", "drought_class_changed", "known_changed")]
    limits = thresholds.sm_surface, thresholds.sm_rootzone, thresholds.drought_class, thresholds.known
    exceeded = any(value > limit for value, limit in zip(measured, limits, strict=True))
    told = [f"{value:.4g} ({limit:g})" for value, limit in zip(measured[:2], limits[:2], strict=True)]
    shares = [f"{value:.3g} % ({limit:g} %)" for value, limit in zip(measured[2:], limits[2:], strict=True)]
    return exceeded, (f"sm_surface by {told[0]}, sm_rootzone by {told[1]}, drought class of {shares[0]}, "
                      f"known {shares[1]}")
