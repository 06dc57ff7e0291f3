"""Models in MLflow: versions are immutable, aliases say which one serves, checksums are verified at load."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sm_core.domain import ModelKind, ModelVersion, Record
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from tasks.adapters.mirror import sha256_of

Alias = Literal["champion", "shadow"]
CHAMPION: Alias = "champion"
TRAINED: tuple[ModelKind, ...] = ("downscaler", "corrector", "climatology")
"""What one training makes, and what serves together."""
DOCUMENTS = "documents"
_ARTIFACT = "model"
_SERVED = "served"
"""Tag of a region's experiment: the trainings that served, the present one last."""
_TRAINING = "training"
"""Tag of a version made outside a training: the one that it belongs to."""
_REMEMBERED = 100


def directory_sha256(directory: Path) -> str:
    """One checksum over a model folder: names and contents of its files, in order."""
    lines = [f"{sha256_of(path)}  {path.relative_to(directory)}"
             for path in sorted(directory.rglob("*")) if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Training(Record):
    """A finished training as the registry knows it: what it made, what was decided, and what serves of it."""

    run_id: str
    name: str
    ended: dt.datetime
    tags: dict[str, str]
    metrics: dict[str, float]
    models: tuple[ModelVersion, ...]
    aliases: tuple[str, ...]
    """Those that every one of its models has."""

    @property
    def as_of(self) -> dt.datetime:
        """What was known then was learned from."""
        return dt.datetime.fromisoformat(self.tags["as_of"])


class ModelRegistry:
    """Register, promote, roll back and fetch models of a region."""

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

    def end_run(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, object], documents: Path,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Close a training run with its figures, parameters, documents (reports, splits) and what was decided."""
        for key, value in params.items():
            self._client.log_param(run_id, key, value)
        for key, number in metrics.items():
            self._client.log_metric(run_id, key, number)
        for key, text in (tags or {}).items():
            self._client.set_tag(run_id, key, text)
        self._client.log_artifacts(run_id, str(documents), DOCUMENTS)
        self._client.set_terminated(run_id)

    def fail_run(self, run_id: str, error: str) -> None:
        """Close a training run that came to nothing."""
        self._client.set_tag(run_id, "error", error)
        self._client.set_terminated(run_id, "FAILED")

    def open_runs(self, before: dt.datetime) -> tuple[str, ...]:
        """Training runs that began before this moment and have not ended."""
        experiments = [one.experiment_id for one in self._client.search_experiments()]
        runs = self._client.search_runs(experiments, "attributes.status = 'RUNNING'") if experiments else ()
        return tuple(run.info.run_id for run in runs if run.info.start_time < before.timestamp() * 1000)

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
        """Let ``version`` serve from now on; its training joins the history that a roll-back goes back in."""
        region_id, kind = version.name.rsplit(".", 1)
        if kind in TRAINED:
            run_id = self.run_of(version)
            served = self._served(region_id) or self._aliased(version.name)
            if served[-1:] != [run_id]:
                self._remember(region_id, [*served, run_id])
        self._client.set_registered_model_alias(version.name, CHAMPION, str(version.version))

    def renew(self, version: ModelVersion) -> None:
        """Let a later version of one model serve; the history of trainings stays as it is."""
        with suppress(ModelNotFoundError):
            served = self.champion(version.name.rsplit(".", 1)[0], version.kind)
            self.annotate(version.name, version.version, {_TRAINING: self.run_of(served)})
        self._client.set_registered_model_alias(version.name, CHAMPION, str(version.version))

    def shadow(self, version: ModelVersion) -> None:
        """Mark ``version`` as the one that might serve; nothing is made with it."""
        self._client.set_registered_model_alias(version.name, "shadow", str(version.version))

    def roll_back(self, region_id: str, reason: str) -> tuple[ModelVersion, ...]:
        """Let all models that served before serve again; those that served until now are marked with the reason.

        Raises
        ------
        ModelNotFoundError   SM501, nothing served before.
        """
        served = self._served(region_id)
        if len(served) < 2:
            raise ModelNotFoundError(f"region {region_id} has no earlier models to roll back to")
        earlier = self._models_of(region_id, served[-2])
        for version in earlier:
            self._client.set_registered_model_alias(version.name, CHAMPION, str(version.version))
        for version in self._models_of(region_id, served[-1]):
            self.annotate(version.name, version.version, {"rolled_back": reason})
        self._remember(region_id, served[:-1])
        return earlier

    def annotate(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Add tags to a model version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(name, str(version), key, value)

    def tags(self, version: ModelVersion) -> dict[str, str]:
        """All that is noted of a version."""
        return dict(self._client.get_model_version(version.name, str(version.version)).tags)

    def run_of(self, version: ModelVersion) -> str:
        """The training that made a version, or that made the one it renews."""
        found = self._client.get_model_version(version.name, str(version.version))
        return str(found.tags.get(_TRAINING, found.run_id))

    def trainings(self, region_id: str) -> tuple[Training, ...]:
        """The finished trainings of a region, newest first."""
        experiment = self._client.get_experiment_by_name(region_id)
        if experiment is None:
            return ()
        runs = self._client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'",
                                        order_by=["attributes.end_time DESC"])
        aliases = {kind: self._aliases(f"{region_id}.{kind}") for kind in TRAINED}
        found = []
        for run in runs:
            models = self._models_of(region_id, run.info.run_id)
            if len(models) == len(TRAINED):
                named = [aliases[m.kind].get(m.version, frozenset()) for m in models]
                found.append(Training(
                    run_id=run.info.run_id, name=run.info.run_name,
                    ended=dt.datetime.fromtimestamp(run.info.end_time / 1000, dt.UTC), tags=run.data.tags,
                    metrics=run.data.metrics, models=models, aliases=tuple(sorted(frozenset.intersection(*named))),
                ))
        return tuple(found)

    def in_service(self, region_id: str) -> Training:
        """The training whose models serve.

        Raises
        ------
        ModelNotFoundError   SM501, nothing was trained or promoted for the region.
        """
        run_id = self.run_of(self.champion(region_id, "corrector"))
        for training in self.trainings(region_id):
            if training.run_id == run_id:
                return training
        raise ModelNotFoundError(f"the training of region {region_id}'s models is not known any more", run=run_id)

    def document(self, run_id: str, name: str) -> Path:
        """A document of a training (report, decision, split), copied to this machine.

        Raises
        ------
        ModelNotFoundError   SM501, the training has none of this name.
        """
        target = self._cache / DOCUMENTS / run_id
        try:
            target.mkdir(parents=True, exist_ok=True)
            found = self._client.download_artifacts(run_id, f"{DOCUMENTS}/{name}", str(target))
        except (MlflowException, OSError) as cause:
            raise ModelNotFoundError(f"training {run_id} has no {name}") from cause
        return Path(found)

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

    def serving(self, region_id: str) -> tuple[ModelVersion, ...]:
        """What serves of each kind in :data:`TRAINED`, all made by one training, also while others are put in service.

        Raises
        ------
        ModelNotFoundError   SM501, nothing was trained or promoted for the region.
        """
        champions = tuple(self.champion(region_id, kind) for kind in TRAINED)
        runs = [self.run_of(version) for version in champions]
        return champions if len(set(runs)) == 1 else self._models_of(region_id, runs[-1])

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

    def _served(self, region_id: str) -> list[str]:
        experiment = self._client.get_experiment_by_name(region_id)
        return [] if experiment is None else list(json.loads(experiment.tags.get(_SERVED, "[]")))

    def _remember(self, region_id: str, served: list[str]) -> None:
        experiment = self._client.get_experiment_by_name(region_id)
        if experiment is not None:
            self._client.set_experiment_tag(experiment.experiment_id, _SERVED, json.dumps(served[-_REMEMBERED:]))

    def _aliased(self, name: str) -> list[str]:
        try:
            return [str(self._client.get_model_version_by_alias(name, CHAMPION).run_id)]
        except MlflowException:
            return []

    def _aliases(self, name: str) -> dict[int, frozenset[str]]:
        try:
            named = self._client.get_registered_model(name).aliases
        except MlflowException:
            return {}
        found: dict[int, frozenset[str]] = {}
        for alias, number in named.items():
            found[int(number)] = found.get(int(number), frozenset()) | {alias}
        return found

    def _models_of(self, region_id: str, run_id: str) -> tuple[ModelVersion, ...]:
        found = [self._as_version(one) for one in self._client.search_model_versions(f"run_id = '{run_id}'")]
        named = {one.kind: one for one in sorted(found, key=lambda one: one.version)
                 if one.name == f"{region_id}.{one.kind}"}
        return tuple(named[kind] for kind in TRAINED if kind in named)

    def _as_version(self, found: Any) -> ModelVersion:
        tags = found.tags
        return ModelVersion(
            name=found.name, kind=tags["kind"], version=int(found.version), sha256=tags["sha256"],
            uri=found.source, trained_until=dt.date.fromisoformat(tags["trained_until"]),
            training_stations=tuple(json.loads(tags["training_stations"])),
            held_out_stations=tuple(json.loads(tags["held_out_stations"])),
        )
