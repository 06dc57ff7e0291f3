"""Station observations made fit for use: which readings count, and what they say about the product's layers."""

from sm_core.qc.admission import Admission, AdmissionRules, admissible
from sm_core.qc.flags import CODES, check_series
from sm_core.qc.layers import daily_layers, daily_rootzone_40, root_zone_weights
from sm_core.qc.neighbours import check_neighbours
from sm_core.qc.relocation import relocation
from sm_core.qc.soil import saturation

__all__ = [
    "CODES", "Admission", "AdmissionRules", "admissible", "check_neighbours", "check_series", "daily_layers",
    "daily_rootzone_40", "relocation", "root_zone_weights", "saturation",
]
