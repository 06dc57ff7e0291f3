from __future__ import annotations

import hashlib
import struct
import subprocess
import zipfile
from pathlib import Path

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import ForeignFileError, GranuleCorruptError
from sm_core.sources.complete import check_complete, check_format
from tasks.adapters.fetch.protocol import Checksum
from tasks.adapters.fetch.verify import Cksum, verify
from tests.unit.loopback import Host, granule, name


def cksum(*blocks: bytes) -> str:
    crc = Cksum()
    for block in blocks:
        crc.update(block)
    return crc.hexdigest()


def test_cksum_equals_the_posix_tool() -> None:
    # printf '' | cksum; printf '123456789' | cksum
    assert cksum(b"") == "4294967295"
    assert cksum(b"123456789") == "930766865"
    content = granule(100_000, seed=3)
    told = subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout.split()[0]
    assert cksum(content) == told.decode()


@given(st.binary(max_size=300), st.integers(0, 300))
def test_cksum_does_not_depend_on_blocks(content: bytes, cut: int) -> None:
    assert cksum(content[:cut], content[cut:]) == cksum(content)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512", "cksum"])
def test_every_algorithm_accepts_the_right_and_refuses_the_wrong(tmp_path: Path, algorithm: str) -> None:
    content = granule(3000, seed=1)
    path = tmp_path / "partial"
    path.write_bytes(content)
    right = cksum(content) if algorithm == "cksum" else hashlib.new(algorithm, content).hexdigest()
    with Host() as host:
        listed = host.listed(5, content, checksum=Checksum(algorithm=algorithm, value=f" {right.upper()}"))
        assert verify(path, listed) == hashlib.sha256(content).hexdigest()
        wrong = listed.model_copy(update={"checksum": Checksum(algorithm=algorithm, value=right[:-1] + "x")})
        with pytest.raises(GranuleCorruptError, match="not the listed checksum"):
            verify(path, wrong)


def whole(path: Path, provider_name: str) -> None:
    check_format(path, provider_name)
    check_complete(path, provider_name)


@given(cut=st.integers(0, 2999))
def test_a_cut_hdf4_file_is_never_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "file"
    path.write_bytes(granule(3000, seed=1))
    whole(path, name(5))
    path.write_bytes(granule(3000, seed=1)[:cut])
    with pytest.raises((GranuleCorruptError, ForeignFileError)):
        whole(path, name(5))


def test_hdf4_blocks_that_point_at_each_other_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\x0e\x03\x13\x01" + struct.pack(">HI", 0, 4))
    with pytest.raises(GranuleCorruptError, match="cut off"):
        whole(path, name(5))


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_cut_hdf5_file_is_not_whole(tmp_path: Path, version: str) -> None:
    path = tmp_path / "file"
    with h5py.File(path, "w", libver=version) as file:
        file["x"] = list(range(1000))
    whole(path, "x.h5")
    content = path.read_bytes()
    for cut in (9, 30, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(GranuleCorruptError):
            whole(path, "x.nc")


def test_archives_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.stm", "1" * 1000)
    whole(path, "x.zip")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GranuleCorruptError):
        whole(path, "x.zip")
    path.write_text("\ufeff<?xml version='1.0'?>\n<response><body/></response>\n")
    whole(path, "x.xml")
    path.write_text("<?xml version='1.0'?>\n<response><bo")
    with pytest.raises(GranuleCorruptError):
        whole(path, "x.xml")
    for page in ("<html><body>no</body></html>", "  <!DOCTYPE HTML>\n<html></html>"):
        path.write_text(page)
        for provider_name in ("x.xml", "x.csv", "x.stm", "x.zip", "x.hdf", "x.h5"):
            with pytest.raises(ForeignFileError):
                whole(path, provider_name)
    path.write_text("")
    with pytest.raises(GranuleCorruptError, match="empty"):
        whole(path, "x.csv")
