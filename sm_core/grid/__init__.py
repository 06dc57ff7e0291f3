"""Where things are: native grids, the region's grid, and what lies inside what."""

from sm_core.grid.nesting import Nesting, cell_area
from sm_core.grid.resample import bilinear_cells, check_on_grid, mosaic, source_cells, to_grid
from sm_core.grid.statics import load_statics

__all__ = [
    "Nesting", "bilinear_cells", "cell_area", "check_on_grid", "load_statics", "mosaic", "source_cells", "to_grid",
]
