"""The clock of the simulated hosts: what is published when depends on it alone."""

from __future__ import annotations

import datetime as dt
import threading

from tasks.clock import seconds


class Clock:
    """A time of day that is told, not measured.

    Parameters
    ----------
    now
        Simulated time to begin with, with its zone.
    speed
        Simulated seconds that pass in a real one; 0 stands still.
    """

    def __init__(self, now: dt.datetime, speed: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._speed = speed
        self._told, self._since = now.astimezone(dt.UTC), seconds()

    def now(self) -> dt.datetime:
        """Simulated time, UTC."""
        with self._lock:
            return self._told + dt.timedelta(seconds=self._speed * (seconds() - self._since))

    def move_to(self, now: dt.datetime) -> None:
        """Make it that time; backwards is allowed."""
        with self._lock:
            self._told, self._since = now.astimezone(dt.UTC), seconds()

    def advance(self, step: dt.timedelta) -> None:
        """Let time pass."""
        self.move_to(self.now() + step)
