"""HDF4 files, put together directly.

The C library keeps the path of a file inside the file, so the same granule in another folder has other bytes, and it
compresses a global field of 52 MB cell by cell when all but a small window is fill. Written here, a granule depends on
its content alone and the constant part of a field costs nothing. What is written is what the library writes for
scientific data sets with deflate compression: any HDF4 reader opens it.

References
----------
.. [1] The HDF Group, HDF Specification and Developer's Guide, version 4.2
.. [2] Deutsch and Gailly, ZLIB Compressed Data Format Specification, RFC 1950
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attribute = tuple[str, str | NDArray[Any]]
"""Name and value: text, or numbers whose type is the type stored."""

_VERSION, _COMPRESSED, _NUMBER_TYPE, _DIMENSIONS, _DATA, _DATA_GROUP = 30, 40, 106, 701, 702, 720
_VDATA, _VALUES, _VGROUP = 1962, 1963, 1965
_SPECIAL = 0x4000
_TEXT = 4
_TYPE_CODES = {"f4": 5, "f8": 6, "i1": 20, "u1": 21, "i2": 22, "u2": 23, "i4": 24, "u4": 25}
_VGROUP_END = bytes.fromhex("000000000003000000")
_VDATA_END = bytes.fromhex("00000000000300000003000000")
_BLANK_ROWS = 60
_ADLER_MODULUS = 65521


@dataclass(frozen=True, slots=True)
class Field:
    """A two-dimensional scientific data set, already compressed."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    stream: bytes
    attributes: tuple[Attribute, ...]
    level: int = 1

    @classmethod
    def of(
        cls, name: str, values: NDArray[Any], attributes: Sequence[Attribute], *, level: int = 1, noisy: bool = False
    ) -> Field:
        """Field with the given counts.

        ``level`` is the deflate level that the file states. ``noisy`` counts with a fill of 0 are packed by runs of
        single bytes, which takes half the time and is no larger.
        """
        rows, columns = values.shape
        stream = _joined([_piece(_big_endian(values), noisy=noisy)])
        return cls(name, values.dtype, (rows, columns), stream, tuple(attributes), level)

    @classmethod
    def window(
        cls, name: str, values: NDArray[Any], attributes: Sequence[Attribute], *, shape: tuple[int, int],
        row: int, column: int, fill: int, noisy: bool = False,
    ) -> Field:
        """Field of ``shape`` that is ``fill`` everywhere but in a window that starts at ``row``, ``column``."""
        margins = (0, 0), (column, shape[1] - column - values.shape[1])
        strip = np.pad(values, margins, constant_values=fill) if any(margins[1]) else values
        pattern = _big_endian(np.array([fill], values.dtype))
        below = shape[0] - row - values.shape[0]
        middle = _piece(_big_endian(strip), noisy=noisy)
        pieces = [*_blank(pattern, shape[1], row), middle, *_blank(pattern, shape[1], below)]
        return cls(name, values.dtype, shape, _joined(pieces), tuple(attributes))

    @classmethod
    def constant(cls, name: str, value: NDArray[Any], attributes: Sequence[Attribute], shape: tuple[int, int]) -> Field:
        """Field of ``shape`` that holds one ``value`` (an array of one element)."""
        pieces = _blank(_big_endian(value), shape[1], shape[0])
        return cls(name, value.dtype, shape, _joined(pieces), tuple(attributes))


def encode(fields: Sequence[Field], attributes: Sequence[Attribute], *, grid: str, name: str) -> bytes:
    """Content of an HDF4 file with one HDF-EOS grid.

    Parameters
    ----------
    fields
        Fields of the grid, all of one shape.
    attributes
        Of the file, in order.
    grid
        Name of the grid; dimensions are called ``YDim:<grid>`` and ``XDim:<grid>``.
    name
        Name that the file was given by its producer, stored inside.
    """
    refs = range(4, 4 + 2 * len(fields), 2)
    file = _File(first_free=4 + 2 * len(fields))
    file.add(_VERSION, 1, struct.pack(">3I80s", 4, 2, 10, b"HDF Version 4.2 Release 10, February 7, 2014"))
    for number, (ref, field) in enumerate(zip(refs, fields, strict=True), 1):
        file.compressed(field, ref + 1, number)
    members = file.vgroup([(_DATA_GROUP, ref) for ref in refs], "Data Fields", "GRID Vgroup", ref=3)
    file.vgroup([members, file.vgroup([], "Grid Attributes", "GRID Vgroup")], grid, "GRID", ref=2)
    rows, columns = fields[0].shape
    dimensions = [file.dimension(f"YDim:{grid}", rows), file.dimension(f"XDim:{grid}", columns)]
    variables = [file.variable(field, ref, dimensions) for ref, field in zip(refs, fields, strict=True)]
    described = [file.attribute(key, value) for key, value in attributes]
    file.vgroup([*dimensions, *variables, *described], name, "CDF0.0")
    return file.packed()


