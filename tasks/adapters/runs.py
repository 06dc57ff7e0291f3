"""Run records on disk: one JSON file for each run, newest last by name."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sm_core.domain import RunRecord
from tasks.adapters.files import write_text


class RunLog:
    """``<root>/<region>/<day>/<started>-<run id>.json``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, record: RunRecord) -> Path:
        """Store a record; it is complete or absent."""
        folder = self._root / record.request.region_id / record.request.day.isoformat()
        name = f"{record.started:%Y%m%dT%H%M%S}-{record.run_id}.json"
        return write_text(folder / name, record.model_dump_json(indent=1))

    def of_day(self, region_id: str, day: dt.date) -> tuple[RunRecord, ...]:
        """All records of a day, oldest first."""
        folder = self._root / region_id / day.isoformat()
        return tuple(
            RunRecord.model_validate_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
        )
