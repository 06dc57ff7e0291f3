"""Misbehaviour as data: which host does what wrong, when, and how often.

Every decision follows from the script, its seed and the request's own path, never from the order in which threads
happen to ask: the same run meets the same faults.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, get_args

from pydantic import Field

from sm_core.domain import Record
from tasks.hosts.clock import Clock

HostName = Literal["cmr", "login", "data", "signed", "glass", "gleam", "rda", "uscrn"]
AnswerFault = Literal[
    "throttled", "quota", "error_500", "error_503", "html", "not_found", "expired_token", "eula", "down",
    "bad_host_key",
]
"""Instead of the answer: 429 with Retry-After, 429 of a quota, 500, 503, a web page with 200, 404, 401 (at the SFTP
host: a refused password), 403, a reset connection; ``bad_host_key`` is another key of the SFTP host."""
BodyFault = Literal["reset", "truncated", "corrupted", "slow"]
"""Of the body: connection reset half-way, ended half-way without a length, one byte wrong, spread over ``seconds``."""
PageFault = Literal["timed_out", "page_cut"]
"""Half of the page: with ``CMR-Time-Out``, or without a word."""
CatalogueFault = Literal["duplicate", "revised", "withdrawn", "wrong_checksum", "no_tiling", "values_revised"]
"""Of what is published, ``days`` after it was: a second production stamp, new content under the old name, deletion,
new station values; and a checksum that is wrong, or no tile in the metadata, from the beginning."""
FaultKind = AnswerFault | BodyFault | PageFault | CatalogueFault
_PLANNED = frozenset(get_args(CatalogueFault))


class Fault(Record):
    """One kind of misbehaviour.

    Attributes
    ----------
    kind
        What goes wrong.
    host
        Where; None for every host.
    path
        Shell pattern of the request's path, with or without its query; of the file name for what concerns the
        catalogue, and of ``<station code>/<YYYY-MM-DD>`` for station values.
    times
        How often each path meets it; None without end. The catalogue's faults are for good.
    probability
        Share of requests, or of files, that meet it.
    since, until
        Simulated time within which it happens; until is not included.
    seconds
        Of ``Retry-After``, and how long a slow body takes.
    days
        After publication, for the catalogue's faults.
    """

    kind: FaultKind
    host: HostName | None = None
    path: str = "*"
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    seconds: float = Field(default=1.0, ge=0.0)
    days: float = Field(default=1.0, gt=0.0)

    def at(self, now: dt.datetime) -> bool:
        """Whether it happens at that time."""
        return (self.since is None or now >= self.since) and (self.until is None or now < self.until)


class Script:
    """Faults, and how often each has struck."""

    def __init__(self, faults: Sequence[Fault], clock: Clock, seed: int = 0) -> None:
        self._clock, self._seed = clock, seed
        self._lock = threading.Lock()
        self._of_requests: list[tuple[int, Fault]] = []
        self._of_catalogue: dict[str, list[tuple[int, Fault]]] = {}
        self._asked: Counter[tuple[int, str, str]] = Counter()
        self._struck: Counter[tuple[int, str, str]] = Counter()
        self.replace(faults)

    def replace(self, faults: Sequence[Fault]) -> None:
        """Begin another script."""
        with self._lock:
            self._of_requests = [(n, fault) for n, fault in enumerate(faults) if fault.kind not in _PLANNED]
            self._of_catalogue = {kind: [(n, fault) for n, fault in enumerate(faults) if fault.kind == kind]
                                  for kind in _PLANNED}
            self._asked.clear()
            self._struck.clear()

    def strike(self, host: HostName, path: str, query: str = "", among: Sequence[str] = ()) -> Fault | None:
        """The first fault that this request meets, of the kinds ``among`` (empty: of all); it counts as met."""
        now = self._clock.now()
        with self._lock:
            for number, fault in self._of_requests:
                if (among and fault.kind not in among) or fault.host not in (None, host):
                    continue
                if fault.at(now) and _matches(fault.path, path, query) and self._falls(number, fault, host, path):
                    return fault
        return None

    def planned(self, kind: CatalogueFault, name: str) -> Fault | None:
        """The fault of that kind that a file or station day has for good."""
        for number, fault in self._of_catalogue.get(kind, ()):
            if fnmatchcase(name, fault.path) and draw(self._seed, number, kind, name) < fault.probability:
                return fault
        return None

    def longest(self, kind: CatalogueFault) -> dt.timedelta:
        """The longest time after publication at which faults of that kind happen."""
        return dt.timedelta(days=max((fault.days for _, fault in self._of_catalogue.get(kind, ())), default=0.0))

    def _falls(self, number: int, fault: Fault, host: str, path: str) -> bool:
        key = (number, host, path)
        self._asked[key] += 1
        if fault.times is not None and self._struck[key] >= fault.times:
            return False
        if draw(self._seed, *key, self._asked[key]) >= fault.probability:
            return False
        self._struck[key] += 1
        return True


def random_faults(share: float, seconds: float = 0.0) -> tuple[Fault, ...]:
    """Every transient misbehaviour, so that about ``share`` of the requests of each host meet one.

    Parameters
    ----------
    share
        Of 0 to 1.
    seconds
        Of ``Retry-After`` and of slow bodies.
    """
    everywhere: tuple[FaultKind, ...] = ("throttled", "error_500", "error_503", "html", "down")
    files: tuple[FaultKind, ...] = ("reset", "truncated", "corrupted", "slow", "not_found")
    kinds: dict[HostName, tuple[FaultKind, ...]] = {
        "cmr": (*everywhere, "timed_out"), "login": ("throttled", "error_503", "down"), "data": everywhere,
        "signed": files, "glass": (*everywhere, *files), "gleam": ("down", "error_500", "reset", "corrupted"),
        "rda": (*everywhere, "page_cut"), "uscrn": (*everywhere, *files),
    }
    return tuple(
        Fault(kind=kind, host=host, probability=share / len(of_host), seconds=seconds)
        for host, of_host in kinds.items() for kind in of_host
    )


def draw(*parts: object) -> float:
    """A number of [0, 1) that the parts determine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _matches(pattern: str, path: str, query: str) -> bool:
    return fnmatchcase(path, pattern) or bool(query and fnmatchcase(f"{path}?{query}", pattern))
