"""How every task runs: no hashing of arguments, retries for transient errors only."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from sm_core.errors import SmError


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task may be tried again."""
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, SmError) and failure.transient


sm_task = partial(
    task,
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[5, 30, 120],
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
)
