"""Where things are: native grids, the region's grid, and what lies inside what."""

from sm_core.grid.nesting import Nesting, cell_area
from sm_core.grid.resample import check_on_grid, mosaic, source_cells, to_grid

__all__ = ["Nesting", "cell_area", "check_on_grid", "mosaic", "source_cells", "to_grid"]
