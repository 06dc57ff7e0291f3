"""Fusion of images in files, for whoever has pairs of any sensors and no archive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from sm_core.domain import Record
from sm_core.errors import ConfigError, NoUsablePairError, UnitsError
from sm_core.fusion import EstarfmParams, FusionFlag, Pair, fuse
from tasks.rasters import read_field, write_fused

RANGE_MARGIN = 0.1
"""Share of the values' range by which a prediction may leave it, where no valid range is given."""
SHARE_UNCERTAIN, SHARE_CHANGED = 0.002, 0.02
"""Uncertainty of a value, and smallest coarse change from which a coefficient is fitted, as shares of the range."""
SAME_UNIT = 20.0
"""Fine and coarse are in different units where their typical sizes differ by more than this factor."""


class FileFusion(Record):
    """What to fuse: pairs (fine, coarse), the coarse image of the day, settings.

    ``valid_range`` [unit of the images], by default that of their values; ``coarse_cell`` as in ``EstarfmParams``.
    """

    pairs: tuple[tuple[Path, Path], ...]
    coarse: Path
    half_window: int = 25
    classes: int = 4
    valid_range: tuple[float, float] | None = None
    coarse_cell: int = 0


def fuse_files(request: FileFusion, target: Path) -> str:
    """Predict the fine image and write it as a GeoTIFF; a table of how its pixels came about.

    Raises
    ------
    ConfigError           SM100, not one or two pairs, or a setting outside its limits.
    GranuleCorruptError   SM205, a file cannot be read.
    GridMismatchError     SM302, the images lie on different grids.
    UnitsError            SM303, fine and coarse differ by orders of magnitude.
    NoUsablePairError     SM401, no pixel is known in all images.
    NonFiniteError        SM403, an image holds infinite values.
    """
    if len(request.pairs) not in (1, 2):
        raise ConfigError("name one pair, or two", pairs=len(request.pairs))
    fields = {path: read_field(path) for pair in request.pairs for path in pair} | {
        request.coarse: read_field(request.coarse)
    }
    _check_units(request, fields)
    pairs = [Pair(dt.date.min, fields[fine], fields[coarse]) for fine, coarse in request.pairs]
    coarse = fields[request.coarse]
    fused = fuse(pairs[0], pairs[1] if len(pairs) > 1 else None, coarse, _params(request, fields))
    known = float(np.mean(fused.flag.values != FusionFlag.UNKNOWN))
    if known == 0:
        raise NoUsablePairError("no pixel is known in all images", **{p.name: _known(f) for p, f in fields.items()})
    write_fused(fused, coarse.attrs["crs"], coarse.attrs["transform"], target)
    return _table(fused, target)


def _params(request: FileFusion, fields: Mapping[Path, xr.DataArray]) -> EstarfmParams:
    low, high = request.valid_range or _range(list(fields.values()))
    if not low < high:
        raise ConfigError("the valid range is empty", valid_range=f"{low} {high}")
    try:
        return EstarfmParams(
            half_window=request.half_window, classes=request.classes, valid_range=(low, high),
            uncertainty=SHARE_UNCERTAIN * (high - low), min_coarse_change=SHARE_CHANGED * (high - low),
            coarse_cell=request.coarse_cell,
        )
    except ValueError as cause:
        raise ConfigError(f"a setting is outside its limits: {cause}") from cause


def _range(fields: Sequence[xr.DataArray]) -> tuple[float, float]:
    known = [field.values[np.isfinite(field.values)] for field in fields]
    values = [part for part in known if part.size]
    if not values:
        raise NoUsablePairError("no image has a known value")
    low, high = min(float(part.min()) for part in values), max(float(part.max()) for part in values)
    margin = RANGE_MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _check_units(request: FileFusion, fields: Mapping[Path, xr.DataArray]) -> None:
    for fine, coarse in request.pairs:
        sizes = [float(np.nanmedian(np.abs(fields[path].values))) for path in (fine, coarse) if _known(fields[path])]
        if len(sizes) == 2 and min(sizes) > 0 and max(sizes) / min(sizes) > SAME_UNIT:
            raise UnitsError("fine and coarse images are in different units", fine=fine.name, coarse=coarse.name,
                             typical_fine=f"{sizes[0]:.4g}", typical_coarse=f"{sizes[1]:.4g}")


def _known(field: xr.DataArray) -> int:
    return int(np.isfinite(field.values).sum())


def _table(fused: xr.Dataset, target: Path) -> str:
    rows = []
    for flag in FusionFlag:
        here = fused.flag.values == flag
        if here.any():
            spread = "–" if flag == FusionFlag.UNKNOWN else f"{float(np.median(fused.spread.values[here])):.4g}"
            rows.append(f"| {flag.name.lower()} | {here.mean():.2%} | {spread} |")
    return "\n".join([f"Written to {target}.", "", "| pixels | share | median spread |", "|---|---|---|", *rows])
