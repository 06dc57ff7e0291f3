"""What each part of the correction brings, in trained simulated worlds whose truth is known.

    python benchmarks/correction_ablation.py --region-file wide.yaml --data data/seed1 data/seed2

Each folder is one that `sm-daily train` has worked in, with the simulated archive in ``archive``. Root mean square
error [m3/m3] against the 1-km truth on the days held out, and ubRMSE at stations held out; trust as in service.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from sm_core.correction import CorrectionDay, CorrectionParams, correct, train, training
from sm_core.correction.network import CorrectionNet
from sm_core.correction.samples import Samples
from sm_core.domain import LAYERS, Region, load_region
from sm_core.validation import at_stations, spatial_blocks, station_skill, truth_skill
from tasks.adapters.mirror import truth_of
from tasks.adapters.scratch import load
from tasks.training.records import PreparedDay

VARIANTS: dict[str, dict[str, object]] = {
    "as it is": {},
    "network without pre-training": {"pretrain_epochs": 0},
    "network fine-tuned whole (no freezing)": {},
    "network without spatial context (1 x 1)": {"kernel": 1},
    "no network": {"channels": 0},
    "no products of departures": {"pairs": False},
    "no network, no products": {"channels": 0, "pairs": False},
    "no static features (usual field only)": {"static": ()},
    "height and cover as static features too": {
        "static": ("clay", "sand", "slope", "elevation", "forest", "cropland", "urban")},
    "neighbours do not share weight": {"neighbour_km": 0.0},
}
UNFROZEN = "network fine-tuned whole (no freezing)"
UNFROZEN_EPOCHS, UNFROZEN_RATE, STATIONS_PER_BATCH = 3, 1e-3, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region-file", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--every", type=int, default=1, help="judge every n-th of the days held out")
    arguments = parser.parse_args()
    print("| world | variant | surface, truth | root zone, truth | surface ubRMSE, stations | root zone |")
    print("|---|---|---|---|---|---|")
    for data in arguments.data:
        world = World(data, load_region(arguments.region_file), arguments.every)
        line(data.name, "not corrected", world.scores([day.fine for day in world.judged]))
        for name, changes in VARIANTS.items():
            params = CorrectionParams().model_copy(update=changes)
            with unfrozen() if name == UNFROZEN else nullcontext():
                line(data.name, name, world.corrected(params))


def line(world: str, variant: str, scores: list[float]) -> None:
    print(f"| {world} | {variant} | " + " | ".join(f"{score:.4f}" for score in scores) + " |", flush=True)


class World:
    """Days and stations of one trained world, as training had them."""

    def __init__(self, data: Path, region: Region, every: int) -> None:
        scratch, self.grid = data / "scratch" / region.region_id, region.grid
        plan = json.loads(max(data.glob(f"reports/{region.region_id}/*/record.json"), key=age).read_text())["plan"]
        days = {str(day.day): day for path in sorted(scratch.glob("prepared/*.jsonl"), key=age)
                for line in path.read_text().splitlines() if (day := PreparedDay.model_validate_json(line)).downscaled}
        self.learned, self.judged = ([
            CorrectionDay(days[d].day, load(days[d].features), load(days[d].downscaled)) for d in wanted if d in days
        ] for wanted in (plan["training_days"], plan["judged_days"][::every]))
        self.table = pd.read_parquet(scratch / "stations.parquet")
        self.split = spatial_blocks(self.table.drop_duplicates("station_id").itertuples(), block_km=50.0,
                                    held_out_share=0.25, seed=2025, buffer_km=10.0)
        self.truth = stack([truth_of(data / "archive", day.day)[list(LAYERS)] for day in self.judged], self.judged)

    def corrected(self, params: CorrectionParams) -> list[float]:
        seen = self.table[self.table["station_id"].isin(self.split.training)]
        corrector = train(self.learned, seen, self.grid, params)
        return self.scores([correct(day.fine, day.features, corrector) for day in self.judged])

    def scores(self, fields: list[xr.Dataset]) -> list[float]:
        stages = {"this": stack([field[list(LAYERS)] for field in fields], self.judged)}
        unseen = self.table[self.table["station_id"].isin(self.split.held_out)]
        points = {"this": at_stations(stages["this"], unseen, self.grid)}
        truth, stations = truth_skill(stages, self.truth), station_skill(points, unseen)
        return [*[truth.row("this", layer).rmsd.value for layer in LAYERS],
                *[stations.row("this", layer).ubrmsd.value for layer in LAYERS]]


def stack(fields: list[xr.Dataset], days: list[CorrectionDay]) -> xr.Dataset:
    times = pd.DatetimeIndex(pd.to_datetime([day.day for day in days]), name="time")
    return xr.concat(fields, dim=times, combine_attrs="override")


def age(path: Path) -> float:
    return path.stat().st_mtime


@contextmanager
def unfrozen() -> Iterator[None]:
    """Between the stages, the whole body learns from the stations by gradient descent."""
    pretrain = training._pretrain

    def both(network: CorrectionNet, samples: Samples, params: CorrectionParams) -> float:
        result = pretrain(network, samples, params)
        fine_tune(network, samples)
        return result

    training._pretrain = both
    try:
        yield
    finally:
        training._pretrain = pretrain


def fine_tune(network: CorrectionNet, samples: Samples) -> None:
    """Departures from each station's own means, of the residual by the network's activations."""
    head = torch.nn.Linear(network.channels, len(LAYERS), bias=False)
    optimiser = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=UNFROZEN_RATE, weight_decay=0.05)
    difference = samples.observed - samples.fine
    rows, columns = (samples.stations[name].to_numpy()[samples.station] for name in ("row", "column"))
    stations = torch.arange(len(samples.stations))
    for _ in range(UNFROZEN_EPOCHS):
        for group in torch.split(stations[torch.randperm(len(stations))], STATIONS_PER_BATCH):
            batch = np.isin(samples.station, group.numpy()) & np.isfinite(difference).all(axis=1)
            raw = samples.usual.around(rows[batch], columns[batch], network.radius).features
            raw[:, samples.norm.dynamic_index] = samples.patches[batch]
            hidden = network.hidden(torch.from_numpy(samples.norm.inputs(raw)))[:, :, 0, 0]
            own = torch.from_numpy(np.unique(samples.station[batch], return_inverse=True)[1])
            error = demeaned(head(hidden) - torch.from_numpy(difference[batch]) / 0.05, own)
            optimiser.zero_grad()
            torch.autograd.backward(error.square().mean())
            optimiser.step()


def demeaned(values: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(int(own.max()) + 1, values.shape[1]).index_add(0, own, values)
    return values - (total / torch.bincount(own)[:, None])[own]


if __name__ == "__main__":
    main()
