"""Which granules make one day: decided from what is there and was known, never from "newest"."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from sm_core.domain import DailyInputs, DailyRequest, Granule, InputSlot, ModelKind, ModelVersion, Region, Role
from sm_core.domain.record import Record
from sm_core.sources.declare import source, substitute
from sm_core.sources.names import newest

NO_MODELS: Mapping[ModelKind, ModelVersion | str] = MappingProxyType({})


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


def wanted_periods(
    region: Region, day: dt.date, *, stand_ins: Collection[Role] | None = None
) -> tuple[tuple[str, dt.date, dt.date], ...]:
    """(source id, first day, last day) of everything that could serve ``day``, for whoever fetches ahead.

    Parameters
    ----------
    stand_ins
        Roles whose substitutes are wanted too; None: those of all roles.
    """
    return tuple(dict.fromkeys(
        (source_id, day - dt.timedelta(days=window.before), day + dt.timedelta(days=window.after))
        for window in WINDOWS
        for source_id in region.sources_for(window.role)
        if (entry := substitute(window.role, source_id)) is None
        or (entry.made_from is None and (stand_ins is None or window.role in stand_ins))
    ))


def match_inputs(
    request: DailyRequest, region: Region, catalogue: Sequence[Granule],
    models: Mapping[ModelKind, ModelVersion | str] = NO_MODELS,
) -> DailyInputs:
    """Fill each input role of a day with the first of its sources that is there and can be trusted.

    Parameters
    ----------
    request
        Region, day, and ``as_of``: granules produced later are not seen.
    catalogue
        All granules of the archive, any order, all editions.
    models
        Of substitutes: the version in service, or in words why it cannot be used on this day. Without an entry the
        substitute is passed over.

    Returns
    -------
    One slot for each role, ``present`` with its granules, or ``gap``; the reason says in words what was passed over.
    """
    known = newest([granule for granule in catalogue if _known_by(granule, request.as_of)])
    slots = tuple(_fill(window, region, request.day, known, models) for window in WINDOWS)
    return DailyInputs(region_id=region.region_id, day=request.day, as_of=request.as_of, slots=slots)


def _fill(
    window: RoleWindow, region: Region, day: dt.date, known: Sequence[Granule],
    models: Mapping[ModelKind, ModelVersion | str],
) -> InputSlot:
    first, last = day - dt.timedelta(days=window.before), day + dt.timedelta(days=window.after)
    what = f"nothing covers {day}" if window.covers_day else f"nothing lies within {first}..{last}"
    notes: list[str] = []
    for source_id in region.sources_for(window.role):
        entry = substitute(window.role, source_id)
        model = models.get(entry.model, f"no {entry.model} in service") if entry else None
        if isinstance(model, str):
            notes.append(f"{source_id}: {model}")
            continue
        together = region.companions(window.role, source_id)
        granules = _complete(source_id, [
            g for g in known if g.source_id in together and g.start <= last and g.end >= first
            and (not g.tile or g.tile in region.tiles)
        ]) if entry is None or entry.made_from is None else ()
        own = [granule for granule in granules if granule.source_id == source_id]
        found = bool(own) and (not window.covers_day or any(g.start <= day <= g.end for g in own))
        if found or (entry and entry.made_from):
            if model is not None:
                notes.append(f"by {model.name} {model.version}")
            if missing := _missing_tiles(granules, region):
                notes.append(missing)
            if one_sided := window.after > 0 and not window.covers_day and all(g.end <= day for g in granules):
                notes.append(f"no image after {day} yet")
            return InputSlot(
                role=window.role, status="present", source_id=source_id, granules=granules, model=model,
                provisional=entry is not None or one_sided or source(source_id).provisional,
                reason="; ".join(notes) or None,
            )
        notes.append(f"{source_id}: {what}")
    return InputSlot(role=window.role, status="gap", source_id=None, reason="; ".join(notes) or "no source declared")


def _complete(source_id: str, granules: Sequence[Granule]) -> tuple[Granule, ...]:
    """Without the periods that have fewer than half of their files."""
    files = source(source_id).files_per_period
    if files == 1:
        return tuple(granules)
    count = Counter(granule.start for granule in granules)
    return tuple(granule for granule in granules if 2 * count[granule.start] >= files)


def _missing_tiles(granules: Sequence[Granule], region: Region) -> str | None:
    tiled = [granule for granule in granules if granule.tile]
    images = Counter((granule.source_id, granule.start) for granule in tiled)
    incomplete = sum(tiles < len(region.tiles) for tiles in images.values())
    return f"tiles missing on {incomplete} of {len(images)} dates" if incomplete else None


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
