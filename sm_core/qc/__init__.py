"""Station observations made fit for use: which readings count, and what they say about the product's layers."""

from sm_core.qc.flags import CODES, check_series
from sm_core.qc.layers import daily_layers, root_zone_weights

__all__ = ["CODES", "check_series", "daily_layers", "root_zone_weights"]
