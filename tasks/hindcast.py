"""Fusion put to the test on a folder of real composites."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import rasterio
import xarray as xr

from sm_core.errors import InsufficientInputsError
from sm_core.fusion import NDVI_PARAMS
from sm_core.fusion.hindcast import Score, hindcast
from sm_core.sources import decode, identify, newest
from tasks.rasters import write_fused

COMPOSITES = ("MOD13A2.061", "MYD13A2.061")


def hindcast_composite(folder: Path, day: dt.date, block: int, target: Path) -> str:
    """Predict one NDVI composite from the others, write it as a GeoTIFF, and tell how near it comes.

    Raises
    ------
    InsufficientInputsError   SM301, the folder lacks the day, its neighbours, or mixes tiles.
    """
    found = newest(g for g in map(identify, sorted(folder.rglob("*.hdf"))) if g and g.source_id in COMPOSITES)
    tiles = {granule.tile for granule in found}
    if len(tiles) != 1:
        raise InsufficientInputsError("the folder must hold composites of one tile", tiles=sorted(tiles))
    series = {granule.start: decode(Path(granule.uri)) for granule in found}
    fused, scores = hindcast({d: ds["ndvi"].isel(time=0) for d, ds in series.items()}, day, NDVI_PARAMS, block=block)
    write_fused(fused, series[day].attrs["crs"], _transform(fused), target)
    return _table(day, block, scores, target)


def _transform(fused: xr.Dataset) -> rasterio.Affine:
    step_x, step_y = float(fused.x[1] - fused.x[0]), float(fused.y[1] - fused.y[0])
    return rasterio.Affine(step_x, 0, float(fused.x[0]) - step_x / 2, 0, step_y, float(fused.y[0]) - step_y / 2)


def _table(day: dt.date, block: int, scores: tuple[Score, ...], target: Path) -> str:
    rows = [f"| {s.method} | {s.rmse:.4f} | {s.bias:+.4f} | {s.pearson_r:.4f} |" for s in scores]
    return "\n".join([
        f"NDVI of {day}, predicted from the composites around it; coarse images are {block} × {block} block means.",
        f"{scores[0].pixels} pixels known to all methods. Written to {target}.", "",
        "| method | RMSE | bias | PCC |", "|---|---|---|---|", *rows,
    ])
