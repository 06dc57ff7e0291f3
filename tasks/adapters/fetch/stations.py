"""Providers that answer questions instead of keeping files: the answer, as received, is the file."""

from __future__ import annotations

import datetime as dt
import hashlib

from sm_core.domain import Record
from tasks.adapters.fetch.protocol import Checksum, Listed


class StationFile(Record):
    """An answer under a name that ``sm_core.sources.identify`` knows; ``url`` holds no key."""

    source_id: str
    name: str
    content: bytes
    retrieved: dt.datetime
    url: str

    def listed(self) -> Listed:
        """As an edition for store and ledger; an answer with the same checksum as the last one is no new edition."""
        return Listed(
            source_id=self.source_id, name=self.name, revision=f"{self.retrieved:%Y%m%dT%H%M%SZ}",
            published=self.retrieved, url=self.url, size=len(self.content),
            checksum=Checksum(algorithm="sha256", value=hashlib.sha256(self.content).hexdigest()),
        )
