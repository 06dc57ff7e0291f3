"""GLASS land-surface temperature and NDVI granules.

Layout assumed: no GLASS LST or NDVI file has been at hand. Known are the file names, that LST is the only data set of
its file with ``_FillValue`` and ``scale_factor`` attributes, counts of about 20000-35000 (so unsigned, 0.01 K), and,
from GLASS LAI, the HDF-EOS2 grid of 3600 x 7200 cells named after the product, row 1 at 90 N. Grid names, fill, ranges
and the NDVI encoding are guesses: readers must take them from the file.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from sm_core.twin.writers import hdf4
from sm_core.twin.writers.encode import Floats, Integers, quantise, require_shape, window_origin
from sm_core.twin.writers.hdfeos4 import EosGrid, write_grid
from sm_core.twin.writers.tiles import TILE_SHAPE, day_of_year

GLOBAL_SHAPE = (3600, 7200)
RESOLUTION = 0.05
LST_FILL = 0
NDVI_FILL = -9999
_LST_VALID = (20000, 35000)
_NDVI_VALID = (-2000, 10000)
_SINUSOIDAL = (
    "Projection=GCTP_SNSOID", "ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)", "SphereCode=-1",
    "GridOrigin=HDFE_GD_UL",
)


def write_glass_lst(
    directory: Path, *, day: dt.date, produced: dt.date, lst: Floats, west: float, north: float
) -> Path:
    """Write one day of GLASS08B31, daytime LST of the globe at 0.05 degrees; fill outside the window.

    Parameters
    ----------
    directory
        Where to.
    day, produced
        Day of the data and day of production; both stand in the file name.
    lst
        Land-surface temperature of the window [K], NaN = unknown. (rows, columns)
    west, north
        Outer edges of the window [degrees], on the 0.05-degree lattice.

    Raises
    ------
    GridMismatchError   SM302, the window does not fit the grid.
    UnitsError          SM303, temperatures outside 200-350 K.
    """
    name = f"GLASS08B31.V40.A{day_of_year(day)}.{day_of_year(produced)}.hdf"
    return _write_global(Path(directory) / name, "LST", _lst_counts(lst), _lst_attributes(), LST_FILL, west, north)


def write_glass_ndvi(
    directory: Path, *, start: dt.date, produced: dt.date, ndvi: Floats, west: float, north: float
) -> Path:
    """Write one 8-day period of GLASS13B01, NDVI of the globe at 0.05 degrees; fill outside the window.

    Parameters as for :func:`write_glass_lst`; ``start`` is the first day of the period, ``ndvi`` is in [1].

    Raises
    ------
    GridMismatchError   SM302, the window does not fit the grid.
    UnitsError          SM303, NDVI outside -0.2 to 1.
    """
    name = f"GLASS13B01.V10.A{day_of_year(start)}.{day_of_year(produced)}.hdf"
    counts = quantise(ndvi, name="ndvi", scale=1e-4, fill=NDVI_FILL, valid=_NDVI_VALID, dtype="int16")
    attributes = _attributes("Normalized Difference Vegetation Index", "none", _NDVI_VALID, NDVI_FILL, 1e-4, "i2")
    return _write_global(Path(directory) / name, "NDVI", counts, attributes, NDVI_FILL, west, north)


def write_glass_lst_tile(directory: Path, *, tile: str, day: dt.date, produced: dt.date, lst: Floats) -> Path:
    """Write one tile and day of GLASS06A01, LST on the 1-km sinusoidal grid, without quality layer.

    Parameters
    ----------
    directory
        Where to.
    tile
        Such as ``h28v05``.
    day, produced
        Day of the data and day of production; both stand in the file name.
    lst
        Land-surface temperature [K], NaN = unknown. (1200, 1200)

    Raises
    ------
    GridMismatchError   SM302, not 1200 × 1200 cells.
    UnitsError          SM303, temperatures outside 200-350 K.
    """
    require_shape(TILE_SHAPE, lst=lst)
    name = f"GLASS06A01.V01.A{day_of_year(day)}.{tile}.{day_of_year(produced)}.hdf"
    field = hdf4.Field.of("LST", _lst_counts(lst), _lst_attributes())
    return write_grid(Path(directory) / name, EosGrid.tile("GLASS06A01", tile, _SINUSOIDAL), [field], [])


def _write_global(
    path: Path, field: str, counts: Integers, attributes: list[hdf4.Attribute], fill: int, west: float, north: float
) -> Path:
    rows, columns = counts.shape
    row, column = window_origin(
        west=west, north=north, resolution=RESOLUTION, shape=(rows, columns), extent=GLOBAL_SHAPE
    )
    data = hdf4.Field.window(field, counts, attributes, shape=GLOBAL_SHAPE, row=row, column=column, fill=fill)
    return write_grid(path, EosGrid.globe(path.name.split(".")[0], GLOBAL_SHAPE), [data], [])


def _lst_counts(lst: Floats) -> Integers:
    return quantise(lst, name="lst", scale=0.01, fill=LST_FILL, valid=_LST_VALID, dtype="uint16")


def _lst_attributes() -> list[hdf4.Attribute]:
    return _attributes("Land Surface Temperature", "K", _LST_VALID, LST_FILL, 0.01, "u2")


def _attributes(
    long_name: str, units: str, valid: tuple[int, int], fill: int, scale: float, dtype: str
) -> list[hdf4.Attribute]:
    return [
        ("long_name", long_name), ("units", units), ("valid_range", np.array(valid, dtype)),
        ("_FillValue", np.array([fill], dtype)), ("scale_factor", np.array([scale])), ("add_offset", np.array([0.0])),
    ]
