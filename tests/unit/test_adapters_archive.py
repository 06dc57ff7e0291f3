from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from sm_core.domain import Granule, Rejection
from sm_core.errors import ArchiveNotFoundError, GranuleCorruptError
from tasks.adapters.mirror import ChecksumIndex, open_archive, sha256_of
from tasks.adapters.quarantine import Quarantine

NAME = "MOD11A1.A2019160.h28v05.061.2019161090000.hdf"


def granule(path: Path) -> Granule:
    return Granule(source_id="MOD11A1.061", start=dt.date(2019, 6, 9), end=dt.date(2019, 6, 9), tile="h28v05",
                   uri=str(path), size=path.stat().st_size if path.exists() else 0)


def test_mirror_knows_granules_in_any_sub_folder_and_leaves_other_files_alone(tmp_path: Path) -> None:
    for folder in ("a/b", "c"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a" / "b" / NAME).write_bytes(b"x")
    (tmp_path / "c" / "SMs_2019_GLEAM_v4.2a.nc").write_bytes(b"y")
    (tmp_path / "c" / "README.txt").write_text("hello")
    found = open_archive(tmp_path).granules()
    assert {(g.source_id, g.tile) for g in found} == {("MOD11A1.061", "h28v05"), ("GLEAM_v4.2a.SMs", "")}


def test_coverage_is_of_the_first_source_that_is_there(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"x")
    (tmp_path / NAME.replace("2019160", "2019170")).write_bytes(b"x")
    archive = open_archive(tmp_path)
    assert archive.coverage(["MYD11A1.061", "MOD11A1.061"]) == (dt.date(2019, 6, 9), dt.date(2019, 6, 19))
    assert archive.truth(dt.date(2019, 6, 9)) is None


def test_missing_or_empty_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveNotFoundError, match="no such archive"):
        open_archive(tmp_path / "nowhere")
    with pytest.raises(ArchiveNotFoundError, match="no granule"):
        open_archive(tmp_path).granules()


def test_checksums_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"first")
    index = ChecksumIndex(tmp_path / "index.sqlite")
    sealed = index.seal([granule(path)])[0].sha256
    assert sealed == sha256_of(path)
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    assert index.seal([granule(path)])[0].sha256 == sha256_of(path) != sealed


def test_vanished_file_is_a_coded_error(tmp_path: Path) -> None:
    with pytest.raises(GranuleCorruptError, match="cannot be read"):
        ChecksumIndex(tmp_path / "index.sqlite").seal([granule(tmp_path / NAME)])


def test_quarantine_remembers_by_content_and_can_be_lifted(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine")
    assert quarantine.rejections() == ()
    path = tmp_path / NAME
    path.write_bytes(b"bad")
    rejection = Rejection(granule=granule(path).model_copy(update={"sha256": "ab" * 32}), error_code="SM205",
                          message="truncated")
    quarantine.reject(rejection)
    assert quarantine.holds("ab" * 32)
    assert not quarantine.holds("cd" * 32)
    assert quarantine.rejections() == (rejection,)
    (tmp_path / "quarantine" / f"{'ab' * 32}.json").unlink()
    assert not quarantine.holds("ab" * 32)
