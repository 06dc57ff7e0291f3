"""The models that serve, resolved once for a run to immutable versions."""

from __future__ import annotations

from sm_core.domain import ModelVersion
from tasks.policy import sm_task
from tasks.wiring import services


@sm_task
def resolve_models(region_id: str) -> tuple[ModelVersion, ...]:
    """The downscaler, corrector and climatology in service.

    Raises
    ------
    ModelNotFoundError   SM501, the region has not been trained.
    """
    services().region(region_id)
    registry = services().registry
    return (
        registry.champion(region_id, "downscaler"),
        registry.champion(region_id, "corrector"),
        registry.champion(region_id, "climatology"),
    )
