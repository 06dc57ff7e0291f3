"""Opening HDF5 files so that whatever is wrong with one comes out as a coded error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sm_core.errors import GranuleCorruptError
from sm_core.sources.magic import check_magic

BROKEN = (OSError, RuntimeError, KeyError)
"""What h5py raises on damaged files."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading.

    Raises
    ------
    ForeignFileError      SM207, not HDF5.
    GranuleCorruptError   SM205, cut short or damaged, also where that shows only when data are read.
    """
    check_magic(path, "HDF5")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BROKEN as cause:
        raise GranuleCorruptError(f"{path.name} cannot be read: {cause}") from cause
