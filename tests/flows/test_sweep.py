"""The sweep on real Prefect, as the command line runs it: what is due is made, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.flows.conftest import Trained

AS_OF = "2019-07-06T18:00"


@pytest.fixture(scope="module")
def mine(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A region that looks three days back, in an archive that ends on 5 July."""
    folder = tmp_path_factory.mktemp("sweep")
    own = trained.copy(folder)
    declared = yaml.safe_load(trained.region.read_text(encoding="utf-8"))
    declared["upkeep"] = {"window_days": 3, "refresh_days": [2], "images_within_days": 0}
    (folder / "small.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    return Trained(folder / "small.yaml", own.archive, own.data)


def stands(mine: Trained) -> dict[str, dict[str, Any]]:
    done = mine.run("status", "--json")
    assert done.returncode == 0, done.stderr
    return {one["day"]: one for one in json.loads(done.stdout)}


def revisions(mine: Trained, day: str) -> list[str]:
    folder = mine.data / "products" / "soil_moisture_1km" / "small" / day.replace("-", "/")
    return sorted(path.name for path in folder.glob("r*"))


@pytest.mark.endurance
def test_what_is_due_is_made_once(mine: Trained) -> None:
    first = mine.run("sweep", "--as-of", AS_OF)
    assert first.returncode == 0, first.stderr
    assert "Started: 2019-07-03, 2019-07-04, 2019-07-05." in first.stdout
    assert all(revisions(mine, f"2019-07-0{n}") == ["r01"] for n in (3, 4, 5))
    again = mine.run("sweep", "--as-of", AS_OF)
    assert again.returncode == 0, again.stderr
    assert "Nothing is due." in again.stdout
    found = stands(mine)
    assert {found[f"2019-07-0{n}"]["revision"] is not None for n in (3, 4, 5)} == {True}


@pytest.mark.endurance
def test_damage_and_withdrawal_make_a_date_due(mine: Trained) -> None:
    for path in (mine.data / "products").rglob("*_20190704_r01_sm_surface.tif"):
        path.write_bytes(path.read_bytes()[:100])
    gone = next((mine.archive / "MOD11A1.061").rglob("MOD11A1.A2019199.*"))        # 18 July: in nobody's window
    used = next((mine.archive / "MOD11A1.061").rglob("MOD11A1.A2019173.*"))        # 22 June: of all three
    for path in (gone, used):
        path.unlink()
    done = mine.run("sweep", "--as-of", "2019-07-06T19:00")
    assert done.returncode == 0, done.stderr
    assert "Started: 2019-07-03, 2019-07-04, 2019-07-05." in done.stdout
    assert "0 due" in mine.run("sweep", "--as-of", "2019-07-06T19:00").stdout
    for day in ("2019-07-03", "2019-07-05"):
        last = sorted((mine.data / "runs" / "small" / day).glob("*.json"))[-1]
        record = json.loads(Path(last).read_text())
        assert record["outcome"] in ("published", "unchanged")
        assert record["reason"].startswith("sm_surface by ")
        assert (revisions(mine, day) == ["r01", "r02"]) == (record["outcome"] == "published")
