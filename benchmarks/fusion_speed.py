"""Speed and memory of the fusion kernel beside a plain compiled program of the published loop order, in the same run.

The plain one (``peers/estarfm_plain.py``) lists the similar pixels of each target and goes through the list again;
both run the same images in turn, so that a busy machine slows both. Then: seconds per pixel and peak memory of a fresh
process for each of several image sizes, the first call of a new process, and one day of a cloudy region.

    python benchmarks/fusion_speed.py --images ../golden/fusion/ndvi_full.npz
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.fusion import NDVI_PARAMS, EstarfmParams, Pair, fuse, fuse_day

DAY = date(2025, 6, 15)
SCALE = 1e-4
PUBLISHED = EstarfmParams(uncertainty=0.002, valid_range=(0.0, 1.0), min_coarse_change=0.02)
SIDES = (250, 500, 1000, 2000, 4000)
Images = dict[str, NDArray[np.float32]]


def read_images(path: Path) -> Images:
    """NDVI [1] as ``f1, c1, f2, c2, c0``, given × 10000."""
    with np.load(path) as stored:
        return {name: (stored[name] * SCALE).astype(np.float32) for name in ("f1", "c1", "f2", "c2", "c0")}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dense(images: Images) -> tuple[Pair, Pair, xr.DataArray]:
    f1, c1, f2, c2, c0 = (xr.DataArray(values, dims=("y", "x")) for values in images.values())
    return Pair(date(2025, 6, 1), f1, c1), Pair(date(2025, 6, 30), f2, c2), c0


def compare(images: Images, rounds: int) -> None:
    """Print median seconds of both programs on one thread and on two, their ratios, and how far results differ."""
    import numba
    from peers.estarfm_plain import fuse_plain

    def plain() -> NDArray[np.floating]:
        return fuse_plain(*images.values(), valid_range=(0.0, 1.0), min_change=0.02)

    before, after, coarse = dense(images)
    fuse_plain(*(values[:60, :60] for values in images.values()), valid_range=(0.0, 1.0), min_change=0.02)
    spent: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            numba.set_num_threads(threads)
            spent.setdefault(("plain", threads), []).append(seconds(plain))
            work = partial(fuse, before, after, coarse, PUBLISHED, threads=threads)
            spent.setdefault(("kernel", threads), []).append(statistics.median(seconds(work) for _ in range(3)))
    median = {key: statistics.median(times) for key, times in spent.items()}
    print(f"{images['f1'].shape} pixels, half window 25, median of {rounds} rounds\n")
    print("| threads | plain [s] | kernel [s] | ratio |\n|---|---|---|---|")
    for threads in (1, 2):
        ours, theirs = median["kernel", threads], median["plain", threads]
        print(f"| {threads} | {theirs:.2f} | {ours:.3f} | {theirs / ours:.1f} |")
    print(f"\ntwo threads against one: {median['kernel', 1] / median['kernel', 2]:.2f}")
    apart = np.abs(fuse(before, after, coarse, PUBLISHED).value.values - plain()) / SCALE
    print(f"deviation of kernel from plain: mean {apart.mean():.4f}, p99 {np.quantile(apart, 0.99):.4f} (NDVI × 10000)")


def size(images: Images, side: int) -> None:
    """Fuse side × side pixels; print microseconds of processor time per pixel and memory in images. For one process."""
    fuse(*dense({name: values[:40, :40] for name, values in images.items()}), PUBLISHED)
    repeats = -(-side // min(images["f1"].shape))
    tiled = {name: np.tile(values, (repeats, repeats))[:side, :side].copy() for name, values in images.items()}
    scene = dense(tiled)
    one = tiled["f1"].nbytes / 1024
    before = resident_kilobytes()
    Path("/proc/self/clear_refs").write_text("5")
    started = time.process_time()
    fuse(*scene, PUBLISHED, threads=2)
    spent = (time.process_time() - started) / side**2 * 1e6
    more = (peak_kilobytes() - before) / one
    print(f"| {side} × {side} | {spent:.2f} | 5 inputs + {more:.1f} | {peak_kilobytes() / 1024:.0f} |")


def resident_kilobytes() -> float:
    return status("VmRSS")


def peak_kilobytes() -> float:
    return status("VmHWM")


def status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(field)).split()[1])


def first_call(images: Images) -> None:
    """Print the seconds that the first fusion of this process takes."""
    small = dense({name: values[:60, :60] for name, values in images.items()})
    print(f"{seconds(lambda: fuse(*small, PUBLISHED)):.2f}")


def day_on_region(images: Images, side: int) -> None:
    """Print seconds of ``fuse_day`` for a cloudy region of side × side pixels with eight candidates."""
    before, after, coarse = dense({name: values[:side, :side] for name, values in images.items()})
    rng = np.random.default_rng(0)
    candidates = []
    for k, pair in enumerate((before, after) * 4):
        clouds = np.kron(rng.random((side // 20, side // 20)) < 0.5, np.ones((20, 20))).astype(bool)
        candidates.append(Pair(date(2025, 6, 2 + 3 * k), pair.fine.where(~clouds), pair.coarse))
    fuse_day(None, candidates, coarse, DAY, NDVI_PARAMS)
    times = [seconds(lambda: fuse_day(None, candidates, coarse, DAY, NDVI_PARAMS)) for _ in range(5)]
    print(f"fuse_day, {side} × {side}, eight candidates half clouded: {statistics.median(times):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("SM_REAL_DATA")
    default = Path(data).parent / "golden" / "fusion" / "ndvi_full.npz" if data else None
    parser.add_argument("--images", type=Path, default=default, help="npz with f1, c1, f2, c2, c0 (NDVI × 10000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, help="only this size, in this process")
    parser.add_argument("--first-call", action="store_true", help="only the first call of this process")
    arguments = parser.parse_args()
    if arguments.images is None:
        parser.error("name the images with --images, or the folder of real files beside them with SM_REAL_DATA")
    images = read_images(arguments.images)
    if arguments.side:
        return size(images, arguments.side)
    if arguments.first_call:
        return first_call(images)
    again = [sys.executable, __file__, "--images", str(arguments.images)]
    compare(images, arguments.rounds)
    print("\n| size | processor time [µs per pixel] | peak memory [images] | whole process [MB] |\n|---|---|---|---|")
    for side in SIDES:
        print(subprocess.run([*again, "--side", str(side)], check=True, capture_output=True, text=True).stdout, end="")
    waits = [float(subprocess.run([*again, "--first-call"], check=True, capture_output=True, text=True).stdout)
             for _ in range(3)]
    print(f"\nfirst call of a new process, compiled at installation: {statistics.median(waits):.2f} s")
    day_on_region(images, 200)
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return None


if __name__ == "__main__":
    main()
