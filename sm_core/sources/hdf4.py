"""HDF4 files, read by a process of their own so that a crash of the C library costs one granule, not the daemon."""

from __future__ import annotations

import atexit
import io
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from sm_core.errors import ConfigError, GranuleCorruptError, SchemaDriftError
from sm_core.sources.magic import check_magic
from sm_core.sources.packing import Packed

TIMEOUT_S = 60.0
_PROGRAM = Path(__file__).with_name("hdf4_child.py")


@dataclass(frozen=True)
class Hdf4File:
    """What was read of a file: its text attributes, the shape of every dataset in it, the datasets asked for."""

    attributes: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    fields: Mapping[str, Packed]


def read(
    path: Path, names: Sequence[str], *, rows: tuple[int, int] | None = None, timeout_s: float = TIMEOUT_S
) -> Hdf4File:
    """Read named datasets of an HDF4 file; threads and processes may call this at will.

    Parameters
    ----------
    path
        The file.
    names
        Datasets wanted; may be empty to learn the shapes only.
    rows
        First and last + 1 row (first dimension) of each dataset; None reads all.
    timeout_s
        A read that takes longer is ended. [s]

    Raises
    ------
    ForeignFileError      SM207, not HDF4.
    GranuleCorruptError   SM205, cut short, undecodable, or the C library crashed or hung on it.
    SchemaDriftError      SM206, a dataset asked for is not there.
    ConfigError           SM100, the reader process cannot start (pyhdf missing).
    """
    check_magic(path, "HDF4")
    _check_complete(path)
    header, body = READER.ask(path, names, rows, timeout_s)
    fields, offset = {}, 0
    for entry in header["fields"]:
        dtype = np.dtype(entry["dtype"])
        count = math.prod(entry["shape"])
        data = np.frombuffer(body, dtype, count, offset).reshape(entry["shape"])
        fields[entry["name"]] = Packed(data, entry["attributes"])
        offset += count * dtype.itemsize
    missing = [name for name in names if name not in fields]
    if missing:
        raise SchemaDriftError(f"{path.name} lacks {missing}", found=sorted(header["shapes"]))
    shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
    return Hdf4File(header["attributes"], shapes, fields)


def _check_complete(path: Path) -> None:
    """Every data descriptor of the file points inside the file; a file cut short has some that do not."""
    descriptor = np.dtype([("tag", ">u2"), ("ref", ">u2"), ("offset", ">i4"), ("length", ">i4")])
    size = path.stat().st_size
    with path.open("rb") as file:
        block, reach, seen = 4, 4, set[int]()
        while block:
            if block in seen:
                raise GranuleCorruptError(f"{path.name}: its descriptor blocks form a loop", offset=block)
            seen.add(block)
            file.seek(block)
            head = file.read(6)
            count, following = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
            raw = file.read(descriptor.itemsize * count)
            reach = max(reach, block + 6 + descriptor.itemsize * count)
            if reach > size:
                break
            entries = np.frombuffer(raw, descriptor)
            used = (entries["tag"] > 1) & (entries["offset"] >= 0) & (entries["length"] > 0)
            ends = entries["offset"][used].astype(np.int64) + entries["length"][used]
            reach = max(reach, int(ends.max(initial=0)))
            block = following
    if reach > size:
        raise GranuleCorruptError(f"{path.name} is cut short", bytes=size, needed=reach)


class _Child:
    """A reader process and our ends of its pipes."""

    def __init__(self) -> None:
        # -P: the folder of the program holds an inspect.py that must not hide the standard library's
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True,
        )
        self._requests = cast(io.RawIOBase, self.process.stdin)
        self._replies = cast(io.RawIOBase, self.process.stdout)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, request: Mapping[str, object]) -> None:
        self._requests.write(json.dumps(request).encode() + b"\n")

    def receive(self) -> tuple[dict[str, Any], memoryview]:
        length = int.from_bytes(self._exactly(8), "little")
        header: dict[str, Any] = json.loads(bytes(self._exactly(length)))
        size = sum(
            np.dtype(entry["dtype"]).itemsize * math.prod(entry["shape"]) for entry in header.get("fields", ())
        )
        return header, self._exactly(size)

    def close_pipes(self) -> None:
        self._requests.close()
        self._replies.close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.close_pipes()

    def _exactly(self, count: int) -> memoryview:
        view = memoryview(bytearray(count))
        done = 0
        while done < count:
            got = self._replies.readinto(view[done:])
            if not got:
                raise EOFError
            done += got
        return view


class _Reader:
    """The one reader process of this process: started when first needed, replaced after it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None while none runs."""
        child = self._child
        return child.process.pid if child and child.alive else None

    def ask(
        self, path: Path, names: Sequence[str], rows: tuple[int, int] | None, timeout_s: float
    ) -> tuple[dict[str, Any], memoryview]:
        request = {"path": str(path), "names": list(names), "rows": rows, "seconds": math.ceil(timeout_s)}
        with self._lock:
            child = self._running()
            guard = threading.Timer(timeout_s, child.process.kill)
            guard.daemon = True
            guard.start()
            header: dict[str, Any] = {}
            try:
                child.send(request)
                header, body = child.receive()
            except (EOFError, OSError) as cause:
                child.process.kill()
                status = child.process.wait()
                raise GranuleCorruptError(
                    f"the HDF4 reader ended while reading {path.name}", status=status, limit_s=timeout_s
                ) from cause
            finally:
                guard.cancel()
                # an interrupted exchange would leave this answer to the next question
                if header.get("path") != str(path):
                    self._stop()
        if "error" in header:
            raise GranuleCorruptError(f"{path.name} cannot be read: {header['error']}")
        return header, body

    def close(self) -> None:
        """End the reader process, if any, also in the middle of a read."""
        child = self._child
        if child:
            child.process.kill()
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """After a fork: the process belongs to the parent, only our ends of its pipes are closed."""
        self._lock = threading.Lock()
        child, self._child = self._child, None
        if child:
            child.close_pipes()
            child.process.returncode = 0  # not ours to wait for

    def _running(self) -> _Child:
        if self._child and self._child.alive:
            return self._child
        self._stop()
        self._child = child = _Child()
        try:
            failure = child.receive()[0].get("error")
        except EOFError:
            failure = "it ended at once"
        if failure:
            self._stop()
            raise ConfigError(f"the HDF4 reader does not start: {failure}")
        return child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child:
            child.end()


READER = _Reader()
atexit.register(READER.close)
os.register_at_fork(after_in_child=READER.forget)
