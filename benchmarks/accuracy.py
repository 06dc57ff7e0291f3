"""Accuracy of the whole chain on simulated worlds, by every design: the tables of docs/accuracy.md, as markdown.

    python benchmarks/accuracy.py --data data/accuracy --seeds 31 32 33

Each seed's world is made and trained by ``sm-daily``; its prepared days are then used again: for every division of the
station-days, models learn from its training rows alone and are judged on the others. ``--ablate`` leaves out one part
of the chain after the other instead, under the design of unseen stations and days.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from sm_core.correction import CorrectionDay, CorrectionParams, Corrector, correct, training
from sm_core.correction import train as train_correction
from sm_core.correction.design import filled
from sm_core.correction.network import CorrectionNet
from sm_core.correction.samples import Samples
from sm_core.domain import LAYERS, Region, load_region
from sm_core.downscaling import Downscaler, DownscalingParams, TrainingDay, downscale
from sm_core.downscaling import train as train_downscaling
from sm_core.grid import Nesting, to_grid
from sm_core.grid.points import cell_of
from sm_core.validation import (
    BASELINES,
    Bootstrap,
    DesignParams,
    Division,
    at_stations,
    baseline_stages,
    coverage,
    divisions,
    evaluate,
    evaluate_strata,
    gains,
    judged_rows,
    strata,
    truth_skill,
)
from sm_core.validation.baselines import COARSE_BILINEAR
from sm_core.validation.designs import both_divisions
from tasks.adapters.mirror import truth_of
from tasks.adapters.scratch import load
from tasks.downscale import coarse_sm
from tasks.training.records import DaysRef, PreparedDay, load_days

REGION = Path(__file__).parent / "regions" / "wide.yaml"
STATIONS = "180"
"""On 9 square degrees: a little less dense than the agricultural weather network of South Korea."""
DESIGNS = DesignParams(folds=3, buffer_km=20.0, judged_share=0.3, judged_days=335, gap_days=30)
LST, NDVI = "lst", "ndvi"
PAPER = {"downscaled": {"sm_surface": "0.699 / 0.053", "sm_rootzone": "0.754 / 0.055"},
         "corrected": dict.fromkeys(LAYERS, "0.792–0.860 / 0.028–0.031")}
"""PCC / RMSE from the abstract of Zhang et al. (2025)."""


@dataclass(frozen=True)
class World:
    """One seed's prepared days, stations and grid."""

    seed: int
    archive: Path
    region: Region
    days: list[PreparedDay]
    stations: pd.DataFrame

    def truth(self, days: Iterable[PreparedDay]) -> xr.Dataset:
        return stacked(days, lambda day: truth_of(self.archive, day.day)[list(LAYERS)])

    def coarse(self, day: PreparedDay, how: str) -> xr.Dataset:
        return to_grid(coarse_sm(day.gridded).isel(time=[-1]), self.region.grid, how).isel(time=0, drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="one folder per seed is made here")
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])
    parser.add_argument("--every", type=int, default=5, help="days between the days that are prepared")
    parser.add_argument("--ablate", action="store_true")
    arguments = parser.parse_args()
    worlds = (prepared(arguments.data / f"seed{seed}", seed, arguments.every) for seed in arguments.seeds)
    if arguments.ablate:
        ablation_report(worlds)
    else:
        accuracy_report(worlds)


