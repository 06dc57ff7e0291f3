from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.domain import Station
from sm_core.errors import LedgerError
from tasks.adapters.ledger import Ledger

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
Row = tuple[str, str, int, float, str, str]


def at(hour: int) -> dt.datetime:
    return BEGIN + dt.timedelta(hours=hour)


def table(*rows: Row) -> pd.DataFrame:
    """(station, layer, hour, value, flag, provider flag)"""
    frame = pd.DataFrame(rows, columns=["station_id", "layer", "time", "value", "flag", "provider_flag"])
    return frame.assign(time=pd.to_datetime([at(hour) for hour in frame["time"]], utc=True).tz_localize(None))


def told(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    hours = (frame["time"] - pd.Timestamp(BEGIN).tz_localize(None)) // pd.Timedelta(hours=1)
    values = [None if math.isnan(value) else value for value in frame["value"]]
    columns = (frame["station_id"], frame["layer"], hours, values, frame["flag"], frame["provider_flag"])
    return list(zip(*columns, strict=True))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "raw")
    yield ledger
    ledger.close()


def test_the_same_again_adds_no_row_and_no_file(ledger: Ledger, tmp_path: Path) -> None:
    rows = table(("a", "0.05", 1, 0.1, "G", ""), ("b", "0.05", 1, math.nan, "", "x"))
    assert ledger.add_observations(rows, at(2)) == 2
    files = sorted(path.name for path in (tmp_path / "raw").iterdir())
    assert ledger.add_observations(rows, at(3)) == 0
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == files
    assert told(ledger.observations(at(3))) == [("a", "0.05", 1, 0.1, "G", ""), ("b", "0.05", 1, None, "", "x")]


def test_a_revised_value_is_one_more_row_and_both_are_known_in_their_time(ledger: Ledger) -> None:
    first = table(("a", "0.05", 1, 0.1, "G", ""), ("a", "0.05", 2, 0.2, "G", ""), ("a", "0.20", 1, 0.3, "G", ""))
    ledger.add_observations(first, at(10))
    revised = first.assign(value=[0.1, 0.4, 0.3])
    assert ledger.add_observations(revised, at(20)) == 1
    assert [row[3] for row in told(ledger.observations(at(19)))] == [0.1, 0.2, 0.3]
    assert [row[3] for row in told(ledger.observations(at(20)))] == [0.1, 0.4, 0.3]
    assert ledger.add_observations(first, at(30)) == 1
    assert [row[3] for row in told(ledger.observations(at(30)))] == [0.1, 0.2, 0.3]
    assert [row[3] for row in told(ledger.observations(at(29)))] == [0.1, 0.4, 0.3]
    assert ledger.observations(at(9)).empty


@pytest.mark.parametrize("column", ["flag", "provider_flag"])
def test_another_flag_is_a_change_and_a_value_can_be_taken_back(ledger: Ledger, column: str) -> None:
    row = table(("a", "0.05", 1, 0.1, "G", ""))
    ledger.add_observations(row, at(2))
    assert ledger.add_observations(row.assign(**{column: "C02"}), at(3)) == 1
    assert ledger.add_observations(row.assign(**{column: "C02", "value": np.nan}), at(4)) == 1
    assert told(ledger.observations(at(4)))[0][3] is None


def test_of_one_moment_twice_in_an_import_the_last_counts(ledger: Ledger) -> None:
    assert ledger.add_observations(table(("a", "x", 1, 0.1, "", ""), ("a", "x", 1, 0.2, "", "")), at(2)) == 1
    assert told(ledger.observations(at(2))) == [("a", "x", 1, 0.2, "", "")]


def test_stations_and_times_can_be_chosen(ledger: Ledger) -> None:
    for when in range(3):
        rows = [(name, "x", 24 * when + hour, 0.1, "", "") for name in "ab" for hour in (0, 12)]
        ledger.add_observations(table(*rows), at(100 + when))
    assert {row[0] for row in told(ledger.observations(at(200), ["b"]))} == {"b"}
    chosen = told(ledger.observations(at(200), ["a"], first=at(12), last=at(36)))
    assert [row[2] for row in chosen] == [12, 24, 36]
    assert ledger.observations(at(200), []).empty


def test_times_with_a_zone_are_brought_to_utc(ledger: Ledger) -> None:
    frame = table(("a", "x", 9, 0.1, "", ""))
    local = frame.assign(time=frame["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Seoul"))
    ledger.add_observations(frame, at(10))
    assert ledger.add_observations(local, at(11)) == 0


def test_daily_means_are_of_accepted_readings_and_of_utc_days(ledger: Ledger) -> None:
    ledger.add_observations(
        table(("a", "x", 0, 0.1, "G", ""), ("a", "x", 23, 0.3, "", ""), ("a", "x", 12, 0.9, "D06", ""),
              ("a", "x", 24, 0.5, "U", ""), ("a", "x", 48, 0.7, "C02", "")), at(50))
    daily = ledger.daily(at(50))
    assert list(daily["day"].dt.day) == [1, 2, 3]
    assert daily["value"].iloc[:2].tolist() == pytest.approx([0.2, 0.5])
    assert math.isnan(daily["value"].iloc[2])
    assert daily["readings"].tolist() == [2, 1, 0]


