"""Writers of native-format granules: the simulated world in the providers' own files.

Every writer makes the folder, writes to a temporary name beside the file and renames it, and returns the path. The
same arguments give the same bytes, in whatever folder and on whatever day. Nothing is shared between calls but caches
of constants, so writers may run in a pool of processes.
"""

from sm_core.twin.writers.glass import write_glass_lst, write_glass_lst_tile, write_glass_ndvi
from sm_core.twin.writers.gleam import write_gleam
from sm_core.twin.writers.ismn import write_ismn_ceop, write_ismn_header_values
from sm_core.twin.writers.modis import write_mxd11a1, write_mxd13a2
from sm_core.twin.writers.rda import write_rda_daily
from sm_core.twin.writers.smap import write_smap_l4
from sm_core.twin.writers.statics import write_admin_units, write_static
from sm_core.twin.writers.viirs import write_viirs_lst, write_viirs_vi

__all__ = [
    "write_admin_units", "write_glass_lst", "write_glass_lst_tile", "write_glass_ndvi", "write_gleam",
    "write_ismn_ceop", "write_ismn_header_values", "write_mxd11a1", "write_mxd13a2", "write_rda_daily",
    "write_smap_l4", "write_static", "write_viirs_lst", "write_viirs_vi",
]
