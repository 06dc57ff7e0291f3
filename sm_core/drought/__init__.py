"""From soil moisture to drought: how unusual a day is, in which class, and what that means for whom."""

from sm_core.drought.classes import NO_DROUGHT, UNKNOWN, USDM, DroughtClass, classify
from sm_core.drought.climatology import Climatology, FineDay, LayerClimatology, day_index, fit
from sm_core.drought.summary import DroughtSummary, UnitDrought, summarise, to_markdown
from sm_core.drought.units import AdminUnits, load_units

__all__ = [
    "NO_DROUGHT", "UNKNOWN", "USDM", "AdminUnits", "Climatology", "DroughtClass", "DroughtSummary", "FineDay",
    "LayerClimatology", "UnitDrought", "classify", "day_index", "fit", "load_units", "summarise", "to_markdown",
]
