"""One entry for all granules: which decoder reads which source is a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sm_core.domain import Granule
from sm_core.errors import ForeignFileError
from sm_core.sources.declare import source
from sm_core.sources.names import identify

if TYPE_CHECKING:
    import xarray as xr

    from sm_core.sources.native import Subset

    Decoder = Callable[[Path, Granule, Subset], xr.Dataset]


def decode(
    path: Path, *, days: tuple[dt.date, dt.date] | None = None,
    bounds: tuple[float, float, float, float] | None = None, source_id: str | None = None,
) -> xr.Dataset:
    """Read a granule of any declared source: canonical names and units, quality-screened, on its native grid.

    Parameters
    ----------
    path
        The file, under its provider's name unless ``source_id`` is given and the file itself holds that name.
    days
        First and last day wanted of a file that covers many; days it lacks are absent from the result.
    bounds
        (west, south, east, north) [degrees] wanted of a global file; one cell more is returned on each side.
        Sinusoidal tiles are always returned whole.
    source_id
        Read the file as this source, whatever its name says.

    Returns
    -------
    Dataset (time, y, x), float32, NaN = unknown: ``ndvi`` [1] with ``ndvi_day`` [d since ``start``] and ``ndvi_snow``
    [1], ``lst_day``, ``lst_night`` [K] with ``_hour`` [h UTC, 0 to 24, of the file date], ``sm_surface``,
    ``sm_rootzone`` [m3 m-3].
    Coordinates are cell centres in ``attrs["crs"]``, y descending; other attributes are ``source_id``, ``tile``,
    ``start``, ``end`` (ISO dates), ``produced`` and ``resolution`` [CRS unit].

    Raises
    ------
    ForeignFileError      SM207, no declared source has such names, or the content is another format.
    GranuleCorruptError   SM205, cut short or undecodable.
    SchemaDriftError      SM206, fields, grid or time are not those declared.
    GridMismatchError     SM302, the file does not reach ``bounds``.
    UnitsError            SM303, values outside the physical range: scale or unit is not the declared one.
    """
    from sm_core.sources.native import Subset

    granule = _granule(path, source_id)
    decoder = _decoders().get(granule.source_id)
    if decoder is None:
        raise ForeignFileError(f"{path.name} is no granule", source=granule.source_id)
    return decoder(path, granule, Subset(days, bounds))


@cache
def _decoders() -> Mapping[str, Decoder]:
    from sm_core.sources import cci, glass, gleam, modis, smap, viirs

    return {
        "MOD11A1.061": modis.decode_lst,
        "MYD11A1.061": modis.decode_lst,
        "MOD13A2.061": modis.decode_vi,
        "MYD13A2.061": modis.decode_vi,
        "VNP13A2.002": viirs.decode_vi,
        "VJ113A2.002": viirs.decode_vi,
        "VJ213A2.002": viirs.decode_vi,
        "VNP21A1D.002": viirs.decode_lst,
        "VNP21A1N.002": viirs.decode_lst,
        "VJ121A1D.002": viirs.decode_lst,
        "VJ121A1N.002": viirs.decode_lst,
        "VJ221A1D.002": viirs.decode_lst,
        "VJ221A1N.002": viirs.decode_lst,
        "GLASS13B01.V10": glass.decode_latlon,
        "GLASS08B31.V40": glass.decode_latlon,
        "GLASS06A01.V01": glass.decode_tile,
        "GLEAM_v4.2a.SMs": gleam.decode_year,
        "GLEAM_v4.2a.SMrz": gleam.decode_year,
        "GLEAM_v3.8a.SMsurf": gleam.decode_year,
        "GLEAM_v3.8a.SMroot": gleam.decode_year,
        "SPL4SMGP.008": smap.decode_l4,
        "C3S-SM": cci.decode_image,
        "ESACCI-SM": cci.decode_image,
    }


def _granule(path: Path, source_id: str | None) -> Granule:
    granule = identify(path)
    if granule is None and source_id is not None:
        from sm_core.sources.embedded import local_granule_id

        granule = identify(path.with_name(local_granule_id(path) or path.name))
    if granule is None:
        raise ForeignFileError(f"{path.name}: no declared source has such a file name")
    return granule.model_copy(update={"source_id": source(source_id).source_id} if source_id else {})
