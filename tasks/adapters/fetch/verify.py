"""Is what came what the provider lists? Size, checksum, format, and nothing missing at the end."""

from __future__ import annotations

import hashlib
import sys
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np

from sm_core.errors import ForeignFileError, GranuleCorruptError
from sm_core.sources.complete import check_complete, check_format
from tasks.adapters.fetch.protocol import Checksum, Listed

_BLOCK = 1 << 16
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_PAIRS = np.frombuffer(b"".join(number.to_bytes(2, sys.byteorder).translate(_REVERSED) for number in range(1 << 16)),
                       np.uint16)


class Digest(Protocol):
    """A checksum under way, as :mod:`hashlib` has it."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Cksum:
    """POSIX ``cksum``: CRC-32 with the highest bit first, the length appended. Its digest is decimal.

    :func:`zlib.crc32` takes the lowest bit first; of bytes with their bits in reverse it gives the reverse of this
    one.

    >>> crc = Cksum()
    >>> crc.update(b"a")
    >>> crc.hexdigest()
    '1220704766'
    """

    def __init__(self) -> None:
        self._crc, self._size = 0xFFFFFFFF, 0

    def update(self, data: bytes, /) -> None:
        # Two bytes at a time, outside the interpreter's lock: faster than bytes.translate, and others can go on
        even = len(data) & ~1
        crc = zlib.crc32(_PAIRS.take(np.frombuffer(data, np.uint16, even // 2)).data, self._crc)
        self._crc = zlib.crc32(data[even:].translate(_REVERSED), crc)
        self._size += len(data)

    def hexdigest(self) -> str:
        length = self._size.to_bytes((self._size.bit_length() + 7) // 8, "little")
        crc = zlib.crc32(length.translate(_REVERSED), self._crc)
        return str(int(f"{crc:032b}"[::-1], 2))


class Digests:
    """SHA-256, and the checksum that the provider states, of content on its way."""

    def __init__(self, listed: Listed) -> None:
        algorithms = {"sha256", listed.checksum.algorithm} if listed.checksum else {"sha256"}
        self._digests = {algorithm: _new(algorithm) for algorithm in algorithms}

    @classmethod
    def of_file(cls, path: Path, listed: Listed) -> Digests:
        """Those of a file's content."""
        digests = cls(listed)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digests.update(block)
        return digests

    def update(self, data: bytes) -> None:
        for digest in self._digests.values():
            digest.update(data)

    def __getitem__(self, algorithm: str) -> str:
        return self._digests[algorithm].hexdigest()


def begins_right(path: Path, listed: Listed) -> None:
    """Raise when the content at ``path``, complete or not, cannot be the beginning of that file.

    Raises
    ------
    GranuleCorruptError   SM205, another format, a web page, or nothing.
    """
    try:
        check_format(path, listed.name)
    except (ForeignFileError, GranuleCorruptError) as cause:
        raise GranuleCorruptError(f"{listed.name}: not what its name says: {cause}") from cause


def verify(path: Path, listed: Listed, digests: Digests | None = None) -> str:
    """The sha256 of the content at ``path``, once it has been found to be the listed edition.

    Parameters
    ----------
    digests
        Those of the whole content, if they were made while it came; else the file is read.

    Raises
    ------
    GranuleCorruptError   SM205, not the size, checksum or format that the provider states, or cut off.
    """
    begins_right(path, listed)
    size = path.stat().st_size
    if listed.size is not None and size != listed.size:
        raise GranuleCorruptError(f"{listed.name}: not the listed size", bytes=size, listed=listed.size)
    stated = listed.checksum
    found = digests or Digests.of_file(path, listed)
    if stated and not _same(found[stated.algorithm], stated):
        raise GranuleCorruptError(
            f"{listed.name}: not the listed checksum", algorithm=stated.algorithm, listed=stated.value[:128],
            found=found[stated.algorithm],
        )
    check_complete(path, listed.name)
    return found["sha256"]


def _new(algorithm: str) -> Digest:
    return Cksum() if algorithm == "cksum" else hashlib.new(algorithm, usedforsecurity=False)


def _same(found: str, stated: Checksum) -> bool:
    value = stated.value.strip().lower()
    return found == (value.lstrip("0") or "0" if stated.algorithm == "cksum" else value)
