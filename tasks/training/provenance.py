"""What a training was made of: enough to tell two apart, and to make one again."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sm_core.correction import CorrectionParams
from sm_core.domain import Record
from sm_core.downscaling import DownscalingParams
from tasks.adapters.mirror import sha256_of
from tasks.adapters.scratch import identity_of
from tasks.training.records import DaysRef, StationTable, TrainingPlan, load_days
from tasks.wiring import services

PACKAGES = ("sm-daily", "lightgbm", "torch", "numpy", "pandas", "xarray", "scipy", "rasterio", "prefect", "mlflow")


class Provenance(Record):
    """``fingerprint`` is over the granules of every day, the station table, the split and the parameters."""

    fingerprint: str
    inputs: str
    granules: int
    stations: str
    split: str
    downscaling: str
    correction: str
    environment: tuple[tuple[str, str], ...]
    params: dict[str, object]


def provenance(plan: TrainingPlan, days: DaysRef, stations: StationTable) -> Provenance:
    """Checksums of everything a training was made of."""
    prepared = load_days(days)
    granules = sorted({granule.sha256 or granule.uri for day in prepared for slot in day.inputs.slots
                       for granule in slot.granules})
    inputs, table = identity_of(granules), sha256_of(Path(stations.uri))
    split = _sha256(stations.frozen.model_dump_json())
    downscaling, correction = DownscalingParams().model_dump_json(), CorrectionParams().model_dump_json()
    fingerprint = identity_of([inputs, table, split, downscaling, correction, plan.model_dump_json(exclude={"as_of"})])
    return Provenance(
        fingerprint=fingerprint, inputs=inputs, granules=len(granules), stations=table, split=split,
        downscaling=downscaling, correction=correction, environment=_environment(),
        params={
            "as_of": plan.as_of.isoformat(), "training_days": len(plan.training_days),
            "judged_days": len(plan.judged_days), "first_day": plan.training_days[0],
            "last_day": plan.training_days[-1], "training_stations": len(stations.split.training),
            "held_out_stations": len(stations.split.held_out), "data_fingerprint": fingerprint,
            "code_version": services().code_version,
        },
    )


def _environment() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
