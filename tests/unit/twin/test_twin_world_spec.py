from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError

from sm_core.domain import Region
from sm_core.errors import RegionFileError
from sm_core.twin.spec import TwinSpec, WeatherEvent, load_spec, save_spec

START, END = dt.date(2018, 1, 1), dt.date(2019, 12, 31)


def test_yaml_round_trip(region: Region, tmp_path: Path) -> None:
    event = WeatherEvent(name="drought", start=START, end=dt.date(2018, 4, 1), rain_factor=0.3)
    spec = TwinSpec(region=region, start=START, end=END, record_start=dt.date(1999, 1, 1), seed=4, stations=9,
                    events=(event,))
    save_spec(spec, tmp_path / "twin.yaml")
    assert load_spec(tmp_path / "twin.yaml") == spec


@pytest.mark.parametrize("text", ["{", "seed: 1", "region: 3\nstart: x"])
def test_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "twin.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RegionFileError, match=r"twin\.yaml"):
        load_spec(tmp_path / "twin.yaml")


def test_days_must_be_in_order(region: Region) -> None:
    with pytest.raises(ValidationError, match="in the order"):
        TwinSpec(region=region, start=START, end=END, record_start=dt.date(2018, 1, 2))


def test_defaults_follow_area_and_period(region: Region) -> None:
    spec = TwinSpec(region=region, start=START, end=END, record_start=START)
    assert spec.station_count == 8  # 0.16 square degrees: the least
    flash, spring = (next(event for event in spec.weather_events if name in event.name) for name in ("flash", "spring"))
    assert flash.start.year == 2018
    assert spring.start.year == 2019
    assert (spec.truth_start, spec.truth_end) == (dt.date(2017, 12, 16), dt.date(2020, 1, 16))
    assert spec.model_copy(update={"events": ()}).weather_events == ()
