from __future__ import annotations

import datetime as dt
import hashlib
from typing import Literal

from pydantic import Field

from sm_core.domain.model import ModelVersion
from sm_core.domain.record import Record
from sm_core.domain.source import Granule, Role

Maturity = Literal["provisional", "final"]
SlotStatus = Literal["present", "not_yet_due", "gap", "rejected"]


IMAGE_ROLES: tuple[Role, ...] = ("ndvi_fine", "ndvi_coarse", "lst_fine", "lst_coarse")
"""A day can be made without: downscaling then knows less of what is inside a coarse cell."""


class FileRef(Record):
    """A stored file, known by its content."""

    uri: str
    sha256: str
    size: int


class RasterRef(Record):
    """A stored intermediate raster; ``identity`` is the checksum of everything that it was made from."""

    uri: str
    identity: str


class GriddedGranule(Record):
    """One source's granules of one start date, brought on a grid for a role."""

    role: Role
    source_id: str
    start: dt.date
    end: dt.date
    raster: RasterRef


class Rejection(Record):
    """A file that could not be used, and why."""

    granule: Granule
    error_code: str
    message: str


class GriddedInputs(Record):
    """All rasters of a day, and what had to be left out."""

    rasters: tuple[GriddedGranule, ...]
    rejected: tuple[Rejection, ...] = ()

    def of(self, role: Role) -> tuple[GriddedGranule, ...]:
        """The rasters that serve ``role``, oldest first."""
        return tuple(sorted((r for r in self.rasters if r.role == role), key=lambda r: r.start))


class DailyRequest(Record):
    """Make one day of one region from what was known at ``as_of`` (UTC)."""

    region_id: str = Field(description="Id of a file in deployments/regions, or of SM_REGION_FILE.")
    day: dt.date = Field(description="UTC day to make.")
    as_of: dt.datetime = Field(description="Only what was known then is used (UTC, with its zone).")


class InputSlot(Record):
    """What fills one input role on one day, or why nothing does; ``model`` is what makes a substitute fit.

    Fine images of other sources may stand beside those of ``source_id`` (``Region.side_by_side``).
    """

    role: Role
    status: SlotStatus
    source_id: str | None
    granules: tuple[Granule, ...] = ()
    provisional: bool = False
    model: ModelVersion | None = None
    reason: str | None = None


class DailyInputs(Record):
    """All input roles of one day, resolved."""

    region_id: str
    day: dt.date
    as_of: dt.datetime
    slots: tuple[InputSlot, ...]

    def slot(self, role: Role) -> InputSlot:
        """The slot of ``role``."""
        return next(slot for slot in self.slots if slot.role == role)

    @property
    def granules(self) -> tuple[Granule, ...]:
        return tuple(granule for slot in self.slots for granule in slot.granules)

    @property
    def models(self) -> tuple[ModelVersion, ...]:
        """The models that substitutes came by, each once."""
        return tuple(dict.fromkeys(slot.model for slot in self.slots if slot.model is not None))

    @property
    def fingerprint(self) -> str:
        """sha256 over the used granules' checksums: the same inputs give the same text, in any order."""
        checksums = sorted({granule.sha256 for granule in self.granules})
        return hashlib.sha256("\n".join(checksums).encode()).hexdigest()

    @property
    def maturity(self) -> Maturity:
        """``final`` when every role is filled by a final source, else ``provisional``."""
        complete = all(slot.status == "present" and not slot.provisional for slot in self.slots)
        return "final" if complete else "provisional"

    @property
    def missing(self) -> tuple[Role, ...]:
        """Roles that nothing fills."""
        return tuple(slot.role for slot in self.slots if slot.status != "present")

    def lacking(self, patience_days: int) -> tuple[Role, ...]:
        """Missing roles that the day waits for: soil moisture always, images until the day is so old at ``as_of``."""
        patient = (self.as_of.date() - self.day).days < patience_days
        return tuple(role for role in self.missing if patient or role not in IMAGE_ROLES)
