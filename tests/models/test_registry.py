from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sm_core.domain import ModelVersion
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from tasks.adapters.registry import TRAINED, ModelRegistry, directory_sha256

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


def trained(registry: ModelRegistry, region: str, tmp_path: Path, name: str) -> tuple[ModelVersion, ...]:
    run_id = registry.start_run(region, name, {"as_of": f"2020-01-0{len(name)}T00:00:00+00:00"})
    models = tuple(registry.register(run_id, region, kind, folder(tmp_path / name / kind, name), trained_until=UNTIL)
                   for kind in TRAINED)
    registry.end_run(run_id, {"skill": 0.5}, {"days": 3}, folder(tmp_path / name / "documents", name),
                     {"outcome": "promoted"})
    return models


def test_one_command_rolls_all_models_back_and_says_why(registry: ModelRegistry, tmp_path: Path) -> None:
    old, new, newest = (trained(registry, "back", tmp_path, name) for name in ("a", "bb", "ccc"))
    for models in (old, new, newest):
        for model in models:
            registry.promote(model)
            registry.promote(model)
    assert registry.in_service("back").models == newest
    assert registry.roll_back("back", "wrong map") == new
    assert tuple(registry.champion("back", kind) for kind in TRAINED) == new
    assert {registry.tags(model)["rolled_back"] for model in newest} == {"wrong map"}
    assert registry.roll_back("back", "still wrong") == old
    with pytest.raises(ModelNotFoundError, match="no earlier models"):
        registry.roll_back("back", "again")
    assert registry.in_service("back").models == old


def test_rolled_back_models_can_serve_again(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (trained(registry, "again", tmp_path, name) for name in ("a", "bb"))
    for model in (*first, *second):
        registry.promote(model)
    registry.roll_back("again", "doubt")
    for model in second:
        registry.promote(model)
    assert registry.roll_back("again", "doubt again") == first


def test_trainings_tell_what_serves_and_what_is_a_shadow(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (trained(registry, "told", tmp_path, name) for name in ("a", "bb"))
    for model in first:
        registry.promote(model)
    for model in second:
        registry.shadow(model)
    newest, oldest = registry.trainings("told")
    assert (newest.aliases, oldest.aliases) == (("shadow",), ("champion",))
    assert (newest.models, newest.metrics, newest.tags["outcome"]) == (second, {"skill": 0.5}, "promoted")
    assert (newest.as_of.day, oldest.as_of.day) == (2, 1)
    assert registry.document(newest.run_id, "model.txt").read_text() == "bb"
    with pytest.raises(ModelNotFoundError, match="no nothing"):
        registry.document(newest.run_id, "nothing.html")
    assert registry.trainings("nowhere") == ()


def test_history_begins_with_what_served_before_it_was_kept(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (trained(registry, "old", tmp_path, name) for name in ("a", "bb"))
    for model in first:
        registry._client.set_registered_model_alias(model.name, "champion", str(model.version))
    for model in second:
        registry.promote(model)
    assert registry.roll_back("old", "doubt") == first


def test_corrupt_file_in_the_store_is_refused_at_load(registry: ModelRegistry, tmp_path: Path) -> None:
    run_id = registry.start_run("c", "x", {})
    version = registry.register(run_id, "c", "corrector", folder(tmp_path / "m", "weights"), trained_until=UNTIL)
    stored = next(path for path in (tmp_path.parent).rglob("model.txt")
                  if path.is_relative_to(Path(version.uri.removeprefix("file://"))))
    stored.write_text("weightz")
    with pytest.raises(ModelIntegrityError, match="differ") as refused:
        registry.fetch(version)
    assert refused.value.code == "SM502"


def test_interrupted_promotion_is_undone_whole(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (trained(registry, "torn", tmp_path, name) for name in ("a", "bb"))
    for model in first:
        registry.promote(model)
    registry.promote(second[0])
    assert registry.roll_back("torn", "half of it") == first
    assert tuple(registry.champion("torn", kind) for kind in TRAINED) == first


def test_models_of_substitutes_have_no_part_in_it(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (trained(registry, "side", tmp_path, name) for name in ("a", "bb"))
    for model in first:
        registry.promote(model)
    run_id = registry.start_run("side", "substitutes", {})
    registry.promote(registry.register(run_id, "side", "mapping", folder(tmp_path / "m", "m"), trained_until=UNTIL))
    for model in second:
        registry.promote(model)
    assert registry.roll_back("side", "doubt") == first


def test_failed_training_is_closed_and_not_among_the_finished(registry: ModelRegistry) -> None:
    run_id = registry.start_run("failed", "x", {"as_of": "2020-01-01T00:00:00+00:00"})
    registry.fail_run(run_id, "SM504 too few stations")
    assert registry.trainings("failed") == ()
    assert registry._client.get_run(run_id).info.status == "FAILED"
