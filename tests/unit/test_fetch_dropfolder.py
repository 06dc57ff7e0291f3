"""The watched folder."""

import datetime as dt
import os

import pytest

from sm_core.errors import NotYetDownloadableError, SourceUnavailableError
from tasks.adapters.fetch.dropfolder import DropFolder
from tasks.adapters.fetch.protocol import Query

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
NAME = "Data_separate_files_header_20200101_20201231_1234.zip"
QUERY = Query(source_id="ISMN", first=dt.date(2020, 6, 1), last=dt.date(2020, 6, 2))


def put(path, content=b"PK\x03\x04", age_s=3600.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    stamp = NOW.timestamp() - age_s
    os.utime(path, (stamp, stamp))
    return path


@pytest.fixture
def folder(tmp_path):
    return DropFolder(tmp_path, ("ISMN", "CSV"), lambda: NOW)


def test_files_are_listed_with_their_editions(folder, tmp_path):
    path = put(tmp_path / "from me" / NAME)
    (listed,) = folder.listed(QUERY)
    assert (listed.name, listed.size, listed.published) == (NAME, 4, NOW - dt.timedelta(hours=1))
    for offset, expected in ((0, b"PK\x03\x04"), (2, b"\x03\x04"), (9, b"PK\x03\x04")):
        with folder.open(listed, offset) as body:
            assert (body.size, b"".join(body.blocks())) == (4, expected)
    put(path, b"PK\x03\x05+", age_s=100)
    (again,) = folder.listed(QUERY)
    assert again.revision > listed.revision
    with pytest.raises(NotYetDownloadableError, match="changed"), folder.open(listed):
        pass
    path.unlink()
    with pytest.raises(NotYetDownloadableError), folder.open(again):
        pass


def test_what_is_not_taken(folder, tmp_path):
    put(tmp_path / NAME, age_s=10)                                        # may still be being written
    put(tmp_path / "stations_mine_20200101_20201231.csv")                 # another source
    put(tmp_path / "Data_separate_files_header_20210101_20211231_1.zip")  # another year
    put(tmp_path / "holiday.jpg")
    put(tmp_path / ".DS_Store")
    outside = put(tmp_path.parent / "outside" / NAME)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / NAME).symlink_to(outside)
    assert list(folder.listed(QUERY)) == []
    assert [path.name for path in folder.unknown()] == ["holiday.jpg"]


def test_folder_that_is_not_mounted_is_told(tmp_path):
    with pytest.raises(SourceUnavailableError):
        list(DropFolder(tmp_path / "none", ("ISMN",), lambda: NOW).listed(QUERY))
