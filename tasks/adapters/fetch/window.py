"""Which of a provider's files are wanted, and what tells their editions apart."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sm_core.domain import Granule
from sm_core.sources import identify
from tasks.adapters.fetch.protocol import Query


def known(name: str, source_id: str) -> Granule | None:
    """The granule that a plain file name stands for, if it is one of that source."""
    granule = identify(Path(name)) if Path(name).name == name else None
    return granule if granule is not None and granule.source_id == source_id else None


def wanted(name: str, query: Query) -> bool:
    """Whether a file is of the query's source, period and tiles."""
    granule = known(name, query.source_id)
    if granule is None or granule.end < query.first or granule.start > query.last:
        return False
    return not (query.tiles and granule.tile) or granule.tile in query.tiles


def edition(modified: dt.datetime, size: int | None) -> str:
    """A revision of a file that its provider overwrites in place.

    >>> edition(dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC), 4500000000)
    '20260401T120000Z-0004500000000'
    """
    return f"{modified:%Y%m%dT%H%M%SZ}-{size or 0:013d}"
