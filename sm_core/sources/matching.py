"""Which granules make one day: decided from what is there and was known, never from "newest"."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sm_core.domain import DailyInputs, DailyRequest, Granule, InputSlot, Region, Role
from sm_core.domain.record import Record
from sm_core.sources.declare import source
from sm_core.sources.names import newest


class RoleWindow(Record):
    """Days before and after the day that a role looks at, and whether the day itself must be covered."""

    role: Role
    before: int
    after: int
    covers_day: bool


WINDOWS: tuple[RoleWindow, ...] = (
    RoleWindow(role="ndvi_fine", before=48, after=48, covers_day=False),
    RoleWindow(role="ndvi_coarse", before=56, after=56, covers_day=True),
    RoleWindow(role="lst_fine", before=16, after=16, covers_day=False),
    RoleWindow(role="lst_coarse", before=16, after=16, covers_day=True),
    RoleWindow(role="ssm_coarse", before=10, after=0, covers_day=True),
    RoleWindow(role="rzsm_coarse", before=10, after=0, covers_day=True),
)
"""LST candidates lie within 16 days and NDVI composites within three periods: beyond, the surface has changed."""


def wanted_periods(region: Region, day: dt.date) -> tuple[tuple[str, dt.date, dt.date], ...]:
    """(source id, first day, last day) of everything that could serve ``day``, for whoever fetches ahead."""
    return tuple(
        (source_id, day - dt.timedelta(days=window.before), day + dt.timedelta(days=window.after))
        for window in WINDOWS
        for source_id in region.sources_for(window.role)
    )


def match_inputs(request: DailyRequest, region: Region, catalogue: Sequence[Granule]) -> DailyInputs:
    """Fill each input role of a day with the first of its sources that is there.

    Parameters
    ----------
    request
        Region, day, and ``as_of``: granules produced later are not seen.
    catalogue
        All granules of the archive, any order, all editions.

    Returns
    -------
    One slot for each role, ``present`` with its granules or ``gap`` with the reason in words.
    """
    known = newest([granule for granule in catalogue if _known_by(granule, request.as_of)])
    slots = tuple(_fill(window, region, request.day, known) for window in WINDOWS)
    return DailyInputs(region_id=region.region_id, day=request.day, as_of=request.as_of, slots=slots)


def _fill(window: RoleWindow, region: Region, day: dt.date, known: Sequence[Granule]) -> InputSlot:
    first, last = day - dt.timedelta(days=window.before), day + dt.timedelta(days=window.after)
    candidates = region.sources_for(window.role)
    for source_id in candidates:
        granules = tuple(
            g for g in known if g.source_id == source_id and g.start <= last and g.end >= first
            and (not g.tile or g.tile in region.tiles)
        )
        if granules and (not window.covers_day or any(g.start <= day <= g.end for g in granules)):
            return InputSlot(
                role=window.role, status="present", source_id=source_id, granules=granules,
                provisional=source(source_id).provisional, reason=_missing_tiles(granules, region),
            )
    tried = ", ".join(candidates) or "no source declared"
    what = f"covers {day}" if window.covers_day else f"lies within {first}..{last}"
    return InputSlot(role=window.role, status="gap", source_id=None, reason=f"nothing {what} ({tried})")


def _missing_tiles(granules: Sequence[Granule], region: Region) -> str | None:
    tiled = [granule for granule in granules if granule.tile]
    starts = {granule.start for granule in tiled}
    incomplete = sum(len({g.tile for g in tiled if g.start == start}) < len(region.tiles) for start in starts)
    return f"tiles missing on {incomplete} of {len(starts)} dates" if incomplete else None


def _known_by(granule: Granule, as_of: dt.datetime) -> bool:
    produced = production_time(granule.produced)
    return produced is None or produced <= as_of


def production_time(stamp: str) -> dt.datetime | None:
    """Production time (UTC) of a stamp YYYYDDD or YYYYDDDHHMMSS; None where the name carries no such stamp.

    >>> production_time("2019060091410").isoformat()
    '2019-03-01T09:14:10+00:00'
    """
    pattern = {7: "%Y%j", 13: "%Y%j%H%M%S"}.get(len(stamp))
    if pattern is None or not stamp.isdigit():
        return None
    return dt.datetime.strptime(stamp, pattern).replace(tzinfo=dt.UTC)
