"""The reader process: HDF4 files in, arrays out, over a pair of pipes.

The HDF4 C library may crash or hang on a damaged file, so it lives in a process of its own. One request is one line
of JSON ``{"path", "names", "rows", "seconds"}``; the answer is the length of a JSON header (8 bytes, little-endian),
the header, then the raw bytes of each array in the header's order. The first message is a header alone: ``{}`` when
the library could be loaded, else ``{"error": ...}``. End of input ends the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

SPARE_SECONDS = 5
MEMORY_BYTES = 4 * 2**30
"""A damaged file may claim dimensions of any size; a global 0.05-degree field needs 0.1 GB."""
STATM = Path("/proc/self/statm")


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the C library prints must not enter the replies
    try:
        from pyhdf.error import HDF4Error
    except ImportError as cause:
        _reply(replies, {"error": str(cause)}, [])
        return
    _limit_memory()
    _reply(replies, {}, [])
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # the kernel ends a hung read even when nobody is left to kill it
        signal.alarm(int(request["seconds"]) + SPARE_SECONDS)
        try:
            header, arrays = _read(request["path"], request["names"], request["rows"])
        except (HDF4Error, ValueError, TypeError, MemoryError) as cause:
            header, arrays = {"error": f"{type(cause).__name__}: {cause}"}, []
        signal.alarm(0)
        _reply(replies, {"path": request["path"], **header}, arrays)


def _limit_memory() -> None:
    if STATM.exists():
        used = int(STATM.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = used + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _read(
    path: str, names: list[str], rows: list[int] | None
) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    from pyhdf.SD import SD

    file = SD(path)
    try:
        shapes = {name: list(entry[1]) for name, entry in file.datasets().items()}
        fields, arrays = [], []
        for name in names:
            if name not in shapes:
                continue
            dataset = file.select(name)
            array = np.ascontiguousarray(dataset[rows[0]:rows[1]] if rows else dataset.get())
            fields.append({
                "name": name, "dtype": array.dtype.str, "shape": array.shape, "attributes": dataset.attributes(),
            })
            arrays.append(array)
            dataset.endaccess()
        return {"attributes": _texts(file), "shapes": shapes, "fields": fields}, arrays
    finally:
        file.end()


def _texts(file: Any) -> dict[str, str]:
    """The file's text attributes. ``attr().get()`` of pyhdf takes 25 ms for a padded one of 32 000 characters."""
    from pyhdf import hdfext
    from pyhdf.SD import SDC

    texts = {}
    for index in range(file.info()[1]):
        _, name, kind, length = hdfext.SDattrinfo(file._id, index)
        if kind in (SDC.CHAR8, SDC.UCHAR8):
            buffer = hdfext.array_byte(length)
            hdfext.SDreadattr(file._id, index, buffer)
            texts[name] = ctypes.string_at(int(buffer.this), length).rstrip(b"\0").decode("latin-1")
    return texts


def _reply(replies: BinaryIO, header: dict[str, Any], arrays: list[NDArray[Any]]) -> None:
    text = json.dumps(header).encode()
    replies.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        replies.write(array.data)
    replies.flush()


if __name__ == "__main__":
    main()
