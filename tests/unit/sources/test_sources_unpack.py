"""Archives that would fill the memory are refused before they are unpacked."""

import io
import logging
import struct
import zipfile
from pathlib import Path

import pytest

from sm_core.errors import StationFileError, UnsafeContentError
from sm_core.sources import read_ismn, unpack
from sm_core.sources.ismn import import_ismn
from sm_core.sources.unpack import fingerprint, members, parse_xml

NAME = "SCAN_SCAN_A_sm_0.050000_0.050000_S_20070101_20070131.stm"
TEXT = b"SCAN SCAN A 34.25 -105.417 1882.14 0.05 0.05 S\n2007/01/01 00:00 0.137 G M\n2007/01/01 01:00 0.138 G M\n"


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def nested(levels: int) -> bytes:
    content, name = TEXT, NAME
    for level in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, content)
        content, name = buffer.getvalue(), f"{level}.zip"
    return content


def everything(name: str) -> bool:
    return True


def test_members_have_the_fingerprint_of_their_content(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {f"SCAN/A/{NAME}": TEXT, "Readme.txt": b"x"})
    found = [(one.name, one.fingerprint, one.read()) for one in members(path, lambda name: name.endswith(".stm"))]
    assert found == [(f"SCAN/A/{NAME}", fingerprint(TEXT), TEXT)]


def test_zeros_that_shrink_a_thousandfold_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.zip", {NAME: bytes(unpack.RATIO_FROM + 1)})
    with pytest.raises(UnsafeContentError, match=r"times its size") as caught:
        read_ismn(path)
    assert caught.value.code == "SM210"


def test_as_many_zeros_as_the_limit_are_no_bomb(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"zeros": bytes(unpack.RATIO_FROM)})
    assert [len(one.read()) for one in members(path, everything)] == [unpack.RATIO_FROM]


def test_one_bomb_among_honest_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("honest", bytes(range(256)) * 1024)  # stored: 256 KiB lift the archive's own ratio below 200
        file.writestr("bomb", bytes(unpack.RATIO_FROM + 1), zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeContentError, match=r"'bomb' is shrunk too strongly"):
        next(members(path, everything))


@pytest.mark.parametrize(("limit", "words"), [
    ("MOST_MEMBERS", "too many files"), ("LARGEST_MEMBER", "unpacks to too much"),
    ("LARGEST_TOTAL", "unpacks to too much"),
])
def test_limits(limit: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip", {"a": b"12", "b": b"34"})
    assert len(list(members(path, everything))) == 2
    monkeypatch.setattr(unpack, limit, 1)
    with pytest.raises(UnsafeContentError, match=words):
        next(members(path, everything))


@pytest.mark.parametrize(("levels", "fits"), [(1, True), (3, True), (4, False)])
def test_archives_in_archives(levels: int, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(nested(levels))
    if fits:
        assert len(read_ismn(path)) == 1
    else:
        with pytest.raises(UnsafeContentError, match="nested deeper"):
            read_ismn(path)


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {NAME: TEXT})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", len(TEXT)), struct.pack("<I", 10)))
    with pytest.raises(StationFileError, match="no readable soil-moisture file") as caught:
        read_ismn(path)
    assert "cannot be unpacked" in str(caught.value.__cause__)


def test_a_bomb_in_a_folder_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive(tmp_path / "bomb.zip", {NAME: bytes(unpack.RATIO_FROM + 1)})
    (tmp_path / NAME).write_bytes(TEXT)
    with caplog.at_level(logging.WARNING):
        assert len(read_ismn(tmp_path)) == 1
    assert "bomb.zip" in caplog.text


def test_what_was_seen_is_not_read_again(tmp_path: Path) -> None:
    other, longer = NAME.replace("_A_", "_B_"), TEXT + b"2007/01/01 02:00 0.139 G M\n"
    first = archive(tmp_path / "first.zip", {f"x/{NAME}": TEXT, f"x/{other}": TEXT.replace(b" A ", b" B ")})
    seen = {one.fingerprint for one in import_ismn(first)}
    assert len(seen) == 2
    assert not list(import_ismn(first, seen=seen))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / NAME).write_bytes(TEXT)  # the same content outside an archive
    assert not list(import_ismn(tmp_path / "folder", seen=seen))
    second = archive(tmp_path / "second.zip", {f"y/{NAME}": longer, f"y/{other}": TEXT.replace(b" A ", b" B ")})
    (grown,) = import_ismn(second, seen=seen)
    assert (grown.name, len(grown.series.values)) == (f"y/{NAME}", 3)


def test_a_seen_file_is_not_even_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {NAME: TEXT})
    seen = {one.fingerprint for one in import_ismn(path)}
    raw = bytearray(path.read_bytes())
    start = raw.index(NAME.encode()) + len(NAME)
    raw[start + 5] ^= 0xFF  # damage the packed bytes; the directory stays whole
    path.write_bytes(raw)
    assert not list(import_ismn(path, seen=seen))
    with pytest.raises(StationFileError, match="failures=1"):
        read_ismn(path)


def test_too_large_for_xml(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_xml(b"<a/>", "answer").tag == "a"
    monkeypatch.setattr(unpack, "LARGEST_XML", 3)
    with pytest.raises(UnsafeContentError, match="too large"):
        parse_xml(b"<a/>", "answer")
