"""What a file is, from the name its provider gave it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

from sm_core.domain import Granule, Source
from sm_core.sources.declare import SOURCES


def identify(path: Path) -> Granule | None:
    """The granule that a file name stands for, None when no declared source has such names.

    Parameters
    ----------
    path
        Only its last part is looked at; the file need not exist (``size`` is then 0).

    Returns
    -------
    Granule with ``start`` and ``end`` inclusive; ``sha256`` is left empty.

    Examples
    --------
    >>> g = identify(Path("MOD13A2.A2024353.h28v05.061.2025004120000.hdf"))
    >>> (g.source_id, str(g.start), str(g.end), g.tile, g.produced)
    ('MOD13A2.061', '2024-12-18', '2025-01-02', 'h28v05', '2025004120000')
    >>> identify(Path("MOD11A1.A2023366.h28v05.061.2024001000000.hdf")) is None  # 2023 has 365 days
    True
    """
    named = _named(path.name)
    if named is None:
        return None
    return named.model_copy(update={"uri": str(path), "size": path.stat().st_size if path.is_file() else 0})


def newest(granules: Iterable[Granule]) -> tuple[Granule, ...]:
    """One granule per source, start, tile and part of the day: the one that was produced last.

    Returns
    -------
    Ordered by source, start, tile and part.
    """
    latest: dict[tuple[str, dt.date, str, str], Granule] = {}
    for granule in granules:
        key = (granule.source_id, granule.start, granule.tile, part(granule))
        if key not in latest or granule.produced > latest[key].produced:
            latest[key] = granule
    return tuple(latest[key] for key in sorted(latest))


def part(granule: Granule) -> str:
    """What tells files of one source, day and tile apart: hour, station or page; empty when nothing needs to."""
    name = PurePosixPath(granule.uri).name
    source = next(entry for entry in SOURCES if entry.source_id == granule.source_id)
    match = _pattern(source.filename).fullmatch(name)
    return (match.groupdict().get("part") or "") if match else ""


@lru_cache(maxsize=1 << 17)
def _named(name: str) -> Granule | None:
    for source in SOURCES:
        match = _pattern(source.filename).fullmatch(name)
        period = _period(match.groupdict(), source) if match else None
        if match and period:
            groups = match.groupdict()
            return Granule(
                source_id=source.source_id, start=period[0], end=period[1], tile=groups.get("tile") or "",
                produced=groups.get("produced") or "", uri=name, size=0,
            )
    return None


@cache
def _pattern(filename: str) -> re.Pattern[str]:
    return re.compile(filename)


def _period(groups: dict[str, str | None], source: Source) -> tuple[dt.date, dt.date] | None:
    try:
        if year := groups.get("year"):
            return dt.date(int(year), 1, 1), dt.date(int(year), 12, 31)
        start = _day(groups["date"] or "")
        end = groups.get("end")
        return start, _day(end) if end else start + dt.timedelta(days=source.period_days - 1)
    except ValueError:
        return None


def _day(text: str) -> dt.date:
    """YYYYDDD or YYYYMMDD; ``strptime`` takes day 366 of any year, hence the comparison."""
    day = dt.datetime.strptime(text, "%Y%j" if len(text) == 7 else "%Y%m%d").date()
    if len(text) == 7 and day.year != int(text[:4]):
        raise ValueError(text)
    return day
