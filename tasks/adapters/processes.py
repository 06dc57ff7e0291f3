"""Processes that are kept alive, and ended together with everything that they started. Linux."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sm_core.errors import ProcessError
from tasks.clock import seconds

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LONGEST_LOG = 20_000_000
_log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None)


class Part(NamedTuple):
    """A process that must stay alive; ``answers`` tells whether it serves."""

    name: str
    command: tuple[str, ...]
    answers: Callable[[], bool]
    environment: Mapping[str, str] = MappingProxyType({})


class Patience(NamedTuple):
    """How a part is restarted and ended [s]; one that died so often in a row before it settled cannot live."""

    first_pause: float = 1
    longest_pause: float = 60
    settled: float = 60
    deaths: int = 8
    start: float = 300
    silent: float = 300
    runs_end: float = 60
    end: float = 30
    look: float = 0.5
    ask: float = 30


@dataclass
class _Living:
    part: Part
    process: subprocess.Popen[bytes]
    since: float
    heard: float
    deaths: int = 0
    asked: float = 0
    again_at: float | None = field(default=None)


class Supervisor:
    """Starts parts, restarts those that die, ends all in the opposite order.

    Whatever a dead part leaves behind becomes this process's child, and is ended with the others.

    Parameters
    ----------
    environment
        What all parts get; each may add its own.
    logs
        Folder that each part's lines go to, ``<name>.log``; the last but one 20 MB are kept as ``<name>.log.1``.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path, patience: Patience | None = None) -> None:
        self._environment, self._logs, self._patience = dict(environment), logs, patience or Patience()
        self._living: list[_Living] = []
        self._told = threading.Event()
        logs.mkdir(parents=True, exist_ok=True)
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def end(self, *_: object) -> None:
        """Let ``watch`` come to its end; fit for a signal handler."""
        self._told.set()

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self._told.is_set()

    def start(self, *parts: Part) -> None:
        """Start parts and wait until all of them answer.

        Raises
        ------
        ProcessError   SM601, one died before it answered so often that it cannot live, or never answers.
        """
        now = seconds()
        silent = [_Living(part, self._spawn(part), now, now) for part in parts]
        self._living += silent
        while not self._told.is_set() and (silent := [living for living in silent if not self._asked(living)]):
            if seconds() - now > self._patience.start:
                raise ProcessError(f"{silent[0].part.name} does not answer after {self._patience.start:.0f} s; "
                                   f"{self._last_words(silent[0].part)}")
            for living in self._living:
                self._look(living)
            self._told.wait(self._patience.look)

    def watch(self) -> None:
        """Keep the parts alive until ``end``.

        Raises
        ------
        ProcessError   SM601, a part cannot live.
        """
        while not self._told.wait(self._patience.look):
            for living in self._living:
                self._look(living)
                self._listen(living)
            self._reap()

    def stop(self) -> None:
        """End everything: first the runs of the last part, which still have a server to report to, then the parts."""
        if self._living:
            self._end_runs(self._living[-1].process.pid)
        for living in reversed(self._living):
            _ended(living.process, self._patience.end)
        left = descendants(os.getpid())
        for pid in left:
            _send(pid, signal.SIGKILL)
        end = seconds() + self._patience.end
        while descendants(os.getpid()) and seconds() < end:
            self._reap()
            threading.Event().wait(0.05)
        self._living.clear()

    def _end_runs(self, worker: int) -> None:
        # A worker that is told itself ends its runs without a word to the server: 'Running' for ever
        told: set[int] = set()
        parts = {living.process.pid for living in self._living}
        end = seconds() + self._patience.runs_end
        while seconds() < end:
            children = _children()
            runs = {*children.get(worker, ()), *children.get(os.getpid(), ())} - parts
            if not runs:
                return
            for pid in runs - told:
                _send(pid, signal.SIGTERM)
            told |= runs
            self._reap()
            threading.Event().wait(0.1)

    def _look(self, living: _Living) -> None:
        now = seconds()
        if living.again_at is not None:
            if now >= living.again_at:
                living.process, living.since, living.heard, living.again_at = self._spawn(living.part), now, now, None
            return
        status = living.process.poll()
        if status is None:
            return
        living.deaths = 1 if now - living.since >= self._patience.settled else living.deaths + 1
        if living.deaths >= self._patience.deaths:
            raise ProcessError(f"{living.part.name} died {living.deaths} times in a row, last with status {status}; "
                               f"{self._last_words(living.part)}")
        pause = min(self._patience.longest_pause, self._patience.first_pause * 2 ** (living.deaths - 1))
        _log.warning("%s ended with status %d after %.0f s; again in %.0f s", living.part.name, status,
                     now - living.since, pause)
        living.again_at = now + pause

    def _listen(self, living: _Living) -> None:
        now = seconds()
        if living.again_at is not None or now - living.asked < self._patience.ask:
            return
        living.asked = now
        self._shorten(self._log_of(living.part))
        if not self._asked(living) and now - living.heard > self._patience.silent:
            _log.warning("%s has not answered for %.0f s and is started anew", living.part.name, now - living.heard)
            living.heard = now
            _ended(living.process, self._patience.end)

    def _asked(self, living: _Living) -> bool:
        if living.again_at is None and living.process.poll() is None and living.part.answers():
            living.heard = seconds()
            return True
        return False

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        with self._log_of(part).open("ab") as lines:
            return subprocess.Popen(part.command, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines,
                                    env={**self._environment, **part.environment}, start_new_session=True,
                                    preexec_fn=_begin)

    def _log_of(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _last_words(self, part: Part) -> str:
        path = self._log_of(part)
        lines = path.read_text(encoding="utf-8", errors="replace")[-2000:].split("\n")
        return f"{path} ends with: {' / '.join([line.strip() for line in lines if line.strip()][-2:])}"

    def _shorten(self, path: Path) -> None:
        if path.stat().st_size > LONGEST_LOG:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)

    def _reap(self) -> None:
        parts = {living.process.pid for living in self._living}
        for pid in set(_children().get(os.getpid(), ())) - parts:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def descendants(pid: int) -> tuple[int, ...]:
    """Every process below one, parents before children."""
    children, found = _children(), list[int]()
    waiting = list(children.get(pid, ()))
    while waiting:
        one = waiting.pop(0)
        found.append(one)
        waiting += children.get(one, ())
    return tuple(found)


def _children() -> dict[int, list[int]]:
    """Processes by their parent."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                found.setdefault(parent, []).append(int(entry.name))
    return found


def _begin() -> None:
    # A shell's `&` leaves SIGINT ignored, and Prefect's worker ends itself by it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _ended(process: subprocess.Popen[bytes], patience: float) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)

