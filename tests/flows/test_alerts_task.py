"""From published summaries to messages, by the tasks that the daily flow calls."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from sm_core.domain import FileRef, GateResult, ProductItem
from sm_core.drought import DroughtSummary
from sm_core.drought.summary import UnitDrought
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.alert import deliver_alerts, issue_alerts, unit_days
from tasks.wiring import services

ROOT = Path(__file__).resolve().parents[2]
FIRST = dt.date(2026, 6, 1)
NAMES = {"west": ("West", "서쪽", 127.0), "east": ("East", "동쪽", 127.5)}


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two units in a small region, with a data folder of its own."""
    features = [
        {"type": "Feature", "properties": {"id": unit_id, "name": name, "name_ko": korean}, "geometry": {
            "type": "Polygon",
            "coordinates": [[[w, 36.5], [w + 0.5, 36.5], [w + 0.5, 37], [w, 37], [w, 36.5]]]}}
        for unit_id, (name, korean, w) in NAMES.items()
    ]
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "units.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    declared = yaml.safe_load((ROOT / "deployments" / "regions" / "demo.yaml").read_text(encoding="utf-8"))
    grid = {"grid_id": "pair_01", "crs": "EPSG:4326", "west": 127.0, "north": 37.0, "resolution": 0.1, "width": 10,
            "height": 5}
    (tmp_path / "pair.yaml").write_text(
        yaml.safe_dump(declared | {"region_id": "pair", "grid": grid, "admin_units": "units.geojson"}),
        encoding="utf-8")
    for name, value in (("DATA", tmp_path / "data"), ("ARCHIVE", tmp_path / "archive"),
                        ("REGION_FILE", tmp_path / "pair.yaml")):
        monkeypatch.setenv(f"SM_{name}", str(value))
    return "pair"


def summary(day: dt.date, west: float, *, filled: float = 20, maturity: str = "provisional") -> DroughtSummary:
    """So many per cent of the west in D2; the east has no drought."""
    def unit(unit_id: str, name: str, korean: str, share: float) -> UnitDrought:
        return UnitDrought(
            unit_id=unit_id, name=name, korean=korean, land_km2=1000, assessed_percent=90,
            class_percent=(100 - share, 0, 0, share, 0, 0), mean_percentile=15, drought_class=3 if share >= 30 else 0,
            gap_filled_percent=filled,
        )

    return DroughtSummary.model_validate({
        "region_id": "pair", "title": "Pair", "day": day, "maturity": maturity, "based_on": f"item-{day}",
        "total": unit("pair", "Pair", "쌍", west / 2),
        "units": tuple(unit(unit_id, name, korean, west if unit_id == "west" else 0)
                       for unit_id, (name, korean, _) in NAMES.items()),
        "changes": (), "extrapolated_percent": 0, "climatology_kind": "final", "newest_clear_days": 1, "sources": (),
    })


def publish(told: DroughtSummary, name: str) -> None:
    here = services()
    content = told.model_dump_json().encode()

    def write(directory: Path, item: ProductItem) -> Sequence[FileRef]:
        (directory / "drought.json").write_bytes(content)
        return (FileRef(uri="drought.json", sha256=hashlib.sha256(content).hexdigest(), size=len(content)),)

    draft = ProductItem(
        item_id=name, product_id=SOIL_MOISTURE_1KM.product_id, algorithm_version="1", region_id="pair", day=told.day,
        revision=0, maturity=told.maturity, created=dt.datetime(2026, 7, 1, tzinfo=dt.UTC), assets=(), inputs=(),
        fingerprint=name, models=(), gate=GateResult(results=()), directory="",
    )
    here.store.publish(draft, SOIL_MOISTURE_1KM, here.region("pair").grid, write)


def messages(tmp_path: Path) -> int:
    return len(list((tmp_path / "data" / "alerts" / "pair" / "cap").glob("*.xml")))


def test_a_drought_is_told_once_and_corrected_when_final_values_differ(region: str, tmp_path: Path) -> None:
    told: list[str] = []
    for number in range(6):
        day = FIRST + dt.timedelta(days=number)
        publish(summary(day, 60), f"p{number}")
        for _ in range(2):
            told += issue_alerts.fn(day, region).headlines
    assert told == ["Soil-moisture drought in West: severe drought (D2)"]
    assert messages(tmp_path) == 1
    publish(summary(FIRST + dt.timedelta(days=1), 0, maturity="final"), "f1")
    report = issue_alerts.fn(FIRST + dt.timedelta(days=1), region)
    assert report.headlines == ("Correction for West, soil-moisture drought: no drought alert",)
    assert [(one.channel, one.sent, one.waiting) for one in report.channels] == [
        ("cap", 1, 0), ("atom", 1, 0), ("geojson", 1, 0)]
    assert messages(tmp_path) == 2
    active = json.loads((tmp_path / "data" / "alerts" / "pair" / "alerts.geojson").read_text())
    assert active["features"] == []


def test_nothing_is_told_on_gap_filled_data_alone(region: str, tmp_path: Path) -> None:
    for number in range(8):
        day = FIRST + dt.timedelta(days=number)
        publish(summary(day, 60, filled=99), f"p{number}")
        assert issue_alerts.fn(day, region).headlines == ()
    assert messages(tmp_path) == 0


def test_a_day_that_was_not_published_is_no_news(region: str) -> None:
    assert issue_alerts.fn(FIRST, region).headlines == ()
    assert [one.sent for one in deliver_alerts.fn(region)] == [0, 0, 0]


def test_units_of_a_summary_become_days_of_units() -> None:
    west, east = unit_days(summary(FIRST, 60, maturity="final"))
    assert (west.unit_id, west.or_worse(3), west.gap_filled_percent, west.provisional) == ("west", 60, 20, False)
    assert east.or_worse(1) == 0 and west.based_on == "item-2026-06-01"
