"""Wrong files and settings: each gives its code, a remedy, no stack trace. docs/bad-input.md lists these."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from flows.cli import main
from sm_core.sources import decode
from sm_core.twin.writers.modis import write_mxd11a1, write_mxd13a2

ROOT = Path(__file__).resolve().parents[2]
REGIONS = ROOT / "deployments" / "regions"
DAY, PRODUCED = dt.date(2019, 6, 15), dt.datetime(2019, 6, 16, 9)
Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def sm_daily(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sm-daily", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.err + captured.out

    return call


def lst_granule(folder: Path, value: float = 300.0) -> Path:
    lst = np.full((1200, 1200), value, np.float32)
    hours, error = np.full((1200, 1200), 10.5, np.float32), np.zeros((1200, 1200), np.uint8)
    return write_mxd11a1(folder, platform="MOD", tile="h28v05", day=DAY, produced=PRODUCED, lst_day=lst,
                         lst_night=lst - 15, view_time_day=hours, view_time_night=hours + 12, error_day=error,
                         error_night=error)


def ndvi_granule(folder: Path) -> Path:
    ndvi = np.full((1200, 1200), 0.5, np.float32)
    doy, rank = np.full((1200, 1200), 165, np.int16), np.zeros((1200, 1200), np.int8)
    return write_mxd13a2(folder, platform="MOD", tile="h28v05", start=dt.date(2019, 6, 10), produced=PRODUCED,
                         ndvi=ndvi, composite_doy=doy, reliability=rank)


def truncated(folder: Path) -> Path:
    path = lst_granule(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def html(folder: Path) -> Path:
    path = folder / "MOD11A1.A2019166.h28v05.061.2019167090000.hdf"
    path.write_text("<!DOCTYPE html><html><body>Please log in</body></html>")
    return path


def empty(folder: Path) -> Path:
    path = folder / "MOD11A1.A2019166.h28v05.061.2019167090000.hdf"
    path.write_bytes(b"")
    return path


def other_product(folder: Path) -> Path:
    return ndvi_granule(folder).rename(folder / "MOD11A1.A2019166.h28v05.061.2019167090000.hdf")


def other_tile(folder: Path) -> Path:
    path = lst_granule(folder)
    return path.rename(path.with_name(path.name.replace("h28v05", "h12v04")))


def unknown_name(folder: Path) -> Path:
    path = folder / "my-notes.bin"
    path.write_bytes(b"\x00\x01\x02")
    return path


def garbled_station(folder: Path) -> Path:
    path = folder / "NET_NET_ST1_sm_0.050000_0.050000_Probe_20190101_20190201.stm"
    path.write_text("this is no station file\n" * 5)
    return path


@pytest.mark.parametrize(("make", "code"), [
    (truncated, "SM205"), (html, "SM207"), (empty, "SM205"), (other_product, "SM206"), (other_tile, "SM206"),
    (garbled_station, "SM208"),
])
def test_wrong_file(make: Callable[[Path], Path], code: str, tmp_path: Path, sm_daily: Command) -> None:
    status, text = sm_daily("inspect", make(tmp_path))
    assert (status, text[:5]) == (1, code), text
    assert "What to do:" in text
    assert "Traceback" not in text


def test_file_of_no_known_source_is_told_as_unknown(tmp_path: Path, sm_daily: Command) -> None:
    status, text = sm_daily("inspect", unknown_name(tmp_path))
    assert status == 0
    assert "unknown" in text
    assert "no declared source" in text


def test_granule_without_a_known_value_is_no_error_but_says_so(tmp_path: Path, sm_daily: Command) -> None:
    path = lst_granule(tmp_path, np.nan)
    assert not np.isfinite(decode(path)["lst_day"]).any()
    status, text = sm_daily("inspect", "--json", path)
    assert status == 0
    assert '"valid_fraction": 0.0' in text


@pytest.mark.parametrize(("arguments", "code"), [
    (("run", "2999-01-01", "--region", "demo", "--archive", "."), "SM104"),
    (("run", "yesterday", "--region", "demo", "--archive", "."), "SM104"),
    (("run", "2019-06-15", "--region", "atlantis", "--archive", "."), "SM101"),
    (("run", "2019-06-15", "--region", "no/such/region.yaml", "--archive", "."), "SM101"),
    (("train", "--region", "demo", "--archive", "no/such/archive"), "SM105"),
    (("train", "--region", "demo"), "SM105"),
])
def test_wrong_argument(arguments: tuple[str, ...], code: str, tmp_path: Path, sm_daily: Command) -> None:
    status, text = sm_daily(*arguments, "--data", tmp_path / "data")
    assert (status, text[:5]) == (1, code), text
    assert "Traceback" not in text


def test_archive_without_any_known_file(tmp_path: Path, sm_daily: Command) -> None:
    (tmp_path / "archive").mkdir()
    status, text = sm_daily("train", "--region", "demo", "--archive", tmp_path / "archive", "--data", tmp_path / "data")
    assert (status, text[:5]) == (1, "SM105")


def test_region_that_was_never_trained(tmp_path: Path, sm_daily: Command) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    lst_granule(archive)
    status, text = sm_daily("run", "2019-06-15", "--region", "demo", "--archive", archive, "--data", tmp_path / "data")
    assert status == 1
    assert "\nSM501 " in text
    assert "sm-daily train" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("change", "key"), [
    ({"tilez": ["h28v05"]}, "tilez"), ({"grid": {"west": 1}}, "grid"), ({"roles": {"fine": ["MOD11A1.061"]}}, "roles"),
])
def test_region_file_with_a_wrong_key_names_it(change: dict, key: str, tmp_path: Path, sm_daily: Command) -> None:
    declared = yaml.safe_load((REGIONS / "demo.yaml").read_text()) | change
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(declared))
    status, text = sm_daily("run", "2019-06-15", "--region", path, "--archive", tmp_path)
    assert (status, text[:5]) == (1, "SM102")
    assert key in text


def test_region_file_that_is_no_yaml(tmp_path: Path, sm_daily: Command) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("region_id: [unclosed")
    status, text = sm_daily("run", "2019-06-15", "--region", path, "--archive", tmp_path)
    assert (status, text[:5]) == (1, "SM102")


def test_setting_that_is_no_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sm_daily: Command) -> None:
    monkeypatch.setenv("SM_PROCESSES", "many")
    status, text = sm_daily("run", "2019-06-15", "--region", "demo", "--archive", tmp_path)
    assert (status, text[:5]) == (1, "SM103")
    assert "SM_PROCESSES" in text


def test_too_short_an_archive_to_train_on(tmp_path: Path, sm_daily: Command) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    lst_granule(archive)
    status, text = sm_daily("train", "--region", "demo", "--archive", archive, "--data", tmp_path / "data")
    assert status == 1
    assert "\nSM301 " in text
    assert "Traceback" not in text
