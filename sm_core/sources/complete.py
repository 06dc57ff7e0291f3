"""Is a file what its name says, and there to its end? Told from its own table of contents, without decoding it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sm_core.errors import ForeignFileError, GranuleCorruptError
from sm_core.sources.magic import FileFormat, check_magic

_FORMATS: dict[str, FileFormat] = {".hdf": "HDF4", ".h5": "HDF5", ".nc": "HDF5"}
_BEGINS = {".zip": b"PK", ".xml": b"<"}
_PAGES = (b"<!doctype html", b"<html", b"<head")
_NULL_TAG, _NO_DATA = 1, 0xFFFFFFFF
_MOST_BLOCKS = 10_000
_HDF5_LAYOUT = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}
"""Where the size of addresses and the end-of-file address stand, by version of the superblock."""


def check_format(path: Path, name: str) -> None:
    """Raise unless the content begins like what the extension of ``name`` promises.

    Parameters
    ----------
    path
        The content, under any name.
    name
        The provider's file name: ``.hdf`` is HDF4; ``.h5`` and ``.nc`` are HDF5; ``.zip`` and ``.xml``; of any other
        file only emptiness and web pages are noticed.

    Raises
    ------
    ForeignFileError      SM207, another format, or a web page.
    GranuleCorruptError   SM205, empty or unreadable.
    """
    extension = _extension(name)
    if extension in _FORMATS:
        check_magic(path, _FORMATS[extension])
        return
    head = _read(path, name, 0)
    if head.lower().startswith(_PAGES) or not head.startswith(_BEGINS.get(extension, b"")):
        raise ForeignFileError(f"{name} is another format or a web page", begins=head[:40])


def check_complete(path: Path, name: str) -> None:
    """Raise unless the content, of the right format, is there to its end. Parameters as for :func:`check_format`.

    Raises
    ------
    GranuleCorruptError   SM205, cut off or unreadable.

    References
    ----------
    HDF4 Reference Manual (data descriptor blocks); HDF5 File Format Specification (superblock).
    """
    extension = _extension(name)
    if extension in _FORMATS:
        whole = _reaches(path, _hdf4_end if _FORMATS[extension] == "HDF4" else _hdf5_end)
    elif extension == ".zip":
        whole = zipfile.is_zipfile(path)
    else:
        whole = extension != ".xml" or _read(path, name, -512).endswith(b">")
    if not whole:
        raise GranuleCorruptError(f"{name} is cut off")


def _extension(name: str) -> str:
    return Path(name).suffix.lower()


def _read(path: Path, name: str, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) + offset) if offset < 0 else offset)
            content = file.read(512).strip(b"\xef\xbb\xbf \t\r\n")
    except OSError as cause:
        raise GranuleCorruptError(f"{name} cannot be opened: {cause}") from cause
    if not content:
        raise GranuleCorruptError(f"{name} is empty")
    return content


def _reaches(path: Path, end_of: Callable[[BinaryIO], int]) -> bool:
    try:
        with path.open("rb") as file:
            return path.stat().st_size >= end_of(file)
    except (struct.error, KeyError):
        return False
    except OSError as cause:
        raise GranuleCorruptError(f"{path.name} cannot be opened: {cause}") from cause


def _hdf4_end(file: BinaryIO) -> int:
    end, block = 0, 4
    for _ in range(_MOST_BLOCKS):
        file.seek(block)
        count, following = _unpack(file, ">HI")
        for _ in range(count):
            tag, _ref, offset, length = _unpack(file, ">HHII")
            if tag != _NULL_TAG and _NO_DATA not in (offset, length):
                end = max(end, offset + length)
        if not following:
            return end
        block = following
    raise struct.error("blocks without an end")


def _hdf5_end(file: BinaryIO) -> int:
    file.seek(8)
    size_at, end_at = _HDF5_LAYOUT[_unpack(file, "B")[0]]
    file.seek(size_at)
    if _unpack(file, "B") != (8,):
        return 0
    file.seek(end_at)
    return _unpack(file, "<Q")[0]


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
