"""From a provider's list into the store: streamed, resumed, verified, and only then given its name."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sm_core.domain import FileRef
from sm_core.errors import (
    AuthenticationError,
    DiskQuotaError,
    GranuleCorruptError,
    HostKeyError,
    LicenceNotAcceptedError,
    QuotaExhaustedError,
    SmError,
    SourceUnavailableError,
)
from tasks import clock
from tasks.adapters.fetch.protocol import Body, Fetcher, Listed
from tasks.adapters.fetch.store import Store, disk_errors
from tasks.adapters.fetch.verify import Digests, begins_right, verify

CORRUPT_TRIES = 2
"""Wrong content is fetched once more before it goes to quarantine."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 120.0
LEAST_BYTES_PER_S, PATIENCE_S = 2_000.0, 60.0
"""A connection that is slower than this, beyond the patience, is given up."""
HOST_DOWN_AFTER = 3
"""Files in a row that could not be had for the host's sake, after which it is left alone until the next run."""
_HOPELESS = (AuthenticationError, QuotaExhaustedError, HostKeyError, DiskQuotaError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """What came of one edition: a file of the store, or the error."""

    listed: Listed
    file: FileRef | None = None
    error: SmError | None = None


class Downloader:
    """Downloads editions into a store.

    Parameters
    ----------
    store
        Where files end up. Several processes may use it at once.
    quota_bytes, keep_free_bytes
        Most that the store may take, least that the disk must keep.
    parallel_per_host
        Most connections to one host.
    attempts
        How often one file is tried while its host is in trouble (SM201).
    sleep, jitter, seconds
        The pause [s], its randomness, and a monotonic clock [s].
    """

    def __init__(
        self, store: Store, quota_bytes: int, *, keep_free_bytes: int = 1 << 30, parallel_per_host: int = 4,
        attempts: int = 4, sleep: Callable[[float], None] = time.sleep, jitter: random.Random | None = None,
        seconds: Callable[[], float] = clock.seconds,
    ) -> None:
        self.store = store
        self._room = _Room(store, quota_bytes, keep_free_bytes)
        self._parallel, self._attempts = parallel_per_host, attempts
        self._sleep, self._jitter, self._seconds = sleep, jitter or random.Random(), seconds
        self._hosts: dict[str, threading.BoundedSemaphore] = {}

    def fetch(self, fetcher: Fetcher, listed: Listed) -> FileRef:
        """Download one edition, or find it in the store.

        Raises
        ------
        UnsafeContentError      SM210, and ForeignFileError, SM207: the name; nothing was asked.
        GranuleCorruptError     SM205, wrong content, twice; the last one is in quarantine.
        SourceUnavailableError  SM201, after the last attempt; what has come stays for the next run to go on with.
        DiskQuotaError          SM703, and StoreUnavailableError, SM702.
        Others                  As the fetcher raises them, at once.
        """
        if (file := self.store.ref(listed)) is not None:
            return file
        with self.store.partial(listed) as partial:
            # Another process may have placed it while this one waited for the partial file
            return self.store.ref(listed) or self._persist(fetcher, listed, partial)

    def fetch_all(self, fetcher: Fetcher, listings: Iterable[Listed]) -> Iterator[Fetched]:
        """Download editions side by side; each that was tried gives one result, in the order of completion.

        Leaves the rest untried when there is no prospect: credentials refused, quota or disk used up, another host
        key, the host down for several files in a row; and the rest of a source whose licence is not accepted.
        """
        refused: set[str] = set()
        waiting = (listed for listed in listings if listed.source_id not in refused)
        down = 0
        # As many again are verified and written to disk while others hold the connections
        at_once = 2 * self._parallel
        with ThreadPoolExecutor(at_once, thread_name_prefix="fetch") as pool:
            running: set[Future[Fetched]] = set()
            while True:
                fresh = islice(waiting, at_once - len(running)) if down < HOST_DOWN_AFTER else ()
                running |= {pool.submit(self._outcome, fetcher, listed) for listed in fresh}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for outcome in (future.result() for future in done):
                    if isinstance(outcome.error, LicenceNotAcceptedError):
                        refused.add(outcome.listed.source_id)
                    down = _down(down, outcome.error)
                    yield outcome

    def _outcome(self, fetcher: Fetcher, listed: Listed) -> Fetched:
        try:
            return Fetched(listed, file=self.fetch(fetcher, listed))
        except SmError as error:
            return Fetched(listed, error=error)

    def _persist(self, fetcher: Fetcher, listed: Listed, partial: Path) -> FileRef:
        corrupt = unavailable = 0
        while True:
            try:
                digests = self._receive(fetcher, listed, partial)
                with disk_errors():
                    sha256 = verify(partial, listed, digests)
                return self.store.place(partial, listed, sha256)
            except GranuleCorruptError as error:
                corrupt += 1
                if corrupt >= CORRUPT_TRIES:
                    self.store.quarantine(partial, listed, error)
                    raise
                self._room.take(-_truncate(partial, 0))
                pause = self._pause(corrupt, error)
            except SourceUnavailableError as error:
                unavailable += 1
                pause = self._pause(unavailable, error)
                if unavailable >= self._attempts or pause > LONGEST_PAUSE_S:
                    raise
            _log.info("trying again: file=%s pause_s=%.1f", listed.name, pause)
            self._sleep(pause)

    def _pause(self, failures: int, error: SmError) -> float:
        """Doubling, between half and one and a half of that, and never shorter than the host asks."""
        usual = min(FIRST_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S / 1.5) * self._jitter.uniform(0.5, 1.5)
        asked = error.context.get("retry_after_s")
        return max(usual, float(asked)) if isinstance(asked, int | float) else usual

    def _receive(self, fetcher: Fetcher, listed: Listed, partial: Path) -> Digests | None:
        have = partial.stat().st_size
        if have and have == listed.size:
            return None
        self._room.check((listed.size or have) - have)
        # The last byte is asked for again: no host refuses that, as it would a range beyond the end
        offset = max(0, have - 1)
        host = self._hosts.setdefault(fetcher.host, threading.BoundedSemaphore(self._parallel))
        with host, fetcher.open(listed, offset) as body:
            if body.offset not in (0, offset):
                raise SourceUnavailableError("the host goes on from another byte", file=listed.name, asked=offset)
            self._room.take(-_truncate(partial, body.offset))
            digests = self._write(body, listed, partial)
        begins_right(partial, listed)
        received, whole = partial.stat().st_size, listed.size if body.size is None else body.size
        if whole is not None and received < whole:
            raise SourceUnavailableError("the connection ended early", file=listed.name, bytes=received, of=whole)
        return None if body.offset else digests

    def _write(self, body: Body, listed: Listed, partial: Path) -> Digests:
        digests = Digests(listed)
        most = listed.size if body.size is None else body.size
        began, received = self._seconds(), 0
        with partial.open("ab") as file:
            for block in body.blocks():
                received += len(block)
                if most is not None and body.offset + received > most:
                    raise GranuleCorruptError("more than was announced", file=listed.name, bytes=most)
                if self._seconds() - began > PATIENCE_S + received / LEAST_BYTES_PER_S:
                    raise SourceUnavailableError("too slow", file=listed.name, bytes=received)
                self._room.take(len(block))
                digests.update(block)
                with disk_errors():
                    file.write(block)
            with disk_errors():
                file.flush()
        return digests


class _Room:
    """How much the store may still take."""

    def __init__(self, store: Store, quota_bytes: int, keep_free_bytes: int) -> None:
        self._store, self._quota, self._keep_free = store, quota_bytes, keep_free_bytes
        self._used: int | None = None
        self._lock = threading.Lock()

    def check(self, size: int) -> None:
        """Raise SM703 when ``size`` more bytes do not fit."""
        with self._lock:
            if self._used is None:
                self._used = self._store.used()
            if self._used + size > self._quota:
                raise DiskQuotaError("the archive's quota is used up", used=self._used, quota=self._quota, wanted=size)
        if (free := self._store.free()) < self._keep_free + size:
            raise DiskQuotaError("the disk is nearly full", free=free, wanted=size)

    def take(self, size: int) -> None:
        """Count ``size`` bytes as used (negative: given back). Raises SM703 when they do not fit."""
        with self._lock:
            self._used = (self._store.used() if self._used is None else self._used) + size
            if size > 0 and self._used > self._quota:
                raise DiskQuotaError("the archive's quota is used up", used=self._used, quota=self._quota)


def _down(files: int, error: SmError | None) -> int:
    if files >= HOST_DOWN_AFTER or isinstance(error, _HOPELESS):
        return HOST_DOWN_AFTER
    return files + 1 if isinstance(error, SourceUnavailableError) else 0


def _truncate(path: Path, size: int) -> int:
    with disk_errors():
        removed = path.stat().st_size - size
        os.truncate(path, size)
        return removed
