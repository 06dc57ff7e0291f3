"""Publishing: what the product is, what must hold before it is published, how it is written, described and stored."""

from sm_core.publishing.cog import as_stored, file_name, read_cogs, write_cogs
from sm_core.publishing.fields import product_fields
from sm_core.publishing.gate import GateContext, evaluate
from sm_core.publishing.items import draft, file_stem, identity_after, item_id, made_from, stac_item
from sm_core.publishing.netcdf import write_netcdf
from sm_core.publishing.products import SOIL_MOISTURE_1KM
from sm_core.publishing.revisions import Revision
from sm_core.publishing.store import ProductStore

__all__ = [
    "SOIL_MOISTURE_1KM", "GateContext", "ProductStore", "Revision", "as_stored", "draft", "evaluate", "file_name",
    "file_stem", "identity_after", "item_id", "made_from", "product_fields", "read_cogs", "stac_item", "write_cogs",
    "write_netcdf",
]
