"""Trying again what fails for the host's sake while a provider is asked what it has."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sm_core.errors import SmError, SourceUnavailableError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
T = TypeVar("T")


class Patience:
    """Calls again after SM201, with pauses that double, vary, and are never shorter than the host asks.

    Parameters
    ----------
    attempts
        How often in all. A host that asks for more than ``LONGEST_PAUSE_S`` is left to the next run.
    sleep, jitter
        The pause [s] and its randomness.
    after
        Another error than SM201 after which it is worth trying again.
    """

    def __init__(self, attempts: int = 4, sleep: Callable[[float], None] = time.sleep,
                 jitter: random.Random | None = None, after: type[SmError] = SourceUnavailableError) -> None:
        self._attempts = attempts
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._after = after

    def __call__(self, call: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return call()
            except self._after as error:
                failures += 1
                pause = self._pause(failures, error)
                if failures >= self._attempts or pause > LONGEST_PAUSE_S:
                    raise
            self._sleep(pause)

    def _pause(self, failures: int, error: SmError) -> float:
        usual = min(FIRST_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S / 1.5) * self._jitter.uniform(0.5, 1.5)
        asked = error.context.get("retry_after_s")
        return max(usual, float(asked)) if isinstance(asked, int | float) else usual
