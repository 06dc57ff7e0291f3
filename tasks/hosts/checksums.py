"""Checksums of what the hosts give away, as their catalogues state them."""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from pathlib import Path

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ONES = 0xFFFFFFFF


def posix_cksum(content: bytes) -> int:
    """POSIX ``cksum``: CRC-32 of the content and its length, most significant bit first.

    zlib computes the mirrored CRC, so bits are mirrored on the way in and out.

    >>> posix_cksum(b"123456789")
    930766865
    """
    length = len(content)
    size = length.to_bytes((length.bit_length() + 7) // 8, "little")
    crc = zlib.crc32((content + size).translate(_MIRRORED), _ONES)
    return int(f"{crc:032b}"[::-1], 2)


def checksum(path: Path, tail: bytes, algorithm: str) -> str:
    """Checksum of a file and what follows it, in the notation of the catalogue.

    Parameters
    ----------
    algorithm
        ``MD5``, ``SHA-256`` (hexadecimal) or ``POSIX`` (decimal).
    """
    stat = path.stat()
    return _checksum(path, stat.st_size, stat.st_mtime_ns, tail, algorithm)


@lru_cache(maxsize=1 << 16)
def _checksum(path: Path, size: int, mtime_ns: int, tail: bytes, algorithm: str) -> str:
    content = path.read_bytes() + tail
    if algorithm == "POSIX":
        return str(posix_cksum(content))
    digest = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
    return digest(content).hexdigest()
