"""Zip archives and XML from outside, opened within limits.

Nothing is written to disk, so names inside an archive never become paths.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sm_core.errors import StationFileError, UnsafeContentError

MIB = 1 << 20
LARGEST_MEMBER = 512 * MIB
"""Twenty years of one sensor every five minutes are 200 MiB."""
LARGEST_TOTAL = 64 << 10 << 20
LARGEST_RATIO = 200
"""Station text shrinks 10- to 25-fold; the most that zip reaches is 1030-fold."""
RATIO_FROM = 16 * MIB
"""Smaller contents may shrink as they like."""
MOST_MEMBERS = 500_000
DEEPEST_NESTING = 2
"""Archives inside archives: a download of downloads, and no further."""
LARGEST_XML = 64 * MIB
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class Member(NamedTuple):
    """A file in an archive: its name, what tells its content from another (checksum and size), and its content.

    ``read`` works until the next member is asked for.
    """

    name: str
    fingerprint: str
    read: Callable[[], bytes]


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Files of a zip archive, and of zip archives in it, whose name (without folders) is ``wanted``.

    Nothing is unpacked before ``read`` is called, except inner archives.

    Raises
    ------
    StationFileError     SM208, no readable zip archive.
    UnsafeContentError   SM210, an archive bomb: too many files, too large, too strongly shrunk, nested too deep.
    """
    try:
        with path.open("rb") as file:
            yield from _members(file, path.name, path.stat().st_size, wanted, 0)
    except _UNREADABLE as cause:
        raise StationFileError(f"{path.name} is no readable zip archive: {cause}") from cause


def fingerprint(content: bytes) -> str:
    """What tells one content from another, the same for a file and for a member of an archive.

    >>> fingerprint(b"2007/01/01 00:00 0.137 G M")
    '171bb41a-26'
    """
    return f"{zlib.crc32(content):08x}-{len(content)}"


def parse_xml(text: bytes, name: str) -> Element:
    """The root element.

    Raises
    ------
    StationFileError     SM208, not XML.
    UnsafeContentError   SM210, entities, external references, or more than 64 MiB.
    """
    if len(text) > LARGEST_XML:
        raise UnsafeContentError(f"{name} is too large for XML", size=len(text), limit=LARGEST_XML)
    try:
        root: Element = fromstring(text)
    except DefusedXmlException as cause:
        raise UnsafeContentError(f"{name} defines entities or refers to other files: {cause}") from cause
    except (ParseError, ValueError) as cause:
        raise StationFileError(f"{name} is not XML: {cause}", begins=text[:40]) from cause
    return root


def _members(
    file: BinaryIO, name: str, size: int, wanted: Callable[[str], bool], depth: int
) -> Iterator[Member]:
    if depth > DEEPEST_NESTING:
        raise UnsafeContentError(f"{name}: archives nested deeper than {DEEPEST_NESTING}")
    with zipfile.ZipFile(file) as archive:
        _check(archive, name, size)
        for info in sorted(archive.infolist(), key=lambda entry: entry.filename):
            last = PurePosixPath(info.filename).name
            if last.lower().endswith(".zip"):
                inner = _content(archive, info)
                yield from _members(io.BytesIO(inner), last, len(inner), wanted, depth + 1)
            elif wanted(last):
                yield Member(info.filename, f"{info.CRC:08x}-{info.file_size}", partial(_content, archive, info))


def _check(archive: zipfile.ZipFile, name: str, size: int) -> None:
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    largest = max((entry.file_size for entry in entries), default=0)
    if len(entries) > MOST_MEMBERS:
        raise UnsafeContentError(f"{name} holds too many files", files=len(entries), limit=MOST_MEMBERS)
    if largest > LARGEST_MEMBER or total > LARGEST_TOTAL:
        raise UnsafeContentError(f"{name} unpacks to too much", largest=largest, total=total)
    if total > RATIO_FROM and total > LARGEST_RATIO * size:
        raise UnsafeContentError(f"{name} unpacks to {total // max(size, 1)} times its size", limit=LARGEST_RATIO)
    for entry in entries:
        if entry.file_size > RATIO_FROM and entry.file_size > LARGEST_RATIO * max(entry.compress_size, 1):
            raise UnsafeContentError(f"{name}: {entry.filename!r} is shrunk too strongly", limit=LARGEST_RATIO)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)  # never more than the size that was checked
    except _UNREADABLE as cause:
        raise StationFileError(f"{info.filename!r} cannot be unpacked: {cause}") from cause
