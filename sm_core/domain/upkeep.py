from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sm_core.domain.record import Record

Hours = Annotated[float, Field(gt=0)]


class Reissue(Record):
    """How much a published day must change to be published again; a change of maturity always is.

    0.01 m3 m-3 is a quarter of the error at stations; below it a revision is noise to its readers.
    """

    sm_surface: float = Field(default=0.01, ge=0)
    """Mean absolute change over land [m3 m-3]."""
    sm_rootzone: float = Field(default=0.01, ge=0)
    drought_class: float = Field(default=2.0, ge=0, le=100)
    """Share of cells whose drought class is another [%]."""
    known: float = Field(default=1.0, ge=0, le=100)
    """Share of cells that became known or unknown [%]."""


class Upkeep(Record):
    """How a region's dates are kept up: the block ``upkeep`` of a region file."""

    window_days: int = Field(default=45, ge=1)
    """Dates so far back are made by themselves; older ones only when they were made before and their inputs change."""
    issue_after_days: int = Field(default=1, ge=0)
    """After a date, when it is issued for the first time, with what exists then."""
    issue_hour: int = Field(default=12, ge=0, le=23)
    """UTC. The land surface temperature of a date is there at about 9 UTC of the next day."""
    images_within_days: int = Field(default=10, ge=0)
    """A date that no image of NDVI or LST serves by then is made without it."""
    refresh_days: tuple[int, ...] = (3, 8, 17)
    """Ages at which a date is made again if there are more inputs; beyond the last, and when inputs are revised or
    withdrawn, at once. Seventeen days after a date every image that its fusion looks at has been taken."""
    retry_hours: tuple[Hours, ...] = (1, 3, 6, 12, 24, 24, 24)
    """Pauses after a failure that may pass by itself; when they are used up, the date is given up."""
    retry_hours_lasting: tuple[Hours, ...] = (12, 48)
    """Pauses after any other failure."""
    reissue: Literal["none", "window"] = "none"
    """Whether new models make the dates of the window due."""
    thresholds: Reissue = Reissue()
    most_at_once: int = Field(default=60, ge=1)
    """Dates that one sweep starts."""

    @model_validator(mode="after")
    def _ages_ascend(self) -> Upkeep:
        if list(self.refresh_days) != sorted(set(self.refresh_days)):
            raise ValueError("refresh_days must ascend")
        return self

    def issue(self, day: dt.date) -> dt.datetime:
        """When a date is issued for the first time."""
        return dt.datetime.combine(day + dt.timedelta(days=self.issue_after_days), dt.time(self.issue_hour), dt.UTC)
