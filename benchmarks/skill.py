"""How good each stage is on simulated worlds: several seeds, averaged, as markdown for docs/accuracy.md.

    python benchmarks/skill.py --data data/skill --seeds 11 12 13
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import subprocess
import sys
from pathlib import Path

STATIONS = "80"
"""As dense as the agricultural weather network of South Korea."""
STAGES, LAYERS, SCORES = ("coarse", "downscaled", "corrected"), ("sm_surface", "sm_rootzone"), (
    "pearson_r", "rmsd", "ubrmsd", "bias")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="one folder per seed is made here")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    arguments = parser.parse_args()
    records = [trained(arguments.data / f"seed{seed}", seed) for seed in arguments.seeds]
    for where, title in (("at_stations", "at unseen stations"), ("against_truth", "against the known 1-km truth")):
        print(f"\n### Twin, {title}: mean of {len(records)} seeds (smallest to largest)\n")
        print(table([record[where] for record in records]))
    print("\n### Twin, each seed\n")
    print(each_seed(arguments.seeds, records))


def trained(data: Path, seed: int) -> dict:
    """The newest training record of a seed's world, which is made and trained unless it is there."""
    if not (data / "reports").is_dir():
        archive = data / "archive"
        sm_daily("twin", str(archive), "--region", "demo", "--stations", STATIONS, "--seed", str(seed))
        sm_daily("train", "--region", "demo", "--archive", str(archive), "--data", str(data))
    newest = max((data / "reports" / "demo").glob("*/record.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(newest.read_text(encoding="utf-8"))


def sm_daily(*arguments: str) -> None:
    command = [sys.executable, "-c", "from flows.cli import main; main()", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def table(tables: list[dict]) -> str:
    lines = ["| layer | stage | PCC | RMSE | ubRMSE | bias |", "|---|---|---|---|---|---|"]
    for layer in LAYERS:
        for stage in STAGES:
            cells = [spread([row(t, stage, layer)[score]["value"] for t in tables]) for score in SCORES]
            lines.append(f"| {layer} | {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def each_seed(seeds: list[int], records: list[dict]) -> str:
    lines = ["| seed | judged days | unseen stations | layer | RMSE at stations: coarse / downscaled / corrected | "
             "RMSE against truth | period judged |", "|---|---|---|---|---|---|---|"]
    for seed, record in zip(seeds, records, strict=True):
        days = record["plan"]["judged_days"]
        for layer in LAYERS:
            rmse = [" / ".join(f"{row(record[where], stage, layer)['rmsd']['value']:.4f}" for stage in STAGES)
                    for where in ("at_stations", "against_truth")]
            places = row(record["at_stations"], "coarse", layer)["places"]
            lines.append(f"| {seed} | {len(days)} | {places} | {layer} | {rmse[0]} | {rmse[1]} | "
                         f"{dt.date.fromisoformat(days[0])} to {dt.date.fromisoformat(days[-1])} |")
    return "\n".join(lines)


def row(skill: dict, stage: str, layer: str) -> dict:
    return next(r for r in skill["rows"] if (r["stage"], r["layer"]) == (stage, layer))


def spread(values: list[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    return f"{sum(known) / len(known):.3f} ({min(known):.3f} to {max(known):.3f})"


if __name__ == "__main__":
    main()
