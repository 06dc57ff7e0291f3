"""What ESTARFM is worth on a real series: leave one date out, predict it, compare with simple methods.

Every NDVI composite of one tile is predicted in turn from the composites around it (two-sided) or before it (past
only). The coarse images are block means of the fine ones, the target's own included, as a perfect coarse sensor
would see them. All methods of a table are scored over the same pixels.

    python benchmarks/fusion_real.py --data data
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.fusion import NDVI_PARAMS, Pair, fuse, fuse_day
from sm_core.sources import decode

Image = NDArray[np.float32]
PUBLISHED = NDVI_PARAMS.model_copy(update={"evenness": 0.0, "coarse_cell": 0})
MIN_KNOWN = 9


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


def two_sided(pairs: Sequence[Pair], k: int) -> Mapping[str, Image]:
    """Predictions of date k from the dates around it."""
    before, target, after = pairs[k - 1:k + 2]
    share = (target.day - before.day) / (after.day - before.day)
    first, last = before.fine.values, after.fine.values
    nearest = first if share <= 0.5 else last
    coarse = target.coarse
    others = [pair for pair in pairs if pair is not target]
    changed = [pair.fine.values + coarse.values - pair.coarse.values for pair in (before, after)]
    return {
        "ESTARFM as published": fuse(before, after, coarse, PUBLISHED).value.values,
        "ESTARFM, ours": fuse(before, after, coarse, NDVI_PARAMS).value.values,
        "fuse_day, whole series": fuse_day(None, others, coarse, target.day, NDVI_PARAMS).value.values,
        "linear in time": first + np.float32(share) * (last - first),
        "nearest date": nearest,
        "before + coarse change": changed[0],
        "mean of both + coarse change": (changed[0] + changed[1]) / 2,
        "coarse only": coarse.values,
    }


def past_only(pairs: Sequence[Pair], k: int) -> Mapping[str, Image]:
    """Predictions of date k from the two dates before it."""
    earlier, before, target = pairs[k - 2:k + 1]
    coarse = target.coarse
    return {
        "ESTARFM, one pair, published": fuse(before, None, coarse, PUBLISHED).value.values,
        "ESTARFM, one pair, ours": fuse(before, None, coarse, NDVI_PARAMS).value.values,
        "ESTARFM, two past, published": fuse(earlier, before, coarse, PUBLISHED).value.values,
        "ESTARFM, two past pairs, ours": fuse(earlier, before, coarse, NDVI_PARAMS).value.values,
        "fuse_day, all past dates": fuse_day(None, pairs[:k], coarse, target.day, NDVI_PARAMS).value.values,
        "nearest date": before.fine.values,
        "before + coarse change": before.fine.values + coarse.values - before.coarse.values,
        "coarse only": coarse.values,
    }


def errors(
    pairs: Sequence[Pair], first: int, last: int, predict: Callable[[Sequence[Pair], int], Mapping[str, Image]]
) -> Iterator[tuple[Image, Mapping[str, Image]]]:
    """True values and predictions of each date at the pixels that all methods know."""
    for k in range(first, last):
        truth, predictions = pairs[k].fine.values, predict(pairs, k)
        known = np.isfinite(truth) & np.logical_and.reduce([np.isfinite(values) for values in predictions.values()])
        yield truth[known], {method: values[known] for method, values in predictions.items()}


def table(title: str, rows: Sequence[tuple[Image, Mapping[str, Image]]]) -> None:
    """Print RMSE, bias and correlation of each method, best first, and name those that beat the first one."""
    truth = np.concatenate([values for values, _ in rows])
    print(f"\n{title}: {len(rows)} dates, {truth.size} pixels")
    print(f"{'method':32s}   RMSE    bias      r")
    scores = {}
    for method in rows[0][1]:
        predicted = np.concatenate([values[method] for _, values in rows])
        error = predicted - truth
        scores[method] = float(np.sqrt((error**2).mean())), float(error.mean()), np.corrcoef(predicted, truth)[0, 1]
    for method, (rmse, bias, r) in sorted(scores.items(), key=lambda item: item[1][0]):
        print(f"{method:32s} {rmse:6.4f} {bias:+7.4f} {r:6.3f}")
    first = next(iter(scores))
    better = [method for method, score in scores.items() if score[0] < scores[first][0]]
    print(f"'{first}' loses to: {', '.join(better) or 'none'}")


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
    table("Two-sided", list(errors(pairs, 1, len(pairs) - 1, two_sided)))
    table("Past only", list(errors(pairs, 2, len(pairs), past_only)))


if __name__ == "__main__":
    main()
