"""The form in which every decoder hands over a granule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule
from sm_core.errors import GridMismatchError
from sm_core.sources.declare import variable

GEOGRAPHIC = "EPSG:4326"
EASE2 = "EPSG:6933"


@dataclass(frozen=True)
class Subset:
    """What is wanted of a file: first and last day, (west, south, east, north) [degrees]; None = all."""

    days: tuple[dt.date, dt.date] | None = None
    bounds: tuple[float, float, float, float] | None = None


def native_dataset(
    variables: Mapping[str, NDArray[np.float32]], granule: Granule, *, y: NDArray[np.float64], x: NDArray[np.float64],
    crs: str, resolution: float, tile: str = "", times: pd.DatetimeIndex | None = None,
) -> xr.Dataset:
    """A decoded granule: (time, y, x) on its native grid.

    Parameters
    ----------
    variables
        By declared name; (y, x) for a single time, else (time, y, x).
    y, x
        Cell centres in ``crs``, y descending.
    times
        None: the granule's first day.
    """
    stamps = times if times is not None else pd.DatetimeIndex([granule.start])
    shape = len(stamps), len(y), len(x)
    data = {
        name: (("time", "y", "x"), values.reshape(shape), _attributes(name)) for name, values in variables.items()
    }
    attrs = {
        "source_id": granule.source_id, "crs": crs, "tile": tile or granule.tile, "start": granule.start.isoformat(),
        "end": granule.end.isoformat(), "produced": granule.produced, "resolution": resolution,
    }
    return xr.Dataset(data, {"time": stamps.as_unit("ns").to_numpy(), "y": y, "x": x}, attrs)


def cell_range(centres: NDArray[np.float64], low: float, high: float, where: str) -> slice:
    """The cells that touch ``low`` to ``high``, and one more on either side.

    Parameters
    ----------
    centres
        Evenly spaced, ascending or descending.

    Raises
    ------
    GridMismatchError   SM302, none does.

    Examples
    --------
    >>> cell_range(np.array([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]), 2.1, 2.9, "file")
    slice(1, 4, None)
    """
    reach = 1.5 * abs(centres[-1] - centres[0]) / max(len(centres) - 1, 1)
    inside = np.flatnonzero((centres > low - reach) & (centres < high + reach))
    if not inside.size:
        raise GridMismatchError(
            f"{where} does not reach the area asked for", asked=(low, high), held=(centres.min(), centres.max())
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _attributes(name: str) -> dict[str, str]:
    declared = variable(name)
    attrs = {"units": declared.units, "long_name": declared.long_name}
    return attrs | ({"standard_name": declared.standard_name} if declared.standard_name else {})
