"""Seconds to predict both layers of a 700 × 1000 grid: LightGBM's own ``predict``, and ours, in the same run.

python benchmarks/predict_speed.py
"""

from __future__ import annotations

import argparse
import platform
import time

import lightgbm as lgb
import numpy as np

from sm_core.downscaling import DownscalingParams, Trees


def booster(params: DownscalingParams, rounds: int, leaves: int, seed: int) -> lgb.Booster:
    """A booster of the size that training gives, on made-up relations."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((20_000, len(params.trees)))
    y = 0.02 * x[:, 0] * x[:, -1] + 0.01 * np.sin(x[:, 1]) + 0.02 * rng.standard_normal(len(x))
    settings = {"num_leaves": leaves, "learning_rate": 0.05, "verbosity": -1, "num_threads": 1, "seed": seed}
    return lgb.train(settings, lgb.Dataset(x, y), rounds)


def least(call, repeats: int) -> tuple[float, np.ndarray]:
    """Fewest seconds of several calls, and the result."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=700_000)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    params = DownscalingParams()
    table = np.random.default_rng(9).standard_normal((arguments.rows, len(params.trees))).astype(np.float32)
    columns = np.ascontiguousarray(table.T)
    print(f"{platform.machine()}, {arguments.rows} rows × {len(params.trees)} features, {arguments.rounds} trees, "
          f"2 layers, one thread, least of {arguments.repeats}\n")
    print("| leaves | LightGBM [s] | ours [s] | ratio | unpacking [ms] | largest difference |")
    print("|---|---|---|---|---|---|")
    for leaves in (4, params.num_leaves, 31):
        boosters = [booster(params, arguments.rounds, leaves, seed) for seed in (0, 1)]
        begin = time.perf_counter()
        trees = [Trees.of(b) for b in boosters]
        unpacking = time.perf_counter() - begin
        trees[0].predict(columns[:, :10])
        theirs, expected = least(lambda b=boosters: np.stack([m.predict(table, num_threads=1) for m in b]),
                                 arguments.repeats)
        ours, found = least(lambda t=trees: np.stack([m.predict(columns) for m in t]), arguments.repeats)
        print(f"| {leaves} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f} | {1000 * unpacking:.0f} | "
              f"{np.abs(found - expected).max():.1e} |")


if __name__ == "__main__":
    main()