def test_daily_means_are_bitemporal_too(ledger: Ledger) -> None:
    ledger.add_observations(table(("a", "x", 1, 0.1, "", ""), ("a", "x", 30, 0.6, "", "")), at(40))
    ledger.add_observations(table(("a", "x", 2, 0.3, "", "")), at(50))
    assert ledger.daily(at(49))["value"].tolist() == pytest.approx([0.1, 0.6])
    assert ledger.daily(at(50))["value"].tolist() == pytest.approx([0.2, 0.6])
    assert ledger.daily(at(50), ["b"]).empty
    assert ledger.daily(at(50), first=dt.date(2026, 1, 2))["value"].tolist() == [0.6]
    assert ledger.daily(at(50), last=dt.date(2026, 1, 1))["readings"].tolist() == [2]


def test_a_clock_that_was_put_back_hides_nothing(ledger: Ledger) -> None:
    ledger.add_observations(table(("a", "x", 1, 0.1, "", "")), at(20))
    assert ledger.add_observations(table(("a", "x", 1, 0.2, "", "")), at(10)) == 1
    assert told(ledger.observations(at(20)))[0][3] == 0.2
    assert ledger.daily(at(20))["value"].tolist() == [0.2]


def test_nothing_in_gives_nothing_out(ledger: Ledger) -> None:
    assert ledger.add_observations(table(), at(1)) == 0
    assert list(ledger.observations(at(1)).columns) == list(table().columns)
    assert ledger.daily(at(1)).empty


def test_unusable_tables_are_refused(ledger: Ledger) -> None:
    good = table(("a", "x", 1, 0.1, "", ""))
    for bad in (good.drop(columns="flag"), good.assign(time=pd.NaT), good.assign(flag=None)):
        with pytest.raises(LedgerError):
            ledger.add_observations(bad, at(1))


def test_a_lost_file_is_told(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add_observations(table(("a", "x", 1, 0.1, "", "")), at(1))
    next((tmp_path / "raw").glob("*.parquet")).unlink()
    with pytest.raises(LedgerError, match="cannot be read"):
        ledger.observations(at(2))


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.integers(0, 30),
              st.sampled_from([0.1, 0.2, math.nan]), st.sampled_from(["", "G", "D06"]), st.just("")),
    min_size=1, max_size=12,
)


@settings(max_examples=40)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_any_past_time_is_replayed_as_it_was_known_then(
    tmp_path_factory: pytest.TempPathFactory, imports: list[list[Row]]
) -> None:
    """A plain dictionary that each import overwrites is what must be known after it, then and for ever."""
    folder = tmp_path_factory.mktemp("replay")
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", folder / "raw")
    state: dict[tuple[str, str, int], tuple[float | None, str, str]] = {}
    then = []
    for number, rows in enumerate(imports):
        before = dict(state)
        for station, layer, hour, value, flag, provider in rows:
            state[station, layer, hour] = (None if math.isnan(value) else value, flag, provider)
        changed = sum(before.get(key) != value for key, value in state.items())
        assert ledger.add_observations(table(*rows), at(100 + number)) == changed
        then.append(sorted((*key, *value) for key, value in state.items()))
    for number, expected in enumerate(then):
        assert told(ledger.observations(at(100 + number))) == expected
        check_means(ledger.daily(at(100 + number)), expected)
    ledger.close()


def check_means(daily: pd.DataFrame, rows: list[tuple[object, ...]]) -> None:
    groups: dict[tuple[object, object, int], list[float]] = {}
    for station, layer, hour, value, flag, _ in rows:
        accepted = groups.setdefault((station, layer, int(str(hour)) // 24), [])
        if value is not None and flag in ("", "G"):
            accepted.append(float(str(value)))
    keys = list(zip(daily["station_id"], daily["layer"], daily["day"].dt.day - 1, strict=True))
    assert keys == sorted(groups)
    assert daily["readings"].tolist() == [len(groups[key]) for key in keys]
    expected = [sum(groups[key]) / len(groups[key]) if groups[key] else math.nan for key in keys]
    assert daily["value"].tolist() == pytest.approx(expected, nan_ok=True)


def place(lon: float) -> Station:
    return Station(station_id="a", network="N", name="S", lon=lon, lat=37.0, depth_from_m=0.05, depth_to_m=0.05)


def test_where_a_station_stood_and_since_when_that_is_known(ledger: Ledger) -> None:
    since, moved = dt.date(2020, 1, 1), dt.date(2024, 6, 1)
    assert ledger.add_station(place(127.0), since, at(1))
    assert not ledger.add_station(place(127.0), since, at(2))
    assert not ledger.add_station(place(127.0), dt.date(2022, 1, 1), at(2))
    assert ledger.add_station(place(128.0), moved, at(3))
    assert [station.lon for station in ledger.stations(at(3))] == [128.0]
    assert [station.lon for station in ledger.stations(at(2))] == [127.0]
    assert [station.lon for station in ledger.stations(at(3), dt.date(2024, 5, 31))] == [127.0]
    assert ledger.stations(at(3), dt.date(2019, 12, 31)) == ()
    assert ledger.add_station(place(128.5), moved, at(4))
    assert ledger.stations(at(4)) == (place(128.5),)
    assert ledger.stations(at(3)) == (place(128.0),)
