"""Models in MLflow: versions are immutable, aliases say which one serves, checksums are verified at load."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sm_core.domain import ModelKind, ModelVersion
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from tasks.adapters.mirror import sha256_of

CHAMPION = "champion"
_ARTIFACT = "model"


def directory_sha256(directory: Path) -> str:
    """One checksum over a model folder: names and contents of its files, in order."""
    lines = [f"{sha256_of(path)}  {path.relative_to(directory)}"
             for path in sorted(directory.rglob("*")) if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class ModelRegistry:
    """Register, promote and fetch models of a region."""

    def __init__(self, tracking_uri: str, artifacts: Path, cache: Path) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self._client = MlflowClient(tracking_uri, tracking_uri)
        self._artifacts = artifacts
        self._cache = cache

    def start_run(self, region_id: str, name: str, tags: dict[str, str]) -> str:
        """Open a training run and return its id."""
        experiment = self._client.get_experiment_by_name(region_id)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(
            region_id, artifact_location=(self._artifacts / region_id).resolve().as_uri()
        )
        return str(self._client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)

    def end_run(self, run_id: str, metrics: dict[str, float], params: dict[str, object], documents: Path) -> None:
        """Close a training run with its figures, parameters and documents (reports, splits)."""
        for key, value in params.items():
            self._client.log_param(run_id, key, value)
        for key, number in metrics.items():
            self._client.log_metric(run_id, key, number)
        self._client.log_artifacts(run_id, str(documents), "documents")
        self._client.set_terminated(run_id)

    def register(
        self, run_id: str, region_id: str, kind: ModelKind, directory: Path, *, trained_until: dt.date,
        training_stations: tuple[str, ...] = (), held_out_stations: tuple[str, ...] = (),
    ) -> ModelVersion:
        """Store a model folder as a new version of ``<region>.<kind>``."""
        name = f"{region_id}.{kind}"
        self._client.log_artifacts(run_id, str(directory), f"{_ARTIFACT}/{kind}")
        try:
            self._client.get_registered_model(name)
        except MlflowException:
            self._client.create_registered_model(name)
        artifact_uri = self._client.get_run(run_id).info.artifact_uri
        tags = {
            "sha256": directory_sha256(directory),
            "kind": kind,
            "trained_until": trained_until.isoformat(),
            "training_stations": json.dumps(training_stations),
            "held_out_stations": json.dumps(held_out_stations),
        }
        created = self._client.create_model_version(
            name, f"{artifact_uri}/{_ARTIFACT}/{kind}", run_id=run_id, tags=tags, await_creation_for=0
        )
        return self._as_version(self._client.get_model_version(name, str(created.version)))

    def promote(self, version: ModelVersion) -> None:
        """Let ``version`` serve from now on; this is also the roll-back."""
        self._client.set_registered_model_alias(version.name, CHAMPION, str(version.version))

    def champion(self, region_id: str, kind: ModelKind) -> ModelVersion:
        """The version that serves.

        Raises
        ------
        ModelNotFoundError   SM501, nothing was trained or promoted for the region.
        """
        try:
            return self._as_version(self._client.get_model_version_by_alias(f"{region_id}.{kind}", CHAMPION))
        except MlflowException as cause:
            raise ModelNotFoundError(f"region {region_id} has no {kind} in service") from cause

    def fetch(self, version: ModelVersion) -> Path:
        """The model's folder on this machine, verified.

        Raises
        ------
        ModelIntegrityError   SM502, the stored files differ from what was registered.
        """
        target = self._cache / f"{version.name}-v{version.version}-{version.sha256[:12]}"
        if not target.is_dir():
            partial = target.with_name(target.name + ".part")
            partial.mkdir(parents=True, exist_ok=True)
            mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(partial))
            inner = partial / version.kind
            (inner if inner.is_dir() else partial).rename(target)
        if directory_sha256(target) != version.sha256:
            raise ModelIntegrityError("model files differ from the registered ones", model=version.name,
                                      version=version.version)
        return target

    def _as_version(self, found: object) -> ModelVersion:
        tags = found.tags  # type: ignore[attr-defined]
        return ModelVersion(
            name=found.name, kind=tags["kind"], version=int(found.version), sha256=tags["sha256"],  # type: ignore[attr-defined]
            uri=found.source, trained_until=dt.date.fromisoformat(tags["trained_until"]),  # type: ignore[attr-defined]
            training_stations=tuple(json.loads(tags["training_stations"])),
            held_out_stations=tuple(json.loads(tags["held_out_stations"])),
        )
