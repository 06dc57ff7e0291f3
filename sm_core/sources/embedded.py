"""The name under which a provider knows a file, from the file's own metadata."""

from __future__ import annotations

import re
from pathlib import Path

from sm_core.errors import GranuleCorruptError
from sm_core.sources import hdf4, hdf5
from sm_core.sources.magic import MAGIC

_LOCAL_ID = re.compile(r'OBJECT\s*=\s*LOCALGRANULEID\b.*?VALUE\s*=\s*"([^"]+)"', re.DOTALL)


def local_granule_id(path: Path) -> str:
    """LocalGranuleID of an HDF-EOS file; empty for other files, and for those that have none.

    Raises
    ------
    GranuleCorruptError   SM205, cut short or unreadable.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as cause:
        raise GranuleCorruptError(f"{path.name} cannot be opened: {cause}") from cause
    if head.startswith(MAGIC["HDF4"]):
        match = _LOCAL_ID.search(hdf4.read(path, ()).attributes.get("CoreMetadata.0", ""))
        return match[1] if match else ""
    if head.startswith(MAGIC["HDF5"]):
        with hdf5.opened(path) as granule:
            value = granule.attrs.get("LocalGranuleID", b"")
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return ""
