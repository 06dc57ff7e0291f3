"""What the watch is asked, what it finds, and what it remembers."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from sm_core.domain import Record
from sm_core.errors import SmError
from tasks.accumulation import LiveSkill


class WatchLimits(Record):
    """Beyond these something is wrong."""

    oldest_days: int = Field(default=7, ge=0, description="Age of the newest published day.")
    window_days: int = Field(default=60, ge=1, description="So far back no day may be missing or withheld.")
    reread_days: int = Field(default=30, ge=0, description="Days whose files are read again each time.")
    reread_sample: int = Field(default=20, ge=0, description="Older days read again each time, all in turn.")
    least_free_gb: float = Field(default=10, ge=0, description="Free disk [10^9 bytes].")
    least_free_days: float = Field(default=14, ge=0, description="Until the disk is full, as it fills lately.")
    largest_database_gb: float = Field(default=5, gt=0, description="Of one database [10^9 bytes].")
    database_mb_per_day: float = Field(default=100, gt=0, description="By which one database may grow [10^6 bytes].")
    contact_hours: float = Field(default=48, gt=0, description="Since any provider answered.")
    failures: int = Field(default=5, ge=1, description="Failed contacts with a provider in a row.")
    expiry_days: float = Field(default=14, ge=0, description="Before a credential or certificate ends.")
    alert_hours: float = Field(default=6, ge=0, description="That an alert may wait in the outbox.")
    skill_hours: float = Field(default=24, gt=0, description="Between two measurements of live skill.")
    skill_loss_m3: float = Field(default=0.02, ge=0, description="By which live ubRMSE may exceed the judged [m3/m3].")
    quiet_runs: int = Field(default=2, ge=1, description="Watches in a row without a trouble that end it.")


class WatchRequest(Record):
    """Look after a region. ``as_of`` None: now."""

    region_id: str = Field(description="Region to look after.")
    as_of: dt.datetime | None = Field(default=None, description="Look as of then (UTC); empty: now.")
    limits: WatchLimits = Field(default=WatchLimits(), description="Beyond which something is a trouble.")


class Finding(Record):
    """Something that is wrong; the same trouble has the same key at every watch."""

    key: str
    code: str
    message: str
    remedy: str

    @classmethod
    def of(cls, key: str, error: SmError, remedy: str | None = None) -> Finding:
        """From an error that says it, with its remedy unless there is a better one."""
        return cls(key=key, code=error.code, message=str(error), remedy=remedy or error.remedy)


class Trouble(Record):
    """A finding that stands; ``absent``: watches in a row that did not find it."""

    finding: Finding
    since: dt.datetime
    absent: int = 0


class Notice(Record):
    """A message to who runs the daemon; the same text under the same key at every try."""

    key: str
    region_id: str
    sent: dt.datetime
    began: tuple[Finding, ...] = ()
    ended: tuple[Trouble, ...] = ()
    standing: int = 0
    """Troubles that stand beside those that began."""


class Pending(Record):
    """A notice and the channels that have not taken it yet."""

    notice: Notice
    channels: tuple[str, ...]


class Sample(Record):
    """Sizes at a time [bytes]."""

    taken: dt.datetime
    free: int
    databases: dict[str, int]


class Memory(Record):
    """What one watch leaves to the next."""

    troubles: tuple[Trouble, ...] = ()
    pending: tuple[Pending, ...] = ()
    reread_until: dt.date | None = None
    samples: tuple[Sample, ...] = ()
    skill_at: dt.datetime | None = None
    skill: tuple[LiveSkill, ...] = ()


class WatchReport(Record):
    """What a watch came to. ``checks``: each check and how many things it looked at."""

    region_id: str
    as_of: dt.datetime
    checks: dict[str, int]
    troubles: tuple[Trouble, ...]
    began: int
    ended: int
    undelivered: tuple[str, ...] = ()
    dead_man: str = "not set"

    @property
    def well(self) -> bool:
        """Nothing is wrong and nothing waits to be told."""
        return not self.troubles and not self.undelivered
