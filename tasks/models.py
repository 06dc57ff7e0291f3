"""The models that serve, resolved once for a run to immutable versions."""

from __future__ import annotations

from sm_core.domain import ModelKind, ModelVersion
from sm_core.errors import ModelNotFoundError
from tasks.policy import sm_task
from tasks.wiring import services

STAND_INS: tuple[ModelKind, ...] = ("mapping", "normals")
"""What makes substitutes fit; a region can do without."""


@sm_task
def resolve_models(region_id: str) -> tuple[ModelVersion, ...]:
    """The downscaler, corrector and climatology in service.

    Raises
    ------
    ModelNotFoundError   SM501, the region has not been trained.
    """
    services().region(region_id)
    return services().registry.serving(region_id)


@sm_task
def resolve_stand_ins(region_id: str) -> tuple[ModelVersion, ...]:
    """Those models of substitutes that are in service."""
    registry = services().registry
    found = []
    for kind in STAND_INS:
        try:
            found.append(registry.champion(region_id, kind))
        except ModelNotFoundError:
            continue
    return tuple(found)