def prepared(data: Path, seed: int, every: int) -> World:
    """A seed's world, made and trained unless it is there."""
    archive = data / "archive"
    if not (data / "reports").is_dir():
        sm_daily("twin", str(archive), "--region", "wide", "--stations", STATIONS, "--seed", str(seed))
        sm_daily("train", "--region", "wide", "--archive", str(archive), "--data", str(data), "--every", str(every))
    stored = sorted((data / "scratch" / "wide" / "prepared").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    days = load_days(DaysRef(uri=str(stored[-1]), days=0))
    stations = pd.read_parquet(data / "scratch" / "wide" / "stations.parquet").reset_index(drop=True)
    return World(seed, archive, load_region(REGION), days, stations)


def sm_daily(*arguments: str) -> None:
    command = [sys.executable, "-c", "from flows.cli import main; main()", *arguments]
    environment = os.environ | {"SM_REGION_FILE": str(REGION)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def downscaled_days(world: World, learned: Callable[[PreparedDay], bool], params: DownscalingParams, *,
                    conserve: bool = True) -> dict[pd.Timestamp, xr.Dataset]:
    """All days downscaled by a model that learned from some of them."""
    model: Downscaler = train_downscaling(
        (TrainingDay(d.day, features_of(d), coarse_sm(d.gridded).isel(time=[-1])) for d in world.days if learned(d)),
        world.region.grid, params,
    )

    def made(day: PreparedDay) -> xr.Dataset:
        features = features_of(day)
        if not conserve:
            return model.predict(features)
        return downscale(features, coarse_sm(day.gridded).isel(time=[-1]), model, world.region.grid)

    return {pd.Timestamp(day.day): made(day) for day in world.days}


def corrector_of(world: World, division: Division, fine: dict[pd.Timestamp, xr.Dataset],
                 params: CorrectionParams) -> Corrector:
    """What the training rows of a division teach."""
    rows = world.stations[division.training]
    days = [d for d in world.days if pd.Timestamp(d.day) in set(rows["day"])]
    return train_correction((CorrectionDay(d.day, features_of(d), fine[pd.Timestamp(d.day)]) for d in days), rows,
                            world.region.grid, params)


def predictions(world: World, division: Division, fine: dict[pd.Timestamp, xr.Dataset], corrector: Corrector
                ) -> tuple[pd.DataFrame, dict[pd.Timestamp, xr.Dataset]]:
    """The corrected field in the judged rows, with its spread, and the fields of the judged days."""
    judged = world.stations[division.judged]
    wanted = set(judged["day"])
    fields = {pd.Timestamp(d.day): correct(fine[pd.Timestamp(d.day)], features_of(d), corrector)
              for d in world.days if pd.Timestamp(d.day) in wanted}
    times = pd.DatetimeIndex(sorted(fields), name="time")
    together = xr.concat([fields[time] for time in times], dim=times, combine_attrs="override")
    values = at_stations(together, judged, world.region.grid).assign(division=division.name)
    row, column = cell_of(judged["lon"], judged["lat"], world.region.grid)
    time = times.get_indexer(pd.DatetimeIndex(judged["day"]))
    for layer in LAYERS:
        for name in (f"{layer}_spread", f"{layer}_halfwidth_90"):
            if name in together:
                values[name] = together[name].values[time, row, column]
    return values, fields


def accuracy_report(worlds: Iterable[World]) -> None:
    """Tables over all worlds: stations of all are judged together, each by models of its own world."""
    report([one_world(world) for world in worlds])


def report(parts: Sequence[Part]) -> None:
    table = pd.concat([part.table for part in parts], ignore_index=True)
    made = joined([part.divisions for part in parts], [len(part.table) for part in parts])
    stages = {name: pd.concat([part.stages[name] for part in parts], ignore_index=True) for name in parts[0].stages}
    accuracy = evaluate(table, made, stages)
    print("\n### Beside the paper's abstract (twin)\n")
    print(beside_the_paper(accuracy))
    print(f"\n### By design (twin), {len(parts)} worlds\n\n{accuracy}")
    print("\n### Paired gains at unseen stations (twin)\n")
    unseen = [one for one in made if one.separates_stations]
    known = {name: values for name, values in stages.items() if "seen" not in name}
    print(gains(table, unseen, known, of=("corrected",), baselines=(*BASELINES, "downscaled")))
    print("\n### Against the known 1-km truth (twin)\n")
    print(truth_text([part.truth for part in parts]))
    print("\n### Coverage of the intervals at unseen stations and days (twin)\n")
    print(coverage_text(table, made, stages, pd.concat([part.covariates for part in parts], ignore_index=True)))
    print("\n### Corrected, at unseen stations and days, by stratum (twin)\n")
    both = [one for one in made if one.design == "both"]
    covariates = pd.concat([part.covariates for part in parts], ignore_index=True)
    for (_, layer), found in evaluate_strata(table, both, known, stage="corrected", covariates=covariates).items():
        print(f"{layer}\n\n{found}\n")


@dataclass(frozen=True)
class Part:
    """What one world adds."""

    table: pd.DataFrame
    divisions: tuple[Division, ...]
    stages: dict[str, pd.DataFrame]
    covariates: pd.DataFrame
    truth: dict[str, object]


def one_world(world: World) -> Part:
    table = world.stations
    made = divisions(table, DESIGNS)
    early = set(table["day"][next(one for one in made if one.design == "last_year").training])
    fine = {False: downscaled_days(world, lambda day: True, DownscalingParams()),
            True: downscaled_days(world, lambda day: pd.Timestamp(day.day) in early, DownscalingParams())}
    coarse = {how: at_stations(stacked(world.days, lambda day, how=how: world.coarse(day, how)), table,
                               world.region.grid) for how in ("nearest", "bilinear")}
    corrected, downscaled, seen, truth = [], [], [], {}
    for division in made:
        source = fine[division.separates_days]
        corrector = corrector_of(world, division, source, CorrectionParams())
        values, fields = predictions(world, division, source, corrector)
        corrected.append(values)
        seen.append(with_station_effects(values, corrector))
        judged = table[division.judged]
        own = xr.concat([source[day] for day in sorted(fields)], dim=pd.DatetimeIndex(sorted(fields), name="time"),
                        combine_attrs="override")
        downscaled.append(at_stations(own, judged, world.region.grid).assign(division=division.name))
        if division.design == "both" and not truth:
            truth = against_truth(world, own, fields)
        print(f"seed {world.seed}: {division.name}", file=sys.stderr, flush=True)
    stages = baseline_stages(table, made, nearest=coarse["nearest"], bilinear=coarse["bilinear"])
    stages |= {"downscaled": pd.concat(downscaled), "corrected": pd.concat(corrected),
               "corrected, sensor's own offset": pd.concat(seen)}
    prefix = f"{world.seed} "
    for frame in (*stages.values(), table):
        frame["station_id"] = prefix + frame["station_id"].astype(str)
        if "division" in frame:
            frame["division"] = prefix + frame["division"].astype(str)
    named = tuple(Division(prefix + one.name, one.design, one.training, one.judged) for one in made)
    return Part(table, named, stages, covariates_of(world, table), truth)


def with_station_effects(values: pd.DataFrame, corrector: Corrector) -> pd.DataFrame:
    """The corrected value plus what the model knows of a sensor that it saw: never part of a map."""
    known = {name: corrector.station_effect(name) for name in corrector.config.station_ids}
    effects = np.array([known.get(name, (0.0, 0.0)) for name in values["station_id"].astype(str)])
    return values.assign(**{layer: values[layer] + effects[:, index] for index, layer in enumerate(LAYERS)})


def against_truth(world: World, fine: xr.Dataset, fields: dict[pd.Timestamp, xr.Dataset]) -> dict[str, object]:
    days = [day for day in world.days if pd.Timestamp(day.day) in fields]
    stages = {"coarse nearest": stacked(days, lambda day: world.coarse(day, "nearest")),
              COARSE_BILINEAR: stacked(days, lambda day: world.coarse(day, "bilinear")),
              "downscaled": fine, "corrected": stacked(days, lambda day: fields[pd.Timestamp(day.day)])}
    nesting = Nesting.of(coarse_sm(days[0].gridded), world.region.grid)
    return json.loads(truth_skill(stages, world.truth(days), nesting).model_dump_json())


@lru_cache(maxsize=128)
def features_of(day: PreparedDay) -> xr.Dataset:
    return load(day.features)


def stacked(days: Iterable[PreparedDay], field: Callable[[PreparedDay], xr.Dataset]) -> xr.Dataset:
    chosen = list(days)
    times = pd.DatetimeIndex([pd.Timestamp(day.day) for day in chosen], name="time")
    return xr.concat([field(day)[list(LAYERS)] for day in chosen], dim=times, combine_attrs="override")


def covariates_of(world: World, table: pd.DataFrame) -> pd.DataFrame:
    features = features_of(world.days[0])
    row, column = cell_of(table["lon"], table["lat"], world.region.grid)
    return pd.DataFrame({name: features[name].values[row, column] for name in ("clay", "sand")})


def joined(parts: Sequence[Sequence[Division]], lengths: Sequence[int]) -> tuple[Division, ...]:
    """Divisions of several tables as divisions of all tables one below the other."""
    total, found, start = sum(lengths), [], 0
    for divided, length in zip(parts, lengths, strict=True):
        for one in divided:
            masks = [np.zeros(total, bool), np.zeros(total, bool)]
            for mask, own in zip(masks, (one.training, one.judged), strict=True):
                mask[start:start + length] = own
            found.append(Division(one.name, one.design, *masks))
        start += length
    return tuple(found)


def beside_the_paper(accuracy: object) -> str:
    head = ("layer", "stage", "paper's abstract", "random split (diagnostic)", "… sensor's own offset",
            "unseen stations", "unseen days", "… sensor's own offset", "both unseen")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for layer in LAYERS:
        for stage in (COARSE_BILINEAR, "downscaled", "corrected"):
            def cell(design: str, stage: str = stage, layer: str = layer) -> str:
                row = accuracy.row(design, stage, layer)
                return f"{row.pearson_r} / {row.rmsd}"

            own = "corrected, sensor's own offset"
            cells = [cell("random"), cell("random", own) if stage == "corrected" else "–", cell("stations"),
                     cell("last_year"), cell("last_year", own) if stage == "corrected" else "–", cell("both")]
            paper = PAPER.get(stage, {}).get(layer, "–")
            lines.append(f"| {layer} | {stage} | {paper} | {' | '.join(cells)} |")
    return "\n".join(lines)


def truth_text(tables: Sequence[dict]) -> str:
    lines = ["| layer | stage | RMSE, mean of the worlds (each) | PCC | within-cell r |", "|---|---|---|---|---|"]
    for layer in LAYERS:
        for stage in ("coarse nearest", COARSE_BILINEAR, "downscaled", "corrected"):
            rows = [next(r for r in t["rows"] if (r["stage"], r["layer"]) == (stage, layer)) for t in tables]
            rmse, r = ([row[name]["value"] for row in rows] for name in ("rmsd", "pearson_r"))
            within = [(row["within_cell_r"] or {}).get("value") for row in rows]
            each = ", ".join(f"{value:.4f}" for value in rmse)
            inside = "–" if None in within else f"{np.mean(within):.3f}"
            lines.append(f"| {layer} | {stage} | {np.mean(rmse):.4f} ({each}) | {np.mean(r):.3f} | {inside} |")
    return "\n".join(lines)


def coverage_text(table: pd.DataFrame, made: Sequence[Division], stages: dict[str, pd.DataFrame],
                  covariates: pd.DataFrame) -> str:
    corrected = stages["corrected"]
    texts = []
    spreads = {layer: corrected.assign(**{layer: corrected[f"{layer}_spread"]}) for layer in LAYERS}
    both = [one for one in made if one.design == "both"]
    for layer in LAYERS:
        for part in judged_rows(table, both, {"corrected": corrected, "spread": spreads[layer]}):
            if part.layer == layer:
                own = covariates.iloc[part.row].reset_index(drop=True)
                labels = strata(own.assign(day=part.day, distance_km=part.distance_km))
                found = coverage(value=part.stages["corrected"], sigma=part.stages["spread"], observed=part.observed,
                                 station=part.station, labels=labels)
                texts.append(f"{layer}\n\n{found}")
    return "\n\n".join(texts)


def ablation_report(worlds: Iterable[World]) -> None:
    """Truth RMSE and RMSE at unseen stations and days of the whole chain less one part."""
    print("| left out | layer | RMSE against the truth | ubRMSE at unseen stations | PCC at unseen stations |")
    print("|---|---|---|---|---|")
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for world in worlds:
        for name, scores in ablated(world).items():
            for layer, values in scores.items():
                found.setdefault((name, layer), []).append(values)
            print(f"seed {world.seed}: {name}", file=sys.stderr, flush=True)
    for (name, layer), values in found.items():
        truth, ubrmse, r = np.mean(values, axis=0)
        print(f"| {name} | {layer} | {truth:.4f} | {ubrmse:.4f} | {r:.3f} |")


def ablated(world: World) -> dict[str, dict[str, tuple[float, float, float]]]:
    division = both_divisions(world.stations, DESIGNS)[0]
    early = set(world.stations["day"][division.training])
    whole, correction = DownscalingParams(), CorrectionParams()
    unfused = {"linear": without(whole.linear), "trees": without(whole.trees)}
    variants: dict[str, tuple[DownscalingParams | None, bool, CorrectionParams | None]] = {
        "nothing": (whole, True, correction),
        "fused NDVI and LST": (whole.model_copy(update=unfused), True, correction.model_copy(update={
            "features": without(correction.features), "dynamic": without(correction.dynamic)})),
        "downscaling": (None, True, correction),
        "residual (coarse means not restored)": (whole, False, correction),
        "correction": (whole, True, None),
        **{f"correction: {name}": (whole, True, correction.model_copy(update=changes))
           for name, changes in CORRECTION_ABLATIONS.items()},
    }
    made: dict[tuple[object, bool], dict[pd.Timestamp, xr.Dataset]] = {}
    results = {}
    for name, (params, conserve, tuned) in variants.items():
        key = (params and params.model_dump_json(), conserve)
        if key not in made:
            made[key] = coarse_days(world) if params is None else downscaled_days(
                world, lambda day: pd.Timestamp(day.day) in early, params, conserve=conserve)
        results[name] = scored(world, division, made[key], tuned)
    with unfrozen():
        results[UNFROZEN] = scored(world, division, made[whole.model_dump_json(), True], correction)
    return results


CORRECTION_ABLATIONS: dict[str, dict[str, object]] = {
    "pre-training (a body as it was drawn)": {"pretrain_epochs": 0},
    "spatial context (kernels of one cell)": {"kernel": 1},
    "the network": {"channels": 0},
    "products of departures": {"pairs": False},
}
UNFROZEN = "correction: freezing (the body learns at stations too)"
UNFROZEN_EPOCHS, UNFROZEN_RATE, UNFROZEN_BATCH = 4, 1e-3, 256


@contextmanager
def unfrozen() -> Iterator[None]:
    """Trainings inside go on with the body at the training stations before the head is found."""
    frozen = training._pretrain

    def thawed(network: CorrectionNet, samples: Samples, params: CorrectionParams) -> float:
        rmsd = frozen(network, samples, params)
        rows, columns = (samples.stations[name].to_numpy()[samples.station] for name in ("row", "column"))
        around = samples.usual.around(rows, columns, network.radius).features
        inputs = torch.from_numpy(samples.norm.inputs(filled(samples.patches, around, samples.norm)))
        residual = pd.DataFrame(samples.observed - samples.fine)
        departure = residual - residual.groupby(samples.station).transform("mean")
        target = torch.from_numpy(departure.to_numpy(np.float32).copy())
        known = torch.isfinite(target)
        target = torch.nan_to_num(target) / target[known].std()
        head = torch.nn.Conv2d(params.channels, len(LAYERS), 1)
        optimiser = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=UNFROZEN_RATE,
                                      weight_decay=params.weight_decay)
        for _ in range(UNFROZEN_EPOCHS):
            for part in torch.split(torch.randperm(len(inputs)), UNFROZEN_BATCH):
                error = (((head(network.hidden(inputs[part]))[..., 0, 0] - target[part]) ** 2) * known[part]).mean()
                optimiser.zero_grad()
                torch.autograd.backward(error)
                optimiser.step()
        return rmsd

    training._pretrain = thawed
    try:
        yield
    finally:
        training._pretrain = frozen


def without(features: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in features if LST not in name and NDVI not in name)


def coarse_days(world: World) -> dict[pd.Timestamp, xr.Dataset]:
    def with_attributes(day: PreparedDay) -> xr.Dataset:
        return world.coarse(day, "bilinear").assign_attrs(features_of(day).attrs)

    return {pd.Timestamp(day.day): with_attributes(day) for day in world.days}


def scored(world: World, division: Division, fine: dict[pd.Timestamp, xr.Dataset], params: CorrectionParams | None
           ) -> dict[str, tuple[float, float, float]]:
    judged = world.stations[division.judged]
    days = [day for day in world.days if pd.Timestamp(day.day) in set(judged["day"])]
    if params is None:
        fields = {pd.Timestamp(day.day): fine[pd.Timestamp(day.day)] for day in days}
    else:
        _, fields = predictions(world, division, fine, corrector_of(world, division, fine, params))
    together = stacked(days, lambda day: fields[pd.Timestamp(day.day)])
    against = truth_skill({"it": together}, world.truth(days))
    values = at_stations(together, judged, world.region.grid).assign(division=division.name)
    accuracy = evaluate(world.stations, [division], {"it": values}, bootstrap=Bootstrap(resamples=10))
    return {layer: (against.row("it", layer).rmsd.value, accuracy.row("both", "it", layer, "stations").ubrmsd.value,
                    accuracy.row("both", "it", layer, "stations").pearson_r.value) for layer in LAYERS}


if __name__ == "__main__":
    main()
