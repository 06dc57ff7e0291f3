"""What fusion is worth on real images, beside simple methods, published ones, and the outputs of other programs.

1. Every NDVI composite of one tile is predicted in turn from the composites around it (two-sided) or before it (past
   only). The coarse images are block means of the fine ones, the target's own included, as a perfect coarse sensor
   would see them.
2. Landsat/MODIS triplets: the image in the middle from the two around it, and from the first alone.

All methods of a table are scored over the same pixels. Edge is (D - D*) / (D + D*) of the mean Roberts gradients of
prediction and truth: below 0 too smooth, above 0 too rough.

    python benchmarks/fusion_real.py --data data
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from peers.other_methods import fit_fc, unbiased, virtual_pair
from rasterio.errors import NotGeoreferencedWarning

from sm_core.fusion import NDVI_PARAMS, EstarfmParams, Pair, fuse, fuse_day
from sm_core.sources import decode

Image = NDArray[np.float32]
PUBLISHED = NDVI_PARAMS.model_copy(update={"evenness": 0.0, "coarse_cell": 0})
MIN_KNOWN = 9
BANDS = ("blue", "green", "red", "near infrared")
LANDSAT_SCALE, LANDSAT_OFFSET = 0.275, -2000.0
"""Collection 2 digital numbers to reflectance × 10000."""


def read_series(folder: Path, tile: str, block: int) -> list[Pair]:
    """Pairs of NDVI composites and their block means, on the part of the tile that holds land, by day."""
    files = sorted(folder.glob(f"M?D13A2.A*.{tile}.*.hdf"))
    if len(files) < 5:
        raise SystemExit(f"{folder} holds {len(files)} MOD13A2/MYD13A2 granules of tile {tile}; 5 are needed")
    granules = [decode(path) for path in files]
    seen = np.logical_or.reduce([np.isfinite(granule.ndvi.values[0]) for granule in granules])
    window = tuple(land_window(seen.any(axis=axis), block) for axis in (1, 0))
    pairs = []
    for granule in granules:
        fine = granule.ndvi.values[0][window]
        pairs.append(Pair(date.fromisoformat(granule.attrs["start"]), image(fine), image(block_mean(fine, block))))
    return sorted(pairs, key=lambda pair: pair.day)


def land_window(seen: NDArray[np.bool_], block: int) -> slice:
    """From the first to the last line with land, in whole blocks."""
    lines = np.flatnonzero(seen)
    start = int(lines[0]) // block * block
    return slice(start, start + -(-(int(lines[-1]) + 1 - start) // block) * block)


def block_mean(fine: Image, block: int) -> Image:
    """Mean of each block × block cell at all its pixels; unknown where fewer than ``MIN_KNOWN`` pixels are known."""
    rows, columns = fine.shape
    cells = fine.reshape(rows // block, block, columns // block, block)
    known = np.isfinite(cells)
    count = known.sum(axis=(1, 3))
    total = np.where(known, cells, 0).sum(axis=(1, 3))
    mean = np.where(count >= MIN_KNOWN, total / np.maximum(count, 1), np.nan)
    return np.repeat(np.repeat(mean, block, axis=0), block, axis=1).astype(np.float32)


def image(values: Image) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"))


def two_sided(pairs: Sequence[Pair], k: int, block: int) -> Mapping[str, Image]:
    """Predictions of date k from the dates around it."""
    before, target, after = pairs[k - 1:k + 2]
    share = (target.day - before.day) / (after.day - before.day)
    first, last = before.fine.values, after.fine.values
    coarse = target.coarse
    others = [pair for pair in pairs if pair is not target]
    changed = [pair.fine.values + coarse.values - pair.coarse.values for pair in (before, after)]
    return {
        "fuse_day, whole series": fuse_day(None, others, coarse, target.day, NDVI_PARAMS).value.values,
        "ESTARFM, our settings": fuse(before, after, coarse, NDVI_PARAMS).value.values,
        "ESTARFM as published": fuse(before, after, coarse, PUBLISHED).value.values,
        "VIPSTF, both dates": virtual_pair([before, after], coarse.values, NDVI_PARAMS),
        "Fit-FC, mean of both": (fit_fc(before, coarse.values, block) + fit_fc(after, coarse.values, block)) / 2,
        "linear in time": first + np.float32(share) * (last - first),
        "nearest date": first if share <= 0.5 else last,
        "mean of both + coarse change": (changed[0] + changed[1]) / 2,
        "coarse only": coarse.values,
    }


def past_only(pairs: Sequence[Pair], k: int, block: int) -> Mapping[str, Image]:
    """Predictions of date k from the dates before it."""
    earlier, before, target = pairs[k - 2:k + 1]
    coarse = target.coarse
    return {
        "fuse_day, all past dates": fuse_day(None, pairs[:k], coarse, target.day, NDVI_PARAMS).value.values,
        "ESTARFM, two past pairs": fuse(earlier, before, coarse, NDVI_PARAMS).value.values,
        "ESTARFM, one pair": fuse(before, None, coarse, NDVI_PARAMS).value.values,
        "ESTARFM, two past, published": fuse(earlier, before, coarse, PUBLISHED).value.values,
        "one pair, published (STARFM)": fuse(before, None, coarse, PUBLISHED).value.values,
        "one pair, bias removed": unbiased(before, coarse.values, NDVI_PARAMS),
        "Fit-FC": fit_fc(before, coarse.values, block),
        "VIPSTF, two past pairs": virtual_pair([earlier, before], coarse.values, NDVI_PARAMS),
        "carried forward": before.fine.values,
        "before + coarse change": before.fine.values + coarse.values - before.coarse.values,
        "coarse only": coarse.values,
    }


Scene = tuple[Image, Mapping[str, Image]]


def scenes(
    pairs: Sequence[Pair], first: int, last: int, block: int,
    predict: Callable[[Sequence[Pair], int, int], Mapping[str, Image]],
) -> Iterator[Scene]:
    """Truth and predictions of each date, NaN where any method has no answer. (y, x)"""
    for k in range(first, last):
        yield masked(pairs[k].fine.values, predict(pairs, k, block))


def masked(truth: Image, predictions: Mapping[str, Image]) -> Scene:
    known = np.isfinite(truth) & np.logical_and.reduce([np.isfinite(values) for values in predictions.values()])
    return np.where(known, truth, np.nan), {name: np.where(known, values, np.nan) for name, values in
                                            predictions.items()}


def roughness(image: Image) -> float:
    """Mean Roberts gradient."""
    gradient = np.abs(image[:-1, :-1] - image[1:, 1:]) + np.abs(image[1:, :-1] - image[:-1, 1:])
    return float(np.nanmean(gradient)) if np.isfinite(gradient).any() else float("nan")


def table(title: str, rows: Sequence[Scene], digits: int = 4) -> None:
    """Print the scores of each method, best first, and those that beat the first one."""
    known = [np.isfinite(truth) for truth, _ in rows]
    truth = np.concatenate([values[mask] for (values, _), mask in zip(rows, known, strict=True)])
    print(f"\n{title}: {len(rows)} dates, {truth.size} pixels\n")
    print("| method | RMSE | bias | r | edge |\n|---|---|---|---|---|")
    scores = {}
    for method in rows[0][1]:
        predicted = np.concatenate([values[method][mask] for (_, values), mask in zip(rows, known, strict=True)])
        error = predicted - truth
        pairs = [(roughness(values[method]), roughness(true)) for true, values in rows]
        edge = float(np.nanmean([(ours - true) / (ours + true) for ours, true in pairs]))
        scores[method] = (float(np.sqrt((error**2).mean())), float(error.mean()),
                          float(np.corrcoef(predicted, truth)[0, 1]), edge)
    for method, (rmse, bias, r, edge) in sorted(scores.items(), key=lambda item: item[1][0]):
        print(f"| {method} | {rmse:.{digits}f} | {bias:+.{digits}f} | {r:.3f} | {edge:+.2f} |")
    first = next(iter(scores))
    better = [method for method, score in scores.items() if score[0] < scores[first][0]]
    print(f"\n'{first}' loses to: {', '.join(better) or 'none'}")


def triplet(before: Pair, after: Pair, coarse: xr.DataArray, share: float, params: EstarfmParams) -> dict[str, Image]:
    """Predictions of the middle image from both sides and from the first alone. Same dimensions as the images."""
    first, last = before.fine.values, after.fine.values
    day = before.day + share * (after.day - before.day)
    bands = [
        tuple(Pair(pair.day, pair.fine[b], pair.coarse[b]) for pair in (before, after)) for b in range(len(first))
    ]
    ours = params.model_copy(update={"evenness": 0.5, "coarse_cell": 0})
    both = [fuse_day(None, pairs, coarse[b], day, ours).value.values for b, pairs in enumerate(bands)]
    return {
        "fuse_day": np.stack(both),
        "ESTARFM, bands together": fuse(before, after, coarse, params).value.values,
        "ESTARFM, each band": np.stack([fuse(*p, coarse[b], params).value.values for b, p in enumerate(bands)]),
        "linear in time": first + np.float32(share) * (last - first),
        "nearest date": first if share <= 0.5 else last,
        "mean of both dates": (first + last) / 2,
        "past only: fuse_day": np.stack([fuse_day(None, p[:1], coarse[b], day, ours).value.values
                                         for b, p in enumerate(bands)]),
        "past only: carried forward": first,
    }


def landsat_triplet(folder: Path) -> None:
    """Four bands of July to August 2016, day 236 from days 220 and 243."""
    days = (220, 236, 243)
    fine = {day: read(folder / f"L_2016_{day}.tif") * LANDSAT_SCALE + LANDSAT_OFFSET for day in days}
    coarse = {day: read(folder / f"M_2016_{day}-bilinear.tif") for day in days}
    pairs = [Pair(date.fromordinal(day), stacked(fine[day]), stacked(coarse[day])) for day in days]
    share = (days[1] - days[0]) / (days[2] - days[0])
    params = EstarfmParams(uncertainty=20.0, valid_range=(0.0, 10_000.0), min_coarse_change=200.0)
    predictions = triplet(pairs[0], pairs[2], pairs[1].coarse, share, params)
    for band, name in enumerate(BANDS):
        rows = [masked(fine[236][band], {method: values[band] for method, values in predictions.items()})]
        table(f"Landsat/MODIS triplet, {name}, reflectance × 10000", rows, 1)


def golden(path: Path) -> None:
    """A stored triplet with the outputs of other programs on it."""
    with np.load(path) as file:
        stored = dict(file)
    high = json.loads(str(stored["meta"]))["dn_max"]
    before, after = (Pair(date.fromordinal(k), stacked(stored[f"f{k}"][None]), stacked(stored[f"c{k}"][None]))
                     for k in (1, 2))
    params = EstarfmParams(uncertainty=0.002 * high, valid_range=(0.0, high), min_coarse_change=0.02 * high)
    predictions = {name: values[0] for name, values in
                   triplet(before, after, stacked(stored["c0"][None]), 0.5, params).items()
                   if name != "ESTARFM, bands together"}
    others = {key.removeprefix("out_").replace("_", " "): stored[key] for key in stored if key.startswith("out_")}
    truth = stored["truth"]
    table(path.stem, [masked(truth, predictions | others)], 1 if high > 1000 else 3)


def read(path: Path) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read(masked=True).astype(np.float32).filled(np.nan)


def stacked(values: Image) -> xr.DataArray:
    return xr.DataArray(values.astype(np.float32), dims=("band", "y", "x"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SM_REAL_DATA"), help="folder with modis/*.hdf")
    parser.add_argument("--tile", default="h18v09")
    parser.add_argument("--block", type=int, default=5, help="width of a coarse cell [pixels]")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder of real files with --data or SM_REAL_DATA")
    pairs = read_series(arguments.data / "modis", arguments.tile, arguments.block)
    clear = ", ".join(f"{pair.day:%m-%d} {np.isfinite(pair.fine.values).mean():.0%}" for pair in pairs)
    print(f"{arguments.tile}, {pairs[0].fine.shape} pixels, known: {clear}")
    table("Two-sided", list(scenes(pairs, 1, len(pairs) - 1, arguments.block, two_sided)))
    table("Past only", list(scenes(pairs, 2, len(pairs), arguments.block, past_only)))
    landsat_triplet(arguments.data / "fusion" / "imagefusion_realset1")
    for name in ("real_zhu_red", "ndvi_crop200", "lst_crop200", "ndvi_gaps_crop200"):
        path = arguments.data.parent / "golden" / "fusion" / f"{name}.npz"
        if path.is_file():
            golden(path)


if __name__ == "__main__":
    main()
