"""The HDF4 container against the C library, and its metadata texts."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V  # noqa: F401  (gives HDF its vgstart)

from sm_core.twin.writers import hdf4, odl
from sm_core.twin.writers.atomic import replacing

VERSION, COMPRESSED, VGROUP, GROUP_OF_DATA = 30, 40, 1965, 720
COUNTS = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
FLAGS = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)


def elements(content: bytes) -> list[tuple[int, int, bytes]]:
    """(tag, reference, content) of every element of an HDF4 file with one descriptor block."""
    assert content[:4] == b"\x0e\x03\x13\x01"
    count, following = struct.unpack(">HI", content[4:10])
    assert following == 0
    found = [struct.unpack(">HHii", content[10 + 12 * n:22 + 12 * n]) for n in range(count)]
    return [(tag, ref, content[at:at + size] if at >= 0 else b"") for tag, ref, at, size in found if tag != 1]


def written_here() -> bytes:
    fields = [
        hdf4.Field.of("LST", COUNTS, [
            ("long_name", "Temperature"), ("valid_range", np.array([7500, 65535], np.uint16)),
            ("_FillValue", np.array([0], np.uint16)), ("scale_factor", np.array([0.02])),
            ("calibrated_nt", np.array([5], np.int32))]),
        hdf4.Field.of("QC", FLAGS, [("Number Type", "int8")]),
    ]
    return hdf4.encode(fields, [("HDFEOSVersion", "HDFEOS_V2.19")], grid="G", name="peer.hdf")


def write_with_the_library(path: Path) -> None:
    sd = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    sd.attr("HDFEOSVersion").set(SDC.CHAR, "HDFEOS_V2.19")
    refs = []
    for name, kind, values in (("LST", SDC.UINT16, COUNTS), ("QC", SDC.INT8, FLAGS)):
        sds = sd.create(name, kind, values.shape)
        sds.dim(0).setname("YDim:G")
        sds.dim(1).setname("XDim:G")
        sds.setcompress(SDC.COMP_DEFLATE, 1)
        if name == "LST":
            sds.attr("long_name").set(SDC.CHAR, "Temperature")
            sds.attr("valid_range").set(SDC.UINT16, [7500, 65535])
            sds.setfillvalue(0)
            sds.attr("scale_factor").set(SDC.FLOAT64, 0.02)
            sds.attr("calibrated_nt").set(SDC.INT32, 5)
        else:
            sds.attr("Number Type").set(SDC.CHAR, "int8")
        sds[:] = values
        refs.append(sds.ref())
        sds.endaccess()
    sd.end()
    file = HDF(str(path), HC.WRITE)
    groups = file.vgstart()
    made = []
    for name, class_ in (("G", "GRID"), ("Data Fields", "GRID Vgroup"), ("Grid Attributes", "GRID Vgroup")):
        group = groups.create(name)
        group._class = class_
        made.append(group)
    for ref in refs:
        made[1].add(HC.DFTAG_NDG, ref)
    for group in made[1:]:
        made[0].insert(group)
    for group in reversed(made):
        group.detach()
    groups.end()
    file.close()


def neutral(tag: int, content: bytes) -> tuple[int, bytes]:
    """Elements without the reference numbers that they point at, which depend on the order of writing; unpacked."""
    if tag == COMPRESSED:
        return tag, zlib.decompress(content)
    if tag == VGROUP:
        (count,) = struct.unpack(">H", content[:2])
        return tag, bytes(sorted(content[2:2 + 2 * count])) + content[2 + 4 * count:]
    if tag in (701, GROUP_OF_DATA):
        return tag, content[:10] if tag == 701 else content[::4]
    return tag, content if tag != 702 | 0x4000 else content[:8] + content[10:]


def test_same_elements_as_the_c_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "peer.hdf"
    write_with_the_library(path)
    theirs = [(tag, content) for tag, _, content in elements(path.read_bytes()) if tag != VERSION]
    ours = [(tag, content) for tag, _, content in elements(written_here()) if tag != VERSION]
    theirs = [(tag, content.replace(struct.pack(">H", len(str(path))) + str(path).encode(), b"\0\x08peer.hdf"))
              for tag, content in theirs]
    assert Counter(neutral(*element) for element in ours) == Counter(neutral(*element) for element in theirs)


def test_the_library_reads_it_back(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf"
    path.write_bytes(written_here())
    sd = SD(str(path))
    assert sd.attributes() == {"HDFEOSVersion": "HDFEOS_V2.19"}
    assert sd.datasets() == {
        "LST": (("YDim:G", "XDim:G"), (3, 4), SDC.UINT16, 0), "QC": (("YDim:G", "XDim:G"), (3, 4), SDC.INT8, 1)}
    assert np.array_equal(sd.select("LST")[:], COUNTS)
    assert np.array_equal(sd.select("QC")[:], FLAGS)
    assert sd.select("LST").getcompress() == (SDC.COMP_DEFLATE, 1)
    sd.end()


@given(
    rows=st.integers(1, 200), columns=st.integers(1, 7), row=st.integers(0, 130), height=st.integers(1, 70),
    column=st.integers(0, 3), width=st.integers(1, 4), fill=st.sampled_from([0, -9999, -1]),
)
def test_window_field_equals_the_whole_array(
    rows: int, columns: int, row: int, height: int, column: int, width: int, fill: int
) -> None:
    shape = row + height + rows, column + width + columns
    window = np.arange(height * width, dtype=np.int16).reshape(height, width)
    whole = np.full(shape, fill, np.int16)
    whole[row:row + height, column:column + width] = window
    field = hdf4.Field.window("f", window, [], shape=shape, row=row, column=column, fill=fill)
    assert zlib.decompress(field.stream) == whole.astype(">i2").tobytes()


@pytest.mark.parametrize("shape", [(60, 5), (1, 1), (1200, 7), (59, 3)])
def test_constant_field(shape: tuple[int, int]) -> None:
    field = hdf4.Field.constant("f", np.array([513], np.uint16), [], shape)
    assert zlib.decompress(field.stream) == np.full(shape, 513, ">u2").tobytes()


@pytest.mark.parametrize("noisy", [False, True])
def test_counts_survive_either_way_of_packing(noisy: bool) -> None:
    counts = np.random.default_rng(1).integers(0, 65535, (40, 30)).astype(np.uint16)
    field = hdf4.Field.of("f", counts, [], noisy=noisy)
    assert zlib.decompress(field.stream) == counts.astype(">u2").tobytes()


def test_long_lists_break_after_an_opening_quote() -> None:
    names = tuple(f"MOD021KM.A2019305.{n:04d}.061.2019306130120.hdf" for n in range(12))
    text = odl.render(odl.group("M", odl.Value("INPUTPOINTER", names)))
    broken = [line for line in text.splitlines() if "hdf" in line]
    assert len(broken) > 1
    assert all(line.endswith(', "') for line in broken[:-1])
    assert all(line.startswith("          MOD021KM") for line in broken[1:])
    assert text.replace("\n          MOD", "MOD").count('"MOD021KM') == 12


def test_replacing_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("first")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("second")
        _ = 1 / 0
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text() == "first"
