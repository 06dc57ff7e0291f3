from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from tasks.adapters.registry import ModelRegistry, directory_sha256

UNTIL = dt.date(2019, 1, 1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> ModelRegistry:
    root = tmp_path_factory.mktemp("mlflow")
    return ModelRegistry(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts", root / "models")


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "model.txt").write_text(text)
    return path


def test_untrained_region_has_no_champion(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match="nowhere has no downscaler"):
        registry.champion("nowhere", "downscaler")


def test_register_promote_fetch_and_roll_back(registry: ModelRegistry, tmp_path: Path) -> None:
    run_id = registry.start_run("r", "first", {"region": "r"})
    first = registry.register(run_id, "r", "downscaler", folder(tmp_path / "a", "one"), trained_until=UNTIL)
    with pytest.raises(ModelNotFoundError):
        registry.champion("r", "downscaler")
    registry.promote(first)
    second_run = registry.start_run("r", "second", {})
    second = registry.register(second_run, "r", "downscaler", folder(tmp_path / "b", "two"), trained_until=UNTIL,
                               training_stations=("TWIN/A",), held_out_stations=("TWIN/B",))
    assert registry.champion("r", "downscaler") == first
    registry.promote(second)
    served = registry.champion("r", "downscaler")
    assert (served.version, served.training_stations, served.held_out_stations) == (2, ("TWIN/A",), ("TWIN/B",))
    assert (registry.fetch(served) / "model.txt").read_text() == "two"
    registry.promote(first)
    assert (registry.fetch(registry.champion("r", "downscaler")) / "model.txt").read_text() == "one"


def test_tampered_model_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    run_id = registry.start_run("t", "x", {})
    version = registry.register(run_id, "t", "corrector", folder(tmp_path / "m", "good"), trained_until=UNTIL)
    (registry.fetch(version) / "model.txt").write_text("evil")
    with pytest.raises(ModelIntegrityError, match="differ"):
        registry.fetch(version)


def test_directory_checksum_sees_names_and_contents(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", "same"), folder(tmp_path / "b", "same")
    assert directory_sha256(a) == directory_sha256(b)
    (b / "model.txt").rename(b / "other.txt")
    assert directory_sha256(a) != directory_sha256(b)