class _File:
    """Data elements under (tag, reference number), and the structures of which a scientific data set is made."""

    def __init__(self, first_free: int) -> None:
        self._elements: list[tuple[int, int, bytes | None]] = []
        self._free = first_free

    def add(self, tag: int, ref: int, data: bytes | None) -> tuple[int, int]:
        self._elements.append((tag, ref, data))
        return tag, ref

    def packed(self) -> bytes:
        offset = 4 + 6 + 12 * len(self._elements)
        descriptors, contents = [], []
        for tag, ref, data in self._elements:
            if data is None:
                descriptors.append(struct.pack(">HHii", tag, ref, -1, -1))
            else:
                descriptors.append(struct.pack(">HHii", tag, ref, offset, len(data)))
                contents.append(data)
                offset += len(data)
        head = b"\x0e\x03\x13\x01" + struct.pack(">HI", len(self._elements), 0)
        return b"".join([head, *descriptors, *contents])

    def compressed(self, field: Field, ref: int, number: int) -> None:
        size = field.shape[0] * field.shape[1] * field.dtype.itemsize
        header = struct.pack(">HHIHHHH", 3, 0, size, number, 0, 4, field.level)
        self.add(_DATA | _SPECIAL, ref, header)
        self.add(_COMPRESSED, number, field.stream)

    def vgroup(
        self, members: Sequence[tuple[int, int]], name: str, class_: str, *, ref: int | None = None
    ) -> tuple[int, int]:
        tags, refs = [tag for tag, _ in members], [number for _, number in members]
        count = len(members)
        data = struct.pack(f">H{count}H{count}H", count, *tags, *refs) + _text(name) + _text(class_) + _VGROUP_END
        return self.add(_VGROUP, self._next() if ref is None else ref, data)

    def dimension(self, name: str, size: int) -> tuple[int, int]:
        values = self._vdata("Values", name, "DimVal0.1", np.array([size], "i4"))
        return self.vgroup([values], name, "Dim0.0")

    def attribute(self, name: str, value: str | NDArray[Any]) -> tuple[int, int]:
        return self._vdata("VALUES", name, "Attr0.0", value)

    def variable(self, field: Field, ref: int, dimensions: Sequence[tuple[int, int]]) -> tuple[int, int]:
        members = [*dimensions, *(self.attribute(name, value) for name, value in field.attributes)]
        members.append(self._vdata("SDS variable", "", "SDSVar", np.empty(0, "f4")))
        number = self._next()
        code, bits = _TYPE_CODES[field.dtype.str[1:]], 8 * field.dtype.itemsize
        kind = self.add(_NUMBER_TYPE, number, bytes([1, code, bits, 1]))
        extent = self.add(
            _DIMENSIONS, number, struct.pack(">HII", 2, *field.shape) + 3 * struct.pack(">HH", *kind)
        )
        data = _DATA, ref + 1
        group = self.add(_DATA_GROUP, ref, struct.pack(">8H", *data, *kind, *extent, 721, number))
        return self.vgroup([*members, data, kind, extent, group], field.name, "Var0.0")

    def _vdata(self, field: str, name: str, class_: str, value: str | NDArray[Any]) -> tuple[int, int]:
        if isinstance(value, str):
            data = value.encode("latin-1")
            code, count, size, order = _TEXT, 1, len(data), len(data)
        else:
            data = _big_endian(value)
            code, count, size, order = _TYPE_CODES[value.dtype.str[1:]], value.size, value.dtype.itemsize, 1
        ref = self._next()
        self.add(_VALUES, ref, data or None)
        head = struct.pack(">HIHHHHHH", 0, count, size, 1, code, size, 0, order)
        return self.add(_VDATA, ref, head + _text(field) + _text(name) + _text(class_) + _VDATA_END)

    def _next(self) -> int:
        self._free += 1
        return self._free - 1


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of deflated bytes that needs nothing before it, with the checksum and length of its content."""

    deflated: bytes
    adler: int
    length: int


def _piece(content: bytes, *, level: int = 1, noisy: bool = False) -> _Piece:
    memory, strategy = (9, zlib.Z_RLE) if noisy else (6, zlib.Z_DEFAULT_STRATEGY)
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
    return _Piece(stream.compress(content) + stream.flush(zlib.Z_FULL_FLUSH), zlib.adler32(content), len(content))


@lru_cache(maxsize=16)
def _blank_piece(pattern: bytes, cells: int) -> _Piece:
    return _piece(pattern * cells, level=9)


def _blank(pattern: bytes, columns: int, rows: int) -> list[_Piece]:
    blocks, rest = divmod(rows, _BLANK_ROWS)
    return blocks * [_blank_piece(pattern, columns * _BLANK_ROWS)] + [_blank_piece(pattern, columns * rest)]


def _joined(pieces: Sequence[_Piece]) -> bytes:
    low, high = 1, 0
    for piece in pieces:
        high = (high + (piece.adler >> 16) + piece.length * (low - 1)) % _ADLER_MODULUS
        low = (low + (piece.adler & 0xFFFF) - 1) % _ADLER_MODULUS
    body = b"".join(piece.deflated for piece in pieces)
    return b"\x78\x01" + body + b"\x03\x00" + struct.pack(">HH", high, low)


def _big_endian(values: NDArray[Any]) -> bytes:
    return values.astype(values.dtype.newbyteorder(">"), copy=False).tobytes()


def _text(value: str) -> bytes:
    encoded = value.encode("latin-1")
    return struct.pack(">H", len(encoded)) + encoded
