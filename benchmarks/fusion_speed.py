"""Speed of the fusion kernel beside a plain compiled program of the published loop order, in the same run.

The plain one (``peers/estarfm_plain.py``) lists the similar pixels of each target and goes through the list again;
both run the same images in turn, so that a busy machine slows both. Also timed: the first call of a new process and
``fuse_day`` on a 200 × 200 region.

    python benchmarks/fusion_speed.py --images ../golden/fusion/ndvi_full.npz
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from peers.estarfm_plain import fuse_plain

from sm_core.fusion import NDVI_PARAMS, EstarfmParams, Pair, fuse, fuse_day

DAY = date(2025, 6, 15)
SCALE = 1e-4


def read_images(path: Path) -> dict[str, NDArray[np.float32]]:
    """NDVI [1] as ``f1, c1, f2, c2, c0``, given × 10000."""
    with np.load(path) as stored:
        return {name: (stored[name] * SCALE).astype(np.float32) for name in ("f1", "c1", "f2", "c2", "c0")}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dense(images: dict[str, NDArray[np.float32]]) -> tuple[Pair, Pair, xr.DataArray]:
    f1, c1, f2, c2, c0 = (xr.DataArray(values, dims=("y", "x")) for values in images.values())
    return Pair(date(2025, 6, 1), f1, c1), Pair(date(2025, 6, 30), f2, c2), c0


def compare(images: dict[str, NDArray[np.float32]], rounds: int, threads: int) -> None:
    """Print median seconds of both programs, their ratio and how far their results differ."""
    params = EstarfmParams(uncertainty=0.002, valid_range=(0.0, 1.0), min_coarse_change=0.02)
    before, after, coarse = dense(images)
    numba.set_num_threads(threads)
    spent: dict[str, list[float]] = {"plain": [], "kernel": []}
    for _ in range(rounds):
        spent["plain"].append(seconds(lambda: fuse_plain(*images.values(), valid_range=(0.0, 1.0), min_change=0.02)))
        spent["kernel"].append(seconds(lambda: fuse(before, after, coarse, params, threads=threads)))
    plain, kernel = (statistics.median(times) for times in spent.values())
    print(f"{threads} thread(s): plain {plain:6.2f} s   kernel {kernel:5.2f} s   ratio {plain / kernel:5.1f}")


def difference(images: dict[str, NDArray[np.float32]]) -> None:
    """Print how far the two results are apart, in NDVI × 10000."""
    params = EstarfmParams(uncertainty=0.002, valid_range=(0.0, 1.0), min_coarse_change=0.02)
    fused = fuse(*dense(images), params).value.values
    apart = np.abs(fused - fuse_plain(*images.values(), valid_range=(0.0, 1.0), min_change=0.02)) / SCALE
    print(f"deviation of kernel from plain: mean {apart.mean():.4f}, p99 {np.quantile(apart, 0.99):.4f} (NDVI × 10000)")


def day_on_region(images: dict[str, NDArray[np.float32]], side: int) -> None:
    """Print seconds of ``fuse_day`` for a cloudy region of side × side pixels with four candidates."""
    before, after, coarse = dense({name: values[:side, :side] for name, values in images.items()})
    rng = np.random.default_rng(0)
    candidates = []
    for k, pair in enumerate((before, after, before, after)):
        clouds = np.kron(rng.random((side // 20, side // 20)) < 0.5, np.ones((20, 20))).astype(bool)
        candidates.append(Pair(date(2025, 6, 5 + 5 * k), pair.fine.where(~clouds), pair.coarse))
    fuse_day(None, candidates, coarse, DAY, NDVI_PARAMS)
    times = [seconds(lambda: fuse_day(None, candidates, coarse, DAY, NDVI_PARAMS)) for _ in range(5)]
    print(f"fuse_day, {side} × {side}, four candidates half clouded: {statistics.median(times):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("SM_REAL_DATA")
    default = Path(data).parent / "golden" / "fusion" / "ndvi_full.npz" if data else None
    parser.add_argument("--images", type=Path, default=default, help="npz with f1, c1, f2, c2, c0 (NDVI × 10000)")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.images is None:
        parser.error("name the images with --images, or the folder of real files beside them with SM_REAL_DATA")
    images = read_images(arguments.images)
    small = {name: values[:60, :60] for name, values in images.items()}
    first = seconds(lambda: fuse(*dense(small), NDVI_PARAMS))
    print(f"first call of this process, 60 × 60: {first:.2f} s (compiles if nothing is cached)")
    fuse_plain(*small.values(), valid_range=(0.0, 1.0), min_change=0.02)
    print(f"{images['f1'].shape} pixels, half window {NDVI_PARAMS.half_window}, median of {arguments.rounds} rounds")
    for threads in (1, 2):
        compare(images, arguments.rounds, threads)
    difference(images)
    day_on_region(images, 200)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
