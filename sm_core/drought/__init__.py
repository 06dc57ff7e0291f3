"""From soil moisture to drought: how unusual a day is, in which class, and what that means for whom."""

from sm_core.drought.available_water import UPLAND_STAGES, available_water_ratio, soil_limits, upland_stage
from sm_core.drought.calendar import day_index
from sm_core.drought.classes import NO_DROUGHT, UNKNOWN, USDM, DroughtClass, classify
from sm_core.drought.climatology import Climatology, FineDay, LayerClimatology, fit
from sm_core.drought.day import drought_fields, flash_field
from sm_core.drought.flash import FORD_LABOSIER, LASTING, FlashRule, flash_drought
from sm_core.drought.page import to_html
from sm_core.drought.probability import class_probability
from sm_core.drought.record import FineRecord, Kind
from sm_core.drought.spells import Spell, SpellRule, days_in_class, spells
from sm_core.drought.summary import Change, DroughtSummary, UnitDrought, summarise
from sm_core.drought.texts import to_csv, to_geojson, to_markdown
from sm_core.drought.units import BUNDLED, AdminUnits, load_units
from sm_core.drought.words import LANGUAGES

__all__ = [
    "BUNDLED", "FORD_LABOSIER", "LANGUAGES", "LASTING", "NO_DROUGHT", "UNKNOWN", "UPLAND_STAGES", "USDM", "AdminUnits",
    "Change", "Climatology", "DroughtClass", "DroughtSummary", "FineDay", "FineRecord", "FlashRule", "Kind",
    "LayerClimatology", "Spell", "SpellRule", "UnitDrought", "available_water_ratio", "class_probability", "classify",
    "day_index", "days_in_class", "drought_fields", "fit", "flash_drought", "flash_field", "load_units", "soil_limits",
    "spells", "summarise", "to_csv", "to_geojson", "to_html", "to_markdown", "upland_stage",
]
