"""Search the downscaler's hyper-parameters, by coarse-scale skill inside the training days, and write the tuned file.

    python benchmarks/tune_downscaling.py --data data/skill/seed1 data/skill/seed2 --region demo --until 2018-12-31

Each ``--data`` folder is one that ``sm-daily train`` has worked in (its archive beside, as ``archive``). Days after
``--until`` are not looked at, and neither is any truth. Needs optuna (``pip install -e .[dev]``).
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import optuna
import xarray as xr

from sm_core.domain import RasterRef, Region
from sm_core.downscaling import DownscalingParams, TrainingDay, build_features, tuned
from sm_core.downscaling.params import TUNED_FILE, Provenance, Tuned, TunedValues
from sm_core.downscaling.training import Samples, collect, cross_validate
from sm_core.grid import load_statics
from tasks.adapters.scratch import load
from tasks.wiring import services

SEED = 2025
TARGET = Path(__file__).resolve().parents[1] / "sm_core" / "downscaling" / TUNED_FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--until", type=dt.date.fromisoformat, required=True)
    parser.add_argument("--every", type=int, default=3, help="every n-th prepared day")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=30)
    arguments = parser.parse_args()
    region = services().region(arguments.region)
    days = {folder: prepared(folder, region, arguments.until)[::arguments.every] for folder in arguments.data}
    samples = {folder: samples_of(folder, region, days[folder]) for folder in arguments.data}

    def score(values: TunedValues) -> float:
        params = DownscalingParams(**values.model_dump(), seed=SEED)
        return sum(cross_validate(part, params, arguments.folds) for part in samples.values()) / len(samples)

    before = score(tuned().values)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED))
    study.enqueue_trial(tuned().values.model_dump())
    study.optimize(lambda trial: score(drawn(trial)), n_trials=arguments.trials, callbacks=[tell])
    result = Tuned(
        version=tuned().version, values=TunedValues(**study.best_params),
        provenance=Provenance(
            made_by="benchmarks/tune_downscaling.py", archives=tuple(sorted(folder.name for folder in arguments.data)),
            days=sum(len(part) for part in days.values()), folds=arguments.folds, trials=arguments.trials, seed=SEED,
            score_before=round(before, 4), score=round(study.best_value, 4),
        ),
    )
    TARGET.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(result.model_dump_json(indent=2))


def drawn(trial: optuna.Trial) -> TunedValues:
    """Values to try."""
    return TunedValues(
        ridge=trial.suggest_float("ridge", 1e-4, 0.3, log=True),
        learning_rate=trial.suggest_float("learning_rate", 0.04, 0.15, log=True),
        num_leaves=trial.suggest_int("num_leaves", 2, 16),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 40, 200, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.5, 1.0),
        bagging_fraction=trial.suggest_float("bagging_fraction", 0.5, 0.95),
        lambda_l2=trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
    )


def tell(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """One line per trial."""
    print(f"{trial.number:3d} {trial.value:.4f} (best {study.best_value:.4f}) {trial.params}", flush=True)


def prepared(folder: Path, region: Region, until: dt.date) -> list[str]:
    """Days, as YYYYMMDD, whose fused images are there, oldest first."""
    found = sorted({path.name[:8] for path in (folder / "scratch" / region.region_id / "fused").glob("*.npz")})
    return [day for day in found if day <= f"{until:%Y%m%d}"]


def samples_of(folder: Path, region: Region, days: list[str]) -> Samples:
    """The days' coarse cells, their predictors built anew."""
    statics = load_statics(region, folder / "archive")
    scratch = folder / "scratch" / region.region_id

    def training_days():
        for label in days:
            day = dt.datetime.strptime(label, "%Y%m%d").date()
            coarse = coarse_of(scratch, region, label)
            features = build_features(stored(scratch / "fused", label)[0], coarse, statics, day, region.grid)
            yield TrainingDay(day, features, coarse)

    return collect(training_days(), region.grid, DownscalingParams())


def coarse_of(scratch: Path, region: Region, label: str) -> xr.Dataset:
    """Both layers' coarse soil moisture up to the day. (time, y, x)"""
    layers = []
    for role in ("ssm_coarse", "rzsm_coarse"):
        parts = stored(scratch / "gridded" / region.sources_for(role)[0], label)
        layers.append(xr.concat(parts, dim="time", combine_attrs="drop_conflicts").sortby("time"))
    return xr.merge(layers, join="inner", combine_attrs="drop_conflicts")


def stored(folder: Path, label: str) -> list[xr.Dataset]:
    """The rasters of a day in a folder of the scratch."""
    return [load(RasterRef(uri=str(path), identity=path.stem)) for path in sorted(folder.glob(f"{label}_*.npz"))]


if __name__ == "__main__":
    main()
