"""Work off the event loop by few threads, with a queue that has an end, and answers remembered up to a size."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from sm_core.errors import BusyError

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Workers:
    """A few threads. Whoever comes when too many wait is sent away at once."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="web")
        self._most = threads + waiting
        self._busy = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``, which ran in a thread.

        Raises
        ------
        BusyError   SM708, too many wait already.
        """
        if self._busy >= self._most:
            raise BusyError("too many requests at the same time", waiting=self._busy)
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._busy -= 1

    def close(self) -> None:
        """Let the running work end; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class BoundedCache(Generic[K, T]):
    """Values used last, up to a total size. Safe among threads."""

    def __init__(self, most: int, size_of: Callable[[T], int] = lambda _: 1) -> None:
        self._most, self._size_of = most, size_of
        self._entries: OrderedDict[K, tuple[T, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Of all values together."""
        return self._size

    def get(self, key: K) -> T | None:
        """The value, if it is still there."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: T) -> T:
        """Keep a value, at the expense of those not used for longest; one larger than all room is not kept."""
        size = self._size_of(value)
        with self._lock:
            if key in self._entries:
                self._size -= self._entries.pop(key)[1]
            if size <= self._most:
                self._entries[key] = (value, size)
                self._size += size
            while self._size > self._most:
                self._size -= self._entries.popitem(last=False)[1][1]
        return value

    def get_or_make(self, key: K, make: Callable[[], T]) -> T:
        """The value, made now if it is not there; two that miss at once may both make it."""
        found = self.get(key)
        return self.put(key, make()) if found is None else found
