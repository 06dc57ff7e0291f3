from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain.model import ModelKind
from sm_core.domain.record import Record

Role = Literal["ndvi_fine", "ndvi_coarse", "lst_fine", "lst_coarse", "ssm_coarse", "rzsm_coarse"]
Layer = Literal["sm_surface", "sm_rootzone"]
LAYERS: tuple[Layer, ...] = ("sm_surface", "sm_rootzone")


class Variable(Record):
    """One physical quantity in canonical units, under its CF name."""

    name: str
    long_name: str
    standard_name: str | None
    units: str
    valid_range: tuple[float, float]
    cell_methods: str = ""


class Source(Record):
    """One product of one provider, declared as data.

    ``filename`` is a regular expression with the named groups ``date`` (YYYYDDD or YYYYMMDD) or ``year``, and
    optionally ``end`` (as ``date``), ``tile``, ``produced``, and ``part`` (what else tells the files of a day apart);
    it must match the provider's whole file name. A period with fewer than half of its ``files_per_period`` is a gap.
    """

    source_id: str
    provider: str
    title: str
    filename: str
    variables: tuple[str, ...]
    cadence_days: int
    period_days: int
    files_per_period: int = 1
    native_grid: str
    provisional: bool = False
    latency_days: float | None = None
    """From the end of a file's last day to its publication, as seen in the providers' own dates."""
    due_after_days: int | None = None
    """From the last day seen to when a later one is due; None where people bring the files."""
    starts: dt.date
    ends: dt.date | None = None
    successor: str | None = None
    licence: str
    citation: str


class Substitute(Record):
    """What may stand in for the first source of a role, by means of a model fitted against that source.

    ``source_id`` names a declared source, or a computed one: then the role's coarse fields are made from the fine
    images of ``made_from`` alone.
    """

    role: Role
    source_id: str
    model: ModelKind
    made_from: Role | None = None


class Granule(Record):
    """One file of one source: the days it covers (both inclusive), its tile, and which edition it is."""

    source_id: str
    start: dt.date
    end: dt.date
    tile: str = ""
    produced: str = ""
    uri: str
    size: int
    sha256: str = ""
