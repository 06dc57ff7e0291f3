"""The records that the whole system speaks in."""

from sm_core.domain.grid import Grid
from sm_core.domain.inputs import (
    IMAGE_ROLES,
    DailyInputs,
    DailyRequest,
    FileRef,
    GriddedGranule,
    GriddedInputs,
    InputSlot,
    Maturity,
    RasterRef,
    Rejection,
)
from sm_core.domain.language import Language, date_text
from sm_core.domain.model import ModelKind, ModelVersion
from sm_core.domain.product import (
    Check,
    CheckResult,
    Encoding,
    GateResult,
    Product,
    ProductItem,
    ProductVariable,
)
from sm_core.domain.quality import CorrectionFlag, QaFlag
from sm_core.domain.record import Record
from sm_core.domain.region import Region, RoleSources, StaticLayer, load_region
from sm_core.domain.run import Held, Outcome, RunRecord, StepCost
from sm_core.domain.source import LAYERS, Granule, Layer, Role, Source, Substitute, Variable
from sm_core.domain.station import Station
from sm_core.domain.upkeep import Reissue, Upkeep

__all__ = [
    "IMAGE_ROLES", "LAYERS", "Check", "CheckResult", "CorrectionFlag", "DailyInputs", "DailyRequest", "Encoding",
    "FileRef",
    "GateResult", "Granule", "Grid", "GriddedGranule", "GriddedInputs", "Held", "InputSlot", "Language", "Layer",
    "Maturity", "ModelKind", "ModelVersion", "Outcome", "Product", "ProductItem", "ProductVariable", "QaFlag",
    "RasterRef", "Record", "Region", "Reissue", "Rejection", "Role", "RoleSources", "RunRecord", "Source",
    "StaticLayer", "Station", "StepCost", "Substitute", "Upkeep", "Variable", "date_text", "load_region",
]
