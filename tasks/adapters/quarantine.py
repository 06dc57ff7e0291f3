"""Files that could not be used, remembered by content: never deleted, never tried twice, always told."""

from __future__ import annotations

from pathlib import Path

from sm_core.domain import Rejection
from tasks.adapters.files import write_text


class Quarantine:
    """One JSON record for each rejected file's checksum. Removing the record admits the file again."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def holds(self, sha256: str) -> bool:
        return self._path(sha256).is_file()

    def reject(self, rejection: Rejection) -> None:
        """Keep a file out from now on."""
        write_text(self._path(rejection.granule.sha256), rejection.model_dump_json(indent=1))

    def rejections(self) -> tuple[Rejection, ...]:
        texts = (path.read_text(encoding="utf-8") for path in sorted(self._root.glob("*.json")))
        return tuple(map(Rejection.model_validate_json, texts))

    def _path(self, sha256: str) -> Path:
        return self._root / f"{sha256}.json"
