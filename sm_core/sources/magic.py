"""Is a file what its name says? Looked at before any C library is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sm_core.errors import ForeignFileError, GranuleCorruptError

FileFormat = Literal["HDF4", "HDF5"]
MAGIC: dict[FileFormat, bytes] = {"HDF4": b"\x0e\x03\x13\x01", "HDF5": b"\x89HDF\r\n\x1a\n"}
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")


def check_magic(path: Path, expected: FileFormat) -> None:
    """Raise unless the file begins like ``expected`` (netCDF-4 files are HDF5).

    Raises
    ------
    ForeignFileError      SM207, another format, or a web page saved under the granule's name.
    GranuleCorruptError   SM205, the file is empty or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as cause:
        raise GranuleCorruptError(f"{path.name} cannot be opened: {cause}") from cause
    if not head:
        raise GranuleCorruptError(f"{path.name} is empty")
    if head.lstrip().lower().startswith(_PAGES):
        raise ForeignFileError(f"{path.name} is a web page, not {expected}", begins=head[:40])
    if not head.startswith(MAGIC[expected]):
        raise ForeignFileError(f"{path.name} is not {expected}", begins=head[:8])
